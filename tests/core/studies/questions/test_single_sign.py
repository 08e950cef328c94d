"""Shares of LIME maps whose signs are planted."""

import numpy as np
import pytest
from scipy.stats import binomtest

from core.explainers.lime import LimeSettings
from core.studies.questions import single_sign
from core.studies.questions.single_sign import COLUMNS, STUDY, compute, conclude
from core.studies.shared.explanations import Pass
from core.studies.study import Context
from tests.core.runs.made import made_run

# LIME's weights for REAL under the paper's settings and under ours, and its cause
PLANTED = [
    ([0.3], [0.5, -0.2], ""),
    ([-0.3], [-0.5, -0.2], "one sign"),
    ([-0.1, -0.2], [0.5, 0.2], "fill"),
    ([-0.1, 0.2], [0.5, 0.0], "nothing decided"),
    ([0.1, 0.0], [0.0, 0.0], "nothing decided"),
]


def planted(_detector, images, _explainer, settings):
    """What `PLANTED` has for the images, whose first pixels hold their numbers."""
    passes = []
    for image in images:
        paper, ours, cause = PLANTED[int(image[0, 0, 0]) % len(PLANTED)]
        is_paper = settings == LimeSettings.paper()
        weights = np.array(paper if is_paper else ours, np.float32)
        regions = np.minimum(np.arange(1024).reshape(32, 32) // 512, len(weights) - 1).astype(np.int16)
        signs = np.sign(weights).astype(np.int8)
        passes.append(Pass(weights[regions], regions, weights, signs, "" if is_paper else cause))
    return passes


@pytest.fixture
def context(monkeypatch):
    """Fifty images, the five cases again and again; the first thirty are called FAKE."""
    monkeypatch.setattr(single_sign, "explain_all", planted)
    pixels = np.zeros((50, 32, 32, 3), np.uint8)
    pixels[:, 0, 0, 0] = np.arange(50)
    run = made_run(["FAKE", "REAL"] * 25, ["FAKE"] * 30 + ["REAL"] * 20)
    return Context(run, None, pixels)


def test_planted_signs_are_counted(context):
    table = compute(context, np.arange(50), STUDY.parameters)
    assert list(table) == ["id", *COLUMNS]
    for row in (*range(5), *range(40, 45)):
        case = row % 5
        computed = table.loc[row]
        assert computed["paper_segments_count"] == (1, 1, 2, 2, 2)[case]
        assert computed["is_paper_one_sign"] == (case != 3)
        # weights are for REAL: against a FAKE verdict where they are above 0, against a REAL one where they are below
        assert computed["is_paper_against"] == (case in (1, 2) if row >= 30 else case == 0)
        assert computed["is_ours_against"] == (case == 1 if row >= 30 else case == 2)
        assert computed["is_ours_one_sign"] == (case != 0)
        assert computed["ours_cause"] == PLANTED[case][2]


def test_shares_are_those_that_were_planted_with_wilsons_interval(context):
    table = compute(context, np.arange(50), STUDY.parameters)
    findings = {finding.key: finding for finding in conclude(context.run, table, STUDY.parameters)}
    for verdict, size, against in (("FAKE", 30, 0.2), ("REAL", 20, 0.4)):
        low, high = binomtest(round(0.8 * size), size).proportion_ci(method="wilson")
        for key in ("paper", "ours"):
            measure = findings[f"{key}-{verdict}"].measure
            assert (measure.value, measure.low, measure.high, measure.n) == pytest.approx((0.8, low, high, size))
        paper = findings[f"paper-{verdict}"]
        ours = findings[f"ours-{verdict}"]
        assert paper.beside["against"].value == pytest.approx(against)
        assert paper.beside["few"].value == 1
        # the same images under both settings
        assert ours.control.measure == paper.measure
        assert ours.difference.value == pytest.approx(0)
    # a sample is weighted up: 24 rows of weight 1 against 6 of weight 6
    weights = np.where(table["is_paper_one_sign"], 1.0, 6.0)
    (paper, *_) = conclude(context.run, table.assign(weight=weights), STUDY.parameters)
    assert paper.measure.value == pytest.approx(24 / 60)
