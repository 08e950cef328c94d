"""What an audit comes to, in sentences: what tells the classes apart best first. Needs no torch."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from core.runs.run import Run
from core.studies.audit.names import FACT_NAMES, LEAK
from core.studies.shares import with_ends
from core.studies.study import Finding

# how far the low end of an AUROC must be for these words; below the last, ten facts at 95 % may come by chance
HOW_WELL = ((0.7, "well"), (0.6, "to some degree"), (0.53, "a little"), (0.0, "hardly"))
HINT = 0.53
# the same of a rank correlation within a class
HOW_MUCH = ((0.2, "its margin goes with this"), (0.05, "its margin goes with this a little"))
NO_LEAN = "its margin does not go with this"
HARDLY = "its margin hardly goes with this"
BASELINES = {"spectrum": "the 16 numbers of the radial power spectrum", "facts": "the eight plain facts together"}


def conclude(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> list[Finding]:  # noqa: ARG001
    """Findings `fact.<name>` and `leak` worst first; `baseline.<name>`, `lean.<name>`, `ring`, `training.<kind>`."""
    alone = worst_first(table)
    network = table[table["kind"] == "network"].iloc[0]
    rows = {kind: [row for _, row in table[table["kind"] == kind].iterrows()] for kind in ("baseline", "copies")}
    found = [about_leak(row) if row["kind"] == "leak" else about_fact(row) for _, row in alone.iterrows()]
    found += [about_baseline(row, network) for row in rows["baseline"]]
    found += [about_lean(row, network) for _, row in alone.iterrows()]
    found += [about_rings(table[table["kind"] == "ring"])]
    found += [about_copies(row) for row in rows["copies"]]
    return found


def worst_first(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of facts and of leaks, those that certainly tell most first."""
    rows = table[table["kind"].isin(["fact", "leak"])]
    return rows.sort_values("auroc_low", ascending=False, kind="stable").reset_index(drop=True)


def how_well(auroc_low: float) -> str:
    """How well something tells the classes apart, by the low end of its AUROC: "well", ..., "hardly"."""
    return next(words for least, words in HOW_WELL if auroc_low >= least)


def tells(auroc_low: float, verb: str, what: str = "REAL from FAKE") -> str:
    """ "tells REAL from FAKE well", ..., "hardly tells REAL from FAKE"."""
    how = how_well(auroc_low)
    return f"hardly {verb} {what}" if how == "hardly" else f"{verb} {what} {how}"


def about_fact(row: "pd.Series[Any]") -> Finding:
    """What a fact alone tells."""
    name = FACT_NAMES[row["name"]]
    images = int(row["images"])
    if row["values"] == 1:
        text = f"{name.title} tells nothing: all {images:,} images have the same."
        return Finding(f"fact.{row['name']}", text, 0.5, 0.5, 0.5, images)
    text = (
        f"{name.title} alone {tells(row['auroc_low'], 'tells')}: of 100 pairs of one image of each "
        f"class it picks the REAL one in {_pairs(row, 'auroc')}, with shuffled labels in {100 * row['shuffled']:.1f}"
    )
    if name.is_number and row["auroc_low"] >= HINT:
        text += f"; {_difference(row)}"
    return Finding(f"fact.{row['name']}", f"{text}.", row["auroc"], row["auroc_low"], row["auroc_high"], images)


def _difference(row: "pd.Series[Any]") -> str:
    name = FACT_NAMES[row["name"]]
    if row["direct_low"] <= 0.5 <= row["direct_high"]:
        return "neither class has more of it, but its spread differs"
    which = name.more if row["direct"] > 0.5 else name.less
    medians = [f"{_number(row[f'median_{side}'])}{name.unit}" for side in ("real", "fake")]
    return f"REAL images are {which} (median {medians[0]} against {medians[1]})"


def about_leak(row: "pd.Series[Any]") -> Finding:
    """What one learns who remembers the training images and nothing else."""
    count, images = int(row["count"]), int(row["images"])
    if not count:
        text = (
            f"{LEAK.title} tell nothing: none of {images:,} images has a copy or near copy among the training images."
        )
    else:
        text = (
            f"{LEAK.title} alone {tells(row['auroc_low'], 'tell')}: {count:,} of {images:,} images have "
            f"a copy or near copy there, {int(row['other_class']):,} of them of the other class; whoever remembers "
            f"those and guesses all others picks the REAL one of 100 pairs in {_pairs(row, 'auroc')}."
        )
    return Finding("leak", text, row["auroc"], row["auroc_low"], row["auroc_high"], images)


def about_baseline(row: "pd.Series[Any]", network: "pd.Series[Any]") -> Finding:
    """A regression beside the network."""
    fitted = f"fitted on {int(row['fitted']):,} training images" if row["fitted"] else "cross-validated on this set"
    text = (
        f"A logistic regression on {BASELINES[row['name']]} ({fitted}) is right on {_percent(row, 'accuracy')} and has "
        f"AUROC {_with_ends(row, 'auroc')}, with shuffled labels {row['shuffled']:.2f}; the network is right on "
        f"{_percent(network, 'accuracy')} and has AUROC {_with_ends(network, 'auroc')}."
    )
    ends = row["accuracy"], row["accuracy_low"], row["accuracy_high"]
    return Finding(f"baseline.{row['name']}", text, *ends, int(row["images"]))


def about_lean(row: "pd.Series[Any]", network: "pd.Series[Any]") -> Finding:
    """What the detector does where a fact, or a copy, cannot help it."""
    key = "lean.leak" if row["kind"] == "leak" else f"lean.{row['name']}"
    images = int(row["images"])
    if row["kind"] == "leak":
        among = "images that have no copy among the training images"
    else:
        name = FACT_NAMES[row["name"]]
        among = f"images alike in {name.alike or name.title.lower()}"
    if not np.isfinite(row["matched_auroc"]):
        text = f"There are too few {among} in both classes to say whether the detector uses anything else."
        return Finding(key, text, images=images)
    text = (
        f"Among {among} the detector picks the REAL one of 100 pairs in {_pairs(row, 'matched_auroc')}, over all "
        f"images in {_pairs(network, 'auroc')}"
    )
    if row["matched_auroc_high"] < network["auroc_low"]:
        text += ", so part of what it can do goes with that"
    if np.isfinite(row["lean"]):
        words = next((words for least, words in HOW_MUCH if row["lean_low"] >= least), NO_LEAN)
        if words == NO_LEAN and (row["lean_low"] > 0 or row["lean_high"] < 0):
            words = HARDLY if row["lean_low"] > 0 else "its margin goes a little against this"
        if row["lean_high"] <= -HOW_MUCH[1][0]:
            words = "its margin goes against this"
        ends = _with_ends(row, "lean", 2, ends=", 95 % interval {} to {}")
        text += f"; within a class {words} (rank correlation {ends})"
    numbers = row["matched_auroc"], row["matched_auroc_low"], row["matched_auroc_high"]
    return Finding(key, f"{text}.", *numbers, images)


def about_rings(rings: pd.DataFrame) -> Finding:
    """The ring of the spectrum whose power differs most between the classes."""
    best = rings.loc[(rings["direct"] - 0.5).abs().idxmax()]
    more = "more" if best["direct"] > 0.5 else "less"
    value, low, high = (100 * end for end in (max(best["direct"], 1 - best["direct"]), *_folded(best)))
    text = (
        f"Of the 16 rings of the power spectrum the one at {best['name']} cycles an image differs most: REAL images "
        f"have {more} power there in {value:.1f} of 100 pairs of one image of each class (95 % interval {low:.1f} to "
        f"{high:.1f})."
    )
    return Finding("ring", text, best["direct"], best["direct_low"], best["direct_high"], int(best["images"]))


def _folded(row: "pd.Series[Any]") -> tuple[float, float]:
    """The ends of a direct AUROC's interval, seen from its larger side."""
    low, high = float(row["direct_low"]), float(row["direct_high"])
    return (low, high) if row["direct"] > 0.5 else (1 - high, 1 - low)


def about_copies(row: "pd.Series[Any]") -> Finding:
    """Copies among the training images."""
    count, images = int(row["count"]), int(row["images"])
    words = {
        "training.file": "repeat an earlier one byte for byte",
        "training.pixels": "repeat the very pixels of an earlier one",
        "training.near": "are near copies of another",
    }
    clash = f"; {int(row['other_class']):,} are in groups of both classes" if count else ""
    text = f"{f'{count:,}' if count else 'None'} of {images:,} training images {words[row['name']]}{clash}."
    return Finding(row["name"], text, count / images, images=images)


def _with_ends(row: "pd.Series[Any]", name: str, digits: int = 3, *, ends: str = " (95 % interval {} to {})") -> str:
    low, high = (f"{row[name + end]:.{digits}f}" for end in ("_low", "_high"))
    return f"{row[name]:.{digits}f}" + ends.format(low, high)


def _pairs(row: "pd.Series[Any]", name: str) -> str:
    """An AUROC as how many of 100 pairs of one image of each class are told apart."""
    value, low, high = (100 * row[name + end] for end in ("", "_low", "_high"))
    return f"{value:.1f} (95 % interval {low:.1f} to {high:.1f})"


def _percent(row: "pd.Series[Any]", name: str) -> str:
    return with_ends(row[name], row[f"{name}_low"], row[f"{name}_high"], 1)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
