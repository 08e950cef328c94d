"""What the networks come to: the accuracy of each cell of the matrix, and findings about each cue. Needs no torch."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from core.findings.finding import Choice, Control, Finding, Measure
from core.metrics.intervals import Estimate
from core.metrics.seeds import difference_of_independent, share_over_seeds
from core.studies.cues.results import Results

STUDY = "cues"
EVERYTHING, LABELS = "everything", "labels"


def cells(results: Results) -> pd.DataFrame:
    """Accuracy of networks trained on each version and tested on each.

    Returns:
        Columns `trained`, `tested`, `value`, `low`, `high` (0 to 1), `images`, `seeds`, in the order of the versions.
    """
    order = {key: number for number, key in enumerate(results.versions)}
    table = results.table[results.table["trained"].isin(order) & results.table["tested"].isin(order)]
    rows = []
    for (trained, tested), part in table.groupby(["trained", "tested"]):
        right = (part["right_fake"] + part["right_real"]).to_numpy()
        images = int((part["images_fake"] + part["images_real"]).iloc[0])
        found = share_over_seeds(right, images)
        rows.append([trained, tested, *found[:3], images, len(part)])
    names = ["trained", "tested", "value", "low", "high", "images", "seeds"]
    frame = pd.DataFrame(rows, columns=names)
    places = frame[["trained", "tested"]].map(order.__getitem__) if len(frame) else frame[["trained", "tested"]]
    return frame.loc[places.sort_values(["trained", "tested"]).index].reset_index(drop=True)


def conclude(results: Results) -> list[Finding]:
    """A finding about each version that networks were trained on, the most telling cue first, controls at the end.

    Each is claimed only where it is above networks that were trained on shuffled labels, and above guessing.
    """
    found = cells(results).set_index(["trained", "tested"])
    own = {key: _estimate(found.loc[(key, key)]) for key in results.versions if (key, key) in found.index}
    # on other versions networks are tested on a part that has as many of each class
    whole = results.table[results.table["trained"] == results.table["tested"]]
    classes = whole[["images_fake", "images_real"]].sum()
    chance = float(classes.max() / max(1, classes.sum()))
    findings = [_finding(results.versions[key], key, own, found, chance=chance) for key in own]
    controls = [one for one in findings if one.details["is_control"]]
    cues = sorted((one for one in findings if not one.details["is_control"]), key=lambda one: -one.measure.value)
    return cues + controls


def _finding(
    about: Mapping[str, Any], key: str, every: Mapping[str, Estimate], found: pd.DataFrame, *, chance: float
) -> Finding:
    own, seeds = every[key], int(found.loc[(key, key), "seeds"])
    measure, guessing = Measure.of(own), Measure(chance)
    bars = {"guessing": (guessing, Estimate(chance, chance, chance, own.images))}
    if LABELS in every:
        bars = {"shuffled labels": (Measure.of(every[LABELS]), every[LABELS]), **bars}
    choices = [
        Choice("control", name, measure, Control(name, bar), Measure.of(difference_of_independent(own, estimate)))
        for name, (bar, estimate) in bars.items()
        if key != LABELS or name != "shuffled labels"
    ]
    crossed = {"read_by_everything": (EVERYTHING, key), "reads_everything": (key, EVERYTHING)}
    beside = {name: Measure.of(_estimate(found.loc[cell])) for name, cell in crossed.items() if cell in found.index}
    if EVERYTHING in every:
        beside["everything"] = Measure.of(every[EVERYTHING])
    # not under "control": in a sentence that is the finding's
    told = {name: value for name, value in about.items() if name != "control"} | {"is_control": about["control"]}
    details = {**told, "version": key, "seeds": seeds, "networks": "network" if seeds == 1 else "networks"}
    first, tried = choices[0], tuple(choices if len(choices) > 1 else ())
    return Finding(
        f"cue-{key}", STUDY, "cue_accuracy", measure, None, first.control, first.difference, tried,
        beside=beside, details=details,
    )  # fmt: skip


def _estimate(row: "pd.Series[Any]") -> Estimate:
    return Estimate(float(row["value"]), float(row["low"]), float(row["high"]), int(row["images"]))


def matrix(results: Results) -> pd.DataFrame:
    """Accuracy by version trained on (rows) and tested on (columns), NaN where it was not measured."""
    found = cells(results)
    there = [key for key in results.versions if key in set(found["trained"]) | set(found["tested"]) and key != LABELS]
    wide = found.pivot_table(index="trained", columns="tested", values="value", aggfunc="first")
    return wide.reindex(index=there, columns=there).astype(np.float64)
