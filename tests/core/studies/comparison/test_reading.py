"""Probes of two detectors side by side, planted and recomputed."""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.weightstats import DescrStatsW

from core.findings.claims import claim_status
from core.findings.finding import Control, Finding, Measure, find
from core.findings.words import tell
from core.findings.words.comparison import beside_control, reading
from core.images.preprocessing import Preprocessing
from core.perturbations.table import probe_columns
from core.studies.comparison.explanations import SideBySide
from core.studies.comparison.pair import pair_of
from core.studies.comparison.reading import read, share_rows, side_by_side
from core.studies.study import WEIGHT
from tests.core.findings.planted import finding, measure
from tests.core.studies.comparison.runs import drawn_runs, made_run

N = 400


def table_of(margins: np.ndarray, flipped: dict[str, float], *, seed: int, columns: list[str]) -> pd.DataFrame:
    """A study's table in which a share of the verdicts flips under each column."""
    generator = np.random.default_rng(seed)
    found: dict[str, object] = {"id": [f"test-{number}" for number in range(N)], WEIGHT: np.ones(N, np.float32)}
    for column in columns:
        found[column] = np.where(generator.random(N) < flipped.get(column, 0.02), -margins, margins)
    return pd.DataFrame(found)


@pytest.fixture
def shared():  # type: ignore[no-untyped-def]
    """The first detector reads fine detail, the second does not; neither reads place."""
    is_real = np.arange(N) % 2 == 0
    margins = np.where(is_real, 1.0, -1.0)
    pair = pair_of(made_run("a", margins, is_real), made_run("b", margins, is_real))
    wanted = ("lowpass", "tint", "blur", "hide")
    columns = [column for column, (probe, _) in probe_columns().items() if probe.key.startswith(wanted)]
    first = table_of(margins, {"lowpass_8": 0.9, "blur_1": 0.5}, seed=1, columns=columns)
    second = table_of(margins, {}, seed=2, columns=[column for column in columns if column != "lowpass_grey_8"])
    return share_rows(pair, first, second.iloc[::-1])


def test_the_planted_difference_is_claimed_against_every_control(shared) -> None:  # type: ignore[no-untyped-def]
    found = read(shared)
    one = find(found, "reads-detail-FAKE")
    assert one is not None
    assert one.details["column"] == "lowpass_8"
    assert (claim_status(one).kind, claim_status(one).sign) == ("holds", 1)
    # the control that only one file has is not asked
    assert [choice.value for choice in one.choices] == [*shared.controls("lowpass_8"), "nothing"]
    assert len(one.choices) == 3
    assert "a reads it more than b" in str(tell(one).full)
    place = find(found, "reads-place-FAKE")
    assert place is not None
    assert claim_status(place).kind == "not shown"


@pytest.mark.parametrize(("hard", "kind"), [(0.9, "holds"), (0.02, "depends")])
def test_a_difference_must_hold_for_every_seam(hard: float, kind: str) -> None:
    is_real = np.arange(N) % 2 == 0
    margins = np.where(is_real, 1.0, -1.0)
    pair = pair_of(made_run("a", margins, is_real), made_run("b", margins, is_real))
    columns = [column for column, (probe, _) in probe_columns().items() if probe.key.startswith(("shuffle", "seams"))]
    flipped = {column: 0.9 for column in columns if column.startswith("shuffle_") and column.endswith("_8")}
    flipped = {column: share for column, share in flipped.items() if not probe_columns()[column][0].is_control}
    first = table_of(margins, flipped | {"shuffle_8": hard}, seed=1, columns=columns)
    one = find(read(share_rows(pair, first, table_of(margins, {}, seed=2, columns=columns))), "reads-blocks-FAKE")
    assert one is not None
    seams = {choice.value for choice in one.choices if choice.kind == "seam"}
    assert len(seams) == 3
    assert claim_status(one).kind == kind


@pytest.mark.parametrize(("side", "called"), [(32, "16 pixels"), (64, "16 pixels of 32")])
def test_blocks_of_images_of_two_sides_are_not_told_in_the_pixels_of_one(side: int, called: str) -> None:
    is_real = np.arange(N) % 2 == 0
    margins = np.where(is_real, 1.0, -1.0)
    other = made_run("b", margins, is_real)
    other.manifest["preprocess"] = asdict(Preprocessing(side))
    columns = ["shuffle_blend_16", "shuffle_blend_stay_16"]
    tables = [table_of(margins, {}, seed=seed, columns=columns) for seed in (1, 2)]
    shared = share_rows(pair_of(made_run("a", margins, is_real), other), *tables)
    assert set(side_by_side(shared)["strength"]) == {called}
    assert {one.details["strength"] for one in read(shared)} == {called}


def test_what_has_no_control_gives_no_reason(shared) -> None:  # type: ignore[no-untyped-def]
    one = find(read(shared), "reads-compression-REAL")
    assert one is not None
    assert "a number, not a reason" in str(tell(one).full)


def test_of_what_neither_turns_by_more_than_its_control_none_reads_more() -> None:
    about = {"family": "detail", "title": "Fine detail out", "strength": "radius 8", "bar": "a coarse pattern in"}
    one = Finding(
        "reads-detail-FAKE", "comparison", "controlled_flips", Measure(-0.1, -0.2, 0.0), "FAKE",
        Control("b", Measure(-0.6, -0.7, -0.5)), Measure(0.5, 0.4, 0.6), details={"first": "a", "second": "b", **about},
    )  # fmt: skip
    assert str(tell(one).standing) == "Significantly different, but neither flips significantly more than its control."
    assert str(reading([one])) == "Neither reads significantly more of anything that was tried with a control."
    beyond = replace(one, measure=Measure(0.3, 0.2, 0.4))
    assert str(tell(beyond).standing).startswith("a reads it more than b, ")
    assert str(reading([beyond])) == (
        "a reads significantly more of detail (FAKE); of nothing else that was tried with a control is that shown."
    )


def test_intervals_are_those_of_statsmodels(shared) -> None:  # type: ignore[no-untyped-def]
    row = side_by_side(shared).set_index(["verdict", "column"]).loc[("FAKE", "lowpass_8")]
    control = shared.controls("lowpass_8")[row["control"]]
    margins = np.where(np.arange(N) % 2 == 0, 1.0, -1.0)
    flips = [
        [(table[column] > 0).to_numpy() != (margins > 0) for column in ("lowpass_8", control)]
        for table in (one.set_index("id").loc[[f"test-{i}" for i in range(N)]] for one in shared.tables)
    ]
    fake = margins < 0
    leads = [(own.astype(float) - control)[fake] for own, control in flips]
    low, high = DescrStatsW(leads[0] - leads[1]).tconfint_mean()
    assert row["difference_value"] == pytest.approx((leads[0] - leads[1]).mean())
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((low, high))
    assert row["first_value"] == pytest.approx(leads[0].mean())
    # no other control leaves both detectors less
    for other in shared.controls("lowpass_8").values():
        found = shared.leads("lowpass_8", other, "FAKE")
        assert found.first.value + found.second.value >= row["first_value"] + row["second_value"] - 1e-9


def test_only_images_that_both_call_the_same_are_compared() -> None:
    good, worse = drawn_runs(N)
    pair = pair_of(good, worse)
    columns = ["lowpass_8", "lowpass_control_8"]
    frames = [table_of(margins, {}, seed=3, columns=columns).assign(lowpass_8=-margins) for margins in pair.margins]
    rows = side_by_side(share_rows(pair, *frames))
    agreed = (pair.margins[0] > 0) == (pair.margins[1] > 0)
    assert rows["images"].sum() == agreed.sum() < N


def test_samples_are_weighed_by_both() -> None:
    is_real = np.arange(N) % 2 == 0
    margins = np.where(is_real, 1.0, -1.0)
    pair = pair_of(made_run("a", margins, is_real), made_run("b", margins, is_real))
    columns = ["lowpass_8", "lowpass_control_8"]
    whole = table_of(margins, {"lowpass_8": 0.5}, seed=4, columns=columns)
    some = table_of(margins, {}, seed=5, columns=columns).iloc[::5]
    some = some.assign(**{WEIGHT: np.where(np.arange(len(some)) % 2, 1.0, 9.0)})
    shared = share_rows(pair, whole, some)
    assert len(shared.weights) == len(some)
    flipped = (whole["lowpass_8"].to_numpy()[::5] > 0) != (margins[::5] > 0)
    row = side_by_side(shared).set_index("verdict").loc["REAL"]
    control = (whole["lowpass_control_8"].to_numpy()[::5] > 0) != (margins[::5] > 0)
    here = margins[::5] > 0
    weights = some[WEIGHT].to_numpy()[here]
    assert row["first_value"] == pytest.approx(np.average((flipped * 1.0 - control)[here], weights=weights))


def test_one_sample_that_both_hold_is_weighed_once() -> None:
    is_real = np.arange(N) % 2 == 0
    margins = np.where(is_real, 1.0, -1.0)
    pair = pair_of(made_run("a", margins, is_real), made_run("b", margins, is_real))
    some = table_of(margins, {}, seed=5, columns=["lowpass_8", "lowpass_control_8"]).iloc[::5]
    some = some.assign(**{WEIGHT: np.where(np.arange(len(some)) % 2, 1.0, 9.0)})
    np.testing.assert_array_equal(share_rows(pair, some, some.iloc[::-1]).weights, some[WEIGHT])


def test_explanations_stand_side_by_side() -> None:
    better, worse = (
        Finding(
            "lime-FAKE", "faithfulness", "faithfulness", Measure(value), difference=Measure(value, value - 1, value + 1)
        )
        for value in (3.0, -3.0)
    )
    one = SideBySide("faithfulness", "Faithfulness", better, worse)
    assert [each.sign for each in one.standings] == [1, -1]
    assert not one.alike
    assert SideBySide("faithfulness", "Faithfulness", better, better).alike


def test_the_choice_that_a_number_was_measured_under_stands_beside_it() -> None:
    one = finding(0.5, control=0.1, difference=0.4, choices={"fill": {"blur": 0.4, "texture": 0.3}})
    assert str(beside_control(one)) == "0.40 (0.35 to 0.45) (fill: blur)"
    # what is of none of them, or of nothing that was chosen
    assert str(beside_control(replace(one, measure=measure(0.6)))) == "0.40 (0.35 to 0.45)"
    assert str(beside_control(finding(0.5))) == "0.50 (0.45 to 0.55)"


def test_different_samples_with_few_images_in_common_say_nothing() -> None:
    is_real = np.arange(N) % 2 == 0
    margins = np.where(is_real, 1.0, -1.0)
    pair = pair_of(made_run("a", margins, is_real), made_run("b", margins, is_real))
    columns = [column for column, (probe, _) in probe_columns().items() if probe.key.startswith("lowpass")]
    first, second = (table_of(margins, {"lowpass_8": share}, seed=1, columns=columns) for share in (0.9, 0.1))
    # whole files, and halves that share ten images of 400
    assert share_rows(pair, first, second).leads("lowpass_8", None, "FAKE").first.known
    halves = share_rows(pair, first.iloc[:205].assign(**{WEIGHT: 2.0}), second.iloc[195:].assign(**{WEIGHT: 2.0}))
    assert not halves.leads("lowpass_8", None, "FAKE").first.known
    assert read(halves) == []
    # large random halves of each stand for the whole
    generator = np.random.default_rng(0)
    picked = [np.sort(generator.permutation(N)[: N // 2]) for _ in range(2)]
    crossed = share_rows(
        pair, first.iloc[picked[0]].assign(**{WEIGHT: 2.0}), second.iloc[picked[1]].assign(**{WEIGHT: 2.0})
    )
    assert crossed.leads("lowpass_8", None, "FAKE").first.known
