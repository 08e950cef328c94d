"""Probes of one image: they say what the study says of it, name the cue that decides, and claim nothing more."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.explainers.probing import BATCH, HEADLINES, ProbeResult, explain_probes
from core.perturbations.flips import summarise_flips
from core.perturbations.probe import size_column
from core.perturbations.table import PROBES, probe_columns
from core.runs.run import Run
from core.studies.donors import choose_donors, with_donors
from tests.core.cues import CUES, Cue, mean_colour, ring_energy
from tests.core.studies.counted import asked

# the smallest change that flips most of a cue's images
SMALLEST = {
    "mean_colour": {"tint"}, "ring": {"ring", "lowpass", "transplant"}, "corner": {"hide_top_left"},
    "block_order": {"shuffle", "shuffle_blend"},
}  # fmt: skip


def probed(cue: Cue, run: Run, row: int, **changes: int) -> ProbeResult:
    """The last result for an image of a cue's run."""
    pixels, settings = with_donors(
        cue.pixels[row], run, lambda at: cue.pixels[at], name=str(run.predictions["id"][row]), row=row, **changes
    )
    return list(explain_probes(cue.detector, pixels, settings=settings))[-1]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CUES)
def test_the_smallest_change_is_the_cue_for_most_images(name: str, tmp_path: Path) -> None:
    cue = CUES[name]()
    run = cue.run(tmp_path)
    results = [probed(cue, run, row) for row in (50, 60, 70)]
    flips = [{one.probe.key for one in result.flipping} for result in results]
    assert sum(bool(SMALLEST[name] & keys) for keys in flips) >= 2
    decided = [result.detail_decides for result in results]
    assert all(result.sentence == HEADLINES["detail"] for result in results if result.detail_decides)
    assert sum(decided) >= 2 if name == "ring" else not any(decided)


def test_one_image_is_told_what_the_study_says_of_it(tmp_path: Path) -> None:
    cue = ring_energy()
    run, table = asked(cue, tmp_path)
    for row in (3, 44, 79):
        result = probed(cue, run, row)
        said = table.iloc[row]
        for one in result.after:
            np.testing.assert_allclose(one.margin, said[one.column], rtol=0.005)
            np.testing.assert_allclose(one.size, said[size_column(one.column)], rtol=0.06)
            assert (one.verdict == "REAL") == (said[one.column] > 0)
        assert result.smallest is not None
        assert result.smallest.probe.key == said["turned_by"]
        assert len({one.probe.family for one in result.flipping}) == said["turned_families"]
        donor = choose_donors(run, np.array([row])).other[0]
        assert result.get("lend_12").before == pytest.approx(run.predictions["margin"][donor])


def test_what_turns_is_counted_beyond_the_controls(tmp_path: Path) -> None:
    cue = mean_colour()
    result = probed(cue, cue.run(tmp_path), 0)
    columns = probe_columns()
    for one in result.after:
        probe, strength = columns[one.column]
        before = one.before > 0
        assert one.flipped == (
            ((one.margin > 0) == (result.margin > 0)) if probe.changes_donor else (one.margin > 0) != before
        )
        controls = [result.get(PROBES[key].column(strength.key)).flipped for key in probe.controls]
        assert one.controlled == (
            one.flipped and not any(controls) and not probe.is_control and not probe.changes_donor
        )
        again = cue.detector.margins(result.pictures[[item.column for item in result.after].index(one.column)][None])
        assert one.margin == pytest.approx(float(again[0]))
    assert result.smallest is not None
    assert result.smallest == result.flipping[0]
    assert result.smallest.size == min(one.size for one in result.after if one.controlled and not one.strength.excess)


def margins_of(flipped: dict[str, bool | None]) -> pd.DataFrame:
    """The margins of one image that is called REAL: columns that flip it, that do not, and that could not be made."""
    found = dict.fromkeys(probe_columns(), 1.0)
    for column, flips in flipped.items():
        found[column] = np.nan if flips is None else -1.0 if flips else 1.0
    return pd.DataFrame([found])


def told(flipped: dict[str, bool | None]) -> pd.Series:  # type: ignore[type-arg]
    sizes = pd.DataFrame([{size_column(column): 5.0 for column in probe_columns()}])
    return summarise_flips(margins_of(flipped), sizes, np.array([True])).iloc[0]


@pytest.mark.parametrize("control", PROBES["lowpass"].controls)
def test_detail_decides_only_where_every_control_leaves_the_verdict(control: str) -> None:
    # put into the other class, it gives them this verdict: `margins_of` assumes so unless told otherwise
    flipped: dict[str, bool | None] = {"lowpass_8": True}
    assert told(flipped)["detail_both_ways"]
    assert told(flipped)["turned_by"] == "lowpass"
    assert not told(flipped | {f"{control}_8": True})["detail_both_ways"]


def test_it_goes_step_by_step_and_stops_when_told(tmp_path: Path) -> None:
    cue = mean_colour()
    pixels, settings = with_donors(cue.pixels[0], cue.run(tmp_path), lambda at: cue.pixels[at], name="test-0000", row=0)
    steps = list(explain_probes(cue.detector, pixels, settings=settings))  # type: ignore[arg-type]
    assert [one.done - len(pixels) for one in steps[:2]] == [BATCH, 2 * BATCH]
    assert [one.complete for one in steps] == [False] * (len(steps) - 1) + [True]
    assert all(one.sentence == "" and one.smallest is None for one in steps[:-1])
    assert sum(one.known for one in steps[0].after) == BATCH
    answers = iter([False, True])
    stopped = list(explain_probes(cue.detector, pixels, settings=settings, cancel=lambda: next(answers)))  # type: ignore[arg-type]
    assert len(stopped) == 1
