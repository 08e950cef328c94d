"""Which images are copies, or nearly copies, of others of their set or of training images?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.metrics.intervals import weighted_share
from core.runs.run import Run
from core.studies.copies.both_splits import links_of, own_part, training_part
from core.studies.copies.nearest_copy import FILE, NEAR, SHOWN, UNKNOWN, nearest_copies
from core.studies.study import WEIGHT, Context, Finding, Study

COLUMNS = {
    "in_training": "copy in training, what of it is in the training set: same file, same pixels (in another file), "
    "near copy, none; or not checked, where the training images were not at hand",
    "training_class": "class of the training copy, same or other; other where copies have both",
    "training_name": "file of the training copy, the nearest there is",
    "training_id": "id of the training copy, train- and the beginning of its file's sha256",
    "training_bits": "distance to the training copy, bits of 64 in which their perceptual hashes differ, 0 to 8",
    "in_set": "copy in its own set, what of it is also elsewhere in its set: same file, same pixels, near copy, none",
    "set_class": "class of the copy in its set, same or other; other where copies have both",
    "set_name": "file of the copy in its set, the nearest there is",
    "set_id": "id of the copy in its set, its identity in this run",
    "set_bits": "distance to the copy in its set, bits of 64 in which their perceptual hashes differ, 0 to 8",
}


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:  # noqa: ARG001
    """The nearest copy of each image in the training set and in its own set."""
    own, training = own_part(context), training_part(context)
    parts = [own] if training is None else [own, training]
    links = links_of(context, own, training)
    known = pd.concat([part.rows[["id", "name", "is_real"]] for part in parts], ignore_index=True)
    own_side = np.arange(len(known)) < links.own
    learned = nearest_copies(links, known, ~own_side)
    if training is None:
        # a run remembers which of its files were trained on
        seen = context.run.predictions["in_train"].to_numpy(bool) & (own.split == "test")
        learned = learned.assign(kind=np.where(seen, FILE, UNKNOWN), bits=np.where(seen, 0, np.nan))
    elsewhere = nearest_copies(links, known, own_side)
    there = learned.rename(columns=lambda name: "in_training" if name == "kind" else f"training_{name}")
    here = elsewhere.rename(columns=lambda name: "in_set" if name == "kind" else f"set_{name}")
    table = pd.concat([there, here], axis=1)[list(COLUMNS)].iloc[rows].reset_index(drop=True)
    return pd.concat([context.run.predictions["id"].iloc[rows].reset_index(drop=True).astype(str), table], axis=1)


# finding -> (column, value, words)
COUNTED = {
    "leak.file": ("in_training", FILE, "are also training images, byte for byte"),
    "leak.pixels": ("in_training", SHOWN, "have the very pixels of a training image in another file"),
    "leak.near": ("in_training", NEAR, "are near copies of a training image"),
    "copy.file": ("in_set", FILE, "have a copy in their own set, byte for byte"),
    "copy.pixels": ("in_set", SHOWN, "have the very pixels of another image of their set in another file"),
    "copy.near": ("in_set", NEAR, "are near copies of another image of their set"),
}


def conclude(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> list[Finding]:  # noqa: ARG001
    """How many images are copies, of each kind; the kind that reaches furthest first."""
    found = [_counted(run, table, key) for key in COUNTED]
    found.sort(key=lambda one: -np.nan_to_num(one.value, nan=-1))
    if (table["in_training"] == UNKNOWN).any():
        text = (
            "Whether images have near copies in the training set was not checked, because the training images were not "
            "at hand."
        )
        found.append(Finding("unchecked", text, images=int((table["in_training"] == UNKNOWN).sum())))
    return found


def _counted(run: Run, table: pd.DataFrame, key: str) -> Finding:
    column, value, words = COUNTED[key]
    hit = (table[column] == value).to_numpy(bool)
    known = (table[column] != UNKNOWN).to_numpy(bool) | (value == FILE)
    share = weighted_share(hit[known], table[WEIGHT].to_numpy()[known])
    if not known.any():
        return Finding(key, f"Whether images {words} was not checked.", images=0)
    asked = table[WEIGHT].to_numpy(np.float64)
    about = "" if len(table) == len(run) else "about "
    count = round(float(asked[hit].sum()))
    of_real = (run.predictions.set_index("id")["label"].reindex(table["id"]) == "REAL").to_numpy(bool)
    clash = (table[column.replace("in_", "") + "_class"] == "other").to_numpy(bool) & hit
    parts = f"{round(asked[hit & of_real].sum()):,} REAL and {round(asked[hit & ~of_real].sum()):,} FAKE"
    tail = f": {parts}; {round(float(asked[clash].sum())):,} of them copy an image of the other class" if count else ""
    if key == "copy.file" and count:
        tail += f"; {int(run.predictions['is_repeat'].sum()):,} repeat an earlier one, so that as many are one too many"
    sentence = (
        f"{about}{f'{count:,}' if count else 'none'} of {round(asked.sum()):,} images {words} "
        f"({100 * share.value:.2f} %, 95 % interval {100 * share.low:.2f} to {100 * share.high:.2f} %){tail}."
    )
    return Finding(key, sentence[0].upper() + sentence[1:], share.value, share.low, share.high, int(known.sum()))


STUDY = Study(
    name="duplicates",
    title="Copies and near copies",
    question="Which images are copies, or nearly copies, of others of their set or of training images?",
    columns=COLUMNS,
    better="lower",
    control="none: equal bytes and equal pixels are certain, and a near copy is a pair of images whose perceptual "
    "hashes (imagehash's phash) differ in at most 8 of 64 bits and whose luma correlates by 0.9 or more",
    compute=compute,
    conclude=conclude,
    explore=("in_training", "training_class", "training_bits", "in_set", "set_class"),
    # all images are needed for each: one shard
    shard=2**31,
)
