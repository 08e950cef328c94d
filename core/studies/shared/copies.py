"""Copies and near copies within and between image sets, and how their files were compressed."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import pandas as pd

from core.arrays import Mask, Pixels, Positions
from core.images.decoding import ImageError, decode
from core.images.encoding import compression_of
from core.images.image_set import DatasetError, Split
from core.images.labels import REAL
from core.images.loading import load_image_set, read_files
from core.images.statistics import STATISTICS, near_pairs, perceptual_hashes, pixel_digests
from core.storage.limits import digest_of
from core.storage.shards import Report, progress_of
from core.studies.study import Context

# kinds of copies, the most certain first
FILE = "same file"
SHOWN = "same pixels"
NEAR = "near copy"
NONE = "none"
# columns of `Images.rows`
COPIED = ["id", "name", "sha256", "category", *STATISTICS]


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


def source_of(context: Context) -> str | None:
    """Find the files of the run's images: the sample's, or the context's `data`; None where they are not all there."""
    data = context.data
    if str(context.run.manifest["set"]).startswith("sample-"):
        data = "sample"
    if not data:
        return None
    try:
        images = load_image_set(data, context.run.split, fit=context.run.preprocessing, skip_bad=True)
    except (DatasetError, OSError):
        return None
    # another set would say nothing about them
    if not context.run.predictions["sha256"].isin(images.rows["sha256"]).all():
        return None
    return data


def compressions(context: Context, split: Split, rows: pd.DataFrame) -> pd.Series:
    """Describe how files were compressed, see `compression_of`; None for one that is missing or another.

    Args:
        context: of the study, see `source_of`.
        split: that the files are of.
        rows: `name` and `sha256` of the files.
    """
    source = source_of(context)
    described: list[str | None] = [None] * len(rows)
    if source is not None:
        with suppress(DatasetError, OSError):
            # one file after another: together they may be larger than memory
            files = read_files(source, split, rows["name"])
            for number, (data, digest) in enumerate(zip(files, rows["sha256"], strict=False)):
                if digest_of(data) == digest:
                    described[number] = compression_of(data)
    return pd.Series(described, dtype=object)


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
    digests = np.concatenate([pixel_digests(part.pixels) for part in (own, training)])
    images = images.assign(
        is_own=images.index < len(own.rows), file=pd.factorize(images["sha256"])[0], shown=pd.factorize(digests)[0]
    )
    report(0.1, "perceptual hashes")
    hashes = np.concatenate([perceptual_hashes(part.pixels) for part in (own, training)])
    report(0.5, "near copies")
    # of equal images the first is compared for all
    first = images.drop_duplicates("shown").index.to_numpy()

    def read(shown: Positions) -> Pixels:
        # each from its own part: together they may be larger than memory
        pictures = []
        for at in first[shown].tolist():
            if at < len(own.rows):
                pictures.append(own.pixels[at])
            else:
                pictures.append(training.pixels[at - len(own.rows)])
        return np.stack(pictures)

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
    classes = set(zip(others["shown"], others["is_real"], strict=True))
    has_both = [(shown, not real) in classes for shown, real in zip(own["shown"], own["is_real"], strict=True)]
    is_other = np.array(has_both) | (copy["is_real"] != own["is_real"]).to_numpy()
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


def training_pictures(data: str, wanted: Mapping[str, str]) -> dict[str, Pixels]:
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
