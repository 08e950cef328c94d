"""Loading image sets by their path: which files they have, and their pixels from the cache.

In the cache every file is decoded once, and from then on memory-mapped.
"""

import io
import json
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock

from core.console import show_progress
from core.images.cifake import FINGERPRINTS, ShippedSource, fetched_path
from core.images.decoding import MAX_BYTES, ImageError, decode
from core.images.image_set import DatasetError, ImageSet, Progress, Split, draw_balanced, fingerprint_of
from core.images.labels import LABELS
from core.images.layout import Entry
from core.images.preprocessing import Preprocessing
from core.images.sources import MAX_SET_SIDE, LayoutSource, Reading, Source, open_source, remember
from core.storage.atomic import cache_dir, read_folder, read_manifest, read_sealed, write_folder
from core.storage.limits import ContractError, digest_of, printable
from core.storage.shards import compute_shards, run_locally

KIND = "image cache"
PIXELS = "images.pixels"
ROWS = "rows.parquet"
# bytes of pixels that are hashed whenever a cache is opened
SMALL = 2**29
# of the key of a cache
VERSION = 5
# files whose sizes are measured to find the side of a set
MEASURED = 99
# if this share of them has one size, the others count as mistakes, not as images to be resized
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
        limit: reads at most this many files, half of each class: those that `ImageSet.limited` would take.
        progress: called with (files done, files), and with (bytes done, bytes) during a download; it may raise to stop
            the reading.

    Raises:
        DatasetError: the set is missing or empty, some files do not fit and `skip_bad` is false, or the cache
            cannot be written.
    """
    with closing(open_source(data, progress)) as source:
        entries = source.entries(split)
        suffix = ""
        if limit is not None and limit < len(entries):
            labels = np.array([LABELS.index(entry.class_name) for entry in entries])
            # of images without labels the first
            entries = [entries[number] for number in draw_balanced(labels, limit)] or entries[:limit]
            suffix = f"-{limit}"
        if fit is not None and fit.size == fit.resize and _measure_side(source, entries) == (fit.size, True):
            fit = None
        steps = ""
        if fit is not None:
            steps = fit.steps
        base = "sample"
        if data != "sample":
            base = _folder_name(source)
        # label, source and category count only in other layouts than CIFAKE's
        files = [entry if entry.label else entry[:3] for entry in entries]
        key = [VERSION, split, steps, isinstance(source, ShippedSource), base, files]
        cache = cache_dir() / "images" / digest_of(json.dumps(key))[:32]
        try:
            images = open_cache(cache)
        except (ContractError, OSError):
            side = fit.size if fit else _measure_side(source, entries)[0]
            reading = Reading(
                image_set=f"{base}-{split}",
                source=source,
                split=split,
                entries=entries,
                side=side,
                fit=fit,
                skip_bad=skip_bad,
            )
            images = fill_cache(cache, reading, progress)
    check_usable(images.skipped, len(images), split, skip_bad=skip_bad)
    remember(images.fingerprint, source)
    name = images.name
    # by its content, whatever its folder looks like; of a limited set, by where it comes from
    is_proven = isinstance(source, ShippedSource) or source.path == fetched_path()
    if is_proven or images.fingerprint in FINGERPRINTS.values():
        name = f"cifake-{split}"
    return replace(images, name=name + suffix, fit=steps)


def load_with_bar(data: str | Path, split: Split, **how: Any) -> ImageSet:
    """Load one split as `load_image_set`, with a progress bar; list on standard error the files that were left out."""
    with reading_bar(split) as progress:
        images = load_image_set(data, split, progress=progress, **how)
    if images.skipped:
        print(
            f"Left out of {split}: {len(images.skipped):,} of the files", *images.skipped, sep="\n  ", file=sys.stderr
        )
    return images


def reading_bar(split: Split) -> AbstractContextManager[Progress]:
    """Show a progress bar for reading a split, moved by what it yields: called with (files done, files)."""
    return show_progress(f"reading {split}", unit="files or bytes")


def common_side(data: str | Path, split: Split, *, progress: Progress | None) -> int:
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
    sides = []
    for number in spread:
        with suppress(ImageError):
            height, width = decode(source.read(entries[number], MAX_BYTES), most_pixels=MAX_SET_SIDE**2).shape[:2]
            if height == width:
                sides.append(height)
    # of two that are as common, the larger
    ((side, count),) = Counter(sorted(sides, reverse=True)).most_common(1) or [(0, 0)]
    return side, count >= NEARLY_ALL * len(spread) > 0


def _folder_name(source: Source) -> str:
    """Return what a set is called after its folder or file; "images" where that has no name of its own."""
    if not isinstance(source, LayoutSource):
        return "images"
    path = source.path.absolute()
    stem = path.name
    if not path.is_dir():
        stem = stem.partition(".")[0]
    # file systems count bytes
    name = UNNAMED.sub("", printable(stem)).strip(" .-").encode()[:MAX_NAME].decode(errors="ignore").strip(" .-")
    return name or "images"


def fill_cache(cache: Path, reading: Reading, progress: Progress | None) -> ImageSet:
    """Read a set's files into its cache, in shards.

    Finished shards stay in a folder beside it until all are there, so that reading resumes where a process was killed.

    Args:
        cache: the folder of the cache.
        reading: the files.
        progress: called with (files done, files).

    Raises:
        DatasetError: the cache cannot be written, or as `check_usable`.
    """
    part = cache.with_suffix(".part")

    def report(done: int, total: int, _text: str) -> None:
        if progress:
            progress(done, total)

    numbers = np.arange(len(reading.entries))
    read_shards = partial(
        compute_shards, reading, numbers, reading.shard_size, part, whole=True, engine=run_locally, progress=report
    )

    def write_pixels(file: Path) -> None:
        # not mapped: on a disk that is full, writing to a map kills the process
        with file.open("wb") as opened:
            # now that the folder holds all shards, in order
            for _, table in read_shards():
                opened.writelines(table["pixels"])

    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(cache.with_suffix(".lock")):
            with suppress(ContractError, OSError):
                # another process was faster
                return open_cache(cache)
            if cache.exists():
                # what is damaged is read from the files
                shutil.rmtree(part, ignore_errors=True)
            # in any order
            shards = {number: table.drop(columns="pixels") for number, table in read_shards()}
            tables = [shards[number] for number in sorted(shards)]
            skipped = [name for table in tables for name in table.attrs["skipped"]]
            check_usable(skipped, sum(map(len, tables)), reading.split, skip_bad=reading.skip_bad)
            rows = reading.rows(tables)
            manifest = {
                "name": reading.image_set,
                "split": reading.split,
                "side": reading.side,
                "skipped": skipped,
                "fingerprint": fingerprint_of(reading.split, rows),
                "images": len(rows),
            }
            write_folder(
                cache,
                kind=KIND,
                manifest=manifest,
                files={PIXELS: write_pixels, ROWS: partial(rows.to_parquet, index=False)},
                replace=True,
            )
            shutil.rmtree(part, ignore_errors=True)
            return open_cache(cache)
    except OSError as error:
        raise DatasetError(
            f"{cache.parent} could not be written ({error.strerror}); check that its disk has room and is writable."
        ) from None


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
    rows = pd.read_parquet(io.BytesIO(read_sealed(cache, ROWS, about, kind=KIND)))
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
