"""Agreement of LIME and Grad-CAM: full with itself, chance with other images', and beyond chance on a patch."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.stats import spearmanr
from torch.nn.functional import interpolate

from core.detectors.manifest import Capability
from core.findings.answer import answer_of
from core.studies.questions import agreement
from core.studies.questions.agreement import compute, conclude, make_study
from core.studies.shared.explanations import Pass
from core.studies.study import Context
from tests.core.runs.made import made_run
from tests.core.trust_cues import cell_means

pytestmark = pytest.mark.usefixtures("two_methods")
SIZE = 80
# a detector that every method can explain
ABLE = SimpleNamespace(about=SimpleNamespace(capabilities=frozenset(Capability)))
PARAMETERS = {**make_study().parameters, "others": 30}


def enlarged(maps):
    """(N, 4, 4) to float32 (N, 32, 32), by torch."""
    given = torch.from_numpy(np.asarray(maps, np.float32))[:, None]
    return np.asarray(interpolate(given, (32, 32), mode="bilinear", align_corners=False)[:, 0])


@pytest.fixture
def run():
    """Random maps; the verdicts alternate, all right."""
    return made_run(["FAKE", "REAL"] * (SIZE // 2), ["FAKE", "REAL"] * (SIZE // 2))


def table_of(
    run,
    lime,
    monkeypatch,
    rows=None,
    **changes,
):
    """The study's table where LIME's map of each image is given, (N, 32, 32)."""
    # every picture holds its number
    pixels = np.zeros((len(run), 32, 32, 3), np.uint8)
    pixels[:, 0, 0, 0] = np.arange(len(run))
    monkeypatch.setattr(
        agreement, "explain_all", lambda _detector, images, *_: [Pass(lime[image[0, 0, 0]]) for image in images]
    )
    context = Context(run, ABLE, pixels)
    return compute(context, np.arange(len(run)) if rows is None else rows, {**PARAMETERS, **changes})


def test_a_map_agrees_fully_with_itself_and_not_with_its_opposite(run, monkeypatch):
    table = table_of(run, enlarged(run.maps), monkeypatch)
    assert list(table) == ["id", *make_study().columns]
    assert_allclose(table["lime_rank"], 1, atol=1e-3)
    # none of 30 other images agrees so well: this one alone of 31
    assert_allclose(table["lime_rank_share"], 1 / 31, rtol=1e-5)
    _, beyond, *_ = conclude(run, table, PARAMETERS)
    assert beyond.key == "beyond-FAKE"
    assert beyond.measure.value == 1
    assert answer_of(beyond).word == "yes"
    opposite, *_ = conclude(run, table_of(run, -enlarged(run.maps), monkeypatch), PARAMETERS)
    assert answer_of(opposite).word == "no"
    assert opposite.measure.value == pytest.approx(-1, abs=1e-3)


def test_the_numbers_are_scipys_toward_the_verdict(run, monkeypatch):
    lime = np.random.default_rng(5).normal(size=(SIZE, 32, 32)).astype(np.float32) + enlarged(run.maps)
    table = table_of(run, lime, monkeypatch, others=SIZE)
    for row in (2, 7):
        sign, mates = (1, range(1, SIZE, 2)) if row % 2 else (-1, range(0, SIZE, 2))
        own, *others = [
            cell_means(values) * sign
            for values in (lime[row], *enlarged(run.maps)[[row, *(mate for mate in mates if mate != row)]])
        ]
        ranks = np.array([spearmanr(own, other)[0] for other in others])
        computed = table.loc[row]
        assert computed["lime_rank"] == pytest.approx(ranks[0], abs=1e-4)
        assert computed["lime_others_rank"] == pytest.approx(ranks[1:].mean(), abs=1e-4)
        assert computed["lime_rank_share"] == pytest.approx(np.mean(ranks >= ranks[0] - 1e-9), abs=1e-6)
    part = table_of(run, lime, monkeypatch, np.array([3, 60]), others=SIZE)
    pd.testing.assert_frame_equal(part, table.loc[[3, 60]].reset_index(drop=True))


def test_constant_maps_and_cells_with_too_few_images_are_left_out(monkeypatch):
    """Of 19 images in a cell none can be better than 95 % of the other 18."""
    run = made_run(["FAKE"] * 40 + ["REAL"] * 30, ["FAKE"] * 40 + ["REAL"] * 11 + ["FAKE"] * 19)
    lime = enlarged(run.maps)
    lime[:10] = 1
    table = table_of(run, lime, monkeypatch)
    assert table["lime_rank"].isna().sum() == 10
    counts = {finding.key: finding.measure.n for finding in conclude(run, table, PARAMETERS)}
    assert counts == {"rank-FAKE": 49, "beyond-FAKE": 30, "rank-REAL": 11}
