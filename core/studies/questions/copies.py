"""The studies `duplicates` and `files`: copies within and between image sets, and how their files were compressed."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.contrast import UNKNOWN, Contrast, Finding, Measure
from core.findings.numbers import percent
from core.findings.paired import share_of
from core.images.decoding import ImageError, decode
from core.images.duplicates import near_pairs, perceptual_hashes, pixel_digests
from core.images.encoding import compression_of
from core.images.image_set import DatasetError, Split
from core.images.labels import CLASSES, REAL
from core.images.loading import load_image_set, read_files
from core.images.statistics import STATISTICS
from core.runs.run import Run
from core.studies.shared.groups import with_predictions
from core.studies.study import WEIGHT, Context, Study

# kinds of copies, the most certain first
FILE = "same file"
SHOWN = "same pixels"
NEAR = "near copy"
NONE = "none"
UNKNOWN_COPY = "not checked"
# columns of `Images.rows`
COPIED = ["id", "name", "sha256", "category", *STATISTICS]
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

LEAKS = "How many images have a copy in the training set?"
COPIES = "How many images have a copy within the set?"
COMPRESSED = "How were the files compressed?"
SUBJECTS = {"file": "the same file", "pixels": "the same pixels", "near": "nearly the same image"}

COLUMNS = {
    column: text
    for side, where in (("training", "training"), ("set", "its own set"))
    for column, text in {
        f"in_{side}": f"copy in {where}, the most certain: same file, same pixels (in another file), near copy, none; "
        "or not checked, where the training images were not at hand",
        f"{side}_class": f"class of the copy in {where}, same or other; other where copies have both",
        f"{side}_name": f"file of the copy in {where}, the nearest there is",
        f"{side}_id": f"id of the copy in {where}, which begins with train or is its identity in this run",
        f"{side}_bits": f"distance to the copy in {where}, bits of 64 in which their perceptual hashes differ, 0 to 8",
    }.items()
}


class Images(NamedTuple):
    """Images of a split.

    Attributes:
        rows: a row an image: `id`, `name`, `sha256`, `is_real`, `category` and `core.images.statistics.STATISTICS`.
        pixels: uint8 (N, side, side, 3).
    """

    rows: pd.DataFrame
    pixels: NDArray[np.uint8]


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
            images = load_image_set(
                source, "train", fit=context.run.preprocessing, skip_bad=True,
                progress=lambda done, of: context.report(0.0, f"reading training images, {percent(done / of, 0)}"),
            )  # fmt: skip
            return Images(images.rows[COPIED].assign(is_real=images.labels == REAL), images.pixels)
    return Images(*(part[:0] for part in own_images(context)))


def source_of(context: Context) -> str | None:
    """Find the files of the run's images: the sample's, or the context's `data`; None where they are not all there."""
    data = "sample" if str(context.run.manifest["set"]).startswith("sample-") else context.data
    try:
        images = load_image_set(data, context.run.split, fit=context.run.preprocessing, skip_bad=True) if data else None
    except (DatasetError, OSError):
        return None
    # another set would say nothing about them
    return data if images and context.run.predictions["sha256"].isin(images.rows["sha256"]).all() else None


def compressions(context: Context, split: Split, rows: pd.DataFrame) -> pd.Series:
    """Describe how files were compressed, see `compression_of`; None for one that is missing or another.

    Args:
        context: of the study, see `source_of`.
        split: that the files are of.
        rows: `name` and `sha256` of the files.
    """
    source = source_of(context)
    described: list[str | None] = [None] * len(rows)
    with suppress(DatasetError, OSError):
        # one file after another: together they may be larger than memory
        files = read_files(source, split, rows["name"]) if source else iter(())
        for number, (data, digest) in enumerate(zip(files, rows["sha256"], strict=False)):
            if hashlib.sha256(data).hexdigest() == digest:
                described[number] = compression_of(data)
    return pd.Series(described, dtype=object)


def find_copies(
    own: Images, training: Images, report: Callable[[float, str], None]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare all of the run's images and the training images.

    Args:
        own, training: the images.
        report: called with the share done, 0 to 1, and what is being done.

    Returns:
        A row an image, the run's own first: the columns of `Images`, `is_own`, and `file` and `shown`, which are equal
        numbers where files are equal byte for byte and where pixels are equal; and the near copies with other pixels,
        see `near_pairs`, whose `left` and `right` are numbers of `shown`.
    """
    images = pd.concat([own.rows, training.rows], ignore_index=True)
    digests = np.concatenate([pixel_digests(part.pixels) for part in (own, training)])
    images = images.assign(
        is_own=images.index < len(own.rows), file=pd.factorize(images["sha256"])[0], shown=pd.factorize(digests)[0]
    )
    report(0.1, "perceptual hashes")
    hashes = np.concatenate([perceptual_hashes(part.pixels) for part in (own, training)])
    report(0.5, "near copies")
    # of equal images the first is compared for all
    first = images.drop_duplicates("shown").index.to_numpy()

    def read(shown: NDArray[np.intp]) -> NDArray[np.uint8]:
        # each from its own part: together they may be larger than memory
        n = len(own.rows)
        return np.stack([own.pixels[at] if at < n else training.pixels[at - n] for at in first[shown].tolist()])

    return images, near_pairs(read, hashes[first])


def nearest_copies(images: pd.DataFrame, pairs: pd.DataFrame, among: NDArray[np.bool_]) -> pd.DataFrame:
    """Find the nearest copy of each of the run's own images among others.

    Args:
        images, pairs: from `find_copies`.
        among: bool (N,), the images that copies are looked for among.

    Returns:
        A row for each of the run's own images: `kind` (`FILE`, `SHOWN`, `NEAR` or `NONE`), and of the nearest such
        image `class` ("same"; "other", also where copies have both), `name`, `id`, and `bits`, in how many of 64 bits
        their perceptual hashes differ; missing where there is none.
    """
    own, others = (
        images[images["is_own"]].rename_axis("own").reset_index(),
        images[among].rename_axis("at").reset_index(),
    )
    # an image is no copy of itself, so that two of equal ones are needed
    equal = [
        own[["own", key]]
        .merge(others.groupby(key).head(2)[["at", key]], on=key)
        .assign(kind=kind, bits=0, correlation=1)
        for kind, key in ((FILE, "file"), (SHOWN, "shown"))
    ]
    near = pd.concat([pairs, pairs.rename(columns={"left": "right", "right": "left"})])
    near = near.merge(own[["own", "shown"]], left_on="left", right_on="shown").drop(columns="shown")
    near = near.merge(others.drop_duplicates("shown")[["at", "shown"]], left_on="right", right_on="shown")
    table = pd.concat([*equal, near.assign(kind=NEAR)], ignore_index=True)
    table = table.assign(kind=pd.Categorical(table["kind"], [FILE, SHOWN, NEAR]))[table["own"] != table["at"]]
    table = table.sort_values(["kind", "bits", "correlation", "at"], ascending=[True, True, False, True])
    best = table.drop_duplicates("own").set_index("own").reindex(own["own"])
    copy = images.reindex(best["at"]).reset_index(drop=True)
    equal_to = set(zip(others["shown"], others["is_real"], strict=True))
    mixed = [(shown, not real) in equal_to for shown, real in zip(own["shown"], own["is_real"], strict=True)]
    other = np.array(mixed) | (copy["is_real"] != own["is_real"]).to_numpy()
    return pd.DataFrame(
        {
            "kind": best["kind"].astype(object).fillna(NONE).to_numpy(),
            "class": pd.Series(np.where(other, "other", "same")).where(copy["id"].notna()),
            "name": copy["name"],
            "id": copy["id"],
            "bits": best["bits"].to_numpy(np.float16),
        }
    )


def _find_duplicates(context: Context, rows: NDArray[np.intp], _parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Find the nearest copy of each image in the training set and in its own set."""
    training = training_images(context)
    images, pairs = find_copies(own_images(context), training, context.report)
    is_own = images["is_own"].to_numpy()
    leaks, copies = nearest_copies(images, pairs, ~is_own), nearest_copies(images, pairs, is_own)
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


def conclude_duplicates(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
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
        findings.append(_count(key, question, share_of(hit, weights), SUBJECTS[kind], details=details))
    findings.sort(key=lambda finding: -np.nan_to_num(finding.measure.value, nan=-1))
    if unchecked:
        findings.append(_count("unchecked", LEAKS, replace(UNKNOWN, n=unchecked), "not compared with the training set"))
    return findings


def _count(key: str, question: str, share: Measure, subject: str, **about: Any) -> Finding:
    """Make a finding of a count, which has no control."""
    return Finding(
        key, question, about.pop("quantity", "copies"), (Contrast("count", "", share),), subject=subject, **about
    )


def _describe_files(context: Context, rows: NDArray[np.intp], _parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Describe the compression of each file, missing where the file is not available."""
    chosen = context.run.predictions.iloc[rows].reset_index(drop=True)
    return pd.DataFrame(
        {"id": chosen["id"].astype(str), "compression": compressions(context, context.run.split, chosen)}
    )


def conclude_files(_run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> Iterator[Finding]:
    """List the compressions, the commonest first."""
    known = table[table["compression"].notna()]
    if known.empty:
        yield _count("unknown", COMPRESSED, UNKNOWN, "", quantity="file_kind")
    by_weight = known.groupby("compression")[WEIGHT].sum().sort_values(ascending=False, kind="stable")
    for number, name in enumerate(by_weight.index[:COMMON]):
        share = share_of(known["compression"] == name, known[WEIGHT].to_numpy())
        details = {"name": str(name)}
        yield _count(f"common.{number}", COMPRESSED, share, str(name), details=details, quantity="file_kind")


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


def training_pictures(data: str, wanted: Mapping[str, str]) -> dict[str, NDArray[np.uint8]]:
    """Read training images from their set, each checked by its hash.

    Args:
        data: as for `core.images.image_set.load_image_set`.
        wanted: identity (`train-` and the beginning of the file's sha256) -> name of its file.

    Returns:
        identity -> uint8 (height, width, 3), without those that are not there or whose file is another.
    """
    pictures: dict[str, NDArray[np.uint8]] = {}
    # what could be read is shown
    with suppress(DatasetError, ImageError, OSError):
        for identity, content in zip(wanted, read_files(data, "train", wanted.values()), strict=True):
            # a repeated file has its number behind the hash
            if f"train-{hashlib.sha256(content).hexdigest()[:16]}" == identity.partition("~")[0]:
                pictures[identity] = decode(content)
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
    explore=("in_training", "training_class", "training_bits", "in_set", "set_class"),
    # all images are needed for each: one shard
    shard=2**31,
    needs=(),
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
    explore=("compression",),
    shard=2**14,
    needs=(),
)
