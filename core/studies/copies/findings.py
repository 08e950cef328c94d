"""Findings of the studies `duplicates` and `files`: numbers of copies, and how files were compressed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from core.findings.finding import Finding, Measure
from core.findings.headlines import Headlines
from core.findings.intervals import weighted_share
from core.runs.run import Run
from core.studies.copies.nearest_copy import FILE, NEAR, SHOWN, UNKNOWN
from core.studies.study import WEIGHT

# finding -> (column, value)
COUNTED = {
    "leak.file": ("in_training", FILE),
    "leak.pixels": ("in_training", SHOWN),
    "leak.near": ("in_training", NEAR),
    "copy.file": ("in_set", FILE),
    "copy.pixels": ("in_set", SHOWN),
    "copy.near": ("in_set", NEAR),
}
# kinds of files that are told
COMMON = 5

COUNT = "A count, which has no control."
LEAKS, COPIES = "How many images have a copy in the training set?", "How many images have a copy within the set?"
HEADLINES: Headlines = {
    "leak.file": {"question": LEAKS, "subject": "the same file", "no control": COUNT},
    "leak.pixels": {"question": LEAKS, "subject": "the same pixels", "no control": COUNT},
    "leak.near": {"question": LEAKS, "subject": "nearly the same image", "no control": COUNT},
    "copy.file": {"question": COPIES, "subject": "the same file", "no control": COUNT},
    "copy.pixels": {"question": COPIES, "subject": "the same pixels", "no control": COUNT},
    "copy.near": {"question": COPIES, "subject": "nearly the same image", "no control": COUNT},
    "unchecked": {"question": LEAKS, "unknown": "Some images were not compared with the training set."},
    "common.*": {"question": "How were the files compressed?", "no control": COUNT},
    "unknown": {
        "question": "How were the files compressed?",
        "unknown": "The files do not say how they were compressed.",
    },
}


def duplicates(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """Count the copies of each kind, the commonest kind first."""
    found = [_counted(run, table, key) for key in COUNTED]
    found.sort(key=lambda one: -np.nan_to_num(one.measure.value, nan=-1))
    if unchecked := int((table["in_training"] == UNKNOWN).sum()):
        found.append(Finding("unchecked", "duplicates", "copies", Measure(np.nan, n=unchecked)))
    return found


def _counted(run: Run, table: pd.DataFrame, key: str) -> Finding:
    column, value = COUNTED[key]
    hit = (table[column] == value).to_numpy(bool)
    # without the training images a run still remembers which of its files were trained on, where that was looked up
    if (table[column] == UNKNOWN).any() and not (value == FILE and run.leaks_checked):
        return Finding(key, "duplicates", "copies", Measure(np.nan))
    weights = table[WEIGHT].to_numpy(np.float64)
    share = weighted_share(hit, weights)
    of_real = (run.predictions.set_index("id")["label"].reindex(table["id"]) == "REAL").to_numpy(bool)
    classes = table[column.replace("in_", "") + "_class"]
    clash = (classes == "other").to_numpy(bool) & hit
    counts = {"count": hit, "real": hit & of_real, "fake": hit & ~of_real, "other_class": clash}
    details: dict[str, Any] = {name: round(float(weights[chosen].sum())) for name, chosen in counts.items()}
    details |= {"images": round(float(weights.sum())), "sampled": len(table) < len(run)}
    # what a run remembers of its leaks does not tell the class of the training image
    details["classes"] = bool(classes[hit].notna().all())
    if key == "copy.file":
        details["repeats"] = int(run.predictions["is_repeat"].sum())
    return Finding(key, "duplicates", "copies", Measure.of(share), details=details)


def files(_run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """List the compressions, the commonest first."""
    known = table[table["compression"].notna()]
    if known.empty:
        return [Finding("unknown", "files", "file_kind", Measure(np.nan))]
    weights = known[WEIGHT].to_numpy()
    by_weight = known.groupby("compression")[WEIGHT].sum().sort_values(ascending=False, kind="stable")
    return [
        Finding(
            f"common.{number}", "files", "file_kind",
            Measure.of(weighted_share((known["compression"] == name).to_numpy(bool), weights)),
            details={"name": str(name)},
        )
        for number, name in enumerate(by_weight.index[:COMMON])
    ]  # fmt: skip
