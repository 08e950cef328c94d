"""Studies of the made runs: clusters as they are, and the studies of explanations with numbers dealt by lot."""

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd

from core.detectors.resnet import LEVELS
from core.storage.limits import MANIFEST
from core.studies.questions.faithfulness import CONTROLS, DIRECTIONS, FILLS, ORDERS, STEPS, tabulate
from core.studies.questions.randomisation import columns_of
from core.studies.runner import Source, run_study
from core.studies.shared.explanations import judged
from core.studies.store import study_path
from core.studies.study import find_study

TRUST = ("faithfulness", "agreement", "stability", "certainty", "randomisation", "single_sign")
# the files of studies that were made, by what they were made from
_MADE = {}


def add_studies(home, *names):
    """Write studies beside a run of `home`, through the runner that writes all of them; each is computed once."""
    source = Source(home / "runs" / "tiny@seen-test", home / "detectors" / "tiny")
    manifest = (source.run / MANIFEST).read_text()
    for name in names:
        study = find_study(name)
        file = study_path(source.run, name)
        # tests put another computation in place of a study's
        key = (manifest, name, study.compute, *study.columns)
        if key in _MADE and not file.exists():
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(_MADE[key])
            continue
        if name in TRUST:
            # their own tests compute them; here it is the pages that count
            columns = list(study.columns)
            if name == "randomisation":
                columns = ["network", *(one for method in judged().values() for one in columns_of(method, LEVELS))]
            deal = _dealt_curves if study.methods else _dealt(columns)
            study = replace(study, compute=deal)
        run_study(study, source)
        _MADE[key] = file.read_bytes()


def _dealt_curves(context, rows, _parameters):
    orders = [(method, control) for method in judged() for control in ("none", *CONTROLS)]
    orders += [("none", order) for order in ORDERS]
    keys = [(*order, fill, direction) for order, fill, direction in product(orders, FILLS, DIRECTIONS)]
    ids = context.run.predictions["id"].to_numpy()[rows]
    draws = (4 * np.random.default_rng(row).random((len(keys), STEPS + 1)) - 1 for row in rows)
    return pd.concat([tabulate(id_, keys, curves) for id_, curves in zip(ids, draws, strict=True)], ignore_index=True)


def _dealt(columns):
    def compute(context, rows, _parameters):
        dealt = {
            column: _values(column, np.random.default_rng(number).random(len(context.run))[rows])
            for number, column in enumerate(columns)
        }
        return pd.DataFrame({"id": context.run.predictions["id"].to_numpy()[rows], **dealt})

    return compute


def _values(column, draws):
    if column.endswith(("one_sign", "against", "by_noise")):
        return draws < 0.3
    if column.endswith("_certain_count"):
        return np.full(len(draws), 20, np.float32)
    if column.endswith(("_both_count", "_reversed_count")):
        return np.floor((8 if "_reversed_" in column else 16) * draws + 1).astype(np.float32)
    if column == "ours_cause":
        return np.where(draws < 0.3, "too few segments", "")
    return (4 * draws - 1 if "_segments" not in column else 10 * draws).astype(np.float32)
