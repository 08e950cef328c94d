"""Where the files of an image set come from: a folder, an archive, a table, the shipped set, GitHub or Kaggle."""

import contextlib
import zipfile
from collections import Counter
from pathlib import Path
from typing import Protocol

import numpy as np

from core.images.cifake import KAGGLE, ShippedSource, fetch_cifake, is_shipped
from core.images.decoding import MAX_FILE_BYTES, ImageError, PassingError, decode
from core.images.image_set import DatasetError, Progress, Split
from core.images.labels import CLASSES
from core.images.layouts.files import open_files
from core.images.layouts.layout import Entry, some
from core.images.layouts.registry import contents_of, recognise

SAMPLE = Path(__file__).parents[2] / "assets" / "sample" / "sample.zip"
# CIFAKE's test set, by the name of its folder in assets/
SHIPPED = "cifake-test"
SHIPPED_FOLDER = SAMPLE.parents[1] / SHIPPED
# files whose sizes are measured to find the side of a set
MEASURED = 99
# if this share of them has one size, the others count as mistakes, not as images to be resized
NEARLY_ALL = 0.9
MAX_SIDE = 1024


class Source(Protocol):
    """The files of an image set, whose class is known."""

    def entries(self, split: Split) -> list[Entry]: ...
    def read(self, entry: Entry) -> bytes: ...
    def close(self) -> None: ...


class LayoutSource:
    """A folder, archive or table, whose layout is recognised from its listing.

    Args:
        path: of it.
        fake: names of FAKE classes, where the set does not say which they are.

    Raises:
        DatasetError: no layout fits; the sentence says what was expected and what is there.
    """

    def __init__(self, path: Path, fake: tuple[str, ...] = ()) -> None:
        self.path = path
        self._files = open_files(path)
        try:
            self._layout, self._splits = recognise(self._files, fake)
        except BaseException:
            self._files.close()
            raise

    def entries(self, split: Split) -> list[Entry]:
        """Return the files of a split; raises DatasetError where there are none, or none of one class."""
        entries, read_as = self._splits.of(split), f"{self.path} is read as {self._layout.expects} and has no"
        if not entries:
            splits = some(name or "none" for name in self._splits.entries)
            raise DatasetError(f"{read_as} {split} images; its splits: {splits}.")
        for label in CLASSES:
            if not any(entry.class_name == label for entry in entries):
                raise DatasetError(
                    f"{read_as} {label} images in its {split} split; both classes are needed, and there is "
                    f"{contents_of(self._files)}."
                )
        return entries

    def read(self, entry: Entry) -> bytes:
        """Read a file; raises ImageError, or what its folder or archive raises."""
        return self._splits.read(entry)

    def close(self) -> None:
        """Close the archive."""
        self._files.close()


def open_source(data: str | Path, progress: Progress | None = None) -> Source:
    """Open an image set; `data` as for `core.images.loading.load_image_set`, raises DatasetError."""
    if str(data) == "sample":
        return LayoutSource(SAMPLE)
    if str(data) == "github":
        return LayoutSource(fetch_cifake(downloading=progress, checking=progress))
    if str(data) == SHIPPED:
        return ShippedSource(SHIPPED_FOLDER)
    try:
        path = _download_from_kaggle() if str(data) == "kaggle" else Path(data).expanduser()
    except RuntimeError:
        raise DatasetError(f"{data} names an unknown user; write out the whole path.") from None
    return ShippedSource(path) if is_shipped(path) else LayoutSource(path, getattr(data, "fake_classes", ()))


def _download_from_kaggle() -> Path:
    by_hand = f"download the .zip from kaggle.com/datasets/{KAGGLE} and pass it with --data FILE.zip"
    try:
        import kagglehub  # noqa: PLC0415 - optional
    except ImportError:
        raise DatasetError(f"--data kaggle needs `pip install kagglehub`; or {by_hand}.") from None
    try:
        return Path(kagglehub.dataset_download(KAGGLE))
    except Exception as error:  # noqa: BLE001 - kagglehub lets every error of requests through
        raise DatasetError(f"Kaggle could not be reached ({type(error).__name__}); {by_hand}.") from None


def measure_sides(source: Source, entries: list[Entry]) -> tuple[int, bool]:
    """Measure a sample of files spread over a set.

    Returns:
        The commonest side of square images, 0 where there is none, and whether `NEARLY_ALL` files have it.
    """
    spread = np.unique(np.linspace(0, len(entries) - 1, min(len(entries), MEASURED)).astype(int))
    sides: Counter[int] = Counter()
    for number in spread:
        with contextlib.suppress(ImageError):
            height, width = decode(read_entry(source, entries[number]), most_pixels=MAX_SIDE**2).shape[:2]
            if height == width <= MAX_SIDE:
                sides[height] += 1
    side = max(sides, key=lambda side: (sides[side], side), default=0)
    return side, sides[side] >= NEARLY_ALL * len(spread) > 0


def read_entry(source: Source, entry: Entry, *, most: int = MAX_FILE_BYTES) -> bytes:
    """Read a file of at most so many bytes.

    Raises:
        ImageError: it is larger, or damaged.
        PassingError: the disk or its permissions are at fault.
    """
    if entry.size > most:
        raise ImageError(f"has {entry.size} bytes, and at most {most} are read")
    try:
        data = source.read(entry)
        # some sources learn the size only now
        if len(data) > most:
            raise ImageError(f"has {len(data)} bytes, and at most {most} are read")
        return data
    except (ImageError, DatasetError):
        raise
    except (OSError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError) as error:
        # zipfile raises these for damaged, encrypted or unknown members
        kind = PassingError if isinstance(error, OSError) and error.errno else ImageError
        raise kind(f"cannot be read ({getattr(error, 'strerror', None) or error})") from None
    except Exception as error:  # noqa: BLE001 - zlib.error derives from Exception alone
        raise ImageError(f"cannot be unpacked ({error})") from None
