"""The images that studies of an image set compare: the run's own and, where available, the training images."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.images.duplicates import Pairs, near_pairs, perceptual_hashes, pixel_digests
from core.images.encoding import compression_of
from core.images.image_set import DatasetError, Split
from core.images.labels import CLASSES
from core.images.loading import load_image_set, read_files
from core.images.statistics import STATISTICS
from core.studies.study import Context


@dataclass(frozen=True, eq=False)
class Part:
    """The images of one split.

    Attributes:
        split: "train" or "test".
        pixels: uint8 (N, side, side, 3).
        rows: a row an image: `id`, `name`, `sha256`, `is_real`, `category` and `core.images.statistics.STATISTICS`.
    """

    split: Split
    pixels: NDArray[np.uint8]
    rows: pd.DataFrame

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def is_real(self) -> NDArray[np.bool_]:
        """bool (N,)."""
        return np.asarray(self.rows["is_real"], bool)


@dataclass(frozen=True, eq=False)
class Links:
    """Copies among the run's images and the training images; N images, the run's own first.

    Attributes:
        own: how many are the run's own.
        file: intp (N,), equal numbers where files are equal byte for byte.
        shown: intp (N,), equal numbers where pixels are equal.
        pairs: near copies with other pixels; of images with equal pixels only the first is in them.
    """

    own: int
    file: NDArray[np.intp]
    shown: NDArray[np.intp]
    pairs: Pairs


def own_part(context: Context) -> Part:
    """The run's own images."""
    run = context.run
    rows = run.predictions[["id", "name", "sha256", "category", *STATISTICS]].reset_index(drop=True)
    rows["is_real"] = (run.predictions["label"] == "REAL").to_numpy(bool)
    return Part(context.run.split, context.pixels, rows)


def training_part(context: Context) -> Part | None:
    """The training images of the set that the run's images are from; None where they are not available.

    A run on training images has none either: everything in it would be its own copy.
    """
    source = source_of(context)
    if source is None or context.run.split == "train":
        return None
    try:
        found = load_image_set(
            source,
            "train",
            fit=context.run.preprocessing,
            skip_bad=True,
            progress=lambda done, of: context.report(0.0, f"reading training images, {done / max(1, of):.0%}"),
        )
    except (DatasetError, OSError):
        return None
    rows = found.rows[["id", "name", "sha256", "category", *STATISTICS]].reset_index(drop=True)
    return Part("train", found.pixels, rows.assign(is_real=found.labels == CLASSES.index("REAL")))


def source_of(context: Context) -> str | None:
    """Find the files of the run's images: the context's `data`, or the sample; None where neither holds them all.

    Another set would say nothing about them.
    """
    for data in filter(None, (context.data, "sample")):
        try:
            found = load_image_set(data, context.run.split, fit=context.run.preprocessing, skip_bad=True)
        except (DatasetError, OSError):
            continue
        if context.run.predictions["sha256"].isin(found.rows["sha256"]).all():
            # as it is: a `DataPath` names its FAKE classes too
            return data
    return None


def compressions(context: Context, part: Part, rows: NDArray[np.intp] | None = None) -> list[str | None]:
    """Describe how a part's files were compressed, see `compression_of`; None for one that is missing or another.

    Args:
        context: of the study, see `source_of`.
        part: whose files.
        rows: positions of the part, all when None.
    """
    chosen = part.rows if rows is None else part.rows.iloc[rows]
    source = source_of(context)
    if source is None:
        return [None] * len(chosen)
    try:
        # one file after another: together they may be larger than memory
        files = read_files(source, part.split, chosen["name"])
        return [
            compression_of(data) if hashlib.sha256(data).hexdigest() == digest else None
            for data, digest in zip(files, chosen["sha256"], strict=True)
        ]
    except (DatasetError, OSError):
        return [None] * len(chosen)


def links_of(context: Context, own: Part, training: Part | None) -> Links:
    """Copies and near copies among the run's images and training images; kept in memory for the next study."""
    count = 0 if training is None else len(training)
    key = (context.run.path, context.run.manifest["set_fingerprint"], context.data, count)
    if key not in _kept:
        _kept.clear()
        _kept[key] = find_links([own] if training is None else [own, training], context.report)
    return _kept[key]


_kept: dict[Any, Links] = {}


class _Selection:
    """Images selected from several parts, each read from its own: together they may be larger than memory."""

    def __init__(self, parts: list[Part], chosen: NDArray[np.intp]) -> None:
        self._parts, self._chosen = parts, chosen
        self._starts = np.cumsum([0, *map(len, parts)])
        self.shape = (len(chosen), *parts[0].pixels.shape[1:])

    def __len__(self) -> int:
        return len(self._chosen)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (self._read(number) for number in self._chosen)

    def __getitem__(self, which: NDArray[np.intp]) -> NDArray[np.uint8]:
        pixels = np.empty((len(which), *self.shape[1:]), np.uint8)
        for position, number in enumerate(self._chosen[which]):
            pixels[position] = self._read(number)
        return pixels

    def _read(self, number: int) -> NDArray[np.uint8]:
        part = int(np.searchsorted(self._starts, number, side="right")) - 1
        return np.asarray(self._parts[part].pixels[number - self._starts[part]])


def find_links(parts: list[Part], say: Callable[[float, str], None]) -> Links:
    """Compare all images of the parts, of which the first are the run's own.

    Args:
        parts: whose images.
        say: called with the share done, 0 to 1, and what is being done.
    """
    file = pd.factorize(pd.concat([part.rows["sha256"] for part in parts]))[0]
    shown = pd.factorize(np.concatenate([pixel_digests(part.pixels) for part in parts]))[0]
    # of equal images the first is compared for all
    _, first = np.unique(shown, return_index=True)
    pixels: Any = _Selection(parts, first)
    hashes = perceptual_hashes(pixels, say=lambda share: say(0.5 * share, "perceptual hashes"))
    say(0.5, "near copies")
    pairs = near_pairs(pixels, hashes)
    return Links(len(parts[0]), file, shown, pairs._replace(left=first[pairs.left], right=first[pairs.right]))
