"""What explanations and passes cost, as ratios of two ways that are measured in one run.

python -m tests.slow.benchmarks [detector slic paper map] [--detector swift] [--data data/cifake]
"""

import argparse
import os
import time
from importlib.metadata import version

import numpy as np
import torch
from lime import lime_image
from lime.wrappers.scikit_image import SegmentationAlgorithm
from scipy.special import softmax
from torchcam.methods import GradCAM

from core.detectors.resnet import ResNetDetector, build_network
from core.detectors.storage import load_detector
from core.explainers.cam import GRADCAM
from core.explainers.lime import LIME, LimeSettings
from core.images.labels import FAKE, REAL
from core.images.loading import load_image_set
from core.runs.folders import find_detector
from tests.conftest import noise

PAPER_WIDTH = 64


def timed(action, *, repeats=1):
    """The seconds of the fastest of `repeats` runs, and what the last one gave."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = action()
        times.append(time.perf_counter() - start)
    return min(times), result


def lime_package(detector, image, settings):
    """Compute the lime package's weights towards REAL, its samples run ten at a time by the detector's own pass."""
    real = 2.0 * np.array([number == REAL for number in (0, 1)]) - 1

    def scores(pixels):
        logits = detector.logits(pixels).astype(np.float64)
        if settings.target == "probability":
            return softmax(logits, axis=1)
        return (logits[:, [REAL]] - logits[:, [FAKE]]) * real

    slic = SegmentationAlgorithm("slic", n_segments=settings.n_segments, compactness=10, start_label=0)
    explanation = lime_image.LimeImageExplainer(random_state=settings.seed).explain_instance(
        image, scores, top_labels=2, num_samples=settings.n_samples,
        segmentation_fn=None if settings.segmentation == "quickshift" else slic,
    )  # fmt: skip
    weights = dict(explanation.local_exp[REAL])
    return np.array([weights[number] for number in range(len(weights))])


def against_package(detector, images, settings, name):
    """Compare LIME with the lime package, for the same weights."""
    LIME.explain_fully(detector, images[0], settings)
    pairs = []
    for image in images:
        ours, explanation = timed(lambda image=image: LIME.explain_fully(detector, image, settings))
        theirs, weights = timed(lambda image=image: lime_package(detector, image, settings))
        assert np.allclose(explanation.parts.weights, weights, atol=1e-3 * np.abs(weights).max())
        pairs.append((ours, theirs))
    return f"LIME, {name}", *np.median(pairs, axis=0), f"lime {version('lime')} at its batch of 10, same weights"


def paper(detector, images):
    """LIME under the paper's settings, also on a network of the paper's width."""
    wide = ResNetDetector(build_network(PAPER_WIDTH, seed=0), device=detector.device)
    for network, name in ((detector, ""), (wide, f", width {PAPER_WIDTH}")):
        yield against_package(network, images[:6], LimeSettings.paper(), f"the paper's settings{name}")


def slic(detector, images):
    """LIME of 1,000 samples over SLIC segments, against the package and against as many bare forward passes."""
    plain = LimeSettings(n_samples=1000, sampling="random")
    yield against_package(detector, images[:6], plain, "SLIC, 1,000 random samples")
    bare = noise(1000, 32, 32)
    for settings in (plain, plain.changed(sampling="balanced")):
        pairs = []
        for image in images[:6]:
            # each image beside its own bare passes, because the machine drifts by more than what is looked for
            before, ours, after = (
                timed(action)[0]
                for action in (
                    lambda: detector.logits(bare),
                    lambda image=image, settings=settings: LIME.explain_fully(detector, image, settings),
                    lambda: detector.logits(bare),
                )
            )
            pairs.append((ours, (before + after) / 2))
        yield f"LIME, SLIC, 1,000 {settings.sampling} samples", *np.median(pairs, axis=0), "1,000 bare forward passes"


def torchcam(detector, pixels, size):
    """Compute torchcam's Grad-CAM of layer4 for both classes, as its documentation shows."""
    network = detector.network.requires_grad_(True)
    try:
        for start in range(0, len(pixels), size):
            inputs = detector.inputs(pixels[start : start + size])
            with GradCAM(network, "layer4") as extractor:
                scores = network(inputs)
                for label in (FAKE, REAL):
                    extractor([label] * len(inputs), scores, normalized=False, retain_graph=label == FAKE)
    finally:
        network.requires_grad_(False)


def margin_map(detector, images):
    """The signed map of the detector's own pass, against torchcam's Grad-CAM of the same layer for both classes."""
    ours, _ = timed(lambda: list(GRADCAM.explain_batch(detector, images, GRADCAM.settings())), repeats=5)
    for how, size in (("one batch", len(images)), ("one by one", 1)):
        theirs, _ = timed(lambda size=size: torchcam(detector, images, size), repeats=2)
        yield f"Signed maps of {len(images)} images", ours, theirs, f"torchcam {version('torchcam')}, {how}"


def passes(detector, _images):
    """Verdict, features and map against the bare network."""
    pixels = noise(2048, 32, 32)
    for size in (64, 128):
        parts = [pixels[start : start + size] for start in range(0, len(pixels), size)]
        ours, _ = timed(lambda parts=parts: [detector.full_pass(part) for part in parts], repeats=5)
        with torch.inference_mode():
            bare, _ = timed(lambda parts=parts: [detector.network(detector.inputs(part)) for part in parts], repeats=5)
        yield f"Verdict, features and map of 2,048 images, batches of {size}", ours, bare, "the bare network"


PARTS = {"detector": passes, "slic": slic, "paper": paper, "map": margin_map}


def main():
    """Print the ratios of the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--detector", default="swift")
    parser.add_argument("--data", default="data/cifake")
    options = parser.parse_args()
    # a progress bar is no part of what is compared
    lime_image.tqdm = iter
    detector = load_detector(find_detector(options.detector), device="cpu")
    images = load_image_set(options.data, "test").limited(50).pixels
    print(f"{os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}")
    for part in options.parts or PARTS:
        for what, ours, theirs, other in PARTS[part](detector, np.asarray(images)):
            print(f"{what}: {ours:.3g} s; {other}: {theirs:.3g} s; ratio {theirs / ours:.2f}", flush=True)


if __name__ == "__main__":
    main()
