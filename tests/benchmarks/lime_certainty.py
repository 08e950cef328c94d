"""How often LIME is certain of a sign and wrong, and how often its intervals hold the truth, over repeated seeds.

The truth is the surrogate of coin flips by the thousand: `--reference` of them, averaged over draws of 5,000. A sign
counts as called certain where the interval leaves 0 out, whether or not the effect is worth naming.

python -m tests.benchmarks.lime_certainty [--detector swift] [--data data/cifake] [--images 8] [--seeds 10]
"""

import argparse
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from core.detectors.detector import Detector
from core.detectors.storage import load_detector
from core.explain import find_detector
from core.explainers.lime.regions import LIME, LimeSettings
from core.explainers.lime.sampling import MAX_SAMPLES
from core.findings.intervals import weighted_ratio
from core.images.loading import load_image_set
from core.perturbations.masking import FILLS
from tests.benchmarks.table import Row, Settings, named, shown


def reference_weights(
    detector: Detector, image: NDArray[np.uint8], settings: LimeSettings, *, samples: int
) -> NDArray[np.float64]:
    """Weights from coin flips, `samples` in all, in draws of at most `MAX_SAMPLES`."""
    draws = max(1, round(samples / MAX_SAMPLES))
    many = settings.changed(sampling="random", n_samples=samples // draws)
    fits = [LIME.explain_fully(detector, image, replace(many, seed=10_000 + draw)).parts for draw in range(draws)]
    return np.mean([fit.weights for fit in fits], axis=0)


Counts = dict[tuple[str, int], list[NDArray[np.float64]]]


def count(
    detector: Detector,
    images: NDArray[np.uint8],
    settings: LimeSettings,
    *,
    samplings: list[str],
    seeds: int,
    reference: int,
) -> Counts:
    """(sampling, samples) -> of each explanation: segments called certain, of these wrong, held by intervals, all."""
    found: Counts = {}
    for image in images:
        truth = reference_weights(detector, image, settings, samples=reference)
        for sampling in samplings:
            for seed in range(seeds):
                own = settings.changed(sampling=sampling, seed=seed)
                for explanation in LIME.explain(detector, image, own):
                    result = explanation.parts
                    error = result.high - result.weights
                    certain = np.abs(result.weights) > error
                    wrong = certain & (np.sign(result.weights) != np.sign(truth))
                    holds = np.abs(result.weights - truth) <= error
                    counts = np.array([certain.sum(), wrong.sum(), holds.sum(), len(error)], np.float64)
                    found.setdefault((sampling, explanation.diagnostics.numbers["samples"]), []).append(counts)
    return found


def rows_of(found: Counts, *, images: int, seeds: int, fill: str) -> list[Row]:
    """A row for each sampling and number of samples."""
    rows = []
    for (sampling, samples), counts in found.items():
        certain, _, holds, total = np.sum(counts, axis=0)
        # segments of one image share its luck, and so do its seeds: images are resampled
        by_image = np.array(counts).reshape(images, -1, 4).sum(axis=1)
        share, low, high, _ = weighted_ratio(by_image[:, 1], by_image[:, 0])
        rows.append(
            Row(
                f"Signs called certain at 95 % that are wrong, {samples} {sampling} samples, {fill} fill, {images} "
                f"images, {seeds} seeds, {int(total):,} segments",
                f"{share:.2%} ({low:.2%} to {high:.2%}); {certain / total:.0%} are called certain; intervals hold the "
                f"truth in {holds / total:.1%}",
                f"{named('lime')} states no certainty",
                asked="at most 5 %",
            )
        )
    return rows


def rows(settings: Settings) -> list[Row]:
    """How often a sign that LIME calls certain is wrong, the truth being ten thousand coin flips: no ratio, a rate."""
    images = load_image_set(settings.data, "test").limited(2 if settings.quick else 8).pixels
    asked, seeds = LimeSettings(n_samples=64 if settings.quick else 256), 1 if settings.quick else 10
    found = count(
        load_detector(find_detector(settings.detector), device="cpu"),
        images,
        asked,
        samplings=["balanced", "random"],
        seeds=seeds,
        reference=500 if settings.quick else 10_000,
    )
    return shown(rows_of(found, images=len(images), seeds=seeds, fill=asked.fill))


def main() -> None:
    """Print a row for each sampling and number of samples."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", default="swift")
    parser.add_argument("--data", default="data/cifake")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--samples", type=int, default=256, help="the steps before it are reported too")
    parser.add_argument("--reference", type=int, default=10_000)
    parser.add_argument("--fill", choices=FILLS, default="mean")
    parser.add_argument("--samplings", nargs="+", default=["balanced", "random"])
    options = parser.parse_args()
    detector = load_detector(find_detector(options.detector))
    images = load_image_set(options.data, "test").limited(options.images).pixels
    settings = LimeSettings(fill=options.fill, n_samples=options.samples)
    found = count(
        detector, images, settings, samplings=options.samplings, seeds=options.seeds, reference=options.reference
    )
    shown(rows_of(found, images=len(images), seeds=options.seeds, fill=options.fill))


if __name__ == "__main__":
    main()
