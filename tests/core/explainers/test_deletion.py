"""Deletion and insertion curves against torchcam's and plain loops; control maps."""

import numpy as np
import pytest
from numpy.typing import NDArray
from torchcam.metrics import DeletionInsertionMetric

from core.detectors.detector import Detector
from core.explainers.deletion import areas, deletion_curves, edge_map
from core.explainers.lime.segmentation import segment
from core.images.labels import FAKE, REAL
from core.perturbations.masking import Fill, fill_image
from tests.core.given_map import GivenMap

GRID = segment(np.zeros((32, 32, 3), np.uint8), method="grid", n_segments=64)


@pytest.mark.parametrize("fill", ["blur", "black"])
def test_areas_are_those_of_torchcams_metric(fill: Fill, tiny_detector: Detector, pixels: NDArray[np.uint8]) -> None:
    """With a segment a pixel, as torchcam ranks pixels."""
    each = np.arange(1024).reshape(32, 32)
    for number, image in enumerate(pixels[::8]):
        values = np.random.default_rng(number).normal(size=(32, 32))
        ours = deletion_curves(tiny_detector.margins, image, each, values=values.reshape(1, -1), fills=[fill], steps=8)
        metric = DeletionInsertionMetric(
            GivenMap(tiny_detector, values),  # type: ignore[arg-type]
            steps=8,
            baseline=tiny_detector.inputs(fill_image(image, each, fill=fill)[None]),
        )
        metric.update(tiny_detector.inputs(image[None]), targets=lambda logits: logits[REAL] - logits[FAKE])
        found = metric.summary()
        np.testing.assert_allclose(areas(ours.deletion)[0, 0], found["deletion_auc"], rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(areas(ours.insertion)[0, 0], found["insertion_auc"], rtol=1e-3, atol=1e-4)


def plain(
    detector: Detector,
    image: NDArray[np.uint8],
    segments: NDArray[np.integer],
    *,
    values: NDArray[np.float64],
    fill: Fill,
    steps: int,
) -> list[tuple[float, float]]:
    """The same curves one image and one step at a time."""
    filled = fill_image(image, segments, fill=fill)
    order = sorted(range(len(values)), key=lambda number: -values[number])
    points = []
    for step in range(steps + 1):
        first = np.isin(segments, order[: round(step * len(values) / steps)])[..., None]
        pair = [np.where(first, filled, image), np.where(first, image, filled)]
        points.append(tuple(float(detector.margins(one[None])[0]) for one in pair))
    return points


@pytest.mark.parametrize("steps", [8, 5])
def test_curves_of_several_maps_and_fills_at_once_are_those_of_a_plain_loop(
    steps: int, tiny_detector: Detector, pixels: NDArray[np.uint8]
) -> None:
    fills: list[Fill] = ["mean", "blur", "texture"]
    for image in pixels[::12]:
        segments = segment(image)
        values = np.random.default_rng(1).normal(size=(3, int(segments.max()) + 1))
        found = deletion_curves(tiny_detector.margins, image, segments, values=values, fills=fills, steps=steps)
        assert found.deletion.shape == found.insertion.shape == (3, 3, steps + 1)
        for number, one in enumerate(values):
            for at, fill in enumerate(fills):
                expected = np.array(plain(tiny_detector, image, segments, values=one, fill=fill, steps=steps))
                np.testing.assert_allclose(found.deletion[number, at], expected[:, 0], rtol=1e-3, atol=1e-4)
                np.testing.assert_allclose(found.insertion[number, at], expected[:, 1], rtol=1e-3, atol=1e-4)


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
