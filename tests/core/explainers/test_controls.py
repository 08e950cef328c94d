import numpy as np
import pytest

from core.explainers.deletion import area_map, centre_map, edge_map


def test_edges_are_large_where_the_image_changes_and_zero_where_it_does_not() -> None:
    image = np.full((32, 32, 3), 40, np.uint8)
    image[:, 16:] = 200
    found = edge_map(image)
    assert found.shape == (32, 32)
    # Sobel of a step of 160: (1 + 2 + 1) x 160 on the two columns beside it
    np.testing.assert_allclose(found[:, 15:17], 640.0**2, rtol=1e-4)
    np.testing.assert_allclose(np.delete(found, (15, 16), axis=1), 0, atol=1e-6)
    # colours of one luma have no edge
    image[:, :16], image[:, 16:] = (100, 0, 0), (0, 0, 0)
    assert edge_map(image)[10, 15] == pytest.approx((4 * 0.299 * 100) ** 2, rel=1e-4)


def test_the_middle_is_highest_and_the_same_from_every_side() -> None:
    found = centre_map(32, 32)
    assert found.shape == (32, 32)
    assert np.unravel_index(found.argmax(), found.shape) in {(15, 15), (15, 16), (16, 15), (16, 16)}
    np.testing.assert_allclose(found, found[::-1])
    np.testing.assert_allclose(found, found.T)
    assert (np.diff(found[16, 16:]) < 0).all()


def test_area_is_that_of_each_pixels_segment() -> None:
    segments = np.array([[0, 0, 1], [0, 2, 2]])
    np.testing.assert_array_equal(area_map(segments), [[3, 3, 1], [3, 2, 2]])
