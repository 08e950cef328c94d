"""Explanations beside the exact map: against patches cut out one by one, and planted maps that are right or wrong."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.testing import assert_allclose
from scipy import ndimage
from scipy.stats import spearmanr

from core.detectors.local_networks import PatchDetector
from core.detectors.resnet import round_to_float16
from core.explainers.cam import GRADCAM
from core.explainers.exact import EXACT, stored_exact_map
from core.explainers.explainer import BatchExplainer
from core.explainers.explanation import Diagnostics
from core.explainers.lime import LIME
from core.explainers.settings import ExplainerSettings
from core.findings.answer import answer_of
from core.perturbations.masking import FILLS
from core.studies.questions.truth import CONTROLS, SUM, TRUTHS, compute, conclude, make_study, nearness
from core.studies.runner import run_study
from core.studies.shared import explanations
from core.studies.store import read_study
from core.studies.study import StudyError
from tests.conftest import make_patch, make_set, textured
from tests.core.trust_cues import write_source

STUDY = make_study()
SIDE = 32
FIELD = 9
ROWS = np.arange(1, 11)
CORNERS = [(y, x) for y in range(0, SIDE - FIELD + 1, 2) for x in range(0, SIDE - FIELD + 1, 2)]


class Planted(BatchExplainer):
    """Returns the exact map times a factor."""

    settings = ExplainerSettings

    def __init__(self, name, factor):
        self.name = self.title = name
        self.factor = factor

    def explain_part(self, detector, pixels, settings, cancel):
        for exact in EXACT.explain_batch(detector, pixels, EXACT.settings(), cancel=cancel):
            values = self.factor * exact.values
            yield {"margin": exact.margin, "values": values, "unit": "margin", "diagnostics": Diagnostics()}

    def cost(self, settings):
        return 1


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Twelve images, half of them called REAL by a detector of patches."""
    pixels = textured(12, fine=True, seed=5)
    made = make_patch(FIELD)
    made.network.scores.bias.data -= np.median(made.margins(pixels))
    round_to_float16(made.network)
    detector = PatchDetector.from_about(made.network, made.about)
    detector.manifest = {**detector.manifest, "name": "patch"}
    return write_source(tmp_path_factory.mktemp("home"), detector, make_set(pixels))


def study_of(source, rows, *methods):
    """The study of some methods and rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explanations, "explainers", lambda: methods)
        return compute(source.open(), rows, STUDY.parameters)


@pytest.fixture(scope="module")
def table(source):
    """A right and a wrong planted method and Grad-CAM, for ten images."""
    return study_of(source, ROWS, Planted("right", 1), Planted("wrong", -1), GRADCAM)


def patch_scores(weights, image):
    """The scores of 144 patches that are cut out one by one, from the weights alone."""
    values = np.stack([image[y : y + FIELD, x : x + FIELD] for y, x in CORNERS]) / 255
    for number, stride in ((0, 1), (3, 2), (6, 1), (9, 1)):
        kernel = weights[f"features.{number}.weight"].numpy()
        windows = sliding_window_view(values, kernel.shape[2:], axis=(1, 2))[:, ::stride, ::stride]
        values = np.einsum("nhwcij,ocij->nhwo", windows, kernel, optimize=True)
        scale, shift, mean, variance = (
            weights[f"features.{number + 1}.{name}"].numpy()
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        values = np.maximum((values - mean) / np.sqrt(variance + 1e-5) * scale + shift, 0)
    scores = values @ weights["scores.weight"].numpy().ravel() + weights["scores.bias"].numpy()
    return scores.ravel()


def test_the_numbers_are_those_of_patches_cut_out_one_by_one(source, table):
    assert_allclose(table["wrong_cells_exact_rank"], -table["right_cells_exact_rank"], atol=1e-6)
    assert "gradcam_features.2_cells_exact_rank" in table
    context = source.open()
    weights = {name: tensor.double() for name, tensor in context.detector.network.state_dict().items()}
    squares = np.arange(16).reshape(4, 4).repeat(8, axis=0).repeat(8, axis=1)
    # how many pixels each patch has in each cell
    counts = np.array([np.bincount(squares[y : y + FIELD, x : x + FIELD].ravel(), minlength=16) for y, x in CORNERS])
    for number, row in enumerate(ROWS):
        computed = table.loc[number]
        image = context.pixels[row]
        scores = patch_scores(weights, image)
        sign = np.sign(scores.mean())
        exact = scores @ counts / counts.sum(axis=0)
        luma = image @ np.array([0.299, 0.587, 0.114])
        edges = ndimage.mean(ndimage.sobel(luma, axis=0) ** 2 + ndimage.sobel(luma, axis=1) ** 2, squares, range(16))
        assert computed["edges_cells_exact_rank"] == pytest.approx(spearmanr(edges, sign * exact)[0], abs=1e-6)
        assert computed["right_cells_exact_rank"] > 0.85
        # the planted map is the exact one, and the cells of its sum are those of the truth
        assert computed["right_cells_sum_rank"] == pytest.approx(1)
        assert computed["edges_cells_sum_rank"] == pytest.approx(
            spearmanr(edges, sign * (scores @ counts))[0], abs=1e-6
        )
        covered = [image * (squares != cell)[..., None] for cell in range(16)]
        effect = scores.mean() - [patch_scores(weights, version).mean() for version in covered]
        assert computed["edges_cells_black_rank"] == pytest.approx(spearmanr(edges, sign * effect)[0], abs=1e-6)


def test_its_findings(source, monkeypatch):
    monkeypatch.setattr(explanations, "explainers", lambda: (Planted("right", 1), Planted("wrong", -1)))
    result = read_study(run_study(make_study(), source), source.open().run)
    found = {finding.key: finding for finding in conclude(source.open().run, result.table, STUDY.parameters)}
    assert answer_of(found["exact-right-FAKE"]).word == "yes"
    assert answer_of(found["exact-wrong-REAL"]).word == "no"
    assert found["exact-right-REAL"].measure.value > 0.9
    values = {contrast.value for contrast in found["exact-right-REAL"].contrasts}
    assert values == {*CONTROLS.values(), TRUTHS[SUM]}
    near = nearness(result.findings)
    controls = [f"control: {name}" for name in CONTROLS.values()]
    assert near.index[[0, -1]].tolist() == ["right", "wrong"]
    assert set(near.index) == {"right", "wrong", *controls}
    assert near.loc["right", "REAL verdicts"] == found["exact-right-REAL"].measure.value
    monkeypatch.setattr(explanations, "explainers", lambda: (LIME,))
    concluded = conclude(source.open().run, study_of(source, ROWS, LIME), STUDY.parameters)
    lime = nearness(concluded).index
    fills = [f"LIME, {title}" for title in FILLS.values()]
    assert sorted(lime.drop(controls)) == sorted(fills)


def test_a_detector_that_does_not_add_is_refused(patched):
    context = patched.open()
    with pytest.raises(StudyError, match=r"^the study truth needs a detector that adds up small patches"):
        compute(context, np.arange(2), STUDY.parameters)


def test_a_run_holds_the_exact_map_to_float16(source):
    context = source.open()
    for row in (0, 7):
        exact = EXACT.explain_fully(context.detector, context.pixels[row]).values
        stored = stored_exact_map(context.run, row, side=SIDE, field=FIELD)
        assert_allclose(stored, exact, atol=2e-3 * np.abs(exact).max())
