"""Out-of-distribution images: from other generators, and crops of ordinary photographs. Needs no torch."""

import json
from collections.abc import Collection, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from core.arrays import Pixels, Record
from core.images.decoding import MAX_BYTES, MAX_FILE_BYTES, RESAMPLING, ImageError, decode, pixels_sha256
from core.images.files import open_files
from core.images.image_set import DatasetError
from core.images.layout import is_picture
from core.images.preprocessing import Preprocessing
from core.images.sources import SAMPLE
from core.storage.limits import digest_of

MANIFEST = SAMPLE.parent / "manifest.json"
# in place of a filter's name: pictures of the detector's size, which no filter has changed
AS_DRAWN = "as drawn"
# of CIFAKE's own JPEG files, whose chroma is subsampled, 4:2:0; PNG against JPEG would itself be a cue
QUALITY = 75
# prefix of an archive's name -> the generator, as it is usually spelled
NAMES = {
    "began": "BEGAN",
    "cramer": "Cramér GAN",
    "dcgan": "DCGAN",
    "dragan": "DRAGAN",
    "sndcgan": "SN-DCGAN",
    "wgan_gp": "WGAN-GP",
    "ddpm": "DDPM",
    "pixelcnnpp": "PixelCNN++",
    "reflected_diffusion": "Reflected Diffusion",
    "stable_diffusion_v1": "Stable Diffusion 1",
    "stable_diffusion_v2": "Stable Diffusion 2",
}


# resampling filter, or `AS_DRAWN` alone -> pixels
Resized = dict[str, Pixels]


@dataclass(frozen=True, eq=False)
class SourceImages:
    """The images of one generator or photograph.

    Attributes:
        name: of the generator or photograph.
        pixels: resampling filter, or `AS_DRAWN` alone, -> uint8 (N, side, side, 3), the same images under each filter,
            without repeats.
        skipped: files left out because they are damaged or of another size; repeats are not counted.
    """

    name: str
    pixels: Mapping[str, Pixels]
    skipped: int = 0

    def __len__(self) -> int:
        return len(next(iter(self.pixels.values())))

    @property
    def fingerprint(self) -> str:
        """sha256 over the pixels, independent of their order."""
        digests = sorted(pixels_sha256(np.stack(images)) for images in zip(*self.pixels.values(), strict=True))
        return digest_of("\n".join(digests))


def generator_name(source: str) -> str:
    """Turn "chainer_dragan" into "DRAGAN (Chainer)", "ddpm_name" into "DDPM (name)"; others lose their underscores."""
    for start, name in NAMES.items():
        if source == start:
            return name
        if source == f"chainer_{start}":
            return f"{name} (Chainer)"
        if source.startswith(f"{start}_"):
            rest = source.removeprefix(f"{start}_").replace("_", " ")
            return f"{name} ({rest})"
    return source.replace("_", " ")


def read_generators(folder: Path, preprocessing: Preprocessing, *, large: bool = False) -> list[SourceImages]:
    """Read the pictures of every generator in a folder that holds one .tar.xz, .tar or subfolder for each.

    Args:
        folder: the folder of generators; nothing is unpacked to disk.
        preprocessing: the detector's.
        large: keep images that the detector shrinks, under every filter, instead of those of exactly its input size.

    Raises:
        DatasetError: not a folder, no generator in it, or an archive that is damaged or far too large.
    """
    if not folder.is_dir():
        raise DatasetError(
            f"{folder} is no folder; name one with a .tar.xz, a .tar or a folder of images for each generator."
        )
    sources = []
    for path in sorted(folder.iterdir()):
        if not path.name.startswith(".") and (path.is_dir() or path.name.endswith((".tar.xz", ".tar"))):
            source = _collect(path, preprocessing, large)
            if source.pixels:
                sources.append(source)
    if not sources:
        size = f"of {preprocessing.size} x {preprocessing.size} pixels"
        if large:
            size = f"larger than {preprocessing.resize} x {preprocessing.resize} pixels"
        raise DatasetError(f"{folder} holds no images {size}; name another folder of generators.")
    return sources


def _collect(path: Path, preprocessing: Preprocessing, large: bool) -> SourceImages:
    """Read the pictures of one generator; without any that fit, there are no pixels under any filter."""
    pictures = {}
    skipped = 0
    limit = MAX_BYTES if large else MAX_FILE_BYTES
    with closing(open_files(path)) as files:
        for listed in files.listing:
            if not is_picture(listed.name):
                continue
            try:
                picture = decode(files.read(listed.name, limit=limit))
            except ImageError:
                skipped += 1
                continue
            fits = picture.shape[:2] == (preprocessing.size, preprocessing.size)
            if large:
                fits = min(picture.shape[:2]) > preprocessing.resize
            digest = pixels_sha256(picture)
            if not fits:
                skipped += 1
            elif digest in pictures:
                continue
            elif large:
                pictures[digest] = _under_every_filter(picture, preprocessing)
            else:
                pictures[digest] = {AS_DRAWN: preprocessing.fit(picture)}
    name = path.name.removesuffix(".xz").removesuffix(".tar")
    return SourceImages(name, _stacked(pictures.values()), skipped)


def _under_every_filter(image: Pixels, preprocessing: Preprocessing) -> Resized:
    return {name: replace(preprocessing, interpolation=name).fit(image) for name in RESAMPLING}


def _stacked(pictures: Collection[Resized]) -> Resized:
    return {name: np.stack([picture[name] for picture in pictures]) for name in next(iter(pictures), {})}


def crop_photographs(preprocessing: Preprocessing, *, crops: int, split: str | None = None) -> list[SourceImages]:
    """Crop the photographs behind the sample gallery and resize the crops with every resampling filter.

    The crops are those that the sample's manifest lists as REAL, equally many of each size. The photographs come with
    installed packages; one that is missing or has changed is left out.

    Args:
        preprocessing: the detector's.
        crops: number of crops per photograph.
        split: only photographs of the sample's "train" or "test"; all when None.
    """
    manifest = json.loads(MANIFEST.read_text(encoding="utf-8"))
    sides = manifest["settings"]["sides"]
    sources = []
    for name, about in manifest["photographs"].items():
        images = [image for image in manifest["images"] if image["photograph"] == name and "/REAL/" in image["file"]]
        boxes = []
        for side in sides:
            of_side = [image["box"] for image in images if image["box"][2] == side]
            boxes += of_side[: max(1, crops // len(sides))]
        if not boxes or split not in (None, about["split"]):
            continue
        photograph = read_photograph(about)
        if photograph is not None:
            squares = [photograph[y : y + edge, x : x + edge] for x, y, edge in boxes]
            sources.append(
                SourceImages(name, _stacked([_under_every_filter(square, preprocessing) for square in squares]))
            )
    return sources


@cache
def find_photograph() -> Pixels | None:
    """Return the first photograph behind the sample gallery that is installed, uint8 (height, width, 3)."""
    photographs = json.loads(MANIFEST.read_text(encoding="utf-8"))["photographs"].values()
    return next((pixels for pixels in map(read_photograph, photographs) if pixels is not None), None)


def read_photograph(about: Record) -> Pixels | None:
    """Read a photograph that the sample's manifest describes, uint8 (height, width, 3); None if absent or changed."""
    # finds the package's folder without importing it
    package = find_spec(about["package"])
    for folder in (package and package.submodule_search_locations) or ():
        with suppress(OSError):
            data = Path(folder, about["path"]).read_bytes()
            if digest_of(data) == about["sha256"]:
                return decode(data)
    return None
