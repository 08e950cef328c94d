"""LIME on a grid against the lime package with the same regions."""

import numpy as np
import pytest
import torch
from lime.lime_image import LimeImageExplainer
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from core.detectors.detector import Detector
from core.explainers.lime.regions import LIME, LIME_GRID, GridSettings, LimeSettings
from core.explainers.settings import ExplanationError
from core.images.labels import REAL
from tests.conftest import make_detector, textured
from tests.core.detectors.plain import CLASSES, PREPROCESSING, SIDE, Plain, PlainDetector


@pytest.mark.parametrize("cells", [4, 5, 8])
def test_the_weights_are_the_packages_with_the_same_regions(cells: int) -> None:
    detector = make_detector(width=2, seed=1)
    squares = np.add.outer(np.arange(32) * cells // 32 * cells, np.arange(32) * cells // 32)

    def classifier(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        with torch.inference_mode():
            logits = detector.network(detector.inputs(pixels)).double().numpy()
        margins = logits[:, 1] - logits[:, 0]
        return np.stack([-margins, margins], axis=1)

    for seed, image in enumerate(textured(8, fine=True, seed=5)):
        settings = GridSettings(cells=cells, n_samples=150, seed=seed, sampling="random")
        found = LIME_GRID.explain_fully(detector, image, settings)
        np.testing.assert_array_equal(found.regions, squares)
        package = LimeImageExplainer(random_state=seed).explain_instance(
            image,
            classifier,
            top_labels=2,
            num_samples=150,
            segmentation_fn=lambda _image: squares,
            # alpha grows with the samples, and is the package's 1 for 1,000
            model_regressor=Ridge(alpha=0.15, fit_intercept=True),
        )
        weights = dict(package.local_exp[REAL])
        expected = np.array([weights[number] for number in range(cells**2)])
        np.testing.assert_allclose(found.parts.weights, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())
        np.testing.assert_array_equal(found.map, found.parts.weights[squares])


def test_the_one_square_that_the_detector_sees_comes_first(
    red_detector: Detector, red_patch: NDArray[np.uint8]
) -> None:
    result = LIME_GRID.explain_fully(red_detector, red_patch, GridSettings(n_samples=512))
    expected = np.zeros((8, 8))
    expected[5, 2] = 1
    np.testing.assert_array_equal(result.parts.decisions.reshape(8, 8), expected)
    assert not result.undecided[20:24, 8:12].any()
    assert result.undecided.sum() == 1024 - 16


def test_it_is_lime_cut_by_the_same_grid(red_detector: Detector, image: NDArray[np.uint8]) -> None:
    grid = LIME_GRID.explain_fully(red_detector, image, GridSettings(cells=4, n_samples=64))
    same = LIME.explain_fully(red_detector, image, LimeSettings(segmentation="grid", n_segments=16, n_samples=64))
    np.testing.assert_array_equal(grid.map, same.map)
    assert grid.diagnostics.numbers == same.diagnostics.numbers
    # the number of squares is no aim
    assert grid.diagnostics.sentence.startswith("16 segments, ")


def test_more_regions_than_can_be_weighed_are_refused() -> None:
    large = PlainDetector(Plain(4), PREPROCESSING, CLASSES)
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    with pytest.raises(ExplanationError, match="LIME on a grid weighs at most 1,024 regions, not 1,600; ask for fewer"):
        LIME_GRID.explain_fully(large, image, GridSettings(cells=40))


def test_more_cells_than_pixels_are_refused(red_detector: Detector, image: NDArray[np.uint8]) -> None:
    every = GridSettings(cells=32, n_samples=4, sampling="random")
    assert LIME_GRID.explain_fully(red_detector, image, every).regions.max() == 1023
    with pytest.raises(ExplanationError, match="cells must be from 1 to the image's 32 pixels a side, not 33"):
        LIME_GRID.explain_fully(red_detector, image, GridSettings(cells=33))
