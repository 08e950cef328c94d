"""Which images are copies, or nearly copies, of others of their set or of training images?"""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from core.findings.contrast import UNKNOWN, Contrast, Finding, Measure
from core.findings.intervals import weighted_share
from core.images.labels import CLASSES
from core.runs.run import Run
from core.studies.shared.copies import FILE, NEAR, SHOWN, find_copies, nearest_copies, own_images, training_images
from core.studies.shared.groups import with_predictions
from core.studies.study import WEIGHT, Context, Parameters, Rows, Study

UNKNOWN_COPY = "not checked"
# finding -> (column, value)
COUNTED = {
    "leak.file": ("in_training", FILE),
    "leak.pixels": ("in_training", SHOWN),
    "leak.near": ("in_training", NEAR),
    "copy.file": ("in_set", FILE),
    "copy.pixels": ("in_set", SHOWN),
    "copy.near": ("in_set", NEAR),
}

LEAKS = "How many images have a copy in the training set?"
COPIES = "How many images have a copy within the set?"
SUBJECTS = {"file": "the same file", "pixels": "the same pixels", "near": "nearly the same image"}

COLUMNS = {
    column: text
    for side, where in (("training", "training"), ("set", "its own set"))
    for column, text in {
        f"in_{side}": f"copy in {where}, the most certain: same file, same pixels (in another file), near copy, none; "
        "or not checked, where the training images were not available",
        f"{side}_class": f"class of the copy in {where}, same or other; other where copies have both",
        f"{side}_name": f"file of the copy in {where}, the nearest there is",
        f"{side}_id": f"id of the copy in {where}, which begins with train or is its identity in this run",
        f"{side}_bits": f"distance to the copy in {where}, bits of 64 in which their perceptual hashes differ, 0 to 8",
    }.items()
}


def compute(context: Context, rows: Rows, _parameters: Parameters) -> pd.DataFrame:
    """Find the nearest copy of each image in the training set and in its own set."""
    training = training_images(context)
    images, pairs = find_copies(own_images(context), training, context.report)
    is_own = images["is_own"].to_numpy()
    leaks = nearest_copies(images, pairs, ~is_own)
    copies = nearest_copies(images, pairs, is_own)
    if not len(training.rows):
        # a run remembers which of its files were trained on
        seen = context.run.predictions["in_train"].to_numpy(bool) & (context.run.split == "test")
        leaks = leaks.assign(kind=np.where(seen, FILE, UNKNOWN_COPY), bits=np.where(seen, 0, np.nan))
    if not context.run.classes:
        # without a label nothing is of the same class
        leaks["class"] = copies["class"] = None
    leaks = leaks.rename(columns=lambda name: "in_training" if name == "kind" else f"training_{name}")
    copies = copies.rename(columns=lambda name: "in_set" if name == "kind" else f"set_{name}")
    ids = context.run.predictions["id"].reset_index(drop=True).astype(str)
    return pd.concat([ids, leaks, copies], axis=1)[["id", *COLUMNS]].iloc[rows].reset_index(drop=True)


def conclude(run: Run, table: pd.DataFrame, _parameters: Parameters) -> list[Finding]:
    """Count the copies of each kind, the commonest kind first."""
    findings = []
    weights = table[WEIGHT].to_numpy(np.float64)
    label = with_predictions(table, run)["label"]
    unchecked = int((table["in_training"] == UNKNOWN_COPY).sum())
    for key, (column, value) in COUNTED.items():
        where, _, kind = key.partition(".")
        question = LEAKS if where == "leak" else COPIES
        # without the training images a run still remembers which of its files were trained on, where it was looked up
        if unchecked and column == "in_training" and not (value == FILE and run.leaks_checked):
            findings.append(_count(key, question, UNKNOWN, SUBJECTS[kind]))
            continue
        hit = table[column].eq(value).to_numpy()
        other = table[column.replace("in_", "") + "_class"].eq("other")
        counts = {"count": hit, "other_class": hit & other.to_numpy()}
        counts |= {name.lower(): hit & label.eq(name).to_numpy() for name in CLASSES}
        details: dict[str, Any] = {name: round(float(weights[chosen].sum())) for name, chosen in counts.items()}
        details["sampled"] = len(table) < len(run)
        findings.append(_count(key, question, weighted_share(hit, weights), SUBJECTS[kind], details=details))
    findings.sort(key=lambda finding: -np.nan_to_num(finding.measure.value, nan=-1))
    if unchecked:
        findings.append(_count("unchecked", LEAKS, replace(UNKNOWN, n=unchecked), "not compared with the training set"))
    return findings


def _count(key: str, question: str, share: Measure, subject: str, **about: Any) -> Finding:
    """Make a finding of a count, which has no control."""
    return Finding(key, question, "copies", (Contrast("count", "", share),), subject=subject, **about)


def copy_pairs(table: pd.DataFrame, side: str) -> pd.DataFrame:
    """List the images that have a near copy, or the same pixels in another file; each pair once.

    Those of the other class come first, then the nearest.

    Args:
        table: of the study `duplicates`.
        side: "in_training" or "in_set".

    Returns:
        `id` of the image; `kind`, `class`, `name`, `partner` (id) and `bits` of its copy.
    """
    prefix = side.removeprefix("in_")
    columns = {
        side: "kind",
        **{f"{prefix}_{name}": name for name in ("class", "name", "bits")},
        f"{prefix}_id": "partner",
    }
    pairs = table.loc[table[side].isin((NEAR, SHOWN)), ["id", *columns]].rename(columns=columns)
    # within a set a pair has two rows, one for each of its ends
    ends = pd.DataFrame(np.sort(pairs[["id", "partner"]].to_numpy(str), axis=1))
    pairs = pairs[~ends.duplicated().to_numpy()].assign(same=lambda rows: rows["class"] != "other")
    return pairs.astype({"bits": float}).sort_values(["same", "bits"]).drop(columns="same").reset_index(drop=True)


STUDY = Study(
    name="duplicates",
    title="Duplicates",
    question="Which images are copies, or nearly copies, of others of their set or of training images?",
    columns=COLUMNS,
    control="none: equal bytes and equal pixels are certain, and a near copy is a pair of images whose perceptual "
    "hashes (imagehash's phash) differ in at most 8 of 64 bits and whose luma correlates by 0.9 or more",
    compute=compute,
    conclude=conclude,
    explore=("in_training", "training_class", "training_bits", "in_set", "set_class"),
    # all images are needed for each: one shard
    shard=2**31,
    needs=(),
)
