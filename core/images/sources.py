"""Sources of image sets: a folder, a .zip, the shipped archive, GitHub or Kaggle. Nothing is unpacked to disk."""

import contextlib
import os
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np

from core.images.cifake.files import KAGGLE
from core.images.cifake.shipped import Shipped, is_shipped, read_shipped, unpack
from core.images.decoding import MAX_BYTES, MAX_FILE_BYTES, ImageError, PassingError, decode
from core.images.image_set import DatasetError, Progress, Split
from core.images.labels import CLASSES
from core.images.layouts.files.archives import TABLES, is_tar, open_zip, read_member
from core.images.layouts.layout import SPLITS, Entry
from core.images.layouts.source import LayoutSource
from core.storage import ContractError, read_bytes

SAMPLE = Path(__file__).parents[2] / "assets" / "sample" / "sample.zip"
# CIFAKE's test set, by the name of its folder in assets/
SHIPPED = "cifake-test"
SHIPPED_FOLDER = SAMPLE.parents[1] / SHIPPED
# files whose sizes are measured to find the side of a set
MEASURED = 99
# if this share of them has one size, the others count as mistakes, not as images to be resized
NEARLY_ALL = 0.9
MAX_SIDE = 1024
# what Windows and macOS put into folders, in lower case; no image of the set, and no mistake in it
OF_THE_SYSTEM = ("desktop.ini", "thumbs.db", "icon\r")


class Source(Protocol):
    def entries(self, split: Split) -> list[Entry]: ...
    def read(self, split: Split, entry: Entry) -> bytes: ...
    def close(self) -> None: ...


class FolderSource:
    def __init__(self, root: Path) -> None:
        self.root = _find_root(root)

    def entries(self, split: Split) -> list[Entry]:
        found = []
        for label in CLASSES:
            folder = self.root / split / label
            if not folder.is_dir():
                raise DatasetError(f"{folder} is missing; CIFAKE has the folders {{train,test}}/{{REAL,FAKE}}.")
            with os.scandir(folder) as scan:
                for item in scan:
                    # a file that is deleted at this moment, or a link to itself, is not in the set
                    with contextlib.suppress(OSError):
                        if not item.name.startswith(".") and item.name.lower() not in OF_THE_SYSTEM and item.is_file():
                            status = item.stat()
                            found.append(Entry(f"{label}/{item.name}", status.st_size, status.st_mtime_ns))
        return sorted(found)

    def read(self, split: Split, entry: Entry) -> bytes:
        return read_bytes(self.root / split / entry.name, limit=MAX_BYTES)

    def close(self) -> None:
        pass


class ZipSource:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.file, self.archive = open_zip(path)
        pattern = re.compile(r"(?:[^/]+/)?(train|test)/((?:REAL|FAKE)/(?!\.)[^/]+)")
        deeper = re.compile(r"(?:[^/]+/)?(?:train|test)/(?:REAL|FAKE)/(?!\.).+/(?!\.)[^/]+")
        self.members: dict[str, dict[str, zipfile.ZipInfo]] = {"train": {}, "test": {}}
        # names that several members have, either twice or in two folders
        self.repeated: set[str] = set()
        # folders that hold train/ or test/, and whether there are folders in REAL/ or FAKE/
        self.folders: set[str] = set()
        self.has_deeper = False
        self.has_validation = False
        for info in self.archive.infolist():
            folders = info.filename.lower().split("/")[:-1]
            self.has_validation |= any(SPLITS.get(folder) == "val" for folder in folders)
            # names are only matched and looked up, never joined to a path on disk
            if match := pattern.fullmatch(info.filename):
                members = self.members[match[1]]
                if match[2] in members:
                    self.repeated.add(f"{match[1]}/{match[2]}")
                members[match[2]] = info
                self.folders.add(info.filename[: match.start(1)])
            elif deeper.fullmatch(info.filename):
                self.has_deeper = True

    @property
    def is_cifake(self) -> bool:
        """True for one {train,test}/{REAL,FAKE} tree without subfolders, unless val serves as its test split."""
        is_one = len(self.folders) == 1 and not self.has_deeper
        return is_one and bool(self.members["test"] or not self.has_validation)

    def entries(self, split: Split) -> list[Entry]:
        members = self.members.get(split, {})
        for label in CLASSES:
            if not any(name.startswith(label) for name in members):
                raise DatasetError(f"{self.path} has no images in {split}/{label}/; use CIFAKE's .zip from Kaggle.")
        return sorted(Entry(name, info.file_size, info.CRC) for name, info in members.items())

    def read(self, split: Split, entry: Entry) -> bytes:
        info = self.members[split][entry.name]
        return read_member(self.archive, info, is_repeated=f"{split}/{entry.name}" in self.repeated)

    def close(self) -> None:
        self.archive.close()
        self.file.close()


class ShippedSource:
    def __init__(self, folder: Path) -> None:
        if not is_shipped(folder):
            raise DatasetError(f"{folder}, which held CIFAKE's test images, is missing; name another image set.")
        with _refusing():
            self.shipped: Shipped = read_shipped(folder)
        self.files: dict[str, bytes] | None = None

    def entries(self, split: Split) -> list[Entry]:
        if split != "test":
            raise DatasetError(
                f"{self.shipped.folder} holds only CIFAKE's test images; name a folder or .zip with {split}/ in it."
            )
        stamp = int(self.shipped.archive_sha256[:15], 16)
        sizes = self.shipped.statistics["file_bytes"]
        return sorted(Entry(name, int(size), stamp) for name, size in sizes.items())

    def read(self, split: Split, entry: Entry) -> bytes:  # noqa: ARG002 - the signature of all sources
        # only when a file is asked for: with a pack in the cache none is
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
    return next(iter(_roots(root)), root)


def _roots(path: Path) -> list[Path]:
    """Return `path` itself if it has train/ or test/, else its subfolders that have REAL/ or FAKE/ in either."""
    if any(os.path.isdir(path / split) for split in ("train", "test")):  # noqa: PTH112
        return [path]
    return [
        child
        for child in sorted(path.iterdir())
        if any(_is_folder(child / split / label) for split in ("train", "test") for label in CLASSES)
    ]


def _is_folder(path: Path) -> bool:
    """Check for a folder of exactly this name, on disks too to which real/ and REAL/ are one."""
    # unlike Path.is_dir, os.path.isdir is False, not an error, if permission is denied
    if not os.path.isdir(path):  # noqa: PTH112
        return False
    try:
        return path.name in os.listdir(path.parent)  # noqa: PTH208
    except OSError:
        return True


def _has_folders(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    with os.scandir(folder) as scan:
        return any(item.is_dir() and not item.name.startswith(".") for item in scan)


def open_source(data: str | Path, progress: Progress | None = None) -> Source:
    if str(data) == "sample":
        return ZipSource(SAMPLE)
    if str(data) == "github":
        from core.images.cifake.fetching import fetch_cifake  # noqa: PLC0415 - only this source needs the network

        return ZipSource(fetch_cifake(downloading=progress, checking=progress))
    if str(data) == SHIPPED:
        return ShippedSource(SHIPPED_FOLDER)
    try:
        path = download_from_kaggle() if str(data) == "kaggle" else Path(data).expanduser()
    except RuntimeError:
        raise DatasetError(f"{data} names an unknown user; write out the whole path.") from None
    fake = getattr(data, "fake_classes", ())
    if is_shipped(path):
        return ShippedSource(path)
    if not path.exists():
        return FolderSource(path)
    if not fake and path.is_dir() and _is_cifake(path):
        return FolderSource(path)
    if not (fake or path.is_dir() or path.suffix.lower() in TABLES or is_tar(path)):
        zipped = ZipSource(path)
        if zipped.is_cifake:
            return zipped
        zipped.close()
    return LayoutSource(path, fake)


def _is_cifake(path: Path) -> bool:
    """Check for one {train,test}/{REAL,FAKE} tree without subfolders, unless a folder such as val/ serves as test."""
    roots = _roots(path)
    if len(roots) != 1 or any(
        _has_folders(roots[0] / split / label) for split in ("train", "test") for label in CLASSES
    ):
        return False
    root = roots[0]
    train, test = (any(_is_folder(root / split / label) for label in CLASSES) for split in ("train", "test"))
    return test or (train and not any((root / name).is_dir() for name in SPLITS if SPLITS[name] != "train"))


def download_from_kaggle() -> Path:
    """Download CIFAKE with kagglehub and return its folder.

    Raises:
        DatasetError: kagglehub is not installed, or Kaggle cannot be reached.
    """
    by_hand = f"download the .zip from kaggle.com/datasets/{KAGGLE} and pass it with --data FILE.zip"
    try:
        import kagglehub  # noqa: PLC0415 - optional
    except ImportError:
        raise DatasetError(f"--data kaggle needs `pip install kagglehub`; or {by_hand}.") from None
    try:
        return Path(kagglehub.dataset_download(KAGGLE))
    except Exception as error:  # noqa: BLE001 - kagglehub lets every error of requests through
        raise DatasetError(f"Kaggle could not be reached ({type(error).__name__}); {by_hand}.") from None


def checked_entries(source: Source, data: str | Path, split: Split) -> list[Entry]:
    entries = source.entries(split)
    for label in CLASSES:
        if not any(entry.class_name == label for entry in entries):
            raise DatasetError(f"{split}/{label} of {data} holds no image; both classes are needed.")
    return entries


def measure_side(source: Source, split: Split, entries: list[Entry]) -> int:
    """Return the commonest side of the square images among files spread over the set; 0 where there is none."""
    sides, _ = _measure(source, split, entries)
    return max(sides, key=lambda side: (sides[side], side), default=0)


def have_side(source: Source, split: Split, entries: list[Entry], side: int) -> bool:
    """Check that at least `NEARLY_ALL` of a sample spread over the set are squares of `side` pixels."""
    sides, files = _measure(source, split, entries)
    return sides[side] >= NEARLY_ALL * files > 0


def _measure(source: Source, split: Split, entries: list[Entry]) -> tuple[Counter[int], int]:
    """Count the square images by side in a sample spread over the set, and the files of the sample."""
    spread = np.unique(np.linspace(0, len(entries) - 1, min(len(entries), MEASURED)).astype(int))
    sides: Counter[int] = Counter()
    for number in spread:
        with contextlib.suppress(ImageError):
            data = read_small(source, split, entries[number])
            height, width = decode(data, most_pixels=MAX_SIDE**2).shape[:2]
            if height == width <= MAX_SIDE:
                sides[height] += 1
    return sides, len(spread)


def read_small(source: Source, split: Split, entry: Entry, *, most: int = MAX_FILE_BYTES) -> bytes:
    if entry.size > most:
        raise ImageError(f"has {entry.size} bytes, and at most {most} are read")
    try:
        data = source.read(split, entry)
        # some sources learn the size only now
        if len(data) > most:
            raise ImageError(f"has {len(data)} bytes, and at most {most} are read")
        return data
    except (ImageError, DatasetError):
        raise
    except (OSError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError) as error:
        # zipfile raises these for damaged, encrypted or unknown members; a system's error may be over next time
        kind = PassingError if isinstance(error, OSError) and error.errno else ImageError
        raise kind(f"cannot be read ({getattr(error, 'strerror', None) or error})") from None
    except Exception as error:  # noqa: BLE001 - zlib.error derives from Exception alone
        raise ImageError(f"cannot be unpacked ({error})") from None
