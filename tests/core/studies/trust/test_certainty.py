"""Counts of certain signs against LIME's own decisions, and shares whose intervals resample images."""

import numpy as np
import pandas as pd
import pytest

from core.explainers.lime.regions import LIME, LimeSettings
from core.findings.claims import claim_status
from core.findings.words import tell
from core.findings.words.explanations import certain
from core.runs.run import read_run
from core.studies.certainty import STUDY, certainty_summary, conclude
from core.studies.runner import Source, run_study
from core.studies.store import read_study
from tests.core.trust_cues import made_run

OTHERS = ("blur", "black", "texture", "road")


def test_counts_are_those_of_each_fills_own_decisions(patched: Source) -> None:
    table = read_study(run_study(STUDY, patched, images=4)).table
    context, run = patched.open(), read_run(patched.run)
    for _, found in table.iterrows():
        image = np.asarray(context.pixels[pd.Index(run.predictions["id"]).get_loc(found["id"])])
        signs = {
            name: LIME.explain_fully(context.detector, image, settings).parts.decisions
            for name, settings in {**LIME.under_fills(LimeSettings()), "seed": LimeSettings(seed=1)}.items()
        }
        mean = signs["mean"]
        assert found["lime_certain"] == np.count_nonzero(mean)
        for other in (*OTHERS, "seed"):
            both = (mean != 0) & (signs[other] != 0)
            assert found[f"lime_{other}_both"] == both.sum()
            assert found[f"lime_{other}_reversed"] == (both & (mean != signs[other])).sum()
        alike = np.all([signs[fill] == mean for fill in OTHERS], axis=0) & (mean != 0)
        assert found["lime_every"] == alike.sum()
        drawn = [
            LIME.explain_fully(context.detector, image, LimeSettings(seed=seed)).parts.decisions
            for seed in (1, 2, 3, 4)
        ]
        alike = np.all([signs == mean for signs in drawn], axis=0) & (mean != 0)
        assert found["lime_seed_every"] == alike.sum()
    # the patch is certain, and Grad-CAM covers nothing
    assert (table["lime_certain"] > 0).all()
    assert not [name for name in table if name.startswith("gradcam")]


@pytest.fixture
def counts() -> pd.DataFrame:
    """Ten certain signs an image; other fills decide eight, and reverse them in every fourth image."""
    size = 80
    found = pd.DataFrame({"id": list(map(str, range(size))), "lime_certain": 10.0, "lime_every": 2.0})
    found["lime_seed_every"] = 7.0
    for other in (*OTHERS, "seed"):
        found[f"lime_{other}_both"], found[f"lime_{other}_reversed"] = 8.0, 0.0
    for other in ("texture", "blur", "black", "road"):
        found[f"lime_{other}_reversed"] = np.where(np.arange(size) % 4 == 0, 8.0, 0.0)
    return found


def test_shares_are_ratios_of_sums_with_images_resampled(counts: pd.DataFrame) -> None:
    run = made_run(["FAKE"] * 80, ["FAKE"] * 80)
    found = {one.key: one for one in conclude(run, counts, {})}
    assert set(found) == {"holds-lime-FAKE", "reversed-lime-FAKE"}
    reverses = found["reversed-lime-FAKE"]
    blur = reverses.choices[0]
    assert [one.value for one in reverses.choices] == ["blur", "black", "shuffled texture", "ROAD"]
    assert blur.measure.value == pytest.approx(0.25)
    # 80 images of which each reverses all or nothing, and not 640 signs
    half = 1.99 * np.sqrt(0.25 * 0.75 / 79)
    assert (blur.measure.low, blur.measure.high) == (
        pytest.approx(0.25 - half, abs=2e-3),
        pytest.approx(0.25 + half, abs=2e-3),
    )
    assert claim_status(reverses).kind == "holds"
    held = found["holds-lime-FAKE"]
    assert (held.measure.value, held.control.measure.value) == (pytest.approx(0.2), pytest.approx(0.7))
    assert held.difference.value == pytest.approx(-0.5)
    assert str(tell(held).answer).startswith(
        "Of the signs that LIME calls certain on FAKE verdicts with mean colour, 20.0%"
    )
    assert "that other reverses 25% (" in str(tell(reverses).answer)
    assert "these hold under all: 20% by LIME on FAKE verdicts" in str(certain(list(found.values())))
    summary = certainty_summary(counts, run).set_index("name")
    assert summary.loc["LIME: alike under every fill", "value"] == pytest.approx(0.2)
    assert summary.loc["LIME: alike in as many further draws", "value"] == pytest.approx(0.7)
    assert summary.loc["LIME: reversed by blur", "low"] == pytest.approx(blur.measure.low)
    assert summary.loc["LIME: reversed by another draw", "value"] == 0


def test_a_file_without_the_further_draws_says_nothing_of_what_every_fill_confirms(counts: pd.DataFrame) -> None:
    run = made_run(["FAKE"] * 80, ["FAKE"] * 80)
    found = conclude(run, counts.drop(columns="lime_seed_every"), {})
    assert [one.key for one in found] == ["reversed-lime-FAKE"]
    assert "has yet to be compared with further draws" in str(certain(found))


def test_the_further_draws_alone_are_added_to_a_file_that_lacks_them(patched: Source) -> None:
    whole = read_study(run_study(STUDY, patched, images=4)).table
    wanted = frozenset(name for name in STUDY.columns if name.endswith("_seed_every"))
    rows = pd.Index(read_run(patched.run).predictions["id"]).get_indexer(whole["id"])
    again = STUDY.compute(patched.open(missing=wanted), rows, STUDY.parameters)
    assert set(again) == {"id", *(f"{name[: -len('_seed_every')]}_certain" for name in wanted), *wanted}
    pd.testing.assert_frame_equal(again, whole[list(again)])


def test_a_fill_that_reverses_no_more_than_another_draw_is_what_it_depends_on(counts: pd.DataFrame) -> None:
    run = made_run(["REAL"] * 80, ["REAL"] * 80)
    one = next(one for one in conclude(run, counts.assign(lime_blur_reversed=0.0), {}) if "reversed" in one.key)
    assert claim_status(one).on["fill"]["blur"] == 0
    assert claim_status(one).on["fill"]["ROAD"] == 1
