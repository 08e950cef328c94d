"""The detector of patches: what a score sees, and that the margin is the mean of the scores and of nothing else."""

from pathlib import Path

import numpy as np
import pytest
import torch

from core.detectors.patch import FIELDS, PatchNetwork
from core.detectors.storage import load_detector, save_detector
from core.explainers.exact import EXACT, spread_scores
from core.explainers.explainer import AnyExplainer
from core.explainers.lime.regions import LIME
from core.explainers.registry import find_explainer
from tests.conftest import make_detector, make_patch, textured

PIXELS = textured(3, fine=True, seed=5)


@pytest.mark.parametrize("field", FIELDS)
def test_a_score_depends_on_its_own_patch_alone(field: int) -> None:
    detector = make_patch(field)
    inputs = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0), requires_grad=True)
    scores = detector.network.scores(detector.network.features(inputs))[0, 0]
    assert len(scores) == (32 - field) // 2 + 1
    for row, column in ((0, 0), (2, 3), (len(scores) - 1, 0)):
        (gradient,) = torch.autograd.grad(scores[row, column], inputs, retain_graph=True)
        seen = np.argwhere(gradient[0].abs().sum(0).numpy() > 0)
        assert (seen >= (2 * row, 2 * column)).all()
        assert (seen < (2 * row + field, 2 * column + field)).all()
        # no smaller square holds all that it depends on
        assert np.ptp(seen, axis=0).max() == field - 1


@pytest.mark.parametrize("field", FIELDS)
def test_the_margin_is_the_mean_score_of_patches_cut_out_one_by_one(field: int) -> None:
    detector = make_patch(field)
    corners = [(y, x) for y in range(0, 32 - field + 1, 2) for x in range(0, 32 - field + 1, 2)]
    for image, margin, scores in zip(PIXELS, detector.margins(PIXELS), detector.patch_scores(PIXELS), strict=True):
        patches = np.stack([image[y : y + field, x : x + field] for y, x in corners])
        with torch.no_grad():
            alone = detector.network(detector.inputs(patches))
        alone = (alone[:, 1] - alone[:, 0]).numpy()
        assert np.ptp(alone) > 0.1
        np.testing.assert_allclose(scores.ravel(), alone, atol=1e-5)
        assert margin == pytest.approx(alone.mean(), abs=1e-5)
    computed = detector.full_pass(PIXELS)
    assert computed.features.shape == (3, 128)
    np.testing.assert_allclose(computed.needed_maps.mean((1, 2)) + detector.bias, computed.margins, atol=1e-5)


@pytest.mark.parametrize("field", FIELDS)
def test_the_exact_map_adds_up_to_the_margin(field: int) -> None:
    detector = make_patch(field)
    scores = detector.patch_scores(PIXELS)
    for number, found in enumerate(EXACT.explain_batch(detector, PIXELS, EXACT.settings())):
        assert found.map.sum() == pytest.approx(float(detector.margins(PIXELS)[number]), abs=1e-4)
        expected = np.zeros((32, 32))
        for (row, column), score in np.ndenumerate(scores[number]):
            expected[2 * row : 2 * row + field, 2 * column : 2 * column + field] += (
                score / scores[number].size / field**2
            )
        np.testing.assert_allclose(found.map, expected, atol=1e-6)
    assert spread_scores(np.ones((2, 2)), side=8, field=5, stride=2).sum() == pytest.approx(1)


def test_only_detectors_of_patches_have_it(tmp_path: Path) -> None:
    save_detector(tmp_path / "patch", make_patch(5), model_card="")
    read = load_detector(tmp_path / "patch", device="cpu")
    assert (read.kind, read.config, read.target_layer) == ("patch", {"field": 5}, "features")
    np.testing.assert_array_equal(read.margins(PIXELS), make_patch(5).margins(PIXELS))
    for offers in (read, read.about):
        assert not EXACT.unavailable(offers)
    assert EXACT.unavailable(make_detector()) == "Exact map needs patch scores, which this detector does not offer."
    with pytest.raises(ValueError, match="side of a patch must be 5, 9, 13, 17 pixels, not 7"):
        PatchNetwork(7)
    methods: tuple[AnyExplainer, ...] = (LIME, find_explainer("gradcam"), find_explainer("integrated_gradients"))
    for method in methods:
        assert np.isfinite(method.explain_fully(read, PIXELS[0]).map).all()
