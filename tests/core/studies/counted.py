"""The study of probes on made images: as it is computed, and with sizes and shares that a test chooses."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from core.perturbations.probe import margin_column, size_column
from core.perturbations.registry import probe_columns
from core.studies.questions.probes import compute, derive
from core.studies.study import Context
from tests.core.cue_detectors import CUES, mean_colour

PARAMETERS = {"seed": 0}


@cache
def _asked(name):
    cue = CUES[name]()
    run = cue.run(Path("nowhere"))
    context = Context(run, cue, cue.pixels)
    table = compute(context, np.arange(len(run)), PARAMETERS)
    return run, pd.concat([table, derive(run, table)], axis=1).assign(weight=np.float32(1))


def asked_of(name, path):
    """The run of one of `CUES` and the study's table, computed once for all tests."""
    run, table = _asked(name)
    return replace(run, path=path), table.copy()


@cache
def _run_of(images):
    return mean_colour(images).run(Path("nowhere"))


def counted(sizes, turned, path, *, images=80):
    """A run, half of it called FAKE, and a table in which only the chosen shares of verdicts flip.

    Args:
        sizes: column -> root mean square of the change; where it is not said, far from that of any control.
        turned: column -> share that turns, 0 to 1, of both verdicts or of (FAKE, REAL).
        path: of the run.
        images: how many.
    """
    run = _run_of(images)
    run = replace(run, path=path, predictions=run.predictions.copy())
    real = (run.predictions["predicted"] == "REAL").to_numpy()
    place = np.arange(images) % (images // 2) / (images // 2)
    columns = {}
    for column, (probe, _) in probe_columns().items():
        of = np.broadcast_to(turned.get(column, 0), 2)[real.astype(int)]
        # a donor that is changed turns where it gets the image's verdict
        columns[margin_column(column)] = np.where((place < of) ^ real ^ probe.changes_donor, 1.0, -1.0).astype(
            np.float16
        )
        columns[size_column(column)] = np.full(
            images, sizes.get(column, 900.0 if probe.is_control else 200.0), np.float16
        )
    table = pd.concat([run.predictions[["id"]], pd.DataFrame(columns)], axis=1)
    return run, table.assign(weight=np.float32(1))
