"""Explanations beside the exact map: against patches cut out one by one, and planted maps that are right or wrong."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.stats import spearmanr

from core.detectors.patch import PatchDetector
from core.detectors.resnet import round_to_float16
from core.explainers.cam import GRADCAM
from core.explainers.exact import EXACT
from core.explainers.explainer import BatchExplainer, Cancel
from core.explainers.explanation import Diagnostics
from core.explainers.lime.regions import LIME
from core.explainers.settings import ExplainerSettings
from core.findings.claims import ClaimStatus, claim_status
from core.studies import explanations
from core.studies.runner import Source, run_study
from core.studies.store import read_study
from core.studies.study import Context, StudyError
from core.studies.truth import STUDY, compute, conclude
from tests.conftest import make_patch, textured
from tests.core.trust_cues import write_source

SIDE, FIELD, ROWS = 32, 9, np.array([0, 5, 11])
CORNERS = [(y, x) for y in range(0, SIDE - FIELD + 1, 2) for x in range(0, SIDE - FIELD + 1, 2)]


class Planted(BatchExplainer[ExplainerSettings]):
    """Returns the exact map times a factor."""

    settings = ExplainerSettings

    def __init__(self, name: str, factor: float) -> None:
        self.name = self.title = name
        self.factor = factor

    def explain_part(
        self, detector: Any, pixels: NDArray[np.uint8], settings: ExplainerSettings, cancel: Cancel | None
    ) -> Iterator[dict[str, Any]]:
        for exact in EXACT.explain_batch(detector, pixels, EXACT.settings(), cancel=cancel):
            values = self.factor * exact.map
            yield {"margin": exact.margin, "values": values, "unit": "margin", "diagnostics": Diagnostics()}

    def cost(self, settings: ExplainerSettings, offers: Any = None) -> int:
        return 1


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """Twelve images, half of them called REAL by a detector of patches."""
    pixels, made = textured(12, fine=True, seed=5), make_patch(FIELD)
    made.network.scores.bias.data -= float(np.median(made.margins(pixels)))
    round_to_float16(made.network)
    detector = PatchDetector.from_about(made.network, made.about)
    detector.manifest = {**detector.manifest, "name": "patch"}
    return write_source(tmp_path_factory.mktemp("home"), detector, pixels)


@pytest.fixture
def table(source: Source, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pd.DataFrame:
    """The study of a right and a wrong planted method, LIME and Grad-CAM, for three images."""
    monkeypatch.setenv("TELLTALE_CACHE", str(tmp_path))
    methods = (Planted("right", 1), Planted("wrong", -1), LIME, GRADCAM)
    monkeypatch.setattr(explanations, "explainers", lambda with_map: methods)
    return compute(source.open(), ROWS, STUDY.parameters)


def test_the_numbers_are_those_of_patches_cut_out_one_by_one(source: Source, table: pd.DataFrame) -> None:
    context = source.open()
    network, inputs = context.detector.network, context.detector.inputs

    def margins(images: NDArray[np.uint8]) -> NDArray[np.floating]:
        with torch.no_grad():
            patches = np.stack([image[y : y + FIELD, x : x + FIELD] for image in images for y, x in CORNERS])
            logits = network(inputs(patches))
        return (logits[:, 1] - logits[:, 0]).numpy().reshape(len(images), -1)

    cells = [(slice(8 * (n // 4), 8 * (n // 4) + 8), slice(8 * (n % 4), 8 * (n % 4) + 8)) for n in range(16)]
    for number, row in enumerate(ROWS):
        image, exact = context.pixels[row], np.zeros((SIDE, SIDE))
        for score, (y, x) in zip(margins(image[None])[0], CORNERS, strict=True):
            exact[y : y + FIELD, x : x + FIELD] += score / len(CORNERS) / FIELD**2
        black = np.repeat(image[None], 17, axis=0)
        for version, cell in zip(black[1:], cells, strict=True):
            version[cell] = 0
        after = margins(black).mean(axis=1)
        sign, effect = np.sign(after[0]), after[0] - after[1:]
        luma = image @ np.array([0.299, 0.587, 0.114])
        edges = ndimage.sobel(luma, axis=0) ** 2 + ndimage.sobel(luma, axis=1) ** 2
        in_cells = np.array([[values[cell].sum() for cell in cells] for values in (edges, exact)])
        computed = table.loc[number]
        expected = spearmanr(in_cells[0], sign * in_cells[1])[0]
        assert computed["edges_cells_sum_rank"] == pytest.approx(expected, abs=0.02)
        expected = spearmanr(in_cells[0], sign * effect)[0]
        assert computed["edges_cells_black_rank"] == pytest.approx(expected, abs=0.02)
        assert computed["right_cells_sum_rank"] > 0.999
        lime = LIME.explain_fully(context.detector, image, LIME.settings(fill="black")).parts
        assert lime is not None
        assert lime.regions is not None
        sums = np.bincount(lime.regions.ravel(), exact.ravel())
        expected = spearmanr(lime.weights, sums)[0]
        assert computed["lime_black_regions_sum_rank"] == pytest.approx(expected, abs=0.01)
        assert computed["lime_black_certain_sum"] == (np.sign(sums) == lime.decisions)[lime.decisions != 0].sum()


def test_a_planted_map_that_is_right_is_told_from_one_that_is_wrong(source: Source, table: pd.DataFrame) -> None:
    np.testing.assert_allclose(table["right_regions_sum_rank"], 1, atol=1e-6)
    np.testing.assert_allclose(table["wrong_cells_sum_rank"], -1, atol=1e-6)
    assert (table["right_cells_sum_overlap"] == 1).all()
    assert "gradcam_features.2_cells_sum_rank" in table
    assert STUDY.further("gradcam_features.2_cells_sum_rank")


def test_its_findings(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explanations, "explainers", lambda with_map: (Planted("right", 1), Planted("wrong", -1)))
    result = read_study(run_study(STUDY, source), source.open().run)
    found = {finding.key: finding for finding in conclude(source.open().run, result.table, STUDY.parameters)}
    assert claim_status(found["sum-right-FAKE"]) == ClaimStatus("holds", 1)
    assert claim_status(found["sum-wrong-REAL"]) == ClaimStatus("holds", -1)
    assert found["sum-right-REAL"].measure.value == pytest.approx(1)
    assert {choice.value for choice in found["sum-right-REAL"].choices} == {"", ", random order"}


def test_a_detector_that_does_not_add_is_refused(patched: Source) -> None:
    context: Context = patched.open()
    with pytest.raises(StudyError, match=r"^the study truth needs a detector that adds up small patches"):
        compute(context, np.arange(2), STUDY.parameters)
