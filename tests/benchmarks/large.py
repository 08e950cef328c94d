"""A large set of images at 224 x 224: memory, and the cost of an image, from its .zip to what Overview shows.

python -m tests.benchmarks.large --images 100000 [--kill]
"""

import argparse
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from core.detectors.manifest import Classes
from core.detectors.network import NetworkDetector
from core.images.loading import load_image_set
from core.images.preprocessing import Preprocessing
from core.runs.metrics import error_by, metrics
from core.runs.rows import judged_table
from core.runs.run import read_run
from core.runs.writing import write_run
from tests.benchmarks.table import Row, Settings
from tests.conftest import jpeg

SIDE = 224
GENERATORS = ("adm", "biggan", "glide")
# few pictures, each of which becomes many files by a comment in it
DIFFERENT = 32
SIZES = (1000, 4000)


def rows(settings: Settings) -> list[Row]:
    """A set that was made on the spot is packed, predicted and summed up by a network of few weights."""
    few, many = (measure(images) for images in ((20, 60) if settings.quick else SIZES))
    return [
        Row(
            f"{many.images:,} images of {SIDE} x {SIDE}, {step}",
            f"{many.cost[step]:.2f} ms an image, {many.memory[step]:.0f} MB at most",
            ratio=f"{many.cost[step] / few.cost[step]:.2f} (an image of {many.images:,} over one of {few.images:,})",
        )
        for step in many.cost
    ]


class Measured:
    """What each step of a set of so many images cost.

    Attributes:
        images: how many.
        cost: step -> ms an image.
        memory: step -> peak MB held by the process, without its memory-mapped files.
    """

    def __init__(self, images: int) -> None:
        self.images = images
        self.cost: dict[str, float] = {}
        self.memory: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure a step."""
        done, most = threading.Event(), [held()]

        def watch() -> None:
            while not done.wait(0.05):
                most.append(max(most.pop(), held()))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        start = time.perf_counter()
        yield
        self.cost[name] = 1000 * (time.perf_counter() - start) / self.images
        done.set()
        watcher.join()
        self.memory[name] = most[0]
        print(f"{self.images:,} images, {name}: {self.cost[name]:.2f} ms an image, {most[0]:.0f} MB", flush=True)


def held() -> float:
    """The MB that this process holds, without the files that it has mapped: the system may take those back."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return sum(float(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")) / 1024


def measure(images: int, *, kill: bool = False) -> Measured:
    """Measure every step on a set of so many images; with `kill`, packing is interrupted halfway and resumed."""
    measured = Measured(images)
    with tempfile.TemporaryDirectory() as name, packs_in(Path(name)):
        data = write_set(Path(name) / "made.zip", images)
        if kill:
            with measured.step("attaching until it is stopped"):
                stopped(data, images // 2)
        with measured.step("attaching"):
            found = load_image_set(data, "test", fit=Preprocessing(SIDE))
        with measured.step("attaching again"):
            found = load_image_set(data, "test", fit=Preprocessing(SIDE))
        with measured.step("predicting"):
            path = write_run(Path(name), small_detector(), found)
        with measured.step("Overview's numbers"):
            table = judged_table(read_run(path))
            metrics(table)
            error_by(table, "source")
    return measured


def stopped(data: Path, at: int) -> None:
    """Read a set until so many images are done."""

    def progress(done: int, _: int) -> None:
        if done >= at:
            raise KeyboardInterrupt

    try:
        load_image_set(data, "test", fit=Preprocessing(SIDE), progress=progress)
    except KeyboardInterrupt:
        return


@contextmanager
def packs_in(folder: Path) -> Iterator[None]:
    """Keep packs in `folder` meanwhile, not in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TELLTALE_CACHE", str(folder))
        yield


def write_set(path: Path, images: int) -> Path:
    """A .zip of JPEG files that all differ, half of each class, below the folders of generators."""
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (DIFFERENT, 14, 14, 3)).astype(np.uint8).repeat(16, axis=1).repeat(16, axis=2)
    pictures = [jpeg(image) for image in coarse]
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(images):
            source, label = GENERATORS[number % len(GENERATORS)], ("nature", "ai")[number // len(GENERATORS) % 2]
            said = f"{number:010d}".encode()
            content = pictures[number % DIFFERENT]
            content = content[:2] + b"\xff\xfe" + (len(said) + 2).to_bytes(2, "big") + said + content[2:]
            archive.writestr(f"{source}/val/{label}/{number:07d}.jpg", content)
    return path


class Small(NetworkDetector):
    """Nothing that every network does not have."""

    kind = "small"


def small_detector() -> NetworkDetector:
    """A network of few weights for pictures of this size."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 16, stride=16), nn.ReLU(), nn.Conv2d(4, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(8, 2),
    )  # fmt: skip
    classes = Classes(("FAKE", "REAL"), ("FAKE",))
    return Small(network, Preprocessing(SIDE), classes, config={}, manifest={"name": "small"})


def main(arguments: list[str] | None = None) -> None:
    """Print what every step costs."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.large", description=__doc__)
    parser.add_argument("--images", type=int, default=SIZES[0])
    parser.add_argument("--kill", action="store_true", help="stop packing in its midst, and go on from there")
    options = parser.parse_args(arguments)
    measured = measure(options.images, kill=options.kill)
    print(f"{max(measured.memory.values()):.0f} MB at most")


if __name__ == "__main__":
    main()
