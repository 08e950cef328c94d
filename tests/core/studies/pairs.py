"""Pairs of runs whose verdicts are made up, in memory."""

from pathlib import Path

import numpy as np
import pandas as pd

from core.runs.run import Run


def made_run(name, margins, is_real, **columns):
    """A run of the detector `name` with these margins; ids are numbers, categories go round."""
    n = len(margins)
    p_real = 1 / (1 + np.exp(-np.asarray(margins, np.float64)))
    classes = ["FAKE", "REAL"]
    frame = pd.DataFrame(
        {
            "id": [f"test-{number}" for number in range(n)],
            "name": [f"{number}.png" for number in range(n)],
            "label": pd.Categorical.from_codes(is_real.astype(int), classes),
            "predicted": pd.Categorical.from_codes((margins > 0).astype(int), classes),
            "margin": margins.astype(np.float32),
            "p_real": p_real.astype(np.float32),
            "category": pd.Categorical([("cat", "dog", "ship")[number % 3] for number in range(n)]),
            "in_train": np.zeros(n, bool),
            "is_repeat": np.zeros(n, bool),
            **columns,
        }
    )
    manifest = {
        "detector": name, "set": "made-test", "set_fingerprint": "1", "detector_sha256": name, "created": "now",
        "temperature": 1.0, "versions": {}, "skipped": [],
    }  # fmt: skip
    return Run(Path(f"/runs/{name}@made-test"), manifest, frame, None, None, None)


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
    return good, Run(worse.path, worse.manifest, shuffled, None, None, None)
