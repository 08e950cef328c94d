"""Runs in memory. Needs no torch."""

from pathlib import Path

import numpy as np
import pandas as pd

from core.images.labels import CLASSES
from core.runs.run import Run


def made_run(label, called, *, maps=None, **columns):
    """A run in memory with the ids "0", "1", ..., random maps where none are given, and further columns."""
    size = len(label)
    generator = np.random.default_rng(0)
    margins = generator.uniform(0.5, 4, size).astype(np.float32) * np.where(np.asarray(called) == "REAL", 1, -1)
    predictions = pd.DataFrame(
        {
            "id": list(map(str, range(size))),
            "label": pd.Categorical(label, CLASSES),
            "predicted": pd.Categorical(called, CLASSES),
            "margin": margins,
        }
    ).assign(**columns)
    found = generator.normal(size=(size, 4, 4)) if maps is None else maps
    return Run(Path("made@made-test"), {}, predictions, np.asarray(found, np.float16), None, None)
