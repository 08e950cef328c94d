"""Reading the pictures of a set in batches: pixels, hashes and statistics, or pixels alone where there is no pack."""

import hashlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.images.decoding import MAX_BYTES, MAX_FILE_BYTES, MAX_PIXELS, ImageError, PassingError, decode
from core.images.image_set import CIFAKE_NAME, DatasetError, Progress, Split, category_of, fingerprint_of, is_cifake
from core.images.labels import CLASSES
from core.images.layouts.layout import Entry
from core.images.preprocessing import Preprocessing
from core.images.sources import MAX_SIDE, ShippedSource, Source, read_small
from core.images.statistics import STATISTICS, image_statistics
from core.storage import is_text, printable

# seconds between two calls of `progress`
TELL = 0.2
# pixels of the images whose statistics are computed at once
AT_ONCE = 4096 * 32 * 32


@dataclass(frozen=True, eq=False)
class Batch:
    """Some pictures of a set that have been read.

    Attributes:
        pixels: uint8 (N, side, side, 3).
        rows: one row per image: `name`, `label`, `category`, `source`, `sha256` and the columns of `STATISTICS`.
        skipped: files that could not be used, as "name: reason".
        passing: names of the skipped files that may be readable later.
    """

    pixels: NDArray[np.uint8]
    rows: pd.DataFrame
    skipped: list[str]
    passing: list[str] = field(default_factory=list)


@dataclass(eq=False)
class Reader:
    """Reads a set's files one after the other.

    Attributes:
        source, split, entries: the files.
        fit: resizes images of any size; None where all must have this side.
        side: pixels along each side of the result.
        progress: called with (files done, files).
        done: how many files are done.
    """

    source: Source
    split: Split
    entries: Sequence[Entry]
    fit: Preprocessing | None
    side: int
    progress: Progress | None = None
    done: int = 0
    _told: float = field(default_factory=time.monotonic)

    def read(self, start: int, stop: int) -> Batch:
        """Read a range of the files."""
        entries = self.entries[start:stop]
        pixels = np.empty((len(entries), self.side, self.side, 3), np.uint8)
        kept: list[tuple[Entry, str, int]] = []
        skipped, passing = [], []
        self.done = start
        for entry in entries:
            try:
                if not is_text(entry.name):
                    raise ImageError("has a name that is no text; rename it")
                data, pixels[len(kept)] = self.picture(entry)
                kept.append((entry, hashlib.sha256(data).hexdigest(), len(data)))
            except ImageError as error:
                skipped.append(f"{printable(entry.name)}: {error}")
                if isinstance(error, PassingError):
                    passing.append(entry.name)
            self.tell(self.done + 1)
        pixels = pixels[: len(kept)]
        return Batch(pixels, self._rows(kept, pixels), skipped, passing)

    def can_read(self, names: Sequence[str]) -> bool:
        """Check whether any of these files would no longer fail with a `PassingError`."""
        for entry in self.entries:
            if entry.name in names:
                try:
                    self.picture(entry)
                except PassingError:
                    continue
                except ImageError:
                    # it now fails for a lasting reason, which the pack does not hold yet
                    return True
                return True
        return False

    def picture(self, entry: Entry) -> tuple[bytes, NDArray[np.uint8]]:
        """Read a picture's file and its pixels; raises ImageError."""
        # of pictures without loss as much as their pixels take
        most = max(MAX_FILE_BYTES, 4 * self.side**2) if self.fit is None else MAX_BYTES
        data = read_small(self.source, self.split, entry, most=most)
        # the header alone refuses an image that is too large for the set
        image = decode(data, most_pixels=MAX_SIDE**2 if self.fit is None else MAX_PIXELS)
        if self.fit is not None:
            image = self.fit.fit(image)
        elif image.shape[:2] != (self.side, self.side):
            raise ImageError(f"is {image.shape[1]} x {image.shape[0]} pixels")
        return data, image

    def tell(self, done: int) -> None:
        """Report progress every `TELL` seconds at most, and at the end; `progress` may raise to stop the reading."""
        self.done = done
        if self.progress is not None and (done == len(self.entries) or time.monotonic() - self._told > TELL):
            self.progress(done, len(self.entries))
            self._told = time.monotonic()

    @cached_property
    def _is_cifake(self) -> bool:
        # of the numbered files alone: one of another name takes no category from the others
        names = (entry.name for entry in self.entries)
        return is_cifake(name for name in names if CIFAKE_NAME.fullmatch(name.rpartition("/")[2]))

    def _category(self, entry: Entry) -> str | None:
        if entry.label:
            return entry.category or None
        # only in CIFAKE's layout, whose entries have no label, do file names tell the category
        numbered = CIFAKE_NAME.fullmatch(entry.name.rpartition("/")[2])
        return None if numbered and not self._is_cifake else category_of(entry.name)

    def _rows(self, kept: list[tuple[Entry, str, int]], pixels: NDArray[np.uint8]) -> pd.DataFrame:
        entries = [entry for entry, _, _ in kept]
        names = [entry.name for entry in entries]
        rows = pd.DataFrame(
            {
                "name": pd.Series(names, dtype=str),
                "label": np.array([CLASSES.index(entry.class_name) for entry in entries], np.uint8),  # type: ignore[arg-type]
                "category": [self._category(entry) for entry in entries],
                "source": [entry.source or None for entry in entries],
                "sha256": pd.Series([digest for _, digest, _ in kept], dtype=str),
            }
        )
        if isinstance(self.source, ShippedSource) and self.fit is None:
            # shipped, because their last bits depend on the machine
            statistics = self.source.shipped.statistics.loc[names].reset_index(drop=True)
        else:
            statistics = image_statistics(pixels, chunk=max(1, AT_ONCE // max(1, self.side) ** 2))
        rows = pd.concat([rows, statistics], axis=1)
        rows["file_bytes"] = np.array([size for _, _, size in kept], np.float32)
        return rows


def whole_rows(split: Split, read: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Make the rows of a set from those of its batches; see `core.images.image_set.ImageSet`."""
    found = pd.concat(read, ignore_index=True) if len(read) > 1 else read[0]
    hashes = found["sha256"]
    occurrence = hashes.groupby(hashes).cumcount()
    ids = f"{split}-" + hashes.str[:16]
    rows = pd.DataFrame(
        {
            # a repeated file has the hash of the first; a count keeps the ids unique
            "id": ids.where(occurrence == 0, ids + "~" + occurrence.astype(str)),
            "name": found["name"],
            "label": found["label"],
            "category": found["category"],
            "sha256": hashes,
            "is_repeat": (occurrence > 0).to_numpy(),
        }
    )
    if found["source"].notna().any():
        rows["source"] = found["source"]
    return pd.concat([rows, found[list(STATISTICS)]], axis=1)


def about(rows: pd.DataFrame, split: Split, base: str | None) -> tuple[str, str]:
    """Return a set's name and fingerprint; the name begins with `base`, or depends on the file names if it is None."""
    return f"{base or ('cifake' if is_cifake(rows['name']) else 'images')}-{split}", fingerprint_of(split, rows)


class FilePixels:
    """Pixels of a set without a pack: array-like uint8 (N, side, side, 3) that reads the files on every access.

    Args:
        reader: reads the set's files; its source must stay open.
        entries: the entries of the set's rows, in their order.
        digests: sha256 of their files.
    """

    dtype, ndim = np.dtype(np.uint8), 4

    def __init__(self, reader: Reader, entries: Sequence[Entry], digests: Sequence[str]) -> None:
        self._reader = reader
        self._entries = entries
        self._digests = digests
        # an archive is read by one thread at a time
        self._lock = threading.Lock()
        self.shape = (len(entries), reader.side, reader.side, 3)

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, which: Any) -> NDArray[np.uint8]:
        if isinstance(which, tuple):
            found = self[which[0]]
            return found[which[1:]] if found.ndim == 3 else found[(slice(None), *which[1:])]
        chosen = np.arange(len(self))[which]
        if np.ndim(chosen) == 0:
            return self._read(int(chosen))
        found = np.empty((*np.shape(chosen), *self.shape[1:]), np.uint8)
        for place, index in enumerate(chosen):
            found[place] = self._read(int(index))
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:] if dtype is None else self[:].astype(dtype)

    def _read(self, index: int) -> NDArray[np.uint8]:
        entry = self._entries[index]
        try:
            with self._lock:
                data, pixels = self._reader.picture(entry)
            if hashlib.sha256(data).hexdigest() != self._digests[index]:
                raise ImageError("it is another file")
            return pixels
        except ImageError as error:
            raise DatasetError(f"{printable(entry.name)} has changed since its set was read: {error}.") from None
