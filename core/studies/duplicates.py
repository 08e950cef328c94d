"""Which images are copies, or nearly copies, of others of their set or of training images?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.run import Run
from core.stats import weighted_share
from core.studies.both_splits import Links, links_of, own_part, training_part
from core.studies.study import WEIGHT, Context, Finding, Study

# what an image may be of another, the surest first
FILE, SHOWN, NEAR, NONE, UNKNOWN = "same file", "same pixels", "near copy", "none", "not checked"
COLUMNS = {
    "in_training": "what of it is in the training set: same file, same pixels (in another file), near copy, none; or "
    "not checked, where the training images were not at hand",
    "training_class": "class of that training image: same, or other; other where copies have both",
    "training_name": "file of the nearest such training image",
    "training_bits": "in how many of 64 bits their perceptual hashes differ, 0 to 8",
    "in_set": "what of it is also elsewhere in its own set: same file, same pixels, near copy, none",
    "set_class": "class of that other image: same, or other; other where copies have both",
    "set_name": "file of the nearest such image",
    "set_bits": "in how many of 64 bits their perceptual hashes differ, 0 to 8",
}


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:  # noqa: ARG001
    """The nearest copy of each image in the training set and in its own set."""
    own, training = own_part(context), training_part(context)
    parts = [own] if training is None else [own, training]
    links = links_of(context, own, training)
    known = pd.concat([part.rows[["name", "is_real"]] for part in parts], ignore_index=True)
    own_side = np.arange(len(known)) < links.own
    learned = _nearest(links, known, ~own_side)
    if training is None:
        # a run remembers which of its files were trained on
        seen = context.run.predictions["in_train"].to_numpy(bool) & (own.split == "test")
        learned = learned.assign(kind=np.where(seen, FILE, UNKNOWN), bits=np.where(seen, 0, np.nan))
    elsewhere = _nearest(links, known, own_side)
    names = {"kind": "in_training", "class": "training_class", "name": "training_name", "bits": "training_bits"}
    there = learned.rename(columns=names)
    here = elsewhere.rename(columns={"kind": "in_set", "class": "set_class", "name": "set_name", "bits": "set_bits"})
    table = pd.concat([there, here], axis=1)[list(COLUMNS)].iloc[rows].reset_index(drop=True)
    return pd.concat([context.run.predictions["id"].iloc[rows].reset_index(drop=True).astype(str), table], axis=1)


def _nearest(links: Links, known: pd.DataFrame, among: NDArray[np.bool_]) -> pd.DataFrame:
    """Columns `kind`, `class`, `name` and `bits`, a row for each of the run's own images.

    Args:
        links: from `links_of`.
        known: `name` and `is_real` of all linked images.
        among: bool (N,), the images that copies are looked for among.
    """
    count = links.own
    kind = np.full(count, NONE, object)
    partner = np.full(count, -1)
    bits = np.full(count, np.nan, np.float32)
    mixed = np.zeros(count, bool)
    # the surer kinds are written last
    own, near, apart = _near(links, among)
    kind[own], partner[own], bits[own] = NEAR, near, apart
    for name, group in ((SHOWN, links.shown), (FILE, links.file)):
        found, which, differs = _equal(group, known["is_real"].to_numpy(bool), among, count)
        kind[found], partner[found], bits[found], mixed[found] = name, which, 0, differs
    has = partner >= 0
    real = known["is_real"].to_numpy(bool)
    other = np.where(has, real[:count] != real[partner], False) | mixed
    return pd.DataFrame(
        {
            "kind": kind,
            "class": pd.Series(np.where(other, "other", "same")).where(has),
            "name": pd.Series(known["name"].to_numpy(object)[partner]).where(has),
            "bits": bits.astype(np.float16),
        }
    )


def _near(links: Links, among: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Own images with a near copy, that copy, and the bits between them; the nearest copy of each."""
    pairs = links.pairs
    # a pair links everything with the pixels of one to everything with the pixels of the other
    members = pd.DataFrame({"group": links.shown, "at": np.arange(len(links.shown))})
    both = pd.DataFrame(
        {
            "asked": links.shown[np.concatenate([pairs.left, pairs.right])],
            "group": links.shown[np.concatenate([pairs.right, pairs.left])],
            "bits": np.concatenate([pairs.bits, pairs.bits]),
            "correlation": np.concatenate([pairs.correlation, pairs.correlation]),
        }
    )
    asked = members[members["at"] < links.own].rename(columns={"group": "asked", "at": "own"})
    found = both.merge(asked, on="asked").merge(members[among[members["at"].to_numpy()]], on="group")
    best = found.sort_values(["bits", "correlation"], ascending=[True, False], kind="stable").drop_duplicates("own")
    return best["own"].to_numpy(np.intp), best["at"].to_numpy(np.intp), best["bits"].to_numpy(np.float32)


def _equal(
    group: NDArray[np.intp], real: NDArray[np.bool_], among: NDArray[np.bool_], own: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    """Own images that have an equal among others, the first such, and whether any such is of the other class."""
    candidates = np.flatnonzero(among)
    order = candidates[np.argsort(group[candidates], kind="stable")]
    kinds = group[order]
    starts, ends = (np.searchsorted(kinds, group[:own], side=side) for side in ("left", "right"))
    inside = among[:own]
    found = np.flatnonzero(ends - starts > inside)
    first = order[starts[found]]
    # the first of an image's equals may be the image itself
    first = np.where(first == found, order[np.minimum(starts[found] + 1, len(order) - 1)], first)
    reals = np.concatenate([[0], np.cumsum(real[order])])
    n_real = reals[ends[found]] - reals[starts[found]]
    n_all = ends[found] - starts[found]
    differs = np.where(real[found], n_real < n_all, n_real > 0)
    return found, first, differs


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
