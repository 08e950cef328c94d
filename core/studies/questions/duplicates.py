"""Which images are copies, or nearly copies, of others of their set or of training images?"""

from dataclasses import replace

import numpy as np
import pandas as pd

from core.arrays import Record
from core.findings.contrast import UNKNOWN, Contrast, Finding, Measure
from core.findings.intervals import weighted_share
from core.images.labels import CLASSES
from core.runs.run import Run
from core.studies.shared.copies import FILE, NEAR, SHOWN, find_copies, nearest_copies, own_images, training_images
from core.studies.shared.groups import with_predictions
from core.studies.study import WEIGHT, Context, Parameters, Rows, Study

UNKNOWN_COPY = "not checked"
# where copies are looked for -> in words
SIDES = {"training": "training", "set": "its own set"}
# finding -> side, and kind of copy
COUNTED = {
    "leak.file": ("training", FILE),
    "leak.pixels": ("training", SHOWN),
    "leak.near": ("training", NEAR),
    "copy.file": ("set", FILE),
    "copy.pixels": ("set", SHOWN),
    "copy.near": ("set", NEAR),
}

QUESTIONS = {
    "training": "How many images have a copy in the training set?",
    "set": "How many images have a copy within the set?",
}
SUBJECTS = {FILE: "the same file", SHOWN: "the same pixels", NEAR: "nearly the same image"}


def _columns() -> dict[str, str]:
    columns: dict[str, str] = {}
    for side, where in SIDES.items():
        columns |= {
            f"{side}_kind": f"copy in {where}, the most certain: same file, same pixels (in another file), near copy, "
            "none; or not checked, where the training images were not available",
            f"{side}_class": f"class of the copy in {where}, same or other; other where copies have both",
            f"{side}_name": f"file of the copy in {where}, the nearest there is",
            f"{side}_id": f"id of the copy in {where}, which begins with train or is its identity in this run",
            f"{side}_bits": f"distance to the copy in {where}, bits of 64 in which their perceptual hashes differ, 0 "
            "to 8",
        }
    return columns


COLUMNS = _columns()


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
    ids = context.run.predictions["id"].reset_index(drop=True).astype(str)
    table = pd.concat([ids, leaks.add_prefix("training_"), copies.add_prefix("set_")], axis=1)
    return table[["id", *COLUMNS]].iloc[rows].reset_index(drop=True)


def conclude(run: Run, table: pd.DataFrame, _parameters: Parameters) -> list[Finding]:
    """Count the copies of each kind, the commonest kind first."""
    findings = []
    weights = table[WEIGHT].to_numpy(np.float64)
    label = with_predictions(table, run)["label"]
    unchecked = int((table["training_kind"] == UNKNOWN_COPY).sum())
    for key, (side, kind) in COUNTED.items():
        # without the training images a run still remembers which of its files were trained on, where it was looked up
        if unchecked and side == "training" and not (kind == FILE and run.leaks_checked):
            findings.append(_count(key, side, UNKNOWN, SUBJECTS[kind]))
            continue
        is_copy = table[f"{side}_kind"] == kind
        counts = {"count": is_copy, "other_class": is_copy & (table[f"{side}_class"] == "other")}
        for name in CLASSES:
            counts[name.lower()] = is_copy & (label == name)
        details = {name: round(float(weights[chosen].sum())) for name, chosen in counts.items()}
        details["sampled"] = len(table) < len(run)
        findings.append(_count(key, side, weighted_share(is_copy, weights), SUBJECTS[kind], details))
    findings.sort(key=lambda finding: -np.nan_to_num(finding.measure.value, nan=-1))
    if unchecked:
        share = replace(UNKNOWN, n=unchecked)
        findings.append(_count("unchecked", "training", share, "not compared with the training set"))
    return findings


def _count(key: str, side: str, share: Measure, subject: str, details: Record | None = None) -> Finding:
    """Make a finding of a count, which has no control."""
    contrast = Contrast("count", "", share)
    return Finding(key, QUESTIONS[side], "copies", (contrast,), subject=subject, details=details or {})


def copy_pairs(table: pd.DataFrame, side: str) -> pd.DataFrame:
    """List the images that have a near copy, or the same pixels in another file; each pair once.

    Those of the other class come first, then the nearest.

    Args:
        table: of the study `duplicates`.
        side: a key of `SIDES`.

    Returns:
        `id` of the image; `kind`, `class`, `name`, `partner` (id) and `bits` of its copy.
    """
    columns = {f"{side}_{name}": name for name in ("kind", "class", "name", "bits")} | {f"{side}_id": "partner"}
    pairs = table.loc[table[f"{side}_kind"].isin((NEAR, SHOWN)), ["id", *columns]].rename(columns=columns)
    # within a set a pair has two rows, one for each of its ends
    ends = pd.DataFrame(np.sort(pairs[["id", "partner"]].to_numpy(str), axis=1))
    pairs = pairs[~ends.duplicated().to_numpy()]
    pairs = pairs.assign(same=pairs["class"] != "other").astype({"bits": float})
    return pairs.sort_values(["same", "bits"]).drop(columns="same").reset_index(drop=True)


STUDY = Study(
    name="duplicates",
    title="Duplicates",
    question="Which images are copies, or nearly copies, of others of their set or of training images?",
    columns=COLUMNS,
    control="none: equal bytes and equal pixels are certain, and a near copy is a pair of images whose perceptual "
    "hashes (imagehash's phash) differ in at most 8 of 64 bits and whose luma correlates by 0.9 or more",
    compute=compute,
    conclude=conclude,
    explore=("training_kind", "training_class", "training_bits", "set_kind", "set_class"),
    # all images are needed for each: one shard
    shard=2**31,
    needs="",
)
