"""Loading image sets: decoded once, packed in the cache, memory-mapped afterwards."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.images.decoding import MAX_BYTES, MAX_FILE_BYTES, MAX_PIXELS, ImageError, decode
from core.images.image_set import CIFAKE_NAME, DatasetError, ImageSet, Progress, Split, category_of, fingerprint_of
from core.images.labels import CLASSES
from core.images.sources import (
    MAX_SIDE,
    Entry,
    ShippedSource,
    Source,
    checked_entries,
    measure_side,
    open_source,
    read_small,
)
from core.images.statistics import image_statistics
from core.system.atomic import cache_dir
from core.system.files import is_text, open_file, printable, read_array
from core.system.folders import ContractError, read_folder, write_folder

PACK = "image pack"
PACK_VERSION = 1
# seconds between two calls of `progress`
TELL = 0.2


class Fit(Protocol):
    """A way of resizing images to one size, described completely by its `repr` (`core.detectors.preprocessing`)."""

    @property
    def size(self) -> int:
        """Pixels along each side of the result."""

    @property
    def resize(self) -> int:
        """Length of the shorter side before a crop; `size` where images of that size stay as they are."""

    def fit(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resize uint8 (height, width, 3) to uint8 (size, size, 3)."""


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
                yield read_small(source, split, entries[name])
            except (KeyError, ImageError):
                yield b""


def load_image_set(
    data: str | Path,
    split: Split,
    *,
    fit: Fit | None = None,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> ImageSet:
    """Read one split of an image set.

    The first call decodes every file and writes a pack to the cache; later calls memory-map it. The pack is keyed by
    the names, sizes and times of the files (checksums in a zip), so a changed set is read again.

    Args:
        data: a folder with {train,test}/{REAL,FAKE}/, CIFAKE's .zip, "github", "kaggle", "sample", or "cifake-test" for
            the test set as it ships.
        split: "train" or "test".
        fit: resizes images of any size, unless most have the right size already; without it all must be squares of
            one side.
        skip_bad: leave out files that are not images of the set's side instead of refusing the set.
        progress: called with (files done, files), and with (bytes done, bytes) during a download.

    Raises:
        DatasetError: the set is missing, a class is empty, or some files do not fit and `skip_bad` is false.
    """
    with closing(open_source(data, progress)) as source:
        entries = checked_entries(source, data, split)
        if fit is not None and measure_side(source, split, entries) == fit.size == fit.resize:
            fit = None
        key = json.dumps([PACK_VERSION, split, *([] if fit is None else [repr(fit)]), *entries])
        pack = cache_dir() / "packs" / hashlib.sha256(key.encode()).hexdigest()[:32]
        try:
            image_set = _read_pack(pack)
        except (ContractError, OSError):
            # no pack yet, a damaged one, or a cache that may not be read
            image_set = None
        if image_set is None:
            image_set = _decode_all(
                source, split, entries, fit=fit, progress=progress, base="sample" if data == "sample" else None
            )
            if skip_bad or not image_set.skipped:
                image_set = _write_pack(pack, image_set)
    if image_set.skipped and not skip_bad:
        raise DatasetError(_offenders(image_set))
    for label, name in enumerate(CLASSES):
        if not (image_set.labels == label).any():
            raise DatasetError(
                f"{split}/{name} of {data} holds no usable image; nothing can be learned from one class."
            )
    return image_set


def _offenders(images: ImageSet) -> str:
    skipped = images.skipped
    first = "; ".join(f"{images.split}/{offender}" for offender in skipped[:10])
    more = f"; and {len(skipped) - 10} more" if len(skipped) > 10 else ""
    kind = f"{images.side} x {images.side} images" if len(images) else "images that can be read here"
    return f"{len(skipped)} files are no {kind}: {first}{more}. Fix them, or pass --skip-bad."


def _decode_all(
    source: Source,
    split: str,
    entries: list[Entry],
    *,
    fit: Fit | None,
    progress: Progress | None,
    base: str | None,
) -> ImageSet:
    side = measure_side(source, split, entries) if fit is None else fit.size
    pixels = np.empty((len(entries), side, side, 3), np.uint8)
    kept: list[tuple[str, str, int]] = []
    skipped = []
    told = time.monotonic()
    for done, entry in enumerate(entries, start=1):
        try:
            if not is_text(entry.name):
                raise ImageError("has a name that is no text; rename it")
            data = read_small(source, split, entry, most=MAX_FILE_BYTES if fit is None else MAX_BYTES)
            # the header alone refuses an image that is too large for the set
            image = decode(data, most_pixels=MAX_SIDE**2 if fit is None else MAX_PIXELS)
            if fit is not None:
                image = fit.fit(image)
            elif image.shape[:2] != (side, side):
                raise ImageError(f"is {image.shape[1]} x {image.shape[0]} pixels")
            pixels[len(kept)] = image
            kept.append((entry.name, hashlib.sha256(data).hexdigest(), len(data)))
        except ImageError as error:
            skipped.append(f"{printable(entry.name)}: {error}")
        # large images take a second each, and `progress` may stop the reading
        if progress is not None and (done == len(entries) or time.monotonic() - told > TELL):
            progress(done, len(entries))
            told = time.monotonic()
    pixels = pixels[: len(kept)]
    rows = _rows(split, kept)
    if isinstance(source, ShippedSource):
        # shipped, because their last bits depend on the machine
        statistics = source.shipped.statistics.loc[rows["name"]].reset_index(drop=True)
    else:
        statistics = image_statistics(pixels)
    rows = pd.concat([rows, statistics], axis=1)
    rows["file_bytes"] = np.array([size for _, _, size in kept], np.float32)
    is_cifake = all(CIFAKE_NAME.fullmatch(name.partition("/")[2]) for name, _, _ in kept)
    base = base or ("cifake" if is_cifake else "images")
    return ImageSet(f"{base}-{split}", split, pixels, rows, fingerprint_of(split, rows), tuple(skipped))


def _rows(split: str, kept: list[tuple[str, str, int]]) -> pd.DataFrame:
    names = [name for name, _, _ in kept]
    hashes = pd.Series([digest for _, digest, _ in kept], dtype=str)
    occurrence = hashes.groupby(hashes).cumcount()
    ids = f"{split}-" + hashes.str[:16]
    return pd.DataFrame(
        {
            # a repeated file has the hash of the first; a count keeps the ids unique
            "id": ids.where(occurrence == 0, ids + "~" + occurrence.astype(str)),
            "name": names,
            "label": np.array([CLASSES.index(name.partition("/")[0]) for name in names], np.uint8),
            "category": [category_of(name) for name in names],
            "sha256": hashes,
            "is_repeat": (occurrence > 0).to_numpy(),
        }
    )


def _write_pack(pack: Path, image_set: ImageSet) -> ImageSet:
    manifest = {
        "name": image_set.name,
        "split": image_set.split,
        "fingerprint": image_set.fingerprint,
        "skipped": list(image_set.skipped),
    }
    files: dict[str, Callable[[Path], None]] = {
        "images.npy": lambda file: np.save(file, image_set.pixels, allow_pickle=False),
        "rows.parquet": lambda file: image_set.rows.to_parquet(file, index=False),
    }
    try:
        write_folder(pack, kind=PACK, manifest=manifest, files=files, replace=True)
    except OSError as error:
        # a full disk only slows down the next start
        print(f"The pack could not be cached in {pack.parent} ({error.strerror}); continuing without it.")
        advice = "see that its disk has room and may be written"
        return replace(image_set, uncached=f"{pack.parent} could not be written ({error.strerror}); {advice}")
    return _read_pack(pack)


def _read_pack(pack: Path) -> ImageSet:
    manifest: dict[str, Any] = read_folder(pack, PACK)
    pixels = read_array(pack / "images.npy", mapped=True)
    with open_file(pack / "rows.parquet") as file:
        rows = pd.read_parquet(file)
    skipped = tuple(manifest["skipped"])
    return ImageSet(manifest["name"], manifest["split"], pixels, rows, manifest["fingerprint"], skipped)
