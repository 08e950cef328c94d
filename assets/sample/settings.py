"""Every number that the sample was made with, and where its photographs lie in the installed packages."""

import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from core.images.decoding import decode

FOLDER = Path(__file__).parent
ARCHIVE = FOLDER / "sample.zip"
MANIFEST = FOLDER / "manifest.json"


@dataclass(frozen=True)
class Photograph:
    """A colour photograph that comes inside a Python package's wheel.

    Attributes:
        package: the package that carries it.
        path: the file, from the package's folder.
        sha256: of the file's bytes, as 64 hex digits.
        split: "train" or "test"; a photograph is never in both.
    """

    package: str
    path: str
    sha256: str
    split: str

    def read(self) -> NDArray[np.uint8]:
        """uint8 (height, width, 3).

        Raises:
            FileNotFoundError: this version of the package does not carry the photograph.
            ValueError: it carries another picture under that name.
        """
        data = resources.files(self.package).joinpath(self.path).read_bytes()
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise ValueError(f"{self.package}/{self.path} is another picture than the one cut; install another version")
        return decode(data)


PHOTOGRAPHS = MappingProxyType(
    {
        "astronaut": Photograph(
            "skimage", "data/astronaut.png", "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5", "train"
        ),
        "china": Photograph(
            "sklearn",
            "datasets/images/china.jpg",
            "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
            "train",
        ),
        "coffee": Photograph(
            "skimage", "data/coffee.png", "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7", "train"
        ),
        "flower": Photograph(
            "sklearn",
            "datasets/images/flower.jpg",
            "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
            "train",
        ),
        "motorcycle": Photograph(
            "skimage",
            "data/motorcycle_left.png",
            "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
            "train",
        ),
        "chelsea": Photograph(
            "skimage", "data/chelsea.png", "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb", "test"
        ),
        "grace_hopper": Photograph(
            "matplotlib",
            "mpl-data/sample_data/grace_hopper.jpg",
            "a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130",
            "test",
        ),
        "rocket": Photograph(
            "skimage", "data/rocket.jpg", "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c", "test"
        ),
    }
)


@dataclass(frozen=True)
class Settings:
    """How the generator is trained and how the images are cut, redrawn and encoded.

    Attributes:
        seed: everything random follows from it.
        channels: of the generator's three stages.
        levels: the generator learns the noise levels below this one, of `schedule` in all.
        schedule: noise levels of the diffusion process (Ho et al. 2020, linear betas 1e-4 to 0.02).
        steps, batch_size, learning_rate: of its training; the rate rises in `warm_up` steps, then falls linearly to 0.
        average: decay of the running average of the weights, which is what is kept.
        sides: crop sides in photograph pixels; each is reduced to 32.
        train_crops, test_crops: images of a photograph of that split; half of them are redrawn.
        min_contrast: crops whose reduced luma has a smaller standard deviation, in grey levels, are not taken.
        resampling: filter of the reduction, the same for both classes.
        strength: noise level from which FAKE crops are redrawn; higher keeps less of the crop.
        stride: levels between two steps of redrawing, a divisor of `strength`.
        quality: of the JPEG files; chroma is halved in both directions (4:2:0) in both classes.
    """

    seed: int = 20
    channels: tuple[int, int, int] = (32, 64, 128)
    levels: int = 400
    schedule: int = 1000
    steps: int = 5000
    batch_size: int = 32
    learning_rate: float = 4e-4
    warm_up: int = 200
    average: float = 0.999
    sides: tuple[int, ...] = (48, 64, 96, 128, 192)
    train_crops: int = 400
    test_crops: int = 200
    min_contrast: float = 12.0
    resampling: str = "bicubic"
    strength: int = 150
    stride: int = 5
    quality: int = 75

    def crops(self, split: str) -> int:
        """Images of each photograph of a split."""
        return {"train": self.train_crops, "test": self.test_crops}[split]


SETTINGS = Settings()
