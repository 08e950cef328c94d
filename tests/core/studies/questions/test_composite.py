"""The study of composites: on a detector whose every place tells its class, only a map that says so finds the part."""

import numpy as np
import pandas as pd
import pytest

from core.explainers.explainer import BatchExplainer
from core.explainers.explanation import Diagnostics
from core.explainers.measures import centre_map
from core.explainers.registry import EXPLAINERS, find_explainer
from core.findings.answer import answer_of
from core.studies.questions import composite
from core.studies.questions.composite import PARTS, SEAMS, STUDY, column_of, join, part_mask
from core.studies.runner import run_study
from core.studies.store import read_study
from core.studies.study import StudyError
from tests.conftest import make_set, textured
from tests.core.trust_cues import patch_detector, write_source


class Planted(BatchExplainer):
    """Draws a map at random, or colours the middle by the verdict, whatever the image shows; another's name."""

    def __init__(self, name, *, random):
        self.name = self.title = name
        self.settings = find_explainer(name).settings
        self.random = random

    def explain_part(self, detector, pixels, settings, cancel):
        for number, margin in enumerate(detector.margins(pixels)):
            values = np.sign(margin) * centre_map(32, 32)
            if self.random:
                values = np.random.default_rng((number, int(pixels[number].sum()))).normal(size=(8, 8))
            yield {"margin": float(margin), "values": values, "unit": "margin", "diagnostics": Diagnostics()}

    def cost(self, settings):
        return 1


@pytest.fixture(scope="module")
def chequered(tmp_path_factory):
    """Images with a red chequerboard everywhere (REAL) or a blue one (FAKE), one of each mislabelled."""
    soft = textured(24, fine=False, seed=3).mean(axis=3, keepdims=True)
    odd = np.indices((32, 32)).sum(axis=0)[..., None] % 2 * 2 - 1
    pixels = np.concatenate([soft[:12] + odd * [-20, -20, 40], soft[12:] + odd * [40, -20, -20]])
    pixels[[0, 12]] = pixels[[12, 0]]
    images = make_set(np.clip(pixels, 0, 255).astype(np.uint8))
    return write_source(tmp_path_factory.mktemp("home"), patch_detector(), images)


@pytest.fixture(scope="module")
def result(chequered):
    """The study with Grad-CAM, a random map, and one that colours the middle."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(EXPLAINERS, "integrated_gradients", Planted("integrated_gradients", random=True))
        patch.setitem(EXPLAINERS, "lime_grid", Planted("lime_grid", random=False))
        return read_study(run_study(STUDY, chequered), chequered.open().run)


def test_only_a_map_that_knows_the_part_finds_it(result):
    found = {finding.subject: finding for finding in result.findings}
    # the detector does not add up patches
    assert set(found) == {"Grad-CAM", "integrated_gradients", "lime_grid"}
    words = {subject: answer_of(finding).word for subject, finding in found.items()}
    assert words["Grad-CAM"] == "yes"
    assert found["Grad-CAM"].measure.value > 0.95
    assert words["integrated_gradients"] in ("no", "not shown")
    assert words["lime_grid"] != "yes"
    kinds = [(contrast.kind, contrast.value) for contrast in found["Grad-CAM"].choices[1:]]
    assert kinds[0] == ("seam", SEAMS["blended"])
    assert {value for kind, value in kinds if kind == "layout"} <= set(PARTS)


def test_images_that_are_misjudged_are_left_out(result):
    wrong = result.table["random_auroc"].isna().to_numpy()
    assert np.flatnonzero(wrong).tolist() == [0, 12]
    assert result.findings[0].measure.n == 22


def test_a_row_does_not_depend_on_the_others(chequered, result):
    rows = np.array([7, 20])
    alone = STUDY.compute(chequered.open(), rows, STUDY.parameters)
    scores = [column_of("gradcam", "blended"), column_of("gradcam", "hard", control=True)]
    columns = ["id", "layout", "random_auroc", *scores]
    pd.testing.assert_frame_equal(alone[columns], result.table.loc[rows, columns].reset_index(drop=True))


def test_costly_methods_are_left_out_of_large_images(chequered, monkeypatch):
    monkeypatch.setattr(composite, "LARGE", 32)
    table = STUDY.compute(chequered.open(), np.array([7]), STUDY.parameters)
    assert np.isnan(table[column_of("lime_grid", "hard")].item())
    assert not np.isnan(table[column_of("gradcam", "hard")].item())


@pytest.mark.parametrize("layout", PARTS)
def test_parts_are_joined_with_a_seam_or_a_fade(layout):
    mask = part_mask(layout, 32)
    assert mask.mean() == (0.25 if layout == "a window" else 0.5)
    first, rest = (np.full((32, 32, 3), value, np.uint8) for value in (200, 40))
    hard = join(first, rest, mask, "hard")
    np.testing.assert_array_equal(hard[..., 0] == 200, mask)
    blended = join(first, rest, mask, "blended").astype(int)
    differs = (blended != hard).any(axis=2)
    assert 0 < differs.mean() < 0.4
    assert max(np.abs(np.diff(blended, axis=axis)).max() for axis in (0, 1)) <= 40


def test_a_detector_that_recognises_too_few_is_refused(chequered):
    context = chequered.open()
    predictions = context.run.predictions.assign(is_repeat=True)
    object.__setattr__(context.run, "predictions", predictions)
    with pytest.raises(StudyError, match="three images of each class"):
        STUDY.compute(context, np.arange(2), STUDY.parameters)
