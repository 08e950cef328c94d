"""Loading image sets: decoded once, packed in the cache, memory-mapped afterwards."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from core.images.decoding import MAX_BYTES, ImageError
from core.images.image_set import DatasetError, ImageSet, Progress, Split
from core.images.labels import CLASSES
from core.images.layouts.layout import Entry
from core.images.layouts.source import LayoutSource
from core.images.packing import is_large, pack_in_shards, pack_whole, read_pack
from core.images.preprocessing import Preprocessing
from core.images.reading import FilePixels, Reader
from core.images.sources import ShippedSource, Source, checked_entries, have_side, measure_side, open_source, read_small
from core.storage import ContractError, cache_dir

PACK_VERSION = 3
# removed from a set's name before it becomes part of a run's: odd characters, and words that name other sets
UNNAMED = re.compile(r"[^\w .()+-]|-train|^(cifake|sample)", re.IGNORECASE)
MAX_NAME = 60


def check_image_set(data: str | Path, split: Split) -> int:
    """Count the files of a split without reading any; raises DatasetError like `load_image_set`."""
    with closing(open_source(data)) as source:
        return len(checked_entries(source, data, split))


def side_of(data: str | Path, split: Split) -> int:
    """Return the commonest side of a split's images in pixels; 0 where none is a readable square.

    Raises:
        DatasetError: as for `load_image_set`.
    """
    with closing(open_source(data)) as source:
        return measure_side(source, split, checked_entries(source, data, split))


def read_files(data: str | Path, split: Split, names: Iterable[str]) -> Iterator[bytes]:
    """Yield the bytes of files of a split, b"" for one that is missing or cannot be read.

    Args:
        data: as for `load_image_set`.
        split: "train" or "test".
        names: as in a set's rows, for instance `REAL/0000 (2).jpg`.
    """
    with closing(open_source(data)) as source:
        entries = {entry.name: entry for entry in checked_entries(source, data, split)}
        for name in names:
            try:
                yield read_small(source, split, entries[name], most=MAX_BYTES)
            except (KeyError, ImageError):
                yield b""


def load_image_set(
    data: str | Path,
    split: Split,
    *,
    fit: Preprocessing | None = None,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> ImageSet:
    """Read one split of an image set.

    The first call decodes every file and writes a pack to the cache; later calls memory-map it. The pack is keyed by
    the names, sizes and times of the files (checksums in a zip), so a changed set is read again. Of a large set only
    the rows are held in memory; if the disk has no room for its pack, pixels are read from the files on each access.

    Args:
        data: a folder, .zip, .tar or table in one of `core.images.layouts`, perhaps a `DataPath`; "github", "kaggle",
            "sample", or "cifake-test" for the test set as it ships.
        split: "train" or "test".
        fit: resizes images of any size, unless nearly all have the right size already; without it all must be squares
            of one side.
        skip_bad: leave out files that are not images of the set's side instead of refusing the set.
        progress: called with (files done, files), and with (bytes done, bytes) during a download.

    Raises:
        DatasetError: the set is missing, a class is empty, or some files do not fit and `skip_bad` is false.
    """
    source = open_source(data, progress)
    try:
        image_set = _load(source, data, split, fit=fit, skip_bad=skip_bad, progress=progress)
    except BaseException:
        source.close()
        raise
    if isinstance(image_set.pixels, FilePixels):
        # it reads from the source as long as it lives
        return image_set
    source.close()
    return image_set


def _load(
    source: Source,
    data: str | Path,
    split: Split,
    *,
    fit: Preprocessing | None,
    skip_bad: bool,
    progress: Progress | None,
) -> ImageSet:
    entries = checked_entries(source, data, split)
    if fit is not None and fit.size == fit.resize and have_side(source, split, entries, fit.size):
        fit = None
    # label, source and category count only in other layouts, so that packs of CIFAKE do not depend on them
    files = [entry if entry.label else entry[:3] for entry in entries]
    resized = [] if fit is None else [fit.steps, *(["own statistics"] if isinstance(source, ShippedSource) else [])]
    base = "sample" if data == "sample" else _name_of(source, entries)
    key = json.dumps([PACK_VERSION, split, *resized, *files, *([base] if base else [])])
    pack = cache_dir() / "packs" / hashlib.sha256(key.encode()).hexdigest()[:32]
    try:
        image_set = read_pack(pack)
        if Reader(source, split, entries, fit, image_set.side).can_read(image_set.passing):
            raise ContractError("files that could not be read can be by now")
    except (ContractError, OSError):
        # the pack is missing, damaged, or lacks files that can be read now; or the cache is not readable
        side = measure_side(source, split, entries) if fit is None else fit.size
        reader = Reader(source, split, entries, fit, side, progress)
        if is_large(reader):
            image_set = pack_in_shards(pack, reader, base, keep=skip_bad)
        else:
            image_set = pack_whole(pack, reader, base, keep=skip_bad)
    image_set = replace(image_set, fit="" if fit is None else fit.steps)
    if image_set.skipped and not skip_bad:
        raise DatasetError(_offenders(image_set))
    for label, name in enumerate(CLASSES):
        if not (image_set.labels == label).any():
            raise DatasetError(
                f"{split}/{name} of {data} holds no usable image; nothing can be learned from one class."
            )
    return image_set


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
    """Whether it belongs to the letter before it, as vowel signs and accents do, and is seen."""
    return unicodedata.category(letter)[0] == "M" and "VARIATION SELECTOR" not in unicodedata.name(letter, "")


def _offenders(images: ImageSet) -> str:
    skipped = images.skipped
    first = "; ".join(f"{images.split}/{offender.rstrip('.')}" for offender in skipped[:10])
    more = f"; and {len(skipped) - 10} more" if len(skipped) > 10 else ""
    kind = f"{images.side} x {images.side} image" if len(images) else "readable image"
    what = f"1 file is not a {kind}" if len(skipped) == 1 else f"{len(skipped)} files are not {kind}s"
    return f"{what}: {first}{more}. Fix them, or pass --skip-bad."
