"""Which images are copies, or nearly copies, of others of their set or of training images?"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from core.arrays import Mask, Pixels, Positions, Record
from core.findings.contrast import UNKNOWN, Contrast, Finding, Measure
from core.findings.intervals import weighted_share
from core.images.decoding import ImageError, decode, pixels_sha256
from core.images.image_set import DatasetError
from core.images.labels import CLASSES, REAL
from core.images.loading import load_image_set, read_files
from core.images.statistics import STATISTICS, near_pairs, perceptual_hashes
from core.runs.run import Run
from core.storage.limits import digest_of
from core.storage.shards import Report, progress_of
from core.studies.questions.files import source_of
from core.studies.shared.groups import with_predictions
from core.studies.study import WEIGHT, Context, Parameters, Rows, Study

# kinds of copies, the most certain first
FILE = "same file"
SHOWN = "same pixels"
NEAR = "near copy"
NONE = "none"
# columns of `Images.rows`
COPIED = ["id", "name", "sha256", "category", *STATISTICS]
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


class Images(NamedTuple):
    """Images of a split.

    Attributes:
        rows: a row an image: `id`, `name`, `sha256`, `is_real`, `category` and `core.images.statistics.STATISTICS`.
        pixels: uint8 (N, side, side, 3).
    """

    rows: pd.DataFrame
    pixels: Pixels

    @property
    def is_real(self) -> Mask:
        """bool (N,), as in the rows."""
        return self.rows["is_real"].to_numpy(bool)

    def empty(self) -> "Images":
        """The same without any image."""
        return Images(self.rows[:0], self.pixels[:0])


def own_images(context: Context) -> Images:
    """The run's own images."""
    rows = context.run.predictions[COPIED].reset_index(drop=True)
    return Images(rows.assign(is_real=context.run.is_real), context.pixels)


def training_images(context: Context) -> Images:
    """The training images of the set that the run's images are from; empty where they are not available.

    A run on training images has none either: everything in it would be its own copy.
    """
    source = source_of(context)
    if source is not None and context.run.split != "train":
        with suppress(DatasetError, OSError):
            progress = progress_of(context.report, "reading training images")
            images = load_image_set(source, "train", fit=context.run.preprocessing, skip_bad=True, progress=progress)
            return Images(images.rows[COPIED].assign(is_real=images.labels == REAL), images.pixels)
    return own_images(context).empty()


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
    weights = table[WEIGHT].to_numpy(np.float64)
    label = with_predictions(table, run)["label"]
    unchecked = int((table["training_kind"] == UNKNOWN_COPY).sum())
    findings = []
    for key, (side, kind) in COUNTED.items():
        share = UNKNOWN
        details: dict[str, int] = {}
        # without the training images a run still remembers which of its files were trained on, where it was looked up
        if side == "set" or not unchecked or (kind == FILE and run.leaks_checked):
            is_copy = table[f"{side}_kind"] == kind
            share = weighted_share(is_copy, weights)
            counts = {"count": is_copy, "other_class": is_copy & (table[f"{side}_class"] == "other")}
            counts |= {name.lower(): is_copy & (label == name) for name in CLASSES}
            details = {name: round(float(weights[chosen].sum())) for name, chosen in counts.items()}
            details["sampled"] = len(table) < len(run)
        findings.append(_count(key, side, share, SUBJECTS[kind], details))
    findings.sort(key=lambda finding: -np.nan_to_num(finding.measure.value, nan=-1))
    if unchecked:
        share = replace(UNKNOWN, n=unchecked)
        findings.append(_count("unchecked", "training", share, "not compared with the training set", {}))
    return findings


def _count(key: str, side: str, share: Measure, subject: str, details: Record) -> Finding:
    """Make a finding of a count, which has no control."""
    return Finding(key, QUESTIONS[side], "copies", (Contrast("count", "", share),), subject=subject, details=details)


def find_copies(own: Images, training: Images, report: Report) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare all of the run's images and the training images.

    Args:
        own, training: the images.
        report: called with the share done and what is being done.

    Returns:
        A row an image, the run's own first: the columns of `Images`, `is_own`, and `file` and `shown`, which are equal
        numbers where files are equal byte for byte and where pixels are equal; and the near copies with other pixels,
        see `near_pairs`, whose `left` and `right` are numbers of `shown`.
    """
    images = pd.concat([own.rows, training.rows], ignore_index=True)
    # independent of how the files were encoded
    digests = np.array([*map(pixels_sha256, own.pixels), *map(pixels_sha256, training.pixels)])
    images = images.assign(
        is_own=images.index < len(own.rows), file=pd.factorize(images["sha256"])[0], shown=pd.factorize(digests)[0]
    )
    report(0.1, "perceptual hashes")
    hashes = np.concatenate([perceptual_hashes(part.pixels) for part in (own, training)])
    report(0.5, "near copies")
    # of equal images the first is compared for all
    first = images.drop_duplicates("shown").index.to_numpy()

    # views of each: together they may be larger than memory
    pictures = [*own.pixels, *training.pixels]

    def read(shown: Positions) -> Pixels:
        return np.stack([pictures[at] for at in first[shown]])

    return images, near_pairs(read, hashes[first])


def nearest_copies(images: pd.DataFrame, pairs: pd.DataFrame, among: Mask) -> pd.DataFrame:
    """Find the nearest copy of each of the run's own images among others.

    Args:
        images, pairs: from `find_copies`.
        among: bool (N,), the images that copies are looked for among.

    Returns:
        A row for each of the run's own images: `kind` (`FILE`, `SHOWN`, `NEAR` or `NONE`), and of the nearest such
        image `class` ("same"; "other", also where copies have both), `name`, `id`, and `bits`, in how many of 64 bits
        their perceptual hashes differ; missing where there is none.
    """
    own = images[images["is_own"]].rename_axis("own").reset_index()
    others = images[among].rename_axis("at").reset_index()
    candidates = pd.concat([*_equal(own, others), _near(own, others, pairs)], ignore_index=True)
    # an image is no copy of itself
    candidates = candidates[candidates["own"] != candidates["at"]]
    candidates["kind"] = pd.Categorical(candidates["kind"], [FILE, SHOWN, NEAR])
    candidates = candidates.sort_values(["kind", "bits", "correlation", "at"], ascending=[True, True, False, True])
    best = candidates.drop_duplicates("own").set_index("own").reindex(own["own"])
    copy = images.reindex(best["at"]).reset_index(drop=True)
    opposite = pd.MultiIndex.from_arrays([own["shown"], ~own["is_real"]])
    has_both = opposite.isin(pd.MultiIndex.from_frame(others[["shown", "is_real"]]))
    is_other = has_both | (copy["is_real"] != own["is_real"]).to_numpy()
    return pd.DataFrame(
        {
            "kind": best["kind"].astype(object).fillna(NONE).to_numpy(),
            "class": pd.Series(np.where(is_other, "other", "same")).where(copy["id"].notna()),
            "name": copy["name"],
            "id": copy["id"],
            "bits": best["bits"].to_numpy(np.float16),
        }
    )


def _equal(own: pd.DataFrame, others: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield pairs of the same file and of the same pixels: numbers `own` and `at`, two for each image at most."""
    for kind, key in ((FILE, "file"), (SHOWN, "shown")):
        # the first may be the image itself
        first = others.groupby(key).head(2)[["at", key]]
        yield own[["own", key]].merge(first, on=key).assign(kind=kind, bits=0, correlation=1)


def _near(own: pd.DataFrame, others: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Find the near copies of each image: numbers `own` and `at`, of images with equal pixels the first."""
    both_ways = pd.concat([pairs, pairs.rename(columns={"left": "right", "right": "left"})])
    near = both_ways.merge(own[["own", "shown"]], left_on="left", right_on="shown").drop(columns="shown")
    first = others.drop_duplicates("shown")[["at", "shown"]]
    return near.merge(first, left_on="right", right_on="shown").assign(kind=NEAR)


def training_pictures(data: str | Path, wanted: Mapping[str, str]) -> dict[str, Pixels]:
    """Read training images from their set, each checked by its hash.

    Args:
        data: as for `core.images.loading.load_image_set`.
        wanted: identity (`train-` and the beginning of the file's sha256) -> name of its file.

    Returns:
        identity -> uint8 (height, width, 3), without those that are not there or whose file is another.
    """
    pictures = {}
    # what could be read is shown
    with suppress(DatasetError, ImageError, OSError):
        for identity, content in zip(wanted, read_files(data, "train", wanted.values()), strict=True):
            # a repeated file has its number behind the hash
            if f"train-{digest_of(content)[:16]}" == identity.partition("~")[0]:
                pictures[identity] = decode(content)
    return pictures


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
