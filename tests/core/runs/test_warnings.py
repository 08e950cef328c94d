"""Warnings of a run: each against its own definition, and none where nothing is wrong."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest
from statsmodels.stats.proportion import proportion_confint

from core.runs.warnings import warnings_of
from tests.core.trust_cues import made_run


def run_of(confusion):
    """A run with these counts, [label][prediction], FAKE first."""
    pairs = [(label, called) for label in (0, 1) for called in (0, 1) for _ in range(confusion[label][called])]
    names = np.array(["FAKE", "REAL"])[np.array(pairs)]
    return made_run(names[:, 0], names[:, 1])


@pytest.mark.parametrize(
    "confusion, not_above_chance, few",
    [
        ([[13, 7], [9, 11]], True, True),
        ([[17, 3], [2, 18]], False, True),
        ([[0, 2], [0, 38]], True, True),
        ([[0, 4], [0, 400]], True, False),
        # 60 of 100 is above one half (p = 0.028), 58 is not (p = 0.067)
        ([[30, 20], [20, 30]], False, True),
        ([[29, 21], [21, 29]], True, True),
        ([[360, 40], [60, 340]], False, False),
        # of one class there is no chance level
        ([[0, 0], [1, 19]], False, True),
        ([[0, 0], [5, 495]], False, False),
    ],
)
def test_chance_and_few_images(confusion, not_above_chance, few):
    right = confusion[0][0] + confusion[1][1]
    total = sum(map(sum, confusion))
    chance = max(map(sum, confusion)) / total
    p = binomtest(right, total, chance, alternative="greater").pvalue
    low, high = proportion_confint(right, total, method="wilson")
    assert (p > 0.05) == not_above_chance or 0 in map(sum, confusion)
    assert (high - low >= 0.1) == few
    found = warnings_of(run_of(confusion))
    wanted = [(f"{right} of {total}", f"{chance:.0%}", f"{p:.2f}")] * not_above_chance
    wanted += [(f"{right} of {total}", f"{low:.0%} to {high:.0%}")] * few
    assert len(found) == len(wanted)
    for numbers, sentence in zip(wanted, found, strict=True):
        assert all(number in sentence for number in numbers)


def test_margins_that_are_noise_or_saturated():
    run = run_of([[480, 20], [20, 480]])
    assert warnings_of(run) == []
    margins = run.predictions["margin"].to_numpy()
    (noise,) = warnings_of(replace(run, manifest={"noise": 0.75}))
    assert f"{(np.abs(margins) <= 0.75).sum()} of 1,000" in noise
    for extreme, count in ((15.94, 10), (-15.94, 10), (15.94, 11), (-15.94, 75)):
        many = np.where(np.arange(1000) < count, extreme, margins)
        found = warnings_of(replace(run, predictions=run.predictions.assign(margin=many)))
        assert len(found) == (count > 10)
        assert all(text.startswith(f"{count} of 1,000 margins are exactly {extreme}") for text in found)
    # nothing can be wrong in a run without images or labels
    assert warnings_of(replace(run, predictions=run.predictions.iloc[:0])) == []
    assert warnings_of(replace(run_of([[3, 1], [1, 3]]), predictions=run.predictions.assign(label=None)[:9])) == []
