"""Parts of the benchmark of studies.

Each module has a `measure(bench)`, which gives the rows that the first line of the module's docstring speaks of.
"""

import time
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.detectors.detector import Detector
from core.images.loading import load_image_set
from core.images.statistics import image_statistics
from core.runs.run import Run
from core.studies.study import Context


@dataclass(frozen=True)
class Bench:
    """What every part measures with.

    Attributes:
        detector: whose passes are timed.
        images: how many images a part may take.
        repeats: of each measurement; medians are given.
        quick: so few images that a test can wait for them.
    """

    detector: Detector
    images: int
    repeats: int = 3
    quick: bool = False

    def context(self, images: int | None = None) -> Context:
        """A run of random images, half called REAL, for costs that do not depend on the content."""
        return _context(self.detector, made_pixels(images or self.images))

    def pictured(self, images: int) -> Context:
        """The same run of pictures, with the detector's maps: the sample's, and then their mirror images.

        Args:
            images: up to twice as many as the sample holds.
        """
        found = load_image_set("sample", "test").pixels
        order = np.random.default_rng(0).permutation(len(found))
        pixels = np.concatenate([found[order], found[order, :, ::-1]])[:images]
        context = _context(self.detector, pixels)
        maps = context.detector.full_pass(pixels).maps.astype(np.float16)
        return replace(context, run=replace(context.run, maps=maps))

    @cached_property
    def noise(self) -> NDArray[np.uint8]:
        """uint8 (images, 32, 32, 3)."""
        return made_pixels(self.images)


def made_pixels(images: int) -> NDArray[np.uint8]:
    """uint8 (N, 32, 32, 3), random."""
    return np.random.default_rng(0).integers(0, 256, (images, 32, 32, 3), dtype=np.uint8)


def _context(detector: Detector, pixels: NDArray[np.uint8]) -> Context:
    images = len(pixels)
    numbers = np.arange(images)
    names = ["FAKE", "REAL"]
    table = pd.DataFrame(
        {
            "id": [f"test-{number:016x}" for number in numbers],
            "name": [f"{number}.png" for number in numbers],
            "label": pd.Categorical.from_codes(numbers % 2, names),
            "predicted": pd.Categorical.from_codes(np.where(numbers % 25 == 0, 1 - numbers % 2, numbers % 2), names),
            "margin": np.where(numbers % 2, 1.0, -1.0).astype(np.float32),
            "p_real": np.where(numbers % 2, 0.7, 0.3).astype(np.float32),
            "category": pd.Categorical([f"kind {number // 2 % 10}" for number in numbers]),
            "sha256": [f"{number:064x}" for number in numbers],
            "is_repeat": False,
        }
    )
    table = pd.concat([table, image_statistics(pixels)], axis=1)
    features = np.random.default_rng(1).normal(size=(images, 8 * detector.width)).astype(np.float16)
    maps = np.zeros((images, 4, 4), np.float16)
    run = Run(Path("made"), {"detector": "made", "set": "made-test"}, table, maps, features, pixels)
    detector = copy(detector)
    detector.batch_size = detector.batch_size or 128
    return Context(run, detector, pixels)


def seconds_of(action: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def in_turns(repeats: int, *actions: Callable[[], object]) -> list[float]:
    """The median seconds of each of some actions, run in turns so that a busy machine slows all of them alike."""
    times = [[seconds_of(action) for action in actions] for _ in range(repeats)]
    return np.median(times, axis=0).tolist()  # type: ignore[no-any-return]
