"""A study's rows by verdict or by cell of the confusion matrix, never pooled over verdicts. Needs no torch."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.images.labels import CLASSES
from core.runs.run import Run
from core.studies.study import WEIGHT

By = Literal["verdict", "cell"]
VERDICTS = CLASSES
# name of a cell -> (label, verdict)
CELLS = {
    "FAKE called FAKE": ("FAKE", "FAKE"),
    "REAL called FAKE": ("REAL", "FAKE"),
    "FAKE called REAL": ("FAKE", "REAL"),
    "REAL called REAL": ("REAL", "REAL"),
}


def with_predictions(table: pd.DataFrame, run: Run) -> pd.DataFrame:
    """A study's table with `label`, `predicted` and `margin` of the run, and with a `weight` of 1 if it has none.

    Args:
        table: with the column `id`.
        run: that holds every id.
    """
    found = run.predictions.set_index("id").loc[table["id"].to_numpy(), ["label", "predicted", "margin"]]
    added = {
        "label": found["label"].astype(str).to_numpy(),
        "predicted": found["predicted"].astype(str).to_numpy(),
        "margin": found["margin"].to_numpy(np.float32),
    }
    if WEIGHT not in table:
        added[WEIGHT] = np.ones(len(table), np.float32)
    own = table.reset_index(drop=True).drop(columns=list(added), errors="ignore")
    return pd.concat([own, pd.DataFrame(added, index=own.index)], axis=1)


def groups(
    table: pd.DataFrame, run: Run, by: By = "verdict"
) -> Iterator[tuple[str, pd.DataFrame, NDArray[np.float32]]]:
    """Name, rows and weights of each group that has rows, FAKE verdicts first.

    Args:
        table: of a study, a row an image.
        run: that it was asked of.
        by: "verdict", or "cell" for right and wrong verdicts apart.
    """
    joined = with_predictions(table, run)
    wanted = {name: (None, name) for name in VERDICTS} if by == "verdict" else CELLS
    for name, (label, verdict) in wanted.items():
        chosen = (joined["predicted"] == verdict) & ((joined["label"] == label) | (label is None))
        rows = joined[chosen.to_numpy()]
        if len(rows):
            yield name, rows, rows[WEIGHT].to_numpy(np.float32)
