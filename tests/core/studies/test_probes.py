"""The study of probes: on detectors that see one thing only the right probe comes first, and the sentence names it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.runs.metrics import wilson_interval
from core.runs.run import Run, read_run
from core.studies.flips import flip_rates, read_flips
from core.studies.probes import STUDY
from core.studies.runner import Source
from core.studies.store import read_study, study_path
from tests.core.studies.counted import PARAMETERS, counted


def rates_of(run: Run, table: pd.DataFrame, **options: Any) -> pd.DataFrame:
    """The flip rates of a study's table."""
    return flip_rates(read_flips(run, table, PARAMETERS), side=run.side, **options)


def test_rates_are_counted_by_verdict_cell_and_category_with_their_weights(probed: Source) -> None:
    run = read_run(probed.run)
    table = read_study(study_path(probed.run, STUDY.name), run).table
    table["weight"] = np.random.default_rng(0).uniform(1, 5, len(table)).astype(np.float32)
    rows = run.predictions
    for by, values in (("cell", rows["label"]), ("category", rows["category"])):
        counted = rates_of(run, table, by=by, probes=("lowpass", "lend"))  # type: ignore[arg-type]
        for _, row in counted[counted["images"] > 0].iterrows():
            here = (rows["predicted"] == row["verdict"]) & (values.astype(str) == row["group"])
            weights = table["weight"][here].to_numpy(float)
            real = table[row["column"]][here].to_numpy(float) > 0
            # what an image lends turns an image of the other verdict
            assert (row["flipped"] == row["verdict"]) == (row["probe"] != "lend")
            turned = (real == (row["verdict"] == "REAL")) == (row["probe"] == "lend")
            assert row["images"] == here.sum()
            assert row["share"] == pytest.approx((turned * weights).sum() / weights.sum())
            size = weights.sum() ** 2 / (weights**2).sum()
            low, high = wilson_interval(row["share"] * size, size)  # type: ignore[arg-type]
            assert (row["low"], row["high"]) == (pytest.approx(float(low)), pytest.approx(float(high)))
            if row["probe"] == "lowpass":
                moved = table[row["column"]][here].to_numpy(float) - rows["margin"][here].to_numpy(float)
                assert row["shift"] == pytest.approx((moved * weights).sum() / weights.sum())
                assert row["net"] == pytest.approx(row["share"] - row["control_share"])
    assert set(counted["group"]) == {"cat", "dog", "ship"}


def test_a_share_is_set_against_its_strongest_control_with_a_paired_interval(tmp_path: Path) -> None:
    """The interval of the difference against a bootstrap of the images."""
    turned = {"lowpass_12": 0.5, "lowpass_control_12": 0.1, "lowpass_pattern_12": 0.4, "lowpass_grey_12": 0.2}
    run, table = counted({}, turned, tmp_path, images=400)
    rates = rates_of(run, table).set_index(["verdict", "column"])
    row = rates.loc[("FAKE", "lowpass_12")]
    assert (row["control"], row["control_share"], row["share"]) == ("lowpass_pattern", 0.4, 0.5)
    fake = (run.predictions["predicted"] == "FAKE").to_numpy()
    lead = np.subtract(*((table[f"{key}_12"][fake] > 0).astype(float) for key in ("lowpass", "lowpass_pattern")))
    drawn = np.random.default_rng(0).choice(lead, (4000, len(lead))).mean(axis=1)
    np.testing.assert_allclose([row["net_low"], row["net_high"]], np.quantile(drawn, [0.025, 0.975]), atol=0.006)
    alone = rates.loc[("FAKE", "blur_1")]
    assert np.isnan(alone["control_share"])
    assert alone["net"] == alone["share"]
