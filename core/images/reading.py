"""Reading the files of a set some at a time: their pixels, and a row of hash, label and statistics for each."""

import contextlib
import hashlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.images.cifake import ShippedSource
from core.images.decoding import MAX_BYTES, MAX_FILE_BYTES, MAX_PIXELS, ImageError, PassingError, decode
from core.images.image_set import DatasetError, Progress, Split, category_of, is_cifake, is_numbered
from core.images.labels import CLASSES
from core.images.layouts.layout import Entry
from core.images.preprocessing import Preprocessing
from core.images.sources import Source
from core.images.statistics import STATISTICS, image_statistics
from core.storage import is_text, printable

# bytes of pixels that are read at once
BATCH = 2**26
# pixels of the images whose statistics are computed at once
AT_ONCE = 4096 * 32 * 32
# seconds between two calls of `progress`
PAUSE = 0.2
# pixels along each side of images that are not resized
MAX_SIDE = 1024
# files whose sizes are measured to find the side of a set
MEASURED = 99
# if this share of them has one size, the others count as mistakes, not as images to be resized
NEARLY_ALL = 0.9


def read_entry(source: Source, entry: Entry, *, most: int = MAX_FILE_BYTES) -> bytes:
    """Read a file of at most so many bytes.

    Raises:
        ImageError: it is larger, or damaged.
        PassingError: the disk or its permissions are at fault.
    """
    size, data = entry.size, b""
    if size <= most:
        try:
            data = source.read(entry)
        except (ImageError, DatasetError):
            raise
        except Exception as error:  # noqa: BLE001 - pyarrow's errors share no base class below Exception
            kind = PassingError if isinstance(error, OSError) and error.errno else ImageError
            raise kind(f"cannot be read ({getattr(error, 'strerror', None) or error})") from None
    # some sources learn the size only now
    if max(size, len(data)) > most:
        raise ImageError(f"has {max(size, len(data))} bytes, and at most {most} are read")
    return data


def measure_sides(source: Source, entries: list[Entry]) -> tuple[int, bool]:
    """Measure a sample of files spread over a set.

    Returns:
        The commonest side of square images, 0 where there is none, and whether `NEARLY_ALL` files have it.
    """
    spread = np.unique(np.linspace(0, len(entries) - 1, min(len(entries), MEASURED)).astype(int))
    sides: Counter[int] = Counter()
    for number in spread:
        with contextlib.suppress(ImageError):
            height, width = decode(read_entry(source, entries[number]), most_pixels=MAX_SIDE**2).shape[:2]
            if height == width <= MAX_SIDE:
                sides[height] += 1
    side = max(sides, key=lambda side: (sides[side], side), default=0)
    return side, sides[side] >= NEARLY_ALL * len(spread) > 0


@dataclass(eq=False)
class Reader:
    """Reads a set's files one after the other.

    Attributes:
        source, split, entries: the files.
        fit: resizes images of any size; None where all must have this side.
        side: pixels along each side of the result.
        progress: called with (files done, files), at most every `PAUSE` seconds; it may raise to stop the reading.
        skipped: files so far that could not be used, as "name: reason".
    """

    source: Source
    split: Split
    entries: Sequence[Entry]
    fit: Preprocessing | None
    side: int
    progress: Progress | None = None
    skipped: list[str] = field(default_factory=list)

    @property
    def n_bytes(self) -> int:
        """Bytes of all pixels, where every file can be used."""
        return len(self.entries) * self.side**2 * 3

    def batches(self) -> Iterator[tuple[NDArray[np.uint8], pd.DataFrame]]:
        """Read all files.

        Yields:
            uint8 (N, side, side, 3) and their rows: `name`, `label`, `category`, `source`, `sha256` and the columns of
            `STATISTICS`.

        Raises:
            DatasetError: a file cannot be read now, but perhaps later.
        """
        self.skipped.clear()
        step, reported = max(1, BATCH // max(1, self.side**2 * 3)), time.monotonic()
        for start in range(0, len(self.entries), step):
            entries = self.entries[start : start + step]
            pixels = np.empty((len(entries), self.side, self.side, 3), np.uint8)
            usable: list[tuple[Entry, str, int]] = []
            for done, entry in enumerate(entries, start + 1):
                try:
                    data, pixels[len(usable)] = self._read(entry)
                    usable.append((entry, hashlib.sha256(data).hexdigest(), len(data)))
                except PassingError as error:
                    raise DatasetError(f"{self.split}/{printable(entry.name)} {error}; try again.") from None
                except ImageError as error:
                    self.skipped.append(f"{printable(entry.name)}: {error}")
                if self.progress and (done == len(self.entries) or time.monotonic() - reported > PAUSE):
                    self.progress(done, len(self.entries))
                    reported = time.monotonic()
            yield pixels[: len(usable)], self._rows(usable, pixels[: len(usable)])

    def _read(self, entry: Entry) -> tuple[bytes, NDArray[np.uint8]]:
        if not is_text(entry.name):
            raise ImageError("has a name that is no text; rename it")
        # of pictures without loss as much as their pixels take
        most = max(MAX_FILE_BYTES, 4 * self.side**2) if self.fit is None else MAX_BYTES
        data = read_entry(self.source, entry, most=most)
        # the header alone refuses an image that is too large for the set
        image = decode(data, most_pixels=MAX_SIDE**2 if self.fit is None else MAX_PIXELS)
        if self.fit is not None:
            image = self.fit.fit(image)
        elif image.shape[:2] != (self.side, self.side):
            raise ImageError(f"is {image.shape[1]} x {image.shape[0]} pixels")
        return data, image

    @cached_property
    def _is_cifake(self) -> bool:
        # of the numbered files alone: one of another name takes no category from the others
        return is_cifake(entry.name for entry in self.entries if is_numbered(entry.name))

    def _category(self, entry: Entry) -> str | None:
        if entry.label:
            return entry.category or None
        # only in CIFAKE's layout, whose entries have no label, do file names give the category
        return None if is_numbered(entry.name) and not self._is_cifake else category_of(entry.name)

    def _rows(self, usable: list[tuple[Entry, str, int]], pixels: NDArray[np.uint8]) -> pd.DataFrame:
        names = [entry.name for entry, _, _ in usable]
        rows = pd.DataFrame(
            {
                "name": pd.Series(names, dtype=str),
                "label": np.array([CLASSES.index(entry.class_name) for entry, _, _ in usable], np.uint8),  # type: ignore[arg-type]
                "category": [self._category(entry) for entry, _, _ in usable],
                "source": [entry.source or None for entry, _, _ in usable],
                "sha256": pd.Series([digest for _, digest, _ in usable], dtype=str),
            }
        )
        if isinstance(self.source, ShippedSource) and self.fit is None:
            # shipped, because their last bits depend on the machine
            statistics = self.source.statistics.loc[names].reset_index(drop=True)
        else:
            statistics = image_statistics(pixels, chunk=max(1, AT_ONCE // max(1, self.side) ** 2))
        return pd.concat([rows, statistics], axis=1).assign(
            file_bytes=np.array([size for _, _, size in usable], np.float32)
        )


def whole_rows(split: Split, batches: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Make the rows of a set from those of its batches; see `core.images.image_set.ImageSet`."""
    table = pd.concat(batches, ignore_index=True) if len(batches) > 1 else batches[0]
    hashes = table["sha256"]
    occurrence, ids = hashes.groupby(hashes).cumcount(), f"{split}-" + hashes.str[:16]
    # a repeated file has the hash of the first; a count keeps the ids unique
    table.insert(0, "id", ids.where(occurrence == 0, ids + "~" + occurrence.astype(str)))
    table["is_repeat"] = (occurrence > 0).to_numpy()
    source = ["source"] if table["source"].notna().any() else []
    return table[["id", "name", "label", "category", "sha256", "is_repeat", *source, *STATISTICS]]
