"""Areas on an embedding: what they hold, their way through a URL, and nonsense."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from core.runs.filter import MOST_CORNERS, Area


def test_a_box_is_given_by_two_corners():
    area = Area.drawn("maps", [3, -1], [2, 5])
    assert_array_equal(area.holds(np.array([0.0, 2.9, 3.1]), np.array([3.0, 2.1, 3.0])), [True, True, False])
    assert not area.holds(np.array([np.nan, 0.0]), np.array([3.0, np.nan])).any()


def test_an_area_survives_a_url_and_a_long_lasso_keeps_its_shape():
    angles = np.linspace(0, 2 * np.pi, 700, endpoint=False)
    area = Area.drawn("features", list(40 * np.cos(angles)), list(40 * np.sin(angles)))
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
