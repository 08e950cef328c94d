"""Which images are copies, or nearly copies, of others of their set or of training images?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.studies.copies import findings
from core.studies.copies.both_splits import links_of, own_part, training_part
from core.studies.copies.nearest_copy import FILE, UNKNOWN, nearest_copies
from core.studies.study import Context, Study

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


STUDY = Study(
    name="duplicates",
    title="Copies and near copies",
    question="Which images are copies, or nearly copies, of others of their set or of training images?",
    columns=COLUMNS,
    control="none: equal bytes and equal pixels are certain, and a near copy is a pair of images whose perceptual "
    "hashes (imagehash's phash) differ in at most 8 of 64 bits and whose luma correlates by 0.9 or more",
    compute=compute,
    conclude=findings.duplicates,
    headlines=findings.HEADLINES,
    explore=("in_training", "training_class", "training_bits", "in_set", "set_class"),
    # all images are needed for each: one shard
    shard=2**31,
)
