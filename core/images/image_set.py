"""Image sets: CIFAKE (shipped, folder, zip, GitHub, Kaggle) and the sample, packed once, memory-mapped afterwards."""

import contextlib
import hashlib
import json
import os
import re
import struct
import time
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.files import LIMITS, UnfitFileError, harmless, is_text, open_file, printable, read_array, read_bytes
from core.images.decoding import MAX_BYTES, MAX_FILE_BYTES, MAX_PIXELS, ImageError, decode
from core.images.shipped import Shipped, is_shipped, read_shipped, unpack
from core.images.statistics import image_facts
from core.storage import ContractError, cache_dir, read_folder, write_folder

CLASSES = ("FAKE", "REAL")
SAMPLE = Path(__file__).parents[2] / "assets" / "sample" / "sample.zip"
# CIFAKE's test set, by the name of its folder in assets/
SHIPPED = "cifake-test"
SHIPPED_FOLDER = SAMPLE.parents[1] / SHIPPED
KAGGLE = "birdy654/cifake-real-and-ai-generated-synthetic-images"
# the suffix of a CIFAKE file name is CIFAR-10's class, counted from 1; none is the first
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAKE_NAME = re.compile(r"\d+(?: \((\d+)\))?\.jpe?g", re.IGNORECASE)
# the side of most of so many files is the set's
MEASURED = 99
MAX_SIDE = 1024
# seconds between two reports of how far the reading is
TELL = 0.2
# how members of a .zip may be packed; the others cannot be unpacked piece by piece
UNPACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 1
PACK = "image pack"
PACK_VERSION = 1

Split = Literal["train", "test"]
Progress = Callable[[int, int], None]


class Fit(Protocol):
    """What makes pictures of any size one size; its `repr` says all of it (`core.detectors.preprocessing`)."""

    @property
    def size(self) -> int:
        """Pixels along each side of what it makes."""

    def fit(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 (height, width, 3) to uint8 (size, size, 3)."""


class DatasetError(ValueError):
    """An image set that cannot be used as it is; the message names the first offenders and their total."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Packed images and what is known of each.

    Attributes:
        name: for instance "cifake-test"; runs are named after it.
        split: "train" or "test".
        pixels: uint8 (N, side, side, 3), memory-mapped where it comes from a pack.
        rows: one row an image: `id`, `name`, `label` (FAKE = 0, REAL = 1), `category`, `sha256`, `is_repeat`, and
            the facts of `core.images.statistics.FACTS`.
        fingerprint: sha256 over split, file hashes and labels, whatever order the files were read in.
        skipped: offenders left out by `skip_bad`, "name: reason" each.
        uncached: why no pack of it could be written, "" where one was: the next start has to read its files again.
    """

    name: str
    split: str
    pixels: NDArray[np.uint8]
    rows: pd.DataFrame
    fingerprint: str
    skipped: tuple[str, ...] = ()
    uncached: str = ""

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def side(self) -> int:
        """Pixels along each side of its images."""
        return int(self.pixels.shape[1])

    @property
    def labels(self) -> NDArray[np.uint8]:
        """uint8 (N,), FAKE = 0, REAL = 1."""
        return np.asarray(self.rows["label"], np.uint8)

    def subset(self, indices: NDArray[np.intp], *, name: str | None = None) -> "ImageSet":
        """The images at `indices`, in that order, as a set of its own."""
        rows = self.rows.iloc[indices].reset_index(drop=True)
        return replace(
            self,
            name=name or self.name,
            pixels=np.ascontiguousarray(self.pixels[indices]),
            rows=rows,
            fingerprint=fingerprint_of(self.split, rows),
        )

    def limited(self, n: int, *, seed: int = 0) -> "ImageSet":
        """At most `n` images, half of each class, drawn with `seed` and kept in their order."""
        if n >= len(self):
            return self
        generator = np.random.default_rng(seed)
        halves = [np.flatnonzero(self.labels == label) for label in range(len(CLASSES))]
        chosen = [generator.choice(half, min(len(half), n // 2), replace=False) for half in halves]
        return self.subset(np.sort(np.concatenate(chosen)), name=f"{self.name}-{n}")


class _Entry(NamedTuple):
    name: str
    size: int
    stamp: int


class _Source(Protocol):
    def entries(self, split: str) -> list[_Entry]: ...
    def read(self, split: str, entry: _Entry) -> bytes: ...
    def close(self) -> None: ...


class _Folder:
    def __init__(self, root: Path) -> None:
        self.root = _find_root(root)

    def entries(self, split: str) -> list[_Entry]:
        found = []
        for label in CLASSES:
            folder = self.root / split / label
            if not folder.is_dir():
                raise DatasetError(f"{folder} is missing; CIFAKE has the folders {{train,test}}/{{REAL,FAKE}}.")
            with os.scandir(folder) as scan:
                for item in scan:
                    # who takes a file away in this moment takes it out of the set
                    with contextlib.suppress(OSError):
                        if not item.name.startswith(".") and item.is_file():
                            status = item.stat()
                            found.append(_Entry(f"{label}/{item.name}", status.st_size, status.st_mtime_ns))
        return sorted(found)

    def read(self, split: str, entry: _Entry) -> bytes:
        return read_bytes(self.root / split / entry.name, limit=MAX_BYTES)

    def close(self) -> None:
        pass


class _Zip:
    def __init__(self, path: Path) -> None:
        self.path = path
        with ExitStack() as opened:
            try:
                self.file = opened.enter_context(open_file(path, limit=LIMITS[".zip"]))
                self.archive = zipfile.ZipFile(self.file)
            except UnfitFileError as error:
                raise DatasetError(f"{error}.") from None
            except (zipfile.BadZipFile, EOFError, OSError):
                raise DatasetError(f"{path} is not a whole .zip file; download it again.") from None
            except (NotImplementedError, RuntimeError, ValueError, struct.error) as error:
                # members that ask for a newer unpacker, or whose names are no text
                reason = f"is packed in a way that is not read here ({error}); pack it anew."
                raise DatasetError(f"{path} {reason}") from None
            opened.pop_all()
        pattern = re.compile(r"(?:[^/]+/)?(train|test)/((?:REAL|FAKE)/(?!\.)[^/]+)")
        self.members: dict[str, dict[str, zipfile.ZipInfo]] = {"train": {}, "test": {}}
        # names that several files have, the same one twice or in two folders
        self.repeated: set[str] = set()
        for info in self.archive.infolist():
            # names are only matched and looked up, never joined to a path on disk
            if match := pattern.fullmatch(info.filename):
                members = self.members[match[1]]
                if match[2] in members:
                    self.repeated.add(f"{match[1]}/{match[2]}")
                members[match[2]] = info

    def entries(self, split: str) -> list[_Entry]:
        members = self.members.get(split, {})
        for label in CLASSES:
            if not any(name.startswith(label) for name in members):
                raise DatasetError(f"{self.path} has no images in {split}/{label}/; use CIFAKE's .zip from Kaggle.")
        return sorted(_Entry(name, info.file_size, info.CRC) for name, info in members.items())

    def read(self, split: str, entry: _Entry) -> bytes:
        info = self.members[split][entry.name]
        if f"{split}/{entry.name}" in self.repeated:
            raise ImageError("is in the .zip more than once; pack it anew with one file of this name")
        if info.flag_bits & ENCRYPTED:
            raise ImageError("is encrypted; pack the .zip anew without a password")
        if info.compress_type not in UNPACKED:
            raise ImageError("is packed in a way that is not read here; pack the .zip anew")
        # no more than it claims to hold: to read all of it unpacks all that is there first
        with self.archive.open(info) as file:
            return file.read(info.file_size)

    def close(self) -> None:
        self.archive.close()
        self.file.close()


class _Shipped:
    def __init__(self, folder: Path) -> None:
        if not is_shipped(folder):
            raise DatasetError(f"{folder} is not there, which held CIFAKE's test images; name another image set.")
        with _refusing():
            self.shipped: Shipped = read_shipped(folder)
        self.files: dict[str, bytes] | None = None

    def entries(self, split: str) -> list[_Entry]:
        if split != "test":
            raise DatasetError(
                f"{self.shipped.folder} holds CIFAKE's test images alone; name a folder or .zip with {split}/ in it."
            )
        stamp = int(self.shipped.archive_sha256[:15], 16)
        sizes = self.shipped.facts["file_bytes"]
        return sorted(_Entry(name, int(size), stamp) for name, size in sizes.items())

    def read(self, split: str, entry: _Entry) -> bytes:  # noqa: ARG002 - as of all sources
        # not before a file is asked for: who has a pack needs none of them
        if self.files is None:
            with _refusing():
                self.files = unpack(self.shipped)
        return self.files[entry.name]

    def close(self) -> None:
        self.files = None


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except ContractError as error:
        raise DatasetError(f"{error}.") from None


def _find_root(root: Path) -> Path:
    if not root.is_dir():
        raise DatasetError(f"{root} does not exist; name the folder that holds train/ and test/, or CIFAKE's .zip.")
    nested = [root, *sorted(child for child in root.iterdir() if child.is_dir())]
    return next((folder for folder in nested if (folder / "train").is_dir() or (folder / "test").is_dir()), root)


def _open(data: str | Path, progress: Progress | None = None) -> _Source:
    if str(data) == "sample":
        return _Zip(SAMPLE)
    if str(data) == "github":
        from core.images.fetching import fetch_cifake  # noqa: PLC0415 - only this door needs the network

        return _Zip(fetch_cifake(downloading=progress, checking=progress))
    if str(data) == SHIPPED:
        return _Shipped(SHIPPED_FOLDER)
    try:
        path = download_from_kaggle() if str(data) == "kaggle" else Path(data).expanduser()
    except RuntimeError:
        raise DatasetError(f"{data} begins with a user who is not known here; write out the whole path.") from None
    if is_shipped(path):
        return _Shipped(path)
    return _Zip(path) if path.exists() and not path.is_dir() else _Folder(path)


def download_from_kaggle() -> Path:
    """The folder that kagglehub downloads CIFAKE to.

    Raises:
        DatasetError: kagglehub is not installed, or Kaggle cannot be reached.
    """
    by_hand = f"download the .zip from kaggle.com/datasets/{KAGGLE} and pass it with --data FILE.zip"
    try:
        import kagglehub  # noqa: PLC0415 - optional, and only this door needs it
    except ImportError:
        raise DatasetError(f"--data kaggle needs `pip install kagglehub`; or {by_hand}.") from None
    try:
        return Path(kagglehub.dataset_download(KAGGLE))
    except Exception as error:  # noqa: BLE001 - kagglehub lets every error of requests through
        raise DatasetError(f"Kaggle could not be reached ({type(error).__name__}); {by_hand}.") from None


def check_image_set(data: str | Path, split: Split) -> int:
    """The number of files of a split, without reading one; raises DatasetError as `load_image_set` would."""
    with closing(_open(data)) as source:
        return len(_checked_entries(source, data, split))


def side_of(data: str | Path, split: Split) -> int:
    """The side in pixels that most images of a split have; 0 where none is a square that can be read here.

    Raises:
        DatasetError: as `load_image_set` would.
    """
    with closing(_open(data)) as source:
        return _side_of(source, split, _checked_entries(source, data, split))


def read_files(data: str | Path, split: Split, names: Iterable[str]) -> Iterator[bytes]:
    """The bytes of files of a split, b"" for one that is not there or cannot be read.

    Args:
        data: as for `load_image_set`.
        split: "train" or "test".
        names: as in a set's rows, for instance `REAL/0000 (2).jpg`.
    """
    with closing(_open(data)) as source:
        entries = {entry.name: entry for entry in _checked_entries(source, data, split)}
        for name in names:
            try:
                yield _read_small(source, split, entries[name])
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
    names, sizes and times of the files (names, sizes and checksums in a zip), so a changed set is read again.

    Args:
        data: a folder with {train,test}/{REAL,FAKE}/, CIFAKE's .zip, "github", "kaggle", "sample", or "cifake-test" for
            the test set as it ships.
        split: "train" or "test".
        fit: makes files of any size one size, unless most have that size already; without it they must be squares of
            one side, which is then the set's.
        skip_bad: leave out files that are no image of the set's side instead of refusing the set.
        progress: called with (files done, files), and before with (bytes, bytes) where they have to be downloaded.

    Raises:
        DatasetError: the set is missing, a class is empty, or files are no such images and `skip_bad` is false.
    """
    with closing(_open(data, progress)) as source:
        entries = _checked_entries(source, data, split)
        if fit is not None and _side_of(source, split, entries) == fit.size:
            fit = None
        key = json.dumps([PACK_VERSION, split, *([] if fit is None else [repr(fit)]), *entries])
        pack = cache_dir() / "packs" / hashlib.sha256(key.encode()).hexdigest()[:32]
        try:
            image_set = _read_pack(pack)
        except (ContractError, OSError):
            # none yet, a damaged one, or a cache that may not even be looked into
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


def _checked_entries(source: _Source, data: str | Path, split: str) -> list[_Entry]:
    entries = source.entries(split)
    for label in CLASSES:
        if not any(entry.name.startswith(f"{label}/") for entry in entries):
            raise DatasetError(f"{split}/{label} of {data} holds no image; both classes are needed.")
    return entries


def _offenders(images: ImageSet) -> str:
    skipped = images.skipped
    first = "; ".join(f"{images.split}/{offender}" for offender in skipped[:10])
    more = f"; and {len(skipped) - 10} more" if len(skipped) > 10 else ""
    kind = f"{images.side} x {images.side} images" if len(images) else "images that can be read here"
    return f"{len(skipped)} files are no {kind}: {first}{more}. Mend them, or pass --skip-bad."


def _side_of(source: _Source, split: str, entries: list[_Entry]) -> int:
    """The side of most square images among files spread over the set; 0 where none of them is one."""
    spread = np.unique(np.linspace(0, len(entries) - 1, min(len(entries), MEASURED)).astype(int))
    sides: Counter[int] = Counter()
    for number in spread:
        with contextlib.suppress(ImageError):
            data = _read_small(source, split, entries[number])
            height, width = decode(data, most_pixels=MAX_SIDE**2).shape[:2]
            if height == width <= MAX_SIDE:
                sides[height] += 1
    return max(sides, key=lambda side: (sides[side], side), default=0)


def _decode_all(
    source: _Source,
    split: str,
    entries: list[_Entry],
    *,
    fit: Fit | None,
    progress: Progress | None,
    base: str | None,
) -> ImageSet:
    side = _side_of(source, split, entries) if fit is None else fit.size
    pixels = np.empty((len(entries), side, side, 3), np.uint8)
    kept: list[tuple[str, str, int]] = []
    skipped = []
    told = time.monotonic()
    for done, entry in enumerate(entries, start=1):
        try:
            if not is_text(entry.name):
                raise ImageError("has a name that is no text; rename it")
            data = _read_small(source, split, entry, most=MAX_FILE_BYTES if fit is None else MAX_BYTES)
            # a picture that is none of this set is refused by its header
            image = decode(data, most_pixels=MAX_SIDE**2 if fit is None else MAX_PIXELS)
            if fit is not None:
                image = fit.fit(image)
            elif image.shape[:2] != (side, side):
                raise ImageError(f"is {image.shape[1]} x {image.shape[0]} pixels")
            pixels[len(kept)] = image
            kept.append((entry.name, hashlib.sha256(data).hexdigest(), len(data)))
        except ImageError as error:
            skipped.append(f"{printable(entry.name)}: {error}")
        # large pictures take a second each, and whoever is told may stop this
        if progress is not None and (done == len(entries) or time.monotonic() - told > TELL):
            progress(done, len(entries))
            told = time.monotonic()
    pixels = pixels[: len(kept)]
    rows = _rows(split, kept)
    if isinstance(source, _Shipped):
        # computed once for all: the last bits of some depend on the machine
        facts = source.shipped.facts.loc[rows["name"]].reset_index(drop=True)
    else:
        facts = image_facts(pixels)
    rows = pd.concat([rows, facts], axis=1)
    rows["file_bytes"] = np.array([size for _, _, size in kept], np.float32)
    is_cifake = all(CIFAKE_NAME.fullmatch(name.partition("/")[2]) for name, _, _ in kept)
    base = base or ("cifake" if is_cifake else "images")
    return ImageSet(f"{base}-{split}", split, pixels, rows, fingerprint_of(split, rows), tuple(skipped))


def _read_small(source: _Source, split: str, entry: _Entry, *, most: int = MAX_FILE_BYTES) -> bytes:
    if entry.size > most:
        raise ImageError(f"has {entry.size} bytes, and at most {most} are read")
    try:
        return source.read(split, entry)
    except (ImageError, DatasetError):
        raise
    except (OSError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError) as error:
        # zipfile raises these for damaged, encrypted or unknown members
        raise ImageError(f"cannot be read ({getattr(error, 'strerror', None) or error})") from None
    except Exception as error:  # noqa: BLE001 - zlib.error derives from Exception alone
        raise ImageError(f"cannot be unpacked ({error})") from None


def _rows(split: str, kept: list[tuple[str, str, int]]) -> pd.DataFrame:
    names = [name for name, _, _ in kept]
    hashes = pd.Series([digest for _, digest, _ in kept], dtype=str)
    occurrence = hashes.groupby(hashes).cumcount()
    ids = f"{split}-" + hashes.str[:16]
    return pd.DataFrame(
        {
            # a repeated file has the identity of the first; the count keeps rows apart
            "id": ids.where(occurrence == 0, ids + "~" + occurrence.astype(str)),
            "name": names,
            "label": np.array([CLASSES.index(name.partition("/")[0]) for name in names], np.uint8),
            "category": [category_of(name) for name in names],
            "sha256": hashes,
            "is_repeat": (occurrence > 0).to_numpy(),
        }
    )


def category_of(name: str) -> str | None:
    """CIFAR-10's class from a CIFAKE file name, the part before the last hyphen of any other, or None."""
    stem = name.rpartition("/")[2]
    if match := CIFAKE_NAME.fullmatch(stem):
        number = int(match[1] or 1)
        return CIFAR10[number - 1] if 1 <= number <= len(CIFAR10) else None
    found = harmless(stem.rpartition("-")[0]).strip()
    # of blanks and joiners alone nobody would see it
    return found if any(unicodedata.category(letter)[0] not in "CZ" for letter in found) else None


def fingerprint_of(split: str, rows: pd.DataFrame) -> str:
    """sha256 over "split sha256 label" of every row, sorted."""
    lines = sorted(f"{split} {digest} {label}" for digest, label in zip(rows["sha256"], rows["label"], strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


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
        # a full disk costs the next start its speed, not this one its images
        print(f"The pack could not be cached in {pack.parent} ({error.strerror}); going on without.")
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
