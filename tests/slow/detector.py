"""What the detector's passes and its training cost, as ratios measured in one run.

python -m tests.slow.detector [--detector swift] [--images 2048]
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torchcam.methods import GradCAM

from core.detectors.detector import Detector
from core.detectors.resnet import build_network
from core.detectors.storage import load_detector
from core.images.image_set import ImageSet, fingerprint_of
from core.images.statistics import image_statistics
from core.runs.folders import find_detectors, find_named
from core.training.fit import Training
from core.training.recipe import RECIPES, autocast, precision_on
from tests.slow.table import Row, Settings, machine, named, seconds, shown


def best_of(action: Callable[[], object], *, repeats: int = 5) -> float:
    """Seconds of the fastest of `repeats` runs, after one to warm up."""
    action()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def in_batches(detector: Detector, pixels: np.ndarray, batch_size: int) -> None:
    """Verdicts, features and maps, batch after batch."""
    for start in range(0, len(pixels), batch_size):
        detector.full_pass(pixels[start : start + batch_size])


def bare_forward(detector: Detector, pixels: np.ndarray, batch_size: int) -> None:
    """The network as torchvision runs it, batch after batch, and nothing else."""
    with torch.inference_mode():
        for start in range(0, len(pixels), batch_size):
            detector.network(detector.inputs(pixels[start : start + batch_size]))


def torchcam_both(detector: Detector, pixels: np.ndarray, batch_size: int) -> None:
    """torchcam's Grad-CAM on layer4 for both classes, the way its documentation shows."""
    network = detector.network.requires_grad_(True)
    try:
        for start in range(0, len(pixels), batch_size):
            inputs = detector.inputs(pixels[start : start + batch_size])
            with GradCAM(network, "layer4") as extractor:
                scores = network(inputs)
                for label in (0, 1):
                    extractor([label] * len(inputs), scores, retain_graph=label == 0)
    finally:
        network.requires_grad_(False)


def passes(detector: Detector, images: int) -> Iterator[Row]:
    """The full pass against a bare forward, and torchcam against the full pass."""
    pixels = np.random.default_rng(0).integers(0, 256, (images, 32, 32, 3), dtype=np.uint8)
    for size in (64, 128):
        bare = best_of(lambda size=size: bare_forward(detector, pixels, size))
        full = best_of(lambda size=size: in_batches(detector, pixels, size))
        yield Row(
            f"Verdict, features and signed map of {images:,} images, batches of {size}",
            f"{seconds(full)} ({images / full:.0f} images/s)",
            f"{named('torchvision')}, the bare network: {seconds(bare)}",
            f"{bare / full:.2f}",
            limit=seconds(bare),
        )
    few = pixels[: max(64, images // 16)]
    ours = best_of(lambda: in_batches(detector, few, 64), repeats=3)
    bare = best_of(lambda: bare_forward(detector, few, 64), repeats=3)
    for how, size in (("batches of 64", 64), ("one by one", 1)):
        theirs = best_of(lambda size=size: torchcam_both(detector, few, size), repeats=2)
        yield Row(
            f"Signed map of {len(few):,} images",
            seconds(ours),
            f"{named('torchcam')}, Grad-CAM of both classes, {how}: {seconds(theirs)}",
            f"{theirs / ours:.2f}",
            limit=seconds(bare),
        )


def random_set(images: int) -> ImageSet:
    """Random pixels with both labels, enough for timing a training."""
    import pandas as pd

    pixels = np.random.default_rng(0).integers(0, 256, (images, 32, 32, 3), dtype=np.uint8)
    rows = pd.DataFrame({"sha256": [f"{index:064x}" for index in range(images)], "label": np.arange(images) % 2})
    return ImageSet(
        "random", "train", pixels, pd.concat([rows, image_statistics(pixels)], axis=1), fingerprint_of("train", rows)
    )


def epoch(images: int) -> Row:
    """An epoch of `swift` against as many bare forward-backward-update steps."""
    recipe = replace(RECIPES["swift"], epochs=4, validation=0.0)
    training = Training(recipe, random_set(images), torch.device("cpu"))
    network = build_network(recipe.width, seed=0).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9, nesterov=True)
    inputs = torch.rand(recipe.batch_size, 3, 32, 32).to(memory_format=torch.channels_last)
    labels = torch.randint(0, 2, (recipe.batch_size,))

    def bare() -> None:
        for _ in range(images // recipe.batch_size):
            with autocast(recipe, torch.device("cpu")):
                logits = network(inputs)
            optimizer.zero_grad()
            F.cross_entropy(logits.float(), labels).backward()
            optimizer.step()

    ours, theirs = best_of(lambda: training.run_epoch(None), repeats=3), best_of(bare, repeats=3)
    return Row(
        f"An epoch of training the swift recipe in {precision_on(recipe, torch.device('cpu'))}, {images:,} images",
        f"{seconds(ours)} ({images / ours:.0f} images/s)",
        f"{named('torch')}, as many bare steps on one batch: {seconds(theirs)}",
        f"{theirs / ours:.2f}",
    )


def rows(settings: Settings) -> list[Row]:
    """The detector's passes against the bare network and torchcam, and training against bare steps; the fastest of
    several runs each."""
    images = 128 if settings.quick else 2048
    detector = load_detector(find_named(settings.detector, find_detectors(), "detector"), device="cpu")
    return [*shown(passes(detector, images)), *shown([epoch(images)])]


def main() -> None:
    """Print all ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--detector", default=Settings.detector)
    parser.add_argument("--images", type=int, default=2048)
    options = parser.parse_args()
    print(machine())
    folder = find_named(options.detector, find_detectors(), "detector")
    shown(passes(load_detector(folder, device="cpu"), options.images))
    shown([epoch(options.images // 128 * 128)])


if __name__ == "__main__":
    main()
