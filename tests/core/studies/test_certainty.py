"""Counts of certain signs against LIME's own decisions, and shares whose intervals resample images."""

import numpy as np
import pandas as pd
import pytest

from core.explainers.lime.regions import LIME, LimeSettings
from core.findings.claims import claim_status
from core.findings.finding import Finding, find
from core.runs.run import read_run
from core.studies.certainty import STUDY, certainty_summary, conclude
from core.studies.runner import Source, run_study
from core.studies.store import read_study
from tests.core.trust_cues import made_run

pytestmark = pytest.mark.usefixtures("two_methods")
OTHERS = ("blur", "black", "texture", "road")
RUN = made_run(["FAKE"] * 80, ["FAKE"] * 80)


def test_counts_are_those_of_each_fills_own_decisions(patched: Source) -> None:
    table = read_study(run_study(STUDY, patched, images=2)).table
    context, run = patched.open(), read_run(patched.run)

    def signs(image: np.ndarray, settings: LimeSettings) -> np.ndarray:
        return np.asarray(LIME.explain_fully(context.detector, image, settings).parts.decisions)

    for _, counts in table.iterrows():
        image = np.asarray(context.pixels[pd.Index(run.predictions["id"]).get_loc(counts["id"])])
        fills = {name: signs(image, settings) for name, settings in LIME.under_fills(LimeSettings()).items()}
        draws = [signs(image, LimeSettings(seed=seed)) for seed in (1, 2, 3, 4)]
        mean = fills["mean"]
        assert counts["lime_certain"] == np.count_nonzero(mean) > 0
        for other, decisions in {**{fill: fills[fill] for fill in OTHERS}, "seed": draws[0]}.items():
            both = (mean != 0) & (decisions != 0)
            assert counts[f"lime_{other}_both"] == both.sum()
            assert counts[f"lime_{other}_reversed"] == (both & (mean != decisions)).sum()
        for column, others in (("lime_every", [fills[fill] for fill in OTHERS]), ("lime_seed_every", draws)):
            alike = np.all([decisions == mean for decisions in others], axis=0)
            assert counts[column] == (alike & (mean != 0)).sum()
    # Grad-CAM covers nothing
    assert not [name for name in table if name.startswith("gradcam")]
    # the further draws alone are added to a file that lacks them
    wanted = frozenset(name for name in STUDY.columns if name.endswith("_seed_every"))
    rows = pd.Index(run.predictions["id"]).get_indexer(table["id"])
    again = STUDY.compute(patched.open(missing=wanted), rows, STUDY.parameters)
    assert set(again) == {"id", "lime_certain", "lime_seed_every"}
    pd.testing.assert_frame_equal(again, table[list(again)])


@pytest.fixture
def counts() -> pd.DataFrame:
    """Ten certain signs an image; other fills decide eight, and reverse them in every fourth image."""
    table = pd.DataFrame({"id": list(map(str, range(80))), "lime_certain": 10.0, "lime_every": 2.0})
    table["lime_seed_every"] = 7.0
    for other in (*OTHERS, "seed"):
        reversed_ = 0.0 if other == "seed" else np.where(np.arange(80) % 4 == 0, 8.0, 0.0)
        table[f"lime_{other}_both"], table[f"lime_{other}_reversed"] = 8.0, reversed_
    return table


def of(table: pd.DataFrame, key: str) -> Finding:
    finding = find(conclude(RUN, table, {}), key)
    assert finding is not None
    return finding


def test_shares_are_ratios_of_sums_with_images_resampled(counts: pd.DataFrame) -> None:
    reverses = of(counts, "reversed-lime-FAKE")
    assert [choice.value for choice in reverses.choices] == ["blur", "black", "shuffled texture", "ROAD"]
    blur = reverses.choices[0].measure
    # 80 images of which each reverses all or nothing, and not 640 signs
    half = 1.99 * np.sqrt(0.25 * 0.75 / 79)
    assert (blur.value, blur.low, blur.high) == pytest.approx((0.25, 0.25 - half, 0.25 + half), abs=2e-3)
    assert claim_status(reverses).kind == "holds"
    held = of(counts, "holds-lime-FAKE")
    assert held.control is not None
    assert held.difference is not None
    assert (held.measure.value, held.control.measure.value, held.difference.value) == pytest.approx((0.2, 0.7, -0.5))
    summary = certainty_summary(counts, RUN).set_index("name")
    assert summary.loc["LIME: alike under every fill", "value"] == pytest.approx(0.2)
    assert summary.loc["LIME: alike in as many further draws", "value"] == pytest.approx(0.7)
    assert summary.loc["LIME: reversed by blur", "low"] == pytest.approx(blur.low)
    assert summary.loc["LIME: reversed by another draw", "value"] == 0


def test_a_fill_that_reverses_no_more_than_another_draw_keeps_it_from_holding(counts: pd.DataFrame) -> None:
    finding = of(counts.assign(lime_blur_reversed=0.0), "reversed-lime-FAKE")
    assert claim_status(finding).on["fill"]["blur"] == 0
    assert claim_status(finding).on["fill"]["ROAD"] == 1


def test_a_file_without_the_further_draws_concludes_the_rest(counts: pd.DataFrame) -> None:
    findings = conclude(RUN, counts.drop(columns="lime_seed_every"), {})
    assert [finding.key for finding in findings] == ["reversed-lime-FAKE"]
