"""What explanations cost and what they are worth, as ratios measured in one run on the same detector and images.

python -m tests.slow.explain [--detector swift] [--data data/cifake] [--parts paper slic map]
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from lime import lime_image
from lime.wrappers.scikit_image import SegmentationAlgorithm
from numpy.typing import NDArray
from scipy.special import softmax
from torchcam.methods import GradCAM

from core.detectors.detector import Detector
from core.detectors.resnet import ResNetDetector, build_network
from core.detectors.storage import load_detector
from core.explainers.cam import GRADCAM
from core.explainers.explanation import Explanation
from core.explainers.lime.regions import LIME, LimeSettings
from core.images.labels import FAKE, REAL
from core.images.loading import load_image_set
from core.runs.folders import find_detectors, find_named
from tests.slow.table import NOTHING, Row, Settings, named, seconds, shown

PAPER_WIDTH = 64
# images where the package runs too, which takes seconds for each
FEW = 6


@dataclass(frozen=True)
class Timed:
    """What a call gave and how long it took."""

    value: object
    seconds: float


def timed(action: Callable[[], object]) -> Timed:
    """Run once, with the clock on."""
    start = time.perf_counter()
    value = action()
    return Timed(value, time.perf_counter() - start)


def made_pixels(images: int) -> NDArray[np.uint8]:
    """uint8 (N, 32, 32, 3), random."""
    return np.random.default_rng(0).integers(0, 256, (images, 32, 32, 3), dtype=np.uint8)


def package(
    logits_of: Callable[[NDArray[np.uint8]], NDArray[np.float32]], image: NDArray[np.uint8], settings: LimeSettings
) -> NDArray[np.float64]:
    """The lime package's weights under `settings`, its samples run ten at a time.

    Args:
        logits_of: `ResNetDetector.logits`, or what a plain network says.
        image: uint8 (32, 32, 3).
        settings: the package knows coin flips only.
    """

    def probabilities(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        return np.asarray(softmax(logits_of(pixels).astype(np.float64), axis=1))

    def margins(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        logits = logits_of(pixels).astype(np.float64)
        return np.stack([logits[:, FAKE] - logits[:, REAL], logits[:, REAL] - logits[:, FAKE]], axis=1)

    slic = SegmentationAlgorithm("slic", n_segments=settings.n_segments, compactness=10, start_label=0)
    explanation = lime_image.LimeImageExplainer(random_state=settings.seed).explain_instance(
        image,
        probabilities if settings.target == "probability" else margins,
        top_labels=2,
        num_samples=settings.n_samples,
        segmentation_fn=None if settings.segmentation == "quickshift" else slic,
    )
    label = explanation.top_labels[0] if settings.target == "probability" else REAL
    weights = dict(explanation.local_exp[label])
    return np.array([weights[number] for number in range(len(weights))])


def against_package(detector: Detector, images: NDArray[np.uint8], settings: LimeSettings, name: str) -> Row:
    """Speed-up over lime for the same weights."""
    LIME.explain_fully(detector, images[0], settings)
    detector.logits(made_pixels(256))
    ours, theirs, bare, apart, forwards = [], [], [], [], []
    for image in images:
        mine = timed(lambda image=image: LIME.explain_fully(detector, image, settings))
        other = timed(lambda image=image: package(detector.logits, image, settings))
        assert isinstance(mine.value, Explanation)
        distinct, weights = mine.value.diagnostics.numbers["distinct"], mine.value.parts.weights
        # the package's are of the class that is predicted
        toward = -1 if settings.target == "probability" and mine.value.verdict == "FAKE" else 1
        noise = made_pixels(distinct)
        bare.append(timed(lambda noise=noise: detector.logits(noise)).seconds)
        ours.append(mine.seconds)
        theirs.append(other.seconds)
        forwards.append(distinct)
        apart.append(np.abs(toward * weights - other.value).max() / max(np.abs(weights).max(), 1e-9))
    return Row(
        f"LIME of an image, {name}, {len(images)} images; weights apart by {max(apart):.0e} of the largest",
        f"{seconds(np.median(ours))}, {np.mean(forwards):.0f} forwards for {settings.n_samples:,} samples",
        f"{named('lime')} at its batch of 10 on our forward pass: {seconds(np.median(theirs))}",
        f"{np.median(theirs) / np.median(ours):.1f}",
        "100" if settings == LimeSettings.paper() else NOTHING,
        seconds(np.median(bare)),
    )


def against_forwards(detector: Detector, images: NDArray[np.uint8], sampling: str, *, samples: int = 1000) -> Row:
    """Cost of `samples` LIME samples over as many bare batched forwards."""
    settings = LimeSettings(n_samples=samples, sampling=sampling)  # type: ignore[arg-type]
    noise = made_pixels(samples)
    detector.logits(noise[:256])
    LIME.explain_fully(detector, images[0], settings.changed(n_samples=64))
    pairs = []
    for image in images:
        before = timed(lambda: detector.logits(noise)).seconds
        whole = timed(lambda image=image: LIME.explain_fully(detector, image, settings)).seconds
        after = timed(lambda: detector.logits(noise)).seconds
        pairs.append((whole, (before + after) / 2))
    whole, bare = np.median(pairs, axis=0)
    # each image beside its own bare passes: the machine drifts by more than what is looked for
    ratio = np.median([one / other for one, other in pairs])
    return Row(
        f"LIME of an image, SLIC, {samples:,} {sampling} samples, {len(images)} images",
        seconds(whole),
        ratio=f"{ratio:.3f} (ours over the limit, the median of each image's own)",
        asked="at most 1.10",
        limit=seconds(bare),
    )


def against_torchcam(detector: Detector, images: NDArray[np.uint8], *, repeats: int = 5) -> Row:
    """How many times faster the instant margin map is than torchcam's Grad-CAM on layer4 for both classes."""

    def torchcam() -> list[NDArray[np.float32]]:
        network = detector.network.requires_grad_(True)
        try:
            with GradCAM(network, "layer4") as extractor:
                maps = []
                for label in (FAKE, REAL):
                    scores = network(detector.inputs(images))
                    maps.append(extractor(class_idx=label, scores=scores, normalized=False)[0].detach().numpy())
            return maps
        finally:
            network.requires_grad_(False)

    sides = (
        torchcam,
        lambda: list(GRADCAM.explain_batch(detector, images, GRADCAM.settings())),
        lambda: detector.logits(images),
    )
    for side in sides:
        side()
    theirs, ours, bare = np.median([[timed(side).seconds for side in sides] for _ in range(repeats)], axis=0)
    return Row(
        f"Signed margin map of layer4, {len(images)} images in one batch",
        seconds(ours),
        f"{named('torchcam')}, Grad-CAM for both classes, one batch: {seconds(theirs)}",
        f"{theirs / ours:.1f}",
        limit=seconds(bare),
    )


def _detector(settings: Settings) -> Detector:
    # a progress bar is no part of what is compared
    lime_image.tqdm = iter
    return load_detector(find_named(settings.detector, find_detectors(), "detector"), device="cpu")


def paper(settings: Settings) -> list[Row]:
    """LIME under the paper's settings against the lime package, on this detector and on one of the paper's width with
    random weights (what a pass costs does not hang on the weights); the package's samples are run by our own pass."""
    detector = _detector(settings)
    few = pictures(settings, 2 if settings.quick else FEW, seed=1)
    rows = [against_package(detector, few, LimeSettings.paper(), "the paper's settings")]
    if detector.network.width != PAPER_WIDTH and not settings.quick:
        wide = ResNetDetector(build_network(PAPER_WIDTH, seed=0), device=detector.device)
        rows.append(against_package(wide, few, LimeSettings.paper(), f"the paper's settings, width {PAPER_WIDTH}"))
    return shown(rows)


def slic(settings: Settings) -> list[Row]:
    """LIME of 1,000 samples over SLIC segments against the lime package, and against 1,000 bare batched forwards."""
    detector, samples = _detector(settings), 32 if settings.quick else 1000
    few = pictures(settings, 2 if settings.quick else FEW, seed=1)
    plain = LimeSettings(n_samples=samples, sampling="random")
    rows = [] if settings.quick else [against_package(detector, few, plain, f"SLIC, {samples:,} random samples")]
    return shown([*rows, *(against_forwards(detector, few, name, samples=samples) for name in ("random", "balanced"))])


def margin_map(settings: Settings) -> list[Row]:
    """The map of the detector's own pass against torchcam's Grad-CAM of the same layer for both classes."""
    images = pictures(settings, 8 if settings.quick else 50)
    return shown([against_torchcam(_detector(settings), images, repeats=2 if settings.quick else 5)])


def pictures(settings: Settings, images: int, *, seed: int = 0) -> NDArray[np.uint8]:
    """uint8 (N, 32, 32, 3): so many test images, half of each class."""
    return load_image_set(settings.data, "test").limited(images, seed=seed).pixels


PARTS: dict[str, Callable[[Settings], list[Row]]] = {"paper": paper, "slic": slic, "map": margin_map}


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", default=Settings.detector)
    parser.add_argument("--data", default=Settings.data)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    for part in options.parts:
        PARTS[part](Settings(options.detector, options.data))


if __name__ == "__main__":
    main()
