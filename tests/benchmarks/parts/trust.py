"""The studies of trust: share of time in forwards, against a plain loop over torchcam and lime, growth with images."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import numpy as np
import torch
from lime import lime_image
from numpy.typing import NDArray
from torchcam.methods import GradCAM
from torchcam.metrics import DeletionInsertionMetric

from core.detectors.detector import Detector
from core.detectors.network import NetworkDetector
from core.detectors.resnet import ResNetDetector
from core.detectors.resnet18 import build_network
from core.explainers.lime.regions import LIME, LimeSettings
from core.images.labels import FAKE, REAL
from core.perturbations.masking import fill_image
from core.studies import agreement, faithfulness, randomisation, stability
from core.studies.explanations import judged as judged_explainers
from core.studies.faithfulness_curves import CONTROLS, FILLS, STEPS
from core.studies.study import Context, Study
from tests.benchmarks.explain import package
from tests.benchmarks.parts import Bench, made_pixels, seconds_of
from tests.benchmarks.table import Row, named, seconds
from tests.core.given_map import GivenMap

STUDIES = (faithfulness.STUDY, agreement.STUDY, stability.STUDY, randomisation.STUDY)
SIZES = (100, 1000)
EACH = np.arange(1024).reshape(32, 32)


def measure(bench: Bench) -> Iterator[Row]:
    """On pictures of the sample, each study with an empty cache of explanations."""
    images = 4 if bench.quick else min(bench.images, 96)
    context = bench.pictured(images)
    for study in STUDIES[:1] if bench.quick else STUDIES:
        yield _share(study, context)
    yield from _against_loop(context, 1 if bench.quick else min(images, 12))
    small = replace(bench, detector=ResNetDetector(build_network(1, seed=0), 1))
    sizes = (4, 8) if bench.quick else SIZES
    for study in STUDIES[:1] if bench.quick else STUDIES:
        yield _growth(study, small, sizes)


@contextmanager
def empty_cache() -> Iterator[None]:
    """Hide the explanations that other studies have cached."""
    before = os.environ.get("TELLTALE_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TELLTALE_CACHE"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["TELLTALE_CACHE"]
            else:
                os.environ["TELLTALE_CACHE"] = before


@dataclass
class Forwards:
    """What passes took while they were watched.

    Attributes:
        seconds: spent in them.
        images: that they were asked for.
    """

    seconds: float = 0.0
    images: int = 0


@contextmanager
def watched_forwards() -> Iterator[Forwards]:
    """Watch every pass of every detector."""
    spent, originals = Forwards(), {name: getattr(NetworkDetector, name) for name in ("logits", "full_pass")}

    def watching(call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def watch(detector: Detector, pixels: NDArray[np.uint8], **settings: Any) -> Any:
            start = time.perf_counter()
            try:
                return call(detector, pixels, **settings)
            finally:
                spent.seconds += time.perf_counter() - start
                spent.images += len(pixels)

        return watch

    for name, call in originals.items():
        setattr(NetworkDetector, name, watching(call))
    try:
        yield spent
    finally:
        for name, call in originals.items():
            setattr(NetworkDetector, name, call)


def run_study(study: Study, context: Context) -> None:
    """All shards of a study."""
    images = len(context.run)
    for at in range(0, images, study.shard):
        study.compute(context, np.arange(at, min(at + study.shard, images)), study.parameters)


def _share(study: Study, context: Context) -> Row:
    images = len(context.run)
    with empty_cache(), watched_forwards() as forwards:
        ours = seconds_of(lambda: run_study(study, context))
    # the same number of bare passes, extrapolated from a thousand at most
    few = made_pixels(min(forwards.images, 1000))
    bare = seconds_of(lambda: context.detector.logits(few)) * forwards.images / len(few)
    return Row(
        f"{study.title} of {images} images: share of its time that is forward passes",
        f"{seconds(ours / images)} an image, {forwards.images / images:.0f} forwards",
        ratio=f"{forwards.seconds / ours:.3f} (forwards over all)",
        asked="at least 0.85",
        limit=f"{seconds(bare / images)} an image",
    )


def _against_loop(context: Context, images: int) -> Iterator[Row]:
    """The two explanations of each image, and these judged by as many curves as the study of faithfulness draws."""
    detector, settings, study = context.detector, LimeSettings(), faithfulness.STUDY
    taken, counts = [], []
    few = made_pixels(1000)
    for number, image in enumerate(context.pixels[:images]):
        with watched_forwards() as explained:
            ours = seconds_of(lambda image=image: explain(detector, image, settings))
        theirs = seconds_of(lambda image=image: plain_explanations(detector, image, settings))
        with empty_cache(), watched_forwards() as judged:
            curves = seconds_of(lambda row=number: study.compute(context, np.array([row]), study.parameters))
        plain = seconds_of(lambda image=image: plain_curves(detector, image))
        bare = seconds_of(lambda: detector.logits(few)) / len(few)
        taken.append((ours, theirs, curves, theirs + plain, bare * explained.images, bare * judged.images))
        counts.append(judged.images)
    ours, theirs, curves, plain, least, least_judged = np.median(taken, axis=0)
    peers = f"a plain loop over {named('torchcam')} and {named('lime')}"
    yield Row(
        f"Grad-CAM and LIME (SLIC, {settings.n_samples} samples) of an image, {images} images one by one",
        seconds(ours),
        f"{peers}, coin flips at lime's batch of 10, on the plain network: {seconds(theirs)}",
        f"{theirs / ours:.1f}",
        limit=seconds(least),
    )
    drawn = (len(judged_explainers()) + len(CONTROLS)) * len(FILLS)
    yield Row(
        f"The same, judged by {drawn} deletion and {drawn} insertion curves of {STEPS} steps",
        f"{seconds(curves)}, {np.mean(counts):.0f} forwards",
        f"{peers}, curves by torchcam's metric: {seconds(plain)}",
        f"{plain / curves:.1f}",
        limit=seconds(least_judged),
    )


def explain(detector: Detector, image: NDArray[np.uint8], settings: LimeSettings) -> None:
    """Both explanations of one image, as studies get them."""
    detector.full_pass(image[None])
    LIME.explain_fully(detector, image, settings)


def plain_explanations(detector: Detector, image: NDArray[np.uint8], settings: LimeSettings) -> None:
    """Both explanations of one image, as the documentation of the two packages shows it."""
    # a progress bar is no part of what is compared
    lime_image.tqdm = iter
    network = detector.network.requires_grad_(True)
    try:
        with GradCAM(network, "layer4") as extractor:
            for label in (FAKE, REAL):
                extractor(label, network(detector.inputs(image[None])))
    finally:
        network.requires_grad_(False)

    def logits_of(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(detector.network(detector.inputs(pixels)).numpy())

    package(logits_of, image, settings)


def plain_curves(detector: Detector, image: NDArray[np.uint8]) -> None:
    """As many curves of one image as the study of faithfulness draws, by torchcam's metric: an order a map and fill."""
    # making maps is timed elsewhere
    extractor = GivenMap(detector, np.random.default_rng(0).random((32, 32), np.float32))
    for fill in FILLS:
        baseline = detector.inputs(fill_image(image, EACH, fill=fill)[None])
        for _ in (*judged_explainers(), *CONTROLS):
            metric = DeletionInsertionMetric(extractor, steps=STEPS, baseline=baseline)  # type: ignore[arg-type]
            metric.update(detector.inputs(image[None]), targets=lambda logits: logits[REAL] - logits[FAKE])


def _growth(study: Study, bench: Bench, sizes: tuple[int, int]) -> Row:
    """On a network of width 1: forwards grow with the images, this shows what may grow faster."""
    taken = []
    for size in sizes:
        context = bench.pictured(size)
        with empty_cache():
            taken.append(seconds_of(lambda context=context: run_study(study, context)) / size)
    few, many = taken
    return Row(
        f"Growth of {study.name}, {sizes[0]:,} to {sizes[1]:,} images, on a network of width 1",
        f"{1000 * few:.1f} ms and {1000 * many:.1f} ms an image",
        ratio=f"{many / few:.2f} (an image of many over one of few)",
        asked="about 1",
    )
