"""The cache of image sets: every file is decoded once, and from then on memory-mapped."""

import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock
from numpy.typing import NDArray

from core.images.cifake import ShippedSource
from core.images.decoding import MAX_BYTES, ImageError, PassingError, decode
from core.images.encoding import file_facts
from core.images.image_set import DatasetError, ImageSet, Progress, Split, categories_of, fingerprint_of
from core.images.labels import LABELS
from core.images.layout import Entry
from core.images.preprocessing import Preprocessing
from core.images.shrinking import WHOLE
from core.images.sources import Source
from core.images.statistics import FILE_FACTS, STATISTICS, image_statistics
from core.storage.atomic import write_bytes_atomically
from core.storage.limits import ContractError, is_text, open_file, printable
from core.storage.seals import read_folder, read_manifest, write_folder

KIND = "image cache"
PIXELS = "images.pixels"
ROWS = "rows.parquet"
# of a set's rows; the source only where that is known
COLUMNS = ["id", "name", "label", "category", "sha256", "is_repeat", "source", *STATISTICS, *FILE_FACTS]
# bytes of pixels that are hashed whenever a cache is opened
SMALL = 2**29
# bytes of pixels that are read at once
BATCH = 2**26
# seconds between two calls of `progress`
PAUSE = 0.2
# pixels along each side of images that are not resized
MAX_SIDE = 1024


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The files to read into a cache, and how.

    Attributes:
        name: of the image set.
        source, split, entries: the files.
        side: pixels along each side of the result.
        fit: resizes images of any size; None where all must have this side.
        skip_bad: leave out files that cannot be used instead of refusing the set.
        progress: called with (files done, files), at most every `PAUSE` seconds.
    """

    name: str
    source: Source
    split: Split
    entries: list[Entry]
    side: int
    fit: Preprocessing | None
    skip_bad: bool
    progress: Progress | None

    @property
    def image_bytes(self) -> int:
        """Bytes of an image's pixels."""
        return self.side**2 * 3

    def decode(self, entry: Entry) -> tuple[bytes, NDArray[np.uint8]]:
        """Read a file: its bytes, and uint8 (side, side, 3).

        Raises:
            ImageError: it cannot be used.
        """
        if not is_text(entry.name):
            raise ImageError("has a name that is no text; rename it")
        data = self.source.read(entry, MAX_BYTES)
        if self.fit is not None and self.fit.native:
            # a larger one would be halved
            return data, self.fit.fit(decode(data, most_pixels=WHOLE))
        if self.fit is not None:
            return data, self.fit.fit(decode(data))
        # the header alone refuses an image that is too large
        image = decode(data, most_pixels=MAX_SIDE**2)
        height, width = image.shape[:2]
        if (height, width) != (self.side, self.side):
            raise ImageError(f"is {width} x {height} pixels, not {self.side} x {self.side} as the others")
        return data, image

    def batches(self, done: int) -> Iterator[tuple[NDArray[np.uint8], pd.DataFrame]]:
        """Read the files one after the other.

        Args:
            done: how many files are left out at the beginning.

        Yields:
            uint8 (N, side, side, 3) and their rows: `name`, `label`, `category`, `source`, `sha256` and the columns of
            `STATISTICS` and `FILE_FACTS`. The rows' `attrs` hold `files`, how many these were, and `skipped`, those of
            them that cannot be used, as "name: reason".

        Raises:
            DatasetError: a file cannot be read now, but perhaps later.
        """
        step = max(1, BATCH // max(1, self.image_bytes))
        reported = time.monotonic()
        # only in CIFAKE's layout, whose entries have no label, do file names give the category
        categories = categories_of([entry.name for entry in self.entries])
        for start in range(done, len(self.entries), step):
            entries = self.entries[start : start + step]
            skipped: list[str] = []
            pixels = np.empty((len(entries), self.side, self.side, 3), np.uint8)
            rows: list[tuple[Any, ...]] = []
            for number, entry in enumerate(entries, start):
                category = categories[number]
                if entry.label:
                    category = entry.category or None
                try:
                    data, pixels[len(rows)] = self.decode(entry)
                    facts = file_facts(data)
                    digest = hashlib.sha256(data).hexdigest()
                    label = LABELS.index(entry.class_name)
                    rows.append((entry.name, label, category, entry.source or None, digest, len(data), *facts))
                except PassingError as error:
                    raise DatasetError(f"{self.split}/{printable(entry.name)} {error}; try again.") from None
                except ImageError as error:
                    skipped.append(f"{printable(entry.name)}: {error}")
                is_last = number + 1 == len(self.entries)
                if self.progress and (is_last or time.monotonic() - reported > PAUSE):
                    self.progress(number + 1, len(self.entries))
                    reported = time.monotonic()
            columns = ["name", "label", "category", "source", "sha256", "file_bytes", *FILE_FACTS]
            kinds = {"name": str, "label": np.uint8, "sha256": str, "file_bytes": np.float32, "quality": np.float32}
            table = pd.DataFrame(rows, columns=columns).astype(kinds)
            table = self._statistics(pixels[: len(rows)], table["name"]).assign(**table)
            table.attrs = {"files": len(pixels), "skipped": skipped}
            yield pixels[: len(rows)], table

    def _statistics(self, pixels: NDArray[np.uint8], names: pd.Series) -> pd.DataFrame:
        if isinstance(self.source, ShippedSource) and self.fit is None:
            # shipped, because their last bits depend on the machine
            return self.source.statistics.loc[names].reset_index(drop=True)
        return image_statistics(pixels)

    def rows(self, tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
        """Join the rows of batches, with ids."""
        table = pd.concat(tables, ignore_index=True)
        table.attrs = {}
        hashes = table["sha256"]
        occurrence = hashes.groupby(hashes).cumcount()
        ids = f"{self.split}-" + hashes.str[:16]
        # a repeated file has the hash of the first; a count keeps the ids unique
        table["id"] = ids.where(occurrence == 0, ids + "~" + occurrence.astype(str))
        table["is_repeat"] = (occurrence > 0).to_numpy()
        if table["source"].isna().all():
            del table["source"]
        return table[[name for name in COLUMNS if name in table]]


def fill_cache(cache: Path, reading: Reading) -> ImageSet:
    """Read a set's files into its cache, a batch of pixels at a time.

    Finished batches stay in a folder beside it until all are there, so that reading resumes where a process was killed.

    Raises:
        DatasetError: the cache cannot be written, or as `check_usable`.
    """
    tables: list[pd.DataFrame] = []
    manifest: dict[str, Any] = {"name": reading.name, "split": reading.split, "side": reading.side}
    part = cache.with_suffix(".part")

    def write_pixels(file: Path) -> None:
        tables.extend(_finished(part, reading))
        part.mkdir(exist_ok=True)
        # not mapped: on a disk that is full, writing to a map kills the process
        with (part / PIXELS).open("ab") as opened:
            # a batch that was not finished is read again
            opened.truncate(_count(tables) * reading.image_bytes)
            for pixels, table in reading.batches(sum(table.attrs["files"] for table in tables)):
                opened.write(pixels.data)
                opened.flush()
                os.fsync(opened.fileno())
                write_bytes_atomically(part / f"{len(tables):06d}.parquet", partial(table.to_parquet, index=False))
                tables.append(table)
        # a link, not a move: if this process is killed below, the next one still finds them
        try:
            os.link(part / PIXELS, file)
        except OSError:
            # not every file system has links
            shutil.copyfile(part / PIXELS, file)

    def write_rows(file: Path) -> None:
        skipped = [name for table in tables for name in table.attrs["skipped"]]
        check_usable(skipped, _count(tables), reading.split, skip_bad=reading.skip_bad)
        table = reading.rows(tables)
        # the manifest is written last
        manifest.update(skipped=skipped, fingerprint=fingerprint_of(reading.split, table), images=len(table))
        table.to_parquet(file, index=False)

    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(cache.with_suffix(".lock")):
            with suppress(ContractError, OSError):
                # another process was faster
                return open_cache(cache)
            if cache.exists():
                # what is damaged is read from the files
                shutil.rmtree(part, ignore_errors=True)
            files = {PIXELS: write_pixels, ROWS: write_rows}
            write_folder(cache, kind=KIND, manifest=manifest, files=files, replace=True)
            shutil.rmtree(part, ignore_errors=True)
            return open_cache(cache)
    except OSError as error:
        raise DatasetError(
            f"{cache.parent} could not be written ({error.strerror}); check that its disk has room and is writable."
        ) from None


def _finished(part: Path, reading: Reading) -> list[pd.DataFrame]:
    """Read the rows of the batches that a killed process has finished, in their order; none if pixels are missing."""
    tables: list[pd.DataFrame] = []
    # the next is absent, or whatever is wrong with it: reading goes on from there
    with suppress(Exception):
        while True:
            with open_file(part / f"{len(tables):06d}.parquet") as opened:
                tables.append(pd.read_parquet(opened))
    pixels = part / PIXELS
    if pixels.is_file() and pixels.stat().st_size >= _count(tables) * reading.image_bytes:
        return tables
    return []


def _count(tables: Iterable[pd.DataFrame]) -> int:
    return sum(map(len, tables))


def open_cache(cache: Path) -> ImageSet:
    """Map a cache; of a large one's pixels only the size is checked, because a sha256 would have to read them all.

    Raises:
        ContractError, OSError: there is none, or it is damaged.
    """
    about = read_manifest(cache, KIND)
    shape = (about["images"], about["side"], about["side"], 3)
    size = int(np.prod(shape))
    if size <= SMALL:
        read_folder(cache, KIND)
    if (cache / PIXELS).stat().st_size != size:
        raise ContractError(f"{cache / PIXELS} has another size than was written")
    with open_file(cache / ROWS) as opened:
        rows = pd.read_parquet(opened)
    pixels = np.memmap(cache / PIXELS, np.uint8, "r", shape=shape)
    return ImageSet(about["name"], about["split"], pixels, rows, about["fingerprint"], tuple(about["skipped"]))


def check_usable(skipped: Sequence[str], images: int, split: Split, *, skip_bad: bool) -> None:
    """Refuse a set with files that cannot be used, unless they are skipped, and one without any that can."""
    if skipped and not skip_bad:
        offenders = [f"{split}/{offender.rstrip('.')}" for offender in skipped[:10]]
        if len(skipped) > 10:
            offenders.append(f"and {len(skipped) - 10} more")
        raise DatasetError(
            f"{len(skipped)} of the files cannot be used: {'; '.join(offenders)}. Fix them, or leave them out with "
            "--skip-bad."
        )
    if not images:
        raise DatasetError(f"The {split} split holds no image that can be used.")
