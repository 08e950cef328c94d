"""Loading image sets: every file is decoded once into a memory-mapped cache."""

import errno
import hashlib
import json
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from tqdm import tqdm

from core.console import progress_to
from core.images.cifake import ShippedSource, fetch_cifake
from core.images.decoding import MAX_BYTES, ImageError, open_image
from core.images.image_set import (
    BusyError,
    DatasetError,
    ImageSet,
    Progress,
    Split,
    fingerprint_of,
    is_cifake,
)
from core.images.labels import CLASSES
from core.images.layouts.layout import Entry
from core.images.preprocessing import Preprocessing
from core.images.reading import Reader, measure_sides, read_entry, whole_rows
from core.images.sources import LayoutSource, Source, open_source
from core.storage import (
    ContractError,
    cache_dir,
    glance_at_folder,
    open_file,
    read_folder,
    read_manifest,
    write_folder,
)

KIND = "image cache"
VERSION = 4
PIXELS, ROWS = "images.pixels", "rows.parquet"
# bytes of pixels that are hashed whenever a cache is opened, and held in memory where it cannot be written
SMALL = 2**29
# files of each class whose format and size are compared, and the share that these must tell apart to be a shortcut
SAMPLED, TELLING = 400, 0.8
# seconds to wait for another process, or another visitor, that reads the same set
PATIENCE = 60
# removed from a set's name before it becomes part of a run's: odd characters, and words that name other sets
UNNAMED = re.compile(r"[^\w .()+-]|-train|^(cifake|sample)", re.IGNORECASE)
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
                yield read_entry(source, entries[name], most=MAX_BYTES)
            except (KeyError, ImageError):
                yield b""


def find_shortcut(data: str | Path, split: Split) -> str:
    """Describe the original files where their format or size alone tells the classes apart; "" where it does not.

    Learned on half of at most `SAMPLED` files of each class, measured on the other half; `data` as for
    `load_image_set`, without the shipped set.
    """
    rows: list[tuple[str, str, str]] = []
    with closing(open_source(data)) as source:
        entries = [] if isinstance(source, ShippedSource) else source.entries(split)
        for label in CLASSES:
            of_class = [entry for entry in entries if entry.class_name == label]
            for position in np.sort(np.random.default_rng(0).permutation(len(of_class))[:SAMPLED]):
                with suppress(ImageError), open_image(read_entry(source, of_class[position], most=MAX_BYTES)) as image:
                    rows.append((label, str(image.format), f"of {image.width} x {image.height} px"))
    if not rows:
        return ""
    files = pd.DataFrame(rows, columns=["label", "format", "size"])
    for value in (files["format"], files["size"], files["format"] + " " + files["size"]):
        learned = pd.crosstab(value[::2], files["label"][::2], normalize="columns").idxmax(axis=1)
        right = (value[1::2].map(learned) == files["label"][1::2]).groupby(files["label"]).mean()
        if len(right) == len(CLASSES) and right.mean() >= TELLING:
            usual = value.groupby(files["label"]).agg(lambda values: values.value_counts().index[0])
            kinds = ", ".join(f"{label} are mostly {kind}" for label, kind in usual.items())
            return f"{kinds}: a detector could be right on {right.mean():.0%} of the files by that alone."
    return ""


def load_image_set(
    data: str | Path,
    split: Split,
    *,
    fit: Preprocessing | None = None,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> ImageSet:
    """Read one split of an image set.

    The first call decodes every file, some at a time, into the cache; later calls memory-map that. It is keyed by the
    names, sizes and times of the files (checksums in a .zip), so a changed set is read again. Where the cache cannot be
    written, a set of up to `SMALL` bytes of pixels is held in memory.

    Args:
        data: a folder, .zip, .tar or table in one of `core.images.layouts`, perhaps a `DataPath`; "github", "sample",
            or "cifake-test" for the test set as it ships.
        split: "train" or "test".
        fit: resizes images of any size, unless nearly all have the right size already; without it all must be squares
            of one side.
        skip_bad: leave out files that are not images of the set's side instead of refusing the set.
        progress: called with (files done, files), and with (bytes done, bytes) during a download.

    Raises:
        DatasetError: the set is missing, a class is empty, some files do not fit and `skip_bad` is false, or a large
            set cannot be cached.
    """
    with closing(open_source(data, progress)) as source:
        entries = source.entries(split)
        if fit is not None and fit.size == fit.resize and measure_sides(source, entries) == (fit.size, True):
            fit = None
        base = "sample" if data == "sample" else _name_of(source, entries)
        cache = _cache_of(source, split, entries, fit, base)
        try:
            image_set = _open(cache)
        except (ContractError, OSError):
            side = measure_sides(source, entries)[0] if fit is None else fit.size
            reader = Reader(source, split, entries, fit, side, progress)
            image_set = _read(cache, reader, base, skip_bad=skip_bad)
    _check(image_set.skipped, image_set.labels, image_set.side, split, skip_bad=skip_bad)
    return replace(image_set, fit="" if fit is None else fit.steps)


def load_with_bar(
    data: str | Path, split: Split, *, fit: Preprocessing | None = None, skip_bad: bool = False
) -> ImageSet:
    """Load one split with a progress bar and say on standard error how many files were left out.

    Args:
        data, split, fit, skip_bad: as for `load_image_set`; "github" is downloaded first.

    Raises:
        DatasetError: as `load_image_set` does, or the download failed.
    """
    if str(data) == "github":
        data = fetch_with_bar()
    with reading_bar(split) as progress:
        images = load_image_set(data, split, fit=fit, skip_bad=skip_bad, progress=progress)
    if images.skipped:
        count = len(images.skipped)
        what = "1 file" if count == 1 else f"{count:,} files"
        print(f"{what} of {split} left out: {images.skipped[0]}{', and others' * (count > 1)}", file=sys.stderr)
    return images


def fetch_with_bar() -> Path:
    """Download CIFAKE's .zip with a progress bar; see `fetch_cifake`."""
    with tqdm(total=0, unit="B", unit_scale=True, desc="downloading", leave=False, disable=None) as bar:
        return fetch_cifake(downloading=progress_to(bar))


@contextmanager
def reading_bar(split: Split) -> Iterator[Progress]:
    """A progress bar for reading a split, moved by what it yields: called with (files done, files)."""
    with tqdm(total=0, unit=" image", desc=f"reading {split}", leave=False, disable=None) as bar:
        yield progress_to(bar)


def _cache_of(source: Source, split: Split, entries: list[Entry], fit: Preprocessing | None, base: str | None) -> Path:
    """Return the folder of a set's cache, whether it is there or not."""
    # label, source and category count only in other layouts than CIFAKE's
    files = [entry if entry.label else entry[:3] for entry in entries]
    key = [VERSION, split, fit.steps if fit else "", isinstance(source, ShippedSource), base, files]
    return cache_dir() / "images" / hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]


def _read(cache: Path, reader: Reader, base: str | None, *, skip_bad: bool) -> ImageSet:
    """Read a set's files into the cache; into memory, where that cannot be written and the set is not large."""
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(cache.with_suffix(".lock"), timeout=PATIENCE):
            with suppress(ContractError, OSError):
                # another process was faster
                return _open(cache)
            free = shutil.disk_usage(cache.parent).free
            if reader.n_bytes > free:
                reason = f"{reader.n_bytes / 1e9:,.1f} GB are needed and {free / 1e9:,.1f} GB are free"
                raise OSError(errno.ENOSPC, reason)
            _write(cache, reader, base, skip_bad=skip_bad)
            # caches of earlier versions
            shutil.rmtree(cache_dir() / "packs", ignore_errors=True)
            return _open(cache)
    except Timeout:
        raise BusyError("This image set is being read already; try again once that is done.") from None
    except OSError as error:
        reason = f"{cache.parent} could not be written ({error.strerror}); check that its disk has room and is writable"
    if reader.n_bytes > SMALL:
        raise DatasetError(f"{reason}.")
    batches = list(reader.batches())
    rows = whole_rows(reader.split, [rows for _, rows in batches])
    pixels = np.concatenate([pixels for pixels, _ in batches])
    name, fingerprint = _identity(rows, reader.split, base)
    return ImageSet(name, reader.split, pixels, rows, fingerprint, tuple(reader.skipped), uncached=reason)


def _write(cache: Path, reader: Reader, base: str | None, *, skip_bad: bool) -> None:
    """Write a cache, a batch of pixels at a time."""
    tables: list[pd.DataFrame] = []
    manifest: dict[str, Any] = {"split": reader.split, "side": reader.side}

    def write_pixels(file: Path) -> None:
        # not mapped: on a disk that is full, writing to a map kills the process
        with file.open("wb") as opened:
            for pixels, table in reader.batches():
                opened.write(pixels.data)
                tables.append(table)

    def write_rows(file: Path) -> None:
        rows = whole_rows(reader.split, tables)
        _check(reader.skipped, rows["label"].to_numpy(), reader.side, reader.split, skip_bad=skip_bad)
        name, fingerprint = _identity(rows, reader.split, base)
        # the manifest is written last
        manifest.update(name=name, fingerprint=fingerprint, skipped=reader.skipped, images=len(rows))
        rows.to_parquet(file, index=False)

    write_folder(cache, kind=KIND, manifest=manifest, files={PIXELS: write_pixels, ROWS: write_rows}, replace=True)


def _open(cache: Path) -> ImageSet:
    """Map a cache; of a large one's pixels only the size is checked, because a sha256 would have to read them all.

    Raises:
        ContractError, OSError: there is none, or it is damaged.
    """
    about = read_manifest(cache, KIND)
    shape = (about["images"], about["side"], about["side"], 3)
    size = int(np.prod(shape))
    (read_folder if size <= SMALL else glance_at_folder)(cache, KIND)
    if (cache / PIXELS).stat().st_size != size:
        raise ContractError(f"{cache / PIXELS} has another size than was written")
    with open_file(cache / ROWS) as opened:
        rows = pd.read_parquet(opened)
    pixels = np.memmap(cache / PIXELS, np.uint8, "r", shape=shape)
    return ImageSet(about["name"], about["split"], pixels, rows, about["fingerprint"], tuple(about["skipped"]))


def _identity(rows: pd.DataFrame, split: Split, base: str | None) -> tuple[str, str]:
    """Return a set's name and fingerprint; without a base, the name depends on the file names."""
    return f"{base or ('cifake' if is_cifake(rows['name']) else 'images')}-{split}", fingerprint_of(split, rows)


def _name_of(source: Source, entries: list[Entry]) -> str | None:
    """Return a set's name, from its folder or file; None for CIFAKE's layout, whose name comes from its files."""
    if not isinstance(source, LayoutSource) or not any(entry.label for entry in entries):
        return None
    path = source.path.absolute()
    stem = path.name if path.is_dir() else path.name.partition(".")[0]
    kept = UNNAMED.sub(lambda odd: "".join(filter(_is_mark, odd[0])), stem)
    # file systems count bytes
    return kept.strip(" .-").encode()[:MAX_NAME].decode(errors="ignore").strip(" .-") or None


def _is_mark(letter: str) -> bool:
    """Check for a visible mark that belongs to the letter before it, as vowel signs and accents do."""
    return unicodedata.category(letter)[0] == "M" and "VARIATION SELECTOR" not in unicodedata.name(letter, "")


def _check(skipped: Iterable[str], labels: NDArray[np.uint8], side: int, split: Split, *, skip_bad: bool) -> None:
    """Refuse a set with files that do not fit, unless they are skipped, and one that lacks a class."""
    offenders = list(skipped)
    if offenders and not skip_bad:
        first = "; ".join(f"{split}/{offender.rstrip('.')}" for offender in offenders[:10])
        more = f"; and {len(offenders) - 10} more" if len(offenders) > 10 else ""
        kind = f"{side} x {side} image" if len(labels) else "readable image"
        what = f"1 file is not a {kind}" if len(offenders) == 1 else f"{len(offenders)} files are not {kind}s"
        raise DatasetError(f"{what}: {first}{more}. Fix them, or pass --skip-bad.")
    for label, name in enumerate(CLASSES):
        if not (labels == label).any():
            raise DatasetError(f"The {split} split holds no usable {name} image; both classes are needed.")
