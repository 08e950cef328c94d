"""Counts of certain signs against LIME's own decisions, and shares whose intervals resample images."""

import numpy as np
import pandas as pd
import pytest

from core.explainers.lime import LIME, LimeSettings
from core.findings.answer import answer_of
from core.findings.contrast import find
from core.runs.run import read_run
from core.studies.questions.certainty import conclude, make_study
from core.studies.runner import run_study
from core.studies.store import read_study
from tests.core.findings.planted import choice
from tests.core.runs.made import made_run

pytestmark = pytest.mark.usefixtures("two_methods")
OTHERS = ("blur", "black", "texture", "road")
RUN = made_run(["FAKE"] * 80, ["FAKE"] * 80)


def test_counts_are_those_of_each_fills_own_decisions(patched):
    table = read_study(run_study(make_study(), patched, images=2)).table
    context = patched.open()
    run = read_run(patched.run)

    def signs(image, settings):
        return np.asarray(LIME.explain_fully(context.detector, image, settings).parts.decisions)

    for _, counts in table.iterrows():
        image = np.asarray(context.pixels[pd.Index(run.predictions["id"]).get_loc(counts["id"])])
        fills = {name: signs(image, settings) for name, settings in LIME.under_fills(LimeSettings()).items()}
        mean = fills["mean"]
        again = signs(image, LimeSettings(seed=1))
        assert counts["lime_certain_count"] == np.count_nonzero(mean) > 0
        for other, decisions in {**{fill: fills[fill] for fill in OTHERS}, "seed": again}.items():
            both = (mean != 0) & (decisions != 0)
            assert counts[f"lime_{other}_both_count"] == both.sum()
            assert counts[f"lime_{other}_reversed_count"] == (both & (mean != decisions)).sum()
    # Grad-CAM covers nothing
    assert not [name for name in table if name.startswith("gradcam")]


@pytest.fixture
def counts():
    """Ten certain signs an image; other fills decide eight, and reverse them in every fourth image."""
    table = pd.DataFrame({"id": list(map(str, range(80))), "lime_certain_count": 10.0})
    for other in (*OTHERS, "seed"):
        reversed_ = 0.0 if other == "seed" else np.where(np.arange(80) % 4 == 0, 8.0, 0.0)
        table[f"lime_{other}_both_count"], table[f"lime_{other}_reversed_count"] = 8.0, reversed_
    return table


def of(table, key):
    return find(conclude(RUN, table, {}), key)


def test_shares_are_of_all_certain_signs_with_images_resampled(counts):
    confirmed, contradicted = (of(counts, f"{what}-lime-FAKE") for what in ("confirmed", "contradicted"))
    values = [contrast.value for contrast in contradicted.contrasts]
    assert values == ["all fills together", "blur", "shuffled texture", "ROAD", "black"]
    blur = contradicted.choices[0].measure
    # 80 images of which each reverses eight of ten or none, and not 800 signs
    half = 1.99 * 0.8 * np.sqrt(0.25 * 0.75 / 79)
    assert (blur.value, blur.low, blur.high) == pytest.approx((0.2, 0.2 - half, 0.2 + half), abs=2e-3)
    assert (confirmed.measure.value, confirmed.control.measure.value) == pytest.approx((0.6, 0.8))
    assert {answer_of(confirmed).word, answer_of(contradicted).word} == {"yes"}


def test_black_is_shown_and_not_counted(counts):
    extreme = counts.assign(lime_black_reversed_count=0.0)
    finding = of(extreme, "contradicted-lime-FAKE")
    assert finding.measure == of(counts, "contradicted-lime-FAKE").measure
    assert answer_of(finding).word == "yes"
    black = choice(finding, "fill", "black")
    assert black.measure.value == 0
    assert black.control is None
