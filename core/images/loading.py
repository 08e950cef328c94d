"""Loading image sets by their path: which files they have, and their pixels from the cache."""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from core.console import show_progress
from core.images.cache import MAX_SET_SIDE, Reading, check_usable, fill_cache, open_cache
from core.images.cifake import FINGERPRINTS, ShippedSource, fetched_path
from core.images.decoding import MAX_BYTES, ImageError, decode
from core.images.image_set import ImageSet, Progress, Split, draw_balanced
from core.images.labels import LABELS
from core.images.layout import Entry
from core.images.preprocessing import Preprocessing
from core.images.sources import LayoutSource, Source, open_source, remember
from core.storage.atomic import cache_dir
from core.storage.limits import ContractError, digest_of, printable
from core.storage.shards import Engine, run_locally

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
    engine: Engine = run_locally,
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
        engine: what reads the files: this process, or Ray.
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
                data=data,
                source=source,
                split=split,
                entries=entries,
                side=side,
                fit=fit,
                skip_bad=skip_bad,
            )
            images = fill_cache(cache, reading, engine=engine, progress=progress)
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
