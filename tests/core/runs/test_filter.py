"""Areas on an embedding: what they hold against scikit-image, their way through a URL, and nonsense."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from skimage.measure import points_in_poly

from core.runs.filter import MOST_CORNERS, Area


def test_an_area_holds_what_scikit_image_says():
    generator = np.random.default_rng(0)
    angles = np.sort(generator.uniform(0, 2 * np.pi, 40))
    radii = generator.uniform(1, 5, 40)
    area = Area.drawn("features", list(radii * np.cos(angles)), list(radii * np.sin(angles)))
    assert area is not None
    x, y = generator.uniform(-6, 6, (2, 2000))
    expected = points_in_poly(np.column_stack([x, y]), area.corners)
    assert 100 < expected.sum() < 1900
    assert_array_equal(area.holds(x, y), expected)
    assert not area.holds(np.array([np.nan, 0.0]), np.array([0.0, np.nan])).any()


def test_a_box_is_given_by_two_corners():
    area = Area.drawn("maps", [3, -1], [2, 5])
    assert area is not None
    assert_array_equal(area.holds(np.array([0.0, 2.9, 3.1]), np.array([3.0, 2.1, 3.0])), [True, True, False])


def test_an_area_survives_a_url_and_a_long_lasso_keeps_its_shape():
    angles = np.linspace(0, 2 * np.pi, 700, endpoint=False)
    area = Area.drawn("features", list(40 * np.cos(angles)), list(40 * np.sin(angles)))
    assert area is not None
    assert len(area.corners) <= MOST_CORNERS
    assert Area.parse(str(area)) == area
    assert len(str(area)) < 1200
    x, y = np.random.default_rng(0).uniform(-50, 50, (2, 5000))
    assert np.mean(area.holds(x, y) == (np.hypot(x, y) < 40)) > 0.99


@pytest.mark.parametrize(
    "corners", ["", "1,2;3", "1,2;3,x;4,5", "1,2;nan,3;4,inf", "1,2;1,2;1,2", ";".join(["1,2", "3,4", "5,7"] * 100)]
)
def test_what_is_no_area_is_none(corners):
    assert Area.parse(f"features:{corners}") is None
