"""The study of probes: on detectors that see one thing only the right probe comes first, and the sentence names it."""

import numpy as np
import pytest

from core.perturbations.probe import margin_column
from core.perturbations.registry import PROBES
from core.runs.metrics import wilson_interval
from core.runs.run import read_run
from core.studies.questions.probes import STUDY
from core.studies.shared.flips import flip_rates, rates_table, read_flips
from core.studies.store import read_study, study_path
from tests.core.studies.counted import PARAMETERS, counted


def rates_of(run, table, **options):
    """The flip rates of a study's table."""
    return flip_rates(read_flips(run, table, PARAMETERS), **options)


def test_rates_are_counted_by_verdict_cell_and_category_with_their_weights(probed):
    run = read_run(probed.run)
    table = read_study(study_path(probed.run, STUDY.name), run).table
    table["weight"] = np.random.default_rng(0).uniform(1, 5, len(table)).astype(np.float32)
    rows = run.predictions
    for by, values in (("cell", rows["label"]), ("category", rows["category"])):
        counted = rates_of(run, table, by=by, probes=("lowpass", "lend"))
        for rate in counted:
            here = (rows["predicted"] == rate.verdict) & (values == rate.group)
            weights = table["weight"][here].to_numpy(float)
            after = table[margin_column(rate.column)][here].to_numpy(float)
            real = after > 0
            # what an image lends turns an image of the other verdict
            lends = rate.probe.key == "lend"
            assert (rate.flipped == rate.verdict) != lends
            turned = (real == (rate.verdict == "REAL")) == lends
            share = rate.contrast.measure
            assert share.n == here.sum()
            assert share.value == pytest.approx((turned * weights).sum() / weights.sum())
            size = weights.sum() ** 2 / (weights**2).sum()
            low, high = wilson_interval(share.value * size, size)
            assert share.low == pytest.approx(float(low))
            assert share.high == pytest.approx(float(high))
            if rate.probe.key == "lowpass":
                moved = after - rows["margin"][here].to_numpy(float)
                assert rate.shift.value == pytest.approx((moved * weights).sum() / weights.sum())
                control = rate.contrast.control.measure
                assert rate.contrast.difference.value == pytest.approx(share.value - control.value)
    assert {rate.group for rate in counted} == {"cat", "dog", "ship"}


def test_a_share_is_set_against_its_strongest_control_with_a_paired_interval(tmp_path):
    """The interval of the difference against a bootstrap of the images."""
    turned = {"lowpass_12": 0.5, "lowpass_control_12": 0.1, "lowpass_pattern_12": 0.4, "lowpass_grey_12": 0.2}
    run, table = counted({}, turned, tmp_path, images=400)
    rates = {(rate.verdict, rate.column): rate for rate in rates_of(run, table)}
    rate = rates["FAKE", "lowpass_12"].contrast
    assert rate.value == PROBES["lowpass_pattern"].inline
    assert rate.control.measure.value == 0.4
    assert rate.measure.value == 0.5
    fake = (run.predictions["predicted"] == "FAKE").to_numpy()
    lead = np.subtract(*((table[f"{key}_12_margin"][fake] > 0).astype(float) for key in ("lowpass", "lowpass_pattern")))
    drawn = np.random.default_rng(0).choice(lead, (4000, len(lead))).mean(axis=1)
    ends = np.quantile(drawn, [0.025, 0.975])
    np.testing.assert_allclose([rate.difference.low, rate.difference.high], ends, atol=0.006)
    assert rates["FAKE", "brighter_48"].contrast.difference is None
    written = rates_table(list(rates.values()), side=run.side)
    row = written[(written["verdict"] == "FAKE") & (written["change"] == PROBES["lowpass"].title)].iloc[1]
    assert row["share"] == 0.5
    assert row["control_share"] == 0.4
