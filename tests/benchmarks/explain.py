"""What explanations cost and what they are worth, as ratios measured in one run on the same detector and images.

python -m tests.benchmarks.explain [--detector swift] [--data data/cifake] [--images 50] [--package-images 5]
                                   [--parts paper slic rank map]
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from lime import lime_image
from lime.wrappers.scikit_image import SegmentationAlgorithm
from numpy.random import RandomState
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import spearmanr
from torchcam.methods import GradCAM

from core.dataset import load_image_set
from core.detector import FAKE, REAL, Detector, build_network, load_detector
from core.explain.__main__ import find_detector
from core.explain.gradcam import explain_margin_map
from core.explain.lime import explain_lime_fully
from core.explain.results import LimeResult, LimeSettings
from core.explain.sampling import Samples, balanced_samples, random_samples
from core.explain.segmentation import segment
from core.explain.surrogate import SampledExplainer
from core.explain.unseen import UnseenFitter
from core.perturb import fill_image, mask_batch

PAPER_WIDTH = 64
STEPS = (64, 128, 256, 512)
RANDOM_STEPS = (64, 96, 128, 192, 256, 384, 512, 768, 1000, 1400, 2000)


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


def package(detector: Detector, image: NDArray[np.uint8], settings: LimeSettings) -> NDArray[np.float64]:
    """The lime package's weights under `settings`, its samples run by the detector's fast pass, ten at a time."""

    def probabilities(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        return np.asarray(softmax(detector.logits(pixels).astype(np.float64), axis=1))

    def margins(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        logits = detector.logits(pixels).astype(np.float64)
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


def against_package(detector: Detector, images: NDArray[np.uint8], settings: LimeSettings, name: str) -> None:
    """Print how many times faster the same weights are had."""
    explain_lime_fully(detector, images[0], settings=settings)
    ours, theirs, apart, forwards = [], [], [], []
    for image in images:
        mine = timed(lambda image=image: explain_lime_fully(detector, image, settings=settings))
        other = timed(lambda image=image: package(detector, image, settings))
        assert isinstance(mine.value, LimeResult)
        ours.append(mine.seconds)
        theirs.append(other.seconds)
        forwards.append(mine.value.health.distinct)
        apart.append(np.abs(mine.value.weights - other.value).max() / max(np.abs(mine.value.weights).max(), 1e-9))
    print(
        f"{name}, {len(images)} images: {np.median(theirs) / np.median(ours):.1f} times faster than the package at its "
        f"batch of 10 ({np.median(theirs):.2f} s and {np.median(ours):.4f} s an image, medians); "
        f"{np.mean(forwards):.0f} forwards for {settings.n_samples}; weights apart by {max(apart):.1e} of the largest"
    )


def against_forwards(detector: Detector, images: NDArray[np.uint8], sampling: str) -> None:
    """Print what 1,000 samples cost over 1,000 bare batched forward passes."""
    settings = LimeSettings(n_samples=1000, sampling=sampling)  # type: ignore[arg-type]
    noise = RandomState(0).randint(0, 256, (1000, 32, 32, 3)).astype(np.uint8)
    detector.logits(noise[:256])
    explain_lime_fully(detector, images[0], settings=replace(settings, n_samples=64))
    pairs = []
    for image in images:
        bare = timed(lambda: detector.logits(noise)).seconds
        whole = timed(lambda image=image: explain_lime_fully(detector, image, settings=settings)).seconds
        pairs.append((whole, bare, timed(lambda: detector.logits(noise)).seconds))
    whole, before, after = np.median(pairs, axis=0)
    print(
        f"SLIC, 1,000 {sampling} samples, {len(images)} images: {whole / ((before + after) / 2):.3f} times the seconds "
        f"of 1,000 bare batched forwards ({whole:.2f} s and {(before + after) / 2:.2f} s, medians)"
    )


def rank_curves(detector: Detector, images: NDArray[np.uint8], *, reference: int) -> dict[str, dict[int, list[float]]]:
    """Rank correlation with a large reference of coin flips, for each way of sampling and number of forwards."""
    curves: dict[str, dict[int, list[float]]] = {}
    explainer = SampledExplainer(random_state=0)
    for index, image in enumerate(images):
        segments = segment(image)
        count = int(segments.max()) + 1
        filled = fill_image(image, segments, fill="mean")

        def run(keep: NDArray[np.bool_]) -> NDArray[np.float64]:
            return detector.margins(mask_batch(image, segments, keep=keep, fill=filled)).astype(np.float64)  # noqa: B023

        large = random_samples(reference, count, RandomState(10_000 + index)).keep
        truth = explainer.surrogate(large, run(large))[0]
        flips = random_samples(RANDOM_STEPS[-1], count, RandomState(index)).keep
        pairs = balanced_samples(STEPS[-1], count, RandomState(index))
        answers = {"random": run(flips), "balanced": run(pairs.keep)}
        fitter = UnseenFitter(explainer, count)
        for stop in RANDOM_STEPS:
            weights = explainer.surrogate(flips[:stop], answers["random"][:stop])[0]
            curves.setdefault("random", {}).setdefault(stop, []).append(spearmanr(weights, truth)[0])
        for stop in STEPS:
            part, values = Samples(pairs.keep[:stop], pairs.clusters[:stop]), answers["balanced"][:stop]
            plain = explainer.surrogate(part.keep, values)[0]
            guessed = fitter.fit(part, values, confidence=0.95).weights
            for name, weights in (("balanced, as they are", plain), ("balanced, unseen guessed", guessed)):
                curves.setdefault(name, {}).setdefault(stop, []).append(spearmanr(weights, truth)[0])
    return curves


def needed(curve: dict[int, list[float]], correlation: float) -> str:
    """The number of random samples with this mean correlation, between the measured steps on a logarithmic scale."""
    steps, means = np.array(list(curve)), np.array([np.mean(values) for values in curve.values()])
    if correlation > means[-1]:
        return f"over {steps[-1]}"
    return f"{np.exp(np.interp(correlation, np.maximum.accumulate(means), np.log(steps))):.0f}"


def print_ranks(detector: Detector, images: NDArray[np.uint8], *, reference: int) -> None:
    """Print the curves, and for each balanced step the random samples that rank the segments as well."""
    curves = rank_curves(detector, images, reference=reference)
    print(f"Rank correlation with {reference} coin flips, SLIC, mean fill, margin, {len(images)} images:")
    for name, curve in curves.items():
        for stop, values in curve.items():
            equal = "" if name == "random" else f"   like {needed(curves['random'], float(np.mean(values)))} random"
            print(f"  {name:<26}{stop:>6} forwards   {np.mean(values):.4f}{equal}")


def against_torchcam(detector: Detector, images: NDArray[np.uint8]) -> None:
    """Print how many times faster the instant margin map is than torchcam's Grad-CAM on layer4 for both classes."""

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

    torchcam()
    explain_margin_map(detector, images)
    ratios = [timed(torchcam).seconds / timed(lambda: explain_margin_map(detector, images)).seconds for _ in range(5)]
    print(
        f"Instant signed margin map, {len(images)} images: {np.median(ratios):.1f} times faster than torchcam's "
        "Grad-CAM on layer4 for both classes"
    )


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", default="swift")
    parser.add_argument("--data", default="data/cifake")
    parser.add_argument("--images", type=int, default=50, help="for rank and map")
    parser.add_argument("--package-images", type=int, default=6, help="for paper and slic, where the package runs too")
    parser.add_argument("--reference", type=int, default=5000, help="coin flips of the reference in rank")
    parser.add_argument(
        "--parts", nargs="+", choices=("paper", "slic", "rank", "map"), default=["paper", "slic", "rank", "map"]
    )
    options = parser.parse_args()
    # a progress bar is no part of what is compared
    lime_image.tqdm = iter
    detector = load_detector(find_detector(options.detector))
    chosen = load_image_set(options.data, "test").limited(options.images).pixels
    few = load_image_set(options.data, "test").limited(options.package_images, seed=1).pixels
    print(f"{detector.name}, width {detector.width}, {detector.device}")
    if "paper" in options.parts:
        against_package(detector, few, LimeSettings.paper(), "The paper's settings")
        if detector.width != PAPER_WIDTH:
            # what a pass costs does not depend on the weights
            wide = Detector(build_network(PAPER_WIDTH, seed=0), PAPER_WIDTH, device=detector.device)
            name = f"The paper's settings on a network of the paper's width {PAPER_WIDTH} with random weights"
            against_package(wide, few, LimeSettings.paper(), name)
    if "slic" in options.parts:
        against_package(detector, few, LimeSettings(n_samples=1000, sampling="random"), "SLIC, 1,000 random samples")
        for sampling in ("random", "balanced"):
            against_forwards(detector, few, sampling)
    if "map" in options.parts:
        against_torchcam(detector, chosen)
    if "rank" in options.parts:
        print_ranks(detector, chosen, reference=options.reference)


if __name__ == "__main__":
    main()
