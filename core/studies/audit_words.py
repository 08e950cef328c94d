"""What an audit comes to, in sentences: the fact that tells the classes apart best first. Needs no torch."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from core.run import Run
from core.studies.audit_names import FACT_NAMES
from core.studies.study import Finding

# how far the low end of an AUROC must be for these words; ten facts at 95 % pass 0.5 by chance
HOW_WELL = ((0.7, "well"), (0.6, "to some degree"), (0.53, "a little"), (0.0, "hardly"))
HINT = 0.53
# the same of a rank correlation within a class
HOW_MUCH = ((0.2, "leans that way"), (0.05, "leans that way a little"), (-1.0, "does not lean that way"))


def conclude(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> list[Finding]:  # noqa: ARG001
    """Findings `fact.<name>` worst first, then `baseline.<name>`, `lean.<name>` and `training.<kind>`."""
    facts = table[table["kind"] == "fact"].sort_values("auroc_low", ascending=False, kind="stable")
    network = table[table["kind"] == "network"].iloc[0]
    found = [_about_fact(row) for _, row in facts.iterrows()]
    found += [_about_baseline(row, network) for _, row in table[table["kind"] == "baseline"].iterrows()]
    found += [_about_lean(row, network) for _, row in facts.iterrows()]
    found += [_about_copies(row) for _, row in table[table["kind"] == "copies"].iterrows()]
    return found


def _about_fact(row: pd.Series) -> Finding:
    name = FACT_NAMES[row["name"]]
    images = int(row["images"])
    if row["count"] == 1:
        text = f"{name.title} tells nothing: all {images:,} images have the same."
        return Finding(f"fact.{row['name']}", text, 0.5, 0.5, 0.5, images)
    how_well = next(words for least, words in HOW_WELL if row["auroc_low"] >= least)
    text = (
        f"{name.title} alone tells REAL from FAKE {how_well}: AUROC {_with_ends(row, 'auroc')}, with shuffled labels "
        f"{row['shuffled']:.2f}"
    )
    if name.is_number and row["auroc_low"] > HINT:
        if row["median_real"] == row["median_fake"]:
            text += "; its medians are equal, its spread is not"
        else:
            which = name.more if row["median_real"] > row["median_fake"] else name.less
            medians = f"median {_number(row['median_real'])} against {_number(row['median_fake'])}{name.unit}"
            text += f"; REAL images are {which} ({medians})"
    if np.isfinite(row["carried"]):
        text += f"; by a rule from the training images {row['carried']:.2f}"
    return Finding(f"fact.{row['name']}", f"{text}.", row["auroc"], row["auroc_low"], row["auroc_high"], images)


def _about_baseline(row: pd.Series, network: pd.Series) -> Finding:
    what = {"spectrum": "the 16 numbers of the radial power spectrum", "facts": "the eight plain facts together"}
    fitted = f"fitted on {int(row['count']):,} training images" if row["count"] else "cross-validated on this set"
    text = (
        f"A logistic regression on {what[row['name']]} ({fitted}) is right on {_percent(row, 'accuracy')} and has "
        f"AUROC {_with_ends(row, 'auroc')}, with shuffled labels {row['shuffled']:.2f}; the network is right on "
        f"{_percent(network, 'accuracy')} and has AUROC {_with_ends(network, 'auroc')}."
    )
    ends = row["accuracy"], row["accuracy_low"], row["accuracy_high"]
    return Finding(f"baseline.{row['name']}", text, *ends, int(row["images"]))


def _about_lean(row: pd.Series, network: pd.Series) -> Finding:
    key, what = (
        f"lean.{row['name']}",
        f"in {FACT_NAMES[row['name']].title[:1].lower()}{FACT_NAMES[row['name']].title[1:]}",
    )
    if row["name"] == "category":
        what = "in what they show"
    if not np.isfinite(row["matched_auroc"]):
        text = f"No REAL and FAKE images are alike {what}, so nothing shows that the detector uses anything else."
        return Finding(key, text, images=int(row["images"]))
    text = (
        f"Among images alike {what} the detector's AUROC is {_with_ends(row, 'matched_auroc')}, over all images "
        f"{_with_ends(network, 'auroc')}"
    )
    if row["matched_auroc_high"] < network["auroc_low"]:
        text += ", so part of what it can do comes from there"
    if np.isfinite(row["lean"]):
        leans = next(words for least, words in HOW_MUCH if row["lean_low"] >= least)
        ends = _with_ends(row, "lean", 2, ends=", 95 % interval {} to {}")
        text += f"; within a class it {leans} (rank correlation {ends})"
    numbers = row["matched_auroc"], row["matched_auroc_low"], row["matched_auroc_high"]
    return Finding(key, f"{text}.", *numbers, int(row["images"]))


def _about_copies(row: pd.Series) -> Finding:
    count, images = int(row["count"]), int(row["images"])
    words = {
        "training.file": "repeat an earlier one byte for byte",
        "training.pixels": "repeat the very pixels of an earlier one",
        "training.near": "are near copies of another",
    }
    clash = f"; {int(row['other_class']):,} are in groups of both classes" if count else ""
    text = f"{f'{count:,}' if count else 'None'} of {images:,} training images {words[row['name']]}{clash}."
    return Finding(row["name"], text, count / images, images=images)


def _with_ends(row: pd.Series, name: str, digits: int = 3, *, ends: str = " (95 % interval {} to {})") -> str:
    low, high = (f"{row[name + end]:.{digits}f}" for end in ("_low", "_high"))
    return f"{row[name]:.{digits}f}" + ends.format(low, high)


def _percent(row: pd.Series, name: str) -> str:
    return f"{100 * row[name]:.1f} % ({100 * row[f'{name}_low']:.1f} to {100 * row[f'{name}_high']:.1f} %)"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
