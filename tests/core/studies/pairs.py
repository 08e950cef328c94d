"""Pairs of runs whose verdicts are made up, in memory."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from tests.core.runs import made


def made_run(name, margins, is_real, **columns):
    """A run of the detector `name` with these margins; ids are numbers, categories go round."""
    n = len(margins)
    run = made.made_run(
        np.where(is_real, "REAL", "FAKE"),
        np.where(margins > 0, "REAL", "FAKE"),
        id=[f"test-{number}" for number in range(n)],
        name=[f"{number}.png" for number in range(n)],
        margin=margins.astype(np.float32),
        p_real=expit(margins).astype(np.float32),
        category=pd.Categorical(np.resize(["cat", "dog", "ship"], n)),
        in_train=False,
        is_repeat=False,
    )
    manifest = {
        "detector": name, "set": "made-test", "set_fingerprint": "1", "detector_sha256": name, "created": "now",
        "temperature": 1.0, "versions": {}, "skipped": [],
    }  # fmt: skip
    path = Path(f"/runs/{name}@made-test")
    return replace(run, path=path, manifest=manifest, predictions=run.predictions.assign(**columns), maps=None)


def drawn_runs(n=600):
    """A good detector and one that is worse, mostly on dogs, on the same images in another order."""
    generator = np.random.default_rng(0)
    is_real = generator.random(n) < 0.5
    shared = np.where(is_real, 2.0, -2.0) + generator.normal(0, 1, n)
    dogs = np.arange(n) % 3 == 1
    good = made_run("good", shared + generator.normal(0, 0.3, n), is_real)
    worse = made_run("worse", shared + generator.normal(0, np.where(dogs, 4.0, 0.5), n), is_real)
    order = generator.permutation(n)
    shuffled = worse.predictions.iloc[order].reset_index(drop=True)
    return good, replace(worse, predictions=shuffled)
