"""Loading image sets: every file is decoded once into a memory-mapped cache."""

import hashlib
import json
import os
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock
from numpy.typing import NDArray

from core.console import show_progress
from core.images.cifake import FINGERPRINTS, ShippedSource, fetched_path
from core.images.decoding import MAX_BYTES, MAX_PIXELS, ImageError, PassingError, decode
from core.images.encoding import file_facts
from core.images.image_set import (
    DatasetError,
    ImageSet,
    Progress,
    Split,
    categories_of,
    draw_balanced,
    fingerprint_of,
)
from core.images.labels import LABELS
from core.images.layout import Entry
from core.images.preprocessing import Preprocessing
from core.images.shrinking import WHOLE
from core.images.sources import LayoutSource, Source, open_source, remember
from core.images.statistics import FILE_FACTS, STATISTICS, image_statistics
from core.storage.atomic import cache_dir, write_bytes_atomically
from core.storage.limits import ContractError, is_text, open_file, printable
from core.storage.seals import read_folder, read_manifest, write_folder

KIND = "image cache"
VERSION = 5
PIXELS = "images.pixels"
ROWS = "rows.parquet"
# of a set's rows, before its source, where that is known, and its statistics
COLUMNS = ["id", "name", "label", "category", "sha256", "is_repeat"]
# bytes of pixels that are hashed whenever a cache is opened, and that are read at once
SMALL = 2**29
BATCH = 2**26
# pixels of the images whose statistics are computed at once
AT_ONCE = 4096 * 32 * 32
# seconds between two calls of `progress`
PAUSE = 0.2
# pixels along each side of images that are not resized
MAX_SIDE = 1024
# files whose sizes are measured to find the side of a set; if a share of NEARLY_ALL has one size, the others count as
# mistakes, not as images to be resized
MEASURED = 99
NEARLY_ALL = 0.9
# removed from a set's name before it becomes part of a run's: odd characters, and words that name other sets
UNNAMED = re.compile(r"[^\w .()+\u0080-\U0010ffff-]|-train|^(cifake|sample)", re.IGNORECASE)
MAX_NAME = 60


def check_image_set(data: str | Path, split: Split) -> int:
    """Count the files of a split without reading any; raises DatasetError like `load_image_set`."""
    with closing(open_source(data)) as source:
        return len(source.entries(split))


def read_files(data: str | Path, split: Split, names: Iterable[str]) -> Iterator[bytes]:
    """Yield the bytes of files of a split, b"" for one that is missing or cannot be read.

    Args:
        data: as for `load_image_set`.
        split: "train" or "test".
        names: as in a set's rows, for instance `REAL/0000 (2).jpg`.
    """
    with closing(open_source(data)) as source:
        entries = {entry.name: entry for entry in source.entries(split)}
        for name in names:
            try:
                yield source.read(entries[name], MAX_BYTES)
            except (KeyError, ImageError):
                yield b""


def load_image_set(
    data: str | Path,
    split: Split,
    *,
    fit: Preprocessing | None = None,
    skip_bad: bool = False,
    limit: int | None = None,
    progress: Progress | None = None,
) -> ImageSet:
    """Read one split of an image set.

    The first call decodes every file, some at a time, into the cache; later calls memory-map that. It is keyed by the
    names, sizes and times of the files (checksums in a .zip), so a changed set is read again.

    Args:
        data: a folder, .zip, .tar or table in one of `core.images.sources.LAYOUTS`, perhaps a `DataPath`; "github",
            "sample", or "cifake-test" for the test set as it ships.
        split: "train" or "test".
        fit: resizes images of any size, unless nearly all have the right size already; without it all must be squares
            of one side.
        skip_bad: leave out files that are not images of the set's side instead of refusing the set.
        limit: reads at most so many files, half of them of each class: those that `ImageSet.limited` would take.
        progress: called with (files done, files), and with (bytes done, bytes) during a download; it may raise to stop
            the reading.

    Raises:
        DatasetError: the set is missing or empty, some files do not fit and `skip_bad` is false, or the cache
            cannot be written.
    """
    with closing(open_source(data, progress)) as source:
        entries = source.entries(split)
        base = "sample" if data == "sample" else _folder_name(source)
        suffix = ""
        if limit is not None and limit < len(entries):
            entries = _chosen(entries, limit)
            suffix = f"-{limit}"
        if fit is not None and fit.size == fit.resize and _measure_side(source, entries) == (fit.size, True):
            fit = None
        # label, source and category count only in other layouts than CIFAKE's
        files = [entry if entry.label else entry[:3] for entry in entries]
        key = [VERSION, split, fit.steps if fit else "", isinstance(source, ShippedSource), base, files]
        cache = cache_dir() / "images" / hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]
        try:
            images = _open(cache)
        except (ContractError, OSError):
            images = _read(cache, source, split, entries, base, fit=fit, skip_bad=skip_bad, progress=progress)
    _check(images.skipped, len(images), split, skip_bad=skip_bad)
    remember(images.fingerprint, source)
    name = f"cifake-{split}" if _is_cifake(source, images) else images.name
    return replace(images, name=name + suffix, fit="" if fit is None else fit.steps)


def _is_cifake(source: Source, images: ImageSet) -> bool:
    """Check whether images are CIFAKE's by their content, whatever their folder looks like."""
    is_proven = isinstance(source, ShippedSource) or source.path == fetched_path()
    return is_proven or images.fingerprint == FINGERPRINTS[images.split]


def _chosen(entries: list[Entry], limit: int) -> list[Entry]:
    """Choose at most so many files: the same number of each class, or the first where nothing says what they are."""
    labels = np.array([LABELS.index(entry.class_name) for entry in entries])
    return [entries[number] for number in draw_balanced(labels, limit)] or entries[:limit]


def load_with_bar(
    data: str | Path,
    split: Split,
    *,
    fit: Preprocessing | None = None,
    skip_bad: bool = False,
    limit: int | None = None,
) -> ImageSet:
    """Load one split as `load_image_set`, with a progress bar; list on standard error the files that were left out."""
    with reading_bar(split) as progress:
        images = load_image_set(data, split, fit=fit, skip_bad=skip_bad, limit=limit, progress=progress)
    if count := len(images.skipped):
        print(f"Left out of {split}: {count:,} of the files", *images.skipped, sep="\n  ", file=sys.stderr)
    return images


@contextmanager
def reading_bar(split: Split) -> Iterator[Progress]:
    """A progress bar for reading a split, moved by what it yields: called with (files done, files)."""
    with show_progress(f"reading {split}", unit="files or bytes") as progress:
        yield progress


def common_side(data: str | Path, split: Split, *, progress: Progress | None = None) -> int:
    """Return the pixels along each side of nearly all images of a split, or 0 where there is no such side.

    Args:
        data, split, progress: as for `load_image_set`.
    """
    with closing(open_source(data, progress)) as source:
        side, is_common = _measure_side(source, source.entries(split))
    return side if is_common else 0


def _measure_side(source: Source, entries: list[Entry]) -> tuple[int, bool]:
    """Measure a sample of a set's files: the commonest side of square images, and whether nearly all have it."""
    spread = np.unique(np.linspace(0, len(entries) - 1, min(len(entries), MEASURED)).astype(int))
    sides: Counter[int] = Counter()
    for number in spread:
        with suppress(ImageError):
            height, width = decode(source.read(entries[number], MAX_BYTES), most_pixels=MAX_SIDE**2).shape[:2]
            if height == width <= MAX_SIDE:
                sides[height] += 1
    side = max(sides, key=lambda side: (sides[side], side), default=0)
    return side, sides[side] >= NEARLY_ALL * len(spread) > 0


def _batches(
    source: Source,
    split: Split,
    entries: list[Entry],
    *,
    fit: Preprocessing | None,
    side: int,
    progress: Progress | None,
    done: int = 0,
) -> Iterator[tuple[NDArray[np.uint8], pd.DataFrame]]:
    """Read the files of a set one after the other.

    Args:
        source, split, entries: the files.
        fit: resizes images of any size; None where all must have this side.
        side: pixels along each side of the result.
        progress: called with (files done, files), at most every `PAUSE` seconds.
        done: how many files are left out at the beginning.

    Yields:
        uint8 (N, side, side, 3) and their rows: `name`, `label`, `category`, `source`, `sha256` and the columns of
        `STATISTICS` and `FILE_FACTS`. The rows' `attrs` hold `files`, how many these were, and `skipped`, those of them
        that cannot be used, as "name: reason".

    Raises:
        DatasetError: a file cannot be read now, but perhaps later.
    """
    step = max(1, BATCH // max(1, side**2 * 3))
    reported = time.monotonic()
    # only in CIFAKE's layout, whose entries have no label, do file names give the category
    categories = categories_of([entry.name for entry in entries])
    for start in range(done, len(entries), step):
        skipped: list[str] = []
        pixels = np.empty((len(entries[start : start + step]), side, side, 3), np.uint8)
        rows: list[tuple[Any, ...]] = []
        for number, entry in enumerate(entries[start : start + step], start):
            try:
                data, pixels[len(rows)] = _decode(source, entry, fit, side)
                category = (entry.category or None) if entry.label else categories[number]
                digest = hashlib.sha256(data).hexdigest()
                label = LABELS.index(entry.class_name)
                rows.append((entry.name, label, category, entry.source or None, digest, len(data), *file_facts(data)))
            except PassingError as error:
                raise DatasetError(f"{split}/{printable(entry.name)} {error}; try again.") from None
            except ImageError as error:
                skipped.append(f"{printable(entry.name)}: {error}")
            if progress and (number + 1 == len(entries) or time.monotonic() - reported > PAUSE):
                progress(number + 1, len(entries))
                reported = time.monotonic()
        table = pd.DataFrame(rows, columns=["name", "label", "category", "source", "sha256", "file_bytes", *FILE_FACTS])
        table = table.astype(
            {"name": str, "label": np.uint8, "sha256": str, "file_bytes": np.float32, "quality": np.float32}
        )
        if isinstance(source, ShippedSource) and fit is None:
            # shipped, because their last bits depend on the machine
            statistics = source.statistics.loc[table["name"]].reset_index(drop=True)
        else:
            statistics = image_statistics(pixels[: len(rows)], chunk=max(1, AT_ONCE // max(1, side) ** 2))
        statistics = statistics.assign(**table)
        statistics.attrs = {"files": len(pixels), "skipped": skipped}
        yield pixels[: len(rows)], statistics


def _decode(source: Source, entry: Entry, fit: Preprocessing | None, side: int) -> tuple[bytes, NDArray[np.uint8]]:
    """Read a file: its bytes, and uint8 (side, side, 3)."""
    if not is_text(entry.name):
        raise ImageError("has a name that is no text; rename it")
    if fit is not None:
        data = source.read(entry, MAX_BYTES)
        # a larger one would be halved
        most_pixels = WHOLE if fit.native else MAX_PIXELS
        return data, fit.fit(decode(data, most_pixels=most_pixels))
    data = source.read(entry, MAX_BYTES)
    # the header alone refuses an image that is too large
    image = decode(data, most_pixels=MAX_SIDE**2)
    if image.shape[:2] != (side, side):
        raise ImageError(f"is {image.shape[1]} x {image.shape[0]} pixels, not {side} x {side} as the others")
    return data, image


def _read(
    cache: Path,
    source: Source,
    split: Split,
    entries: list[Entry],
    base: str,
    *,
    fit: Preprocessing | None,
    skip_bad: bool,
    progress: Progress | None,
) -> ImageSet:
    """Read a set's files into its cache, a batch of pixels at a time.

    Finished batches stay in a folder beside it until all are there, so that a killed process goes on where it stopped.
    """
    side = _measure_side(source, entries)[0] if fit is None else fit.size
    tables: list[pd.DataFrame] = []
    skipped: list[str] = []
    manifest: dict[str, Any] = {"split": split, "side": side, "skipped": skipped}
    part = cache.with_suffix(".part")

    def write_pixels(file: Path) -> None:
        tables.extend(_kept(part, side))
        part.mkdir(exist_ok=True)
        # not mapped: on a disk that is full, writing to a map kills the process
        with (part / PIXELS).open("ab") as opened:
            # a batch that was not finished is read again
            opened.truncate(_size(tables, side))
            done = sum(table.attrs["files"] for table in tables)
            for pixels, table in _batches(source, split, entries, fit=fit, side=side, progress=progress, done=done):
                opened.write(pixels.data)
                opened.flush()
                os.fsync(opened.fileno())
                write_bytes_atomically(part / f"{len(tables):06d}.parquet", partial(table.to_parquet, index=False))
                tables.append(table)
        # moved away, they would be lost to whoever goes on when this process is killed below
        try:
            os.link(part / PIXELS, file)
        except OSError:
            # not every file system has links
            shutil.copyfile(part / PIXELS, file)

    def write_rows(file: Path) -> None:
        skipped.extend(name for table in tables for name in table.attrs["skipped"])
        table = pd.concat(tables, ignore_index=True)
        table.attrs = {}
        hashes = table["sha256"]
        occurrence = hashes.groupby(hashes).cumcount()
        ids = f"{split}-" + hashes.str[:16]
        # a repeated file has the hash of the first; a count keeps the ids unique
        table["id"] = ids.where(occurrence == 0, ids + "~" + occurrence.astype(str))
        table["is_repeat"] = (occurrence > 0).to_numpy()
        columns = [*COLUMNS, *(["source"] if table["source"].notna().any() else []), *STATISTICS, *FILE_FACTS]
        _check(skipped, len(table), split, skip_bad=skip_bad)
        # the manifest is written last
        manifest.update(name=f"{base}-{split}", fingerprint=fingerprint_of(split, table), images=len(table))
        table[columns].to_parquet(file, index=False)

    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(cache.with_suffix(".lock")):
            with suppress(ContractError, OSError):
                # another process was faster
                return _open(cache)
            if cache.exists():
                # what is damaged is read from the files
                shutil.rmtree(part, ignore_errors=True)
            write_folder(
                cache, kind=KIND, manifest=manifest, files={PIXELS: write_pixels, ROWS: write_rows}, replace=True
            )
            shutil.rmtree(part, ignore_errors=True)
            return _open(cache)
    except OSError as error:
        raise DatasetError(
            f"{cache.parent} could not be written ({error.strerror}); check that its disk has room and is writable."
        ) from None


def _kept(part: Path, side: int) -> list[pd.DataFrame]:
    """Read the rows of the batches that a killed process has finished, in their order; none if pixels are missing."""
    tables: list[pd.DataFrame] = []
    # the next is absent, or whatever is wrong with it: reading goes on from there
    with suppress(Exception):
        while True:
            with open_file(part / f"{len(tables):06d}.parquet") as opened:
                tables.append(pd.read_parquet(opened))
    has_pixels = (part / PIXELS).is_file() and (part / PIXELS).stat().st_size >= _size(tables, side)
    return tables if has_pixels else []


def _size(tables: Iterable[pd.DataFrame], side: int) -> int:
    return sum(map(len, tables)) * side**2 * 3


def _open(cache: Path) -> ImageSet:
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


def _folder_name(source: Source) -> str:
    """Return what a set is called after its folder or file; "images" where that has no name of its own."""
    if not isinstance(source, LayoutSource):
        return "images"
    path = source.path.absolute()
    stem = path.name if path.is_dir() else path.name.partition(".")[0]
    # file systems count bytes
    name = UNNAMED.sub("", printable(stem)).strip(" .-").encode()[:MAX_NAME].decode(errors="ignore").strip(" .-")
    return name or "images"


def _check(skipped: Sequence[str], images: int, split: Split, *, skip_bad: bool) -> None:
    """Refuse a set with files that cannot be used, unless they are skipped, and one without any that can."""
    if skipped and not skip_bad:
        first = "; ".join(f"{split}/{offender.rstrip('.')}" for offender in skipped[:10])
        more = f"; and {len(skipped) - 10} more" if len(skipped) > 10 else ""
        raise DatasetError(
            f"{len(skipped)} of the files cannot be used: {first}{more}. Fix them, or leave them out with --skip-bad."
        )
    if not images:
        raise DatasetError(f"The {split} split holds no image that can be used.")
