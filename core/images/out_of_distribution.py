"""Out-of-distribution images: from other generators, and crops of ordinary photographs. Needs no torch."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.images.decoding import (
    MAX_BYTES,
    MAX_FILE_BYTES,
    RESAMPLING,
    ImageError,
    decode,
    pixels_sha256,
)
from core.images.preprocessing import Preprocessing
from core.images.sources import SAMPLE
from core.storage import UnfitFileError, open_file, read_bytes

MANIFEST = SAMPLE.parent / "manifest.json"
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
ARCHIVES = (".tar.xz", ".tar")
# in place of a filter's name: pictures of the detector's size, which no filter has changed
AS_DRAWN = "as drawn"
# an archive of tiny images is far smaller; anything larger is a bomb or a mistake
MAX_FILES = 100_000
MAX_UNPACKED = 2**30
# of CIFAKE's own JPEG files
QUALITY, SUBSAMPLING = 75, "4:2:0"


class OutOfDistributionError(ValueError):
    """Out-of-distribution images that cannot be read; the message says which and what to do, in one sentence."""


@dataclass(frozen=True, eq=False)
class SourceImages:
    """The images of one generator or photograph.

    Attributes:
        name: of the generator or photograph.
        pixels: resampling filter, or `AS_DRAWN` alone, -> uint8 (N, side, side, 3), the same images under each filter,
            without repeats.
        skipped: files left out because they are damaged or of another size.
        repeats: files left out because an earlier one has the same pixels.
    """

    name: str
    pixels: Mapping[str, NDArray[np.uint8]]
    skipped: int = 0
    repeats: int = 0

    def __len__(self) -> int:
        return len(next(iter(self.pixels.values())))

    @property
    def fingerprint(self) -> str:
        """sha256 over the pixels, independent of their order."""
        digests = sorted(pixels_sha256(np.stack(images)) for images in zip(*self.pixels.values(), strict=True))
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def read_generators(folder: Path, preprocessing: Preprocessing, *, large: bool = False) -> list[SourceImages]:
    """Read the pictures of every generator in a folder that holds one .tar.xz, .tar or subfolder for each.

    Args:
        folder: the folder of generators; nothing is unpacked to disk.
        preprocessing: the detector's.
        large: keep images that the detector shrinks, under every filter, instead of those of exactly its input size.

    Raises:
        OutOfDistributionError: not a folder, no generator in it, or an archive that is damaged or far too large.
    """
    if not folder.is_dir():
        raise OutOfDistributionError(
            f"{folder} is no folder; name one with a .tar.xz, a .tar or a folder of images for each generator"
        )
    side, limit = preprocessing.size, MAX_BYTES if large else MAX_FILE_BYTES
    found = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            found.append(_collect(path.name, preprocessing, large, _files_in(path, limit)))
        elif ending := next((one for one in ARCHIVES if path.name.endswith(one)), None):
            found.append(_collect(path.name.removesuffix(ending), preprocessing, large, files_of(path, side, limit)))
    found = [one for one in found if len(one)]
    if not found:
        size = (
            f"larger than {preprocessing.resize} x {preprocessing.resize} pixels"
            if large
            else f"of {side} x {side} pixels"
        )
        raise OutOfDistributionError(f"{folder} holds no images {size}; name another folder of generators")
    return found


def _collect(name: str, preprocessing: Preprocessing, large: bool, files: Iterator[bytes | None]) -> SourceImages:
    filters, side = tuple(RESAMPLING) if large else (AS_DRAWN,), preprocessing.size
    kept: dict[str, NDArray[np.uint8]] = {}
    skipped = repeats = 0
    for data in files:
        try:
            image = None if data is None else decode(data)
        except ImageError:
            image = None
        shrunk = image is not None and min(image.shape[:2]) > preprocessing.resize
        if image is None or not (shrunk if large else image.shape == (side, side, 3)):
            skipped += 1
        elif (digest := pixels_sha256(image)) in kept:
            repeats += 1
        else:
            kept[digest] = _under_every_filter(image, preprocessing) if large else preprocessing.fit(image)[None]
    images = np.stack(list(kept.values()), axis=1) if kept else np.zeros((len(filters), 0, side, side, 3), np.uint8)
    return SourceImages(name, dict(zip(filters, images, strict=True)), skipped, repeats)


def _under_every_filter(image: NDArray[np.uint8], preprocessing: Preprocessing) -> NDArray[np.uint8]:
    return np.stack([replace(preprocessing, interpolation=name).fit(image) for name in RESAMPLING])


def _files_in(folder: Path, limit: int) -> Iterator[bytes | None]:
    """Yield the bytes of each image file, None for one that is too large or cannot be read."""
    for path in sorted(folder.rglob("[!.]*")):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            try:
                yield read_bytes(path, limit=limit)
            except OSError:
                yield None


def files_of(archive: Path, side: int, limit: int) -> Iterator[bytes | None]:
    """Yield the bytes of each image file in an archive, None for one of more than `limit` bytes.

    Raises:
        OutOfDistributionError: it is damaged, or exceeds `MAX_FILES` or `MAX_UNPACKED`; `side` is only for the message.
    """
    unpacked = 0
    try:
        # a stream, read member by member: nothing touches the disk, and no name becomes a path
        with open_file(archive) as packed, tarfile.open(fileobj=packed, mode="r|*") as opened:
            for number, member in enumerate(opened):
                unpacked += member.size
                if number >= MAX_FILES or unpacked > MAX_UNPACKED:
                    raise OutOfDistributionError(
                        f"{archive} unpacks to far more than images for a detector of {side} x {side}; remove it"
                    )
                if member.isfile() and member.name.lower().endswith(SUFFIXES):
                    file = opened.extractfile(member) if member.size <= limit else None
                    yield None if file is None else file.read()
    except OutOfDistributionError:
        raise
    except UnfitFileError as error:
        raise OutOfDistributionError(str(error)) from None
    except Exception as error:  # noqa: BLE001 - lzma's and tarfile's errors share no base class
        raise OutOfDistributionError(f"{archive} is no whole archive ({type(error).__name__}); get it again") from None


def crop_photographs(preprocessing: Preprocessing, *, crops: int, split: str | None = None) -> list[SourceImages]:
    """Crop the photographs behind the sample gallery and resize the crops with every resampling filter.

    The crops are those that the sample's manifest lists as REAL, equally many of each size. The photographs come with
    installed packages; one that is missing or has changed is left out.

    Args:
        preprocessing: the detector's.
        crops: number of crops per photograph.
        split: only photographs of the sample's "train" or "test"; all when None.
    """
    about = json.loads(MANIFEST.read_text(encoding="utf-8"))
    wanted = {name: one for name, one in about["photographs"].items() if split in (None, one["split"])}
    found = []
    for name, one in wanted.items():
        photograph = read_photograph(one)
        boxes = crop_boxes(about, name, crops)
        if photograph is not None and boxes:
            squares = [photograph[top : top + edge, left : left + edge] for left, top, edge in boxes]
            images = np.stack([_under_every_filter(square, preprocessing) for square in squares], axis=1)
            found.append(SourceImages(name, dict(zip(RESAMPLING, images, strict=True))))
    return found


def smallest_crop() -> int:
    """Return the side of the smallest crops of `crop_photographs`, in pixels."""
    return int(min(json.loads(MANIFEST.read_text(encoding="utf-8"))["settings"]["sides"]))


def read_photograph(about: Mapping[str, Any]) -> NDArray[np.uint8] | None:
    """Read a photograph that the sample's manifest describes, uint8 (height, width, 3); None if absent or changed."""
    # finds the package's folder without importing it
    package = find_spec(about["package"])
    try:
        data = (Path(next(iter(package.submodule_search_locations or ()))) / about["path"]).read_bytes()  # type: ignore[union-attr]
    except (AttributeError, StopIteration, OSError):
        return None
    return decode(data) if hashlib.sha256(data).hexdigest() == about["sha256"] else None


def crop_boxes(about: Mapping[str, Any], name: str, crops: int) -> list[tuple[int, int, int]]:
    """Return (left, top, side) of a photograph's first REAL crops, equally many of each side."""
    sides = about["settings"]["sides"]
    boxes = [tuple(one["box"]) for one in about["images"] if one["photograph"] == name and "/REAL/" in one["file"]]
    return [box for side in sides for box in [box for box in boxes if box[2] == side][: max(1, crops // len(sides))]]


def as_cifake(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Recompress uint8 (N, side, side, 3) as CIFAKE's JPEGs are; PNG against JPEG would itself be a cue."""
    saved = []
    for image in pixels:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=QUALITY, subsampling=SUBSAMPLING)
        saved.append(decode(buffer.getvalue()))
    return np.stack(saved) if saved else pixels
