"""The studies `duplicates` and `files`: copies within and between image sets, and how their files were compressed."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.claims import Headlines
from core.findings.finding import Finding, Measure
from core.findings.intervals import weighted_share
from core.images.decoding import ImageError, decode
from core.images.image_set import DatasetError
from core.images.loading import read_files
from core.runs.run import Run
from core.studies.splits import Links, compressions, links_of, own_part, training_part
from core.studies.study import WEIGHT, Context, Study

# kinds of copies, the most certain first
FILE, SHOWN, NEAR, NONE, UNKNOWN = "same file", "same pixels", "near copy", "none", "not checked"
# finding -> (column, value)
COUNTED = {
    "leak.file": ("in_training", FILE),
    "leak.pixels": ("in_training", SHOWN),
    "leak.near": ("in_training", NEAR),
    "copy.file": ("in_set", FILE),
    "copy.pixels": ("in_set", SHOWN),
    "copy.near": ("in_set", NEAR),
}
# compressions with a finding
COMMON = 5

COUNT = "A count, which has no control."
QUESTIONS = {
    "leak": "How many images have a copy in the training set?",
    "copy": "How many images have a copy within the set?",
}
SUBJECTS = {"file": "the same file", "pixels": "the same pixels", "near": "nearly the same image"}
HEADLINES: Headlines = {
    **{
        f"{where}.{kind}": {"question": question, "subject": subject, "no control": COUNT}
        for where, question in QUESTIONS.items()
        for kind, subject in SUBJECTS.items()
    },
    "unchecked": {"question": QUESTIONS["leak"], "unknown": "Some images were not compared with the training set."},
    "common.*": {"question": "How were the files compressed?", "no control": COUNT},
    "unknown": {
        "question": "How were the files compressed?",
        "unknown": "The files do not say how they were compressed.",
    },
}

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


def nearest_copies(links: Links, images: pd.DataFrame, among: NDArray[np.bool_]) -> pd.DataFrame:
    """Find the nearest copy of each of the run's own images among others.

    Args:
        links: from `links_of`.
        images: `id`, `name` and `is_real` of all N linked images.
        among: bool (N,), the images that copies are looked for among.

    Returns:
        A row for each of the run's own images: `kind` (`FILE`, `SHOWN`, `NEAR` or `NONE`), and of the nearest such
        image `class` ("same"; "other", also where copies have both), `name`, `id`, and `bits`, in how many of 64 bits
        their perceptual hashes differ; missing where there is none.
    """
    real = images["is_real"].to_numpy(bool)
    kind = np.full(links.own, NONE, object)
    copy = np.full(links.own, -1)
    bits = np.full(links.own, np.nan, np.float32)
    mixed = np.zeros(links.own, bool)
    # the more certain kinds are written last
    near = _nearest_near_copies(links, among)
    at = near["own"].to_numpy(np.intp)
    kind[at], copy[at], bits[at] = NEAR, near["at"], near["bits"]
    for name, group in ((SHOWN, links.shown), (FILE, links.file)):
        members = pd.DataFrame({"group": group, "at": np.arange(len(group)), "real": real})
        own, candidates = members[: links.own], members[among].groupby("group")
        first, second = (members[among][candidates.cumcount() == n].set_index("group")["at"] for n in (0, 1))
        equal = own["group"].map(first)
        # an image is no copy of itself
        equal = equal.where(equal != own["at"], own["group"].map(second))
        is_copy = equal.notna().to_numpy()
        kind[is_copy], copy[is_copy], bits[is_copy] = name, equal[is_copy], 0
        # a file's copies are among those with its pixels
        mixed |= is_copy & (own["group"].map(candidates["real"].nunique()) > 1).to_numpy()
    has_copy = copy >= 0
    other = mixed | (real[: links.own] != real[copy])
    return pd.DataFrame(
        {
            "kind": kind,
            "class": pd.Series(np.where(other, "other", "same")).where(has_copy),
            "name": pd.Series(images["name"].to_numpy(object)[copy]).where(has_copy),
            "id": pd.Series(images["id"].to_numpy(object)[copy]).where(has_copy),
            "bits": bits.astype(np.float16),
        }
    )


def _nearest_near_copies(links: Links, among: NDArray[np.bool_]) -> pd.DataFrame:
    """Find the nearest near copy with other pixels: positions of the image (`own`) and the copy (`at`), and `bits`."""
    pairs = links.pairs
    # a pair links everything with the pixels of one to everything with the pixels of the other
    members = pd.DataFrame({"group": links.shown, "at": np.arange(len(links.shown))})
    both_ways = pd.DataFrame(
        {
            "own_group": links.shown[np.concatenate([pairs.left, pairs.right])],
            "group": links.shown[np.concatenate([pairs.right, pairs.left])],
            "bits": np.tile(pairs.bits, 2),
            "correlation": np.tile(pairs.correlation, 2),
        }
    )
    own = members[: links.own].rename(columns={"group": "own_group", "at": "own"})
    near = both_ways.merge(own, on="own_group").merge(members[among], on="group")
    return near.sort_values(["bits", "correlation"], ascending=[True, False], kind="stable").drop_duplicates("own")


def _find_duplicates(context: Context, rows: NDArray[np.intp], _parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Find the nearest copy of each image in the training set and in its own set."""
    own, training = own_part(context), training_part(context)
    parts = [own] if training is None else [own, training]
    links = links_of(context, own, training)
    images = pd.concat([part.rows[["id", "name", "is_real"]] for part in parts], ignore_index=True)
    is_own = np.arange(len(images)) < links.own
    leaks, copies = nearest_copies(links, images, ~is_own), nearest_copies(links, images, is_own)
    if training is None:
        # a run remembers which of its files were trained on
        seen = context.run.predictions["in_train"].to_numpy(bool) & (own.split == "test")
        leaks = leaks.assign(kind=np.where(seen, FILE, UNKNOWN), bits=np.where(seen, 0, np.nan))
    leaks = leaks.rename(columns=lambda name: "in_training" if name == "kind" else f"training_{name}")
    copies = copies.rename(columns=lambda name: "in_set" if name == "kind" else f"set_{name}")
    ids = context.run.predictions["id"].reset_index(drop=True).astype(str)
    return pd.concat([ids, leaks, copies], axis=1)[["id", *COLUMNS]].iloc[rows].reset_index(drop=True)


def conclude_duplicates(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """Count the copies of each kind, the commonest kind first."""
    findings = [_count(run, table, key) for key in COUNTED]
    findings.sort(key=lambda finding: -np.nan_to_num(finding.measure.value, nan=-1))
    if unchecked := int((table["in_training"] == UNKNOWN).sum()):
        findings.append(Finding("unchecked", "duplicates", "copies", Measure(np.nan, n=unchecked)))
    return findings


def _count(run: Run, table: pd.DataFrame, key: str) -> Finding:
    column, value = COUNTED[key]
    hit = (table[column] == value).to_numpy(bool)
    # without the training images a run still remembers which of its files were trained on, where that was looked up
    if (table[column] == UNKNOWN).any() and not (value == FILE and run.leaks_checked):
        return Finding(key, "duplicates", "copies", Measure(np.nan))
    weights = table[WEIGHT].to_numpy(np.float64)
    is_real = (run.predictions.set_index("id")["label"].reindex(table["id"]) == "REAL").to_numpy(bool)
    of_other = hit & (table[f"{column.removeprefix('in_')}_class"] == "other").to_numpy(bool)
    counts = {"count": hit, "real": hit & is_real, "fake": hit & ~is_real, "other_class": of_other}
    details: dict[str, Any] = {name: round(float(weights[chosen].sum())) for name, chosen in counts.items()}
    details["sampled"] = len(table) < len(run)
    return Finding(key, "duplicates", "copies", Measure.of(weighted_share(hit, weights)), details=details)


def _describe_files(context: Context, rows: NDArray[np.intp], _parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Describe the compression of each file, missing where the file is not available."""
    ids = context.run.predictions["id"].to_numpy(str)[rows]
    return pd.DataFrame(
        {"id": ids, "compression": pd.Series(compressions(context, own_part(context), rows), dtype=object)}
    )


def conclude_files(_run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
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
    columns = {side: "kind", **{f"{prefix}_{name}": name for name in ("class", "name", "id", "bits")}}
    table = table[table[side].isin((NEAR, SHOWN))]
    pairs = table[["id", *columns]].rename(columns={**columns, f"{prefix}_id": "partner"})
    # within a set a pair has two rows, one for each of its ends
    ends = [" ".join(sorted(pair)) for pair in zip(pairs["id"], pairs["partner"], strict=True)]
    pairs = pairs[~pd.Series(ends, index=pairs.index, dtype=str).duplicated()]
    order = pd.DataFrame({"same": pairs["class"] != "other", "bits": pairs["bits"].astype(float)})
    return pairs.loc[order.sort_values(["same", "bits"], kind="stable").index].reset_index(drop=True)


def training_pictures(data: str, wanted: Mapping[str, str]) -> dict[str, NDArray[np.uint8]]:
    """Read training images from their set, each checked by its hash.

    Args:
        data: as for `core.images.image_set.load_image_set`.
        wanted: identity (`train-` and the beginning of the file's sha256) -> name of its file.

    Returns:
        identity -> uint8 (height, width, 3), without those that are not there or whose file is another.
    """
    pictures: dict[str, NDArray[np.uint8]] = {}
    try:
        for identity, content in zip(wanted, read_files(data, "train", wanted.values()), strict=True):
            # a repeated file has its number behind the hash
            if f"train-{hashlib.sha256(content).hexdigest()[:16]}" == identity.partition("~")[0]:
                pictures[identity] = decode(content)
    except (DatasetError, ImageError, OSError):
        # what could be read is shown
        return pictures
    return pictures


DUPLICATES = Study(
    name="duplicates",
    title="Copies and near copies",
    question="Which images are copies, or nearly copies, of others of their set or of training images?",
    columns=COLUMNS,
    control="none: equal bytes and equal pixels are certain, and a near copy is a pair of images whose perceptual "
    "hashes (imagehash's phash) differ in at most 8 of 64 bits and whose luma correlates by 0.9 or more",
    compute=_find_duplicates,
    conclude=conclude_duplicates,
    headlines=HEADLINES,
    explore=("in_training", "training_class", "training_bits", "in_set", "set_class"),
    # all images are needed for each: one shard
    shard=2**31,
)

FILES = Study(
    name="files",
    title="Compression of the files",
    question="How was the file of each image compressed?",
    columns={
        "compression": "format, quantisation tables (as a quality where they are libjpeg's own), chroma subsampling; "
        "missing where the file was not at hand"
    },
    control="none: it is read from the files",
    compute=_describe_files,
    conclude=conclude_files,
    headlines=HEADLINES,
    explore=("compression",),
    shard=2**14,
)
