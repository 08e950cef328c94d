"""Agreement of LIME and Grad-CAM: wholly with itself, by chance with other images', and beyond chance on a patch."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch.nn.functional import interpolate

from core.detectors.manifest import Capability
from core.findings.claims import ClaimStatus, claim_status, sign_of
from core.findings.words import tell
from core.runs.run import Run, read_run
from core.studies import agreement
from core.studies.agreement import STUDY, compute, conclude
from core.studies.runner import Source, run_study
from core.studies.store import read_study
from core.studies.study import Context
from tests.core.trust_cues import made_run

SIZE = 80
# a detector that every method can explain; nothing else is asked of it
ABLE = SimpleNamespace(capabilities=frozenset(Capability))
PARAMETERS = {**STUDY.parameters, "others": 30}


def enlarged(maps: NDArray[np.floating]) -> NDArray[np.float32]:
    """(N, 4, 4) to float32 (N, 32, 32), by torch."""
    given = torch.from_numpy(np.asarray(maps, np.float32))[:, None]
    return np.asarray(interpolate(given, (32, 32), mode="bilinear", align_corners=False)[:, 0])


@pytest.fixture
def run() -> Run:
    """Random maps, the verdicts alternate, all right."""
    return made_run(["FAKE", "REAL"] * (SIZE // 2), ["FAKE", "REAL"] * (SIZE // 2))


def answer(run: Run, lime: NDArray[np.floating], monkeypatch: pytest.MonkeyPatch, **changes: Any) -> pd.DataFrame:
    """The study's table where LIME's map of each image is given, (N, 32, 32)."""
    # every picture holds its number
    pixels = np.zeros((len(run), 32, 32, 3), np.uint8)
    pixels[:, 0, 0, 0] = np.arange(len(run))
    monkeypatch.setattr(agreement, "maps_of", lambda _detector, images, *_: [lime[one[0, 0, 0]] for one in images])
    context = Context(run, ABLE, pixels)  # type: ignore[arg-type]
    return compute(context, np.arange(len(run)), {**PARAMETERS, **changes})


def test_a_map_agrees_wholly_with_itself(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    table = answer(run, enlarged(run.maps), monkeypatch)
    assert list(table.columns) == ["id", *STUDY.columns]
    np.testing.assert_allclose(table["rank"], 1, atol=1e-3)
    np.testing.assert_array_equal(table["overlap"], 1)
    # none of 30 other images agrees so well: this one alone of 31
    np.testing.assert_allclose(table["rank_share"], 1 / 31, rtol=1e-5)
    np.testing.assert_allclose(table["overlap_share"], 1 / 31, rtol=1e-5)
    assert abs(table["others_rank"].mean()) < 0.05
    assert abs(table["others_overlap"].mean() - 0.25) < 0.03
    for finding in conclude(run, table, PARAMETERS):
        if finding.key.startswith("beyond"):
            assert finding.measure.value == 1
            assert finding.control is not None
            assert finding.control.measure.value == 0.05
            assert claim_status(finding) == ClaimStatus("holds", 1)


def test_with_the_maps_of_other_images_it_is_chance(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    table = answer(run, np.roll(enlarged(run.maps), 2, axis=0), monkeypatch)
    assert abs(table["rank"].mean()) < 0.1
    assert abs(table["overlap"].mean() - 0.25) < 0.05
    # p-values of nothing are even
    assert 0.4 < table["rank_share"].mean() < 0.62
    assert (table["rank_share"] <= 0.1).mean() < 0.2
    said = {finding.key: finding for finding in conclude(run, table, PARAMETERS)}
    for verdict in ("FAKE", "REAL"):
        assert sign_of(said[f"rank-{verdict}"]) == sign_of(said[f"beyond-{verdict}"]) == 0
        assert "the agreement of LIME and Grad-CAM cannot be told from chance" in str(
            tell(said[f"rank-{verdict}"]).answer
        )


def test_the_numbers_are_scipys_toward_the_verdict(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second implementation, image by image."""
    lime = np.random.default_rng(5).normal(size=(SIZE, 32, 32)).astype(np.float32)
    lime += enlarged(run.maps)
    table = answer(run, lime, monkeypatch, others=SIZE)
    for row in (2, 7):
        sign, mates = (1, range(1, SIZE, 2)) if row % 2 else (-1, range(0, SIZE, 2))
        cells = [
            one.reshape(8, 4, 8, 4).mean(axis=(1, 3)).ravel() * sign
            for one in (lime[row], *enlarged(run.maps)[[row, *(mate for mate in mates if mate != row)]])
        ]
        ranks = [spearmanr(cells[0], other)[0] for other in cells[1:]]
        first = set(np.argsort(-cells[0])[:16])
        overlaps = [len(first & set(np.argsort(-other)[:16])) / 16 for other in cells[1:]]
        found = table.loc[row]
        assert found["rank"] == pytest.approx(ranks[0], abs=1e-4)
        assert found["others_rank"] == pytest.approx(np.mean(ranks[1:]), abs=1e-4)
        assert found["rank_share"] == pytest.approx(np.mean(np.array(ranks) >= ranks[0] - 1e-9), abs=1e-6)
        assert found["overlap"] == overlaps[0]
        assert found["others_overlap"] == pytest.approx(np.mean(overlaps[1:]), abs=1e-6)
        assert found["overlap_share"] == pytest.approx(np.mean(np.array(overlaps) >= overlaps[0]), abs=1e-6)


def test_a_map_that_is_the_same_everywhere_is_left_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    lime = enlarged(run.maps)
    lime[:10] = 1
    table = answer(run, lime, monkeypatch)
    assert table["rank"].isna().sum() == 10
    said = {finding.key: finding for finding in conclude(run, table, PARAMETERS)}
    assert {one.measure.n for one in said.values()} == {SIZE // 2 - 5}
    everywhere = answer(run, np.ones_like(lime), monkeypatch)
    assert [one.key for one in conclude(run, everywhere, PARAMETERS)] == ["rank-FAKE", "rank-REAL"]


def test_an_image_with_too_few_others_cannot_be_beyond_chance_and_is_not_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 19 images in a cell none can be better than 95 % of the other 18."""
    run = made_run(["FAKE"] * 40 + ["REAL"] * 30, ["FAKE"] * 40 + ["REAL"] * 11 + ["FAKE"] * 19)
    table = answer(run, enlarged(run.maps), monkeypatch)
    said = {finding.key: finding for finding in conclude(run, table, PARAMETERS)}
    assert said["rank-FAKE"].measure.n == 59
    assert said["beyond-FAKE"].measure.n == 40
    assert said["beyond-FAKE"].measure.value == 1
    assert "beyond-REAL" not in said
    assert said["rank-REAL"].measure.n == 11


def test_where_they_disagree_it_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    table = answer(run, -enlarged(run.maps), monkeypatch)
    first = conclude(run, table, PARAMETERS)[0]
    assert sign_of(first) == -1
    assert first.measure.value == pytest.approx(-1, abs=1e-3)
    assert str(tell(first).answer).startswith("On FAKE verdicts LIME and Grad-CAM agree less than by chance")


def test_rows_are_the_same_whatever_else_is_asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    lime = np.random.default_rng(1).normal(size=(SIZE, 32, 32))
    whole = answer(run, lime, monkeypatch)
    pixels = np.zeros((SIZE, 32, 32, 3), np.uint8)
    pixels[:, 0, 0, 0] = np.arange(SIZE)
    part = compute(Context(run, ABLE, pixels), np.array([3, 60]), PARAMETERS)  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(part, whole.loc[[3, 60]].reset_index(drop=True))


def test_on_a_network_that_looks_at_one_patch_both_name_it(patched: Source) -> None:
    study = replace(STUDY, parameters=PARAMETERS)
    run = read_run(patched.run)
    found = read_study(run_study(study, patched), run)
    assert (found.table["rank"] > found.table["others_rank"] + 0.1).all()
    assert (found.table["overlap"] > 0.4).all()
    for finding in conclude(run, found.table, PARAMETERS):
        assert claim_status(finding) == ClaimStatus("holds", 1)
    for verdict in ("FAKE", "REAL"):
        part = found.table[(run.predictions["predicted"].astype(str) == verdict).to_numpy()]
        expected = (part["rank"] - part["others_rank"]).mean()
        assert found.finding(f"rank-{verdict}").difference.value == pytest.approx(expected, abs=1e-6)  # type: ignore[union-attr]
