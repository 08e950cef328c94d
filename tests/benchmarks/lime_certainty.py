"""How often LIME is certain of a sign and wrong, and how often its intervals hold the truth, over repeated seeds.

The truth is the surrogate of coin flips by the thousand: `--reference` of them, averaged over draws of 5,000. A sign
counts as called certain where the interval leaves 0 out, whether or not the effect is worth naming.

python -m tests.benchmarks.lime_certainty [--detector swift] [--data data/cifake] [--images 8] [--seeds 10]
"""

import argparse
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from core.dataset import load_image_set
from core.detector import Detector, load_detector
from core.explain.__main__ import find_detector
from core.explain.lime import explain_lime, explain_lime_fully
from core.explain.results import MAX_SAMPLES, LimeSettings
from core.perturb import FILLS
from core.stats import wilson_interval


def reference_weights(
    detector: Detector, image: NDArray[np.uint8], settings: LimeSettings, *, samples: int
) -> NDArray[np.float64]:
    """Weights from coin flips, `samples` in all, in draws of at most `MAX_SAMPLES`."""
    draws = max(1, round(samples / MAX_SAMPLES))
    many = replace(settings, sampling="random", n_samples=samples // draws)
    fits = [explain_lime_fully(detector, image, settings=replace(many, seed=10_000 + draw)) for draw in range(draws)]
    return np.mean([fit.weights for fit in fits], axis=0)


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
    rows: dict[tuple[str, int], list[NDArray[np.float64]]] = {}
    for image in images:
        settings = LimeSettings(fill=options.fill, n_samples=options.samples)
        truth = reference_weights(detector, image, settings, samples=options.reference)
        for sampling in options.samplings:
            for seed in range(options.seeds):
                for result in explain_lime(detector, image, settings=replace(settings, sampling=sampling, seed=seed)):
                    error = result.high - result.weights
                    certain = np.abs(result.weights) > error
                    wrong = certain & (np.sign(result.weights) != np.sign(truth))
                    holds = np.abs(result.weights - truth) <= error
                    counts = np.array([certain.sum(), wrong.sum(), holds.sum(), len(error)], np.float64)
                    rows.setdefault((sampling, result.health.samples), []).append(counts)
    print(f"{detector.name}, {len(images)} images, {options.seeds} seeds, fill {options.fill}, 95 % intervals")
    print(
        f"{'sampling':<10}{'samples':>8}{'segments':>10}{'certain':>9}{'wrong sign':>12}{'(95 % interval)':>18}"
        f"{'coverage':>10}"
    )
    for (sampling, samples), counts in rows.items():
        certain, wrong, holds, total = np.sum(counts, axis=0)
        low, high = wilson_interval(int(wrong), int(certain))
        share = wrong / certain if certain else 0.0
        print(
            f"{sampling:<10}{samples:>8}{int(total):>10}{certain / total:>9.1%}{share:>12.2%}"
            f"{f'{low:.2%} to {high:.2%}':>18}{holds / total:>10.1%}"
        )


if __name__ == "__main__":
    main()
