"""How often an explanation shows one colour only: the paper's first complaint about LIME, answered with numbers.

For each setting and verdict: the share of images whose weights all have one sign, as lime draws them; the share whose
weights are all against the verdict, the paper's "uniformly red"; and the share whose decided segments show one colour
or none, with the cause that the explanation itself names.

python -m tests.benchmarks.one_colour [--detector swift] [--data data/cifake] [--images 500] [--json FILE]

A JSON file that holds settings of the same detector and images already is added to: settings can be run one by one.
"""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.detectors.detector import Detector
from core.detectors.storage import load_detector
from core.explain import find_detector
from core.explainers.explanation import Explanation
from core.explainers.lime.regions import LIME, LimeSettings
from core.images.loading import load_image_set
from core.perturbations.masking import FILLS
from core.runs.metrics import wilson_interval
from tests.benchmarks.table import NOTHING, Row, Settings, named, shown

SETTINGS: dict[str, LimeSettings] = {
    "paper": LimeSettings.paper(),
    **{f"ours, {fill} fill": LimeSettings(fill=fill) for fill in FILLS},
}
CAUSES = ("one segment", "nothing decided", "fill", "one sign")


def summary(results: list[Explanation]) -> dict[str, Any]:
    """Counts over the explanations of images with one verdict."""
    signs = [set(np.sign(result.parts.weights).astype(int).tolist()) - {0} for result in results]
    against = [(np.sign(r.parts.weights) == (-1 if r.verdict == "REAL" else 1)).all() for r in results]
    causes = Counter(result.diagnostics.one_colour for result in results)
    return {
        "images": len(results),
        "weights_one_sign": sum(len(found) < 2 for found in signs),
        "all_against_the_verdict": int(sum(against)),
        "decided_one_colour": sum(causes[cause] for cause in CAUSES),
        **{f"cause_{cause.replace(' ', '_')}": causes[cause] for cause in CAUSES},
        "segments_mean": float(np.mean([result.diagnostics.numbers["segments"] for result in results]))
        if results
        else None,
        "decided_share_mean": float(np.mean([result.diagnostics.numbers["decided_share"] for result in results]))
        if results
        else None,
    }


def measure(detector: Detector, images: NDArray[np.uint8], settings: LimeSettings) -> dict[str, dict[str, Any]]:
    """Verdict -> `summary`, and "both"."""
    results = [LIME.explain_fully(detector, image, settings) for image in images]
    by_verdict = {name: [result for result in results if result.verdict == name] for name in ("FAKE", "REAL")}
    return {name: summary(found) for name, found in {**by_verdict, "both": results}.items()}


def print_table(name: str, found: dict[str, dict[str, Any]]) -> None:
    """Three lines of the table."""
    for verdict, row in found.items():
        images = row["images"]
        if not images:
            continue
        low, high = wilson_interval(row["decided_one_colour"], images)
        causes = ", ".join(f"{cause} {row['cause_' + cause.replace(' ', '_')] / images:.1%}" for cause in CAUSES)
        print(
            f"{name:<20}{verdict:<6}{images:>5} images   weights of one sign {row['weights_one_sign'] / images:>6.1%}"
            f"   all against the verdict {row['all_against_the_verdict'] / images:>6.1%}   decided of one colour or "
            f"none {row['decided_one_colour'] / images:>6.1%} ({low:.1%} to {high:.1%}): {causes}; "
            f"{row['decided_share_mean']:.0%} of the area decided",
            flush=True,
        )


def rows(settings: Settings) -> list[Row]:
    """How many LIME explanations show one colour only: the paper's settings against ours with each fill."""
    detector = load_detector(find_detector(settings.detector), device="cpu")
    images = load_image_set(settings.data, "test").limited(2 if settings.quick else 500).pixels
    found = {name: measure(detector, images, lime)["both"] for name, lime in SETTINGS.items()}
    shares = {name: part["weights_one_sign"] / part["images"] for name, part in found.items()}
    result = []
    for name, part in found.items():
        low, high = wilson_interval(part["weights_one_sign"], part["images"])
        result.append(
            Row(
                f"LIME explanations whose weights all have one sign, {name}, {part['images']} images",
                f"{shares[name]:.1%} ({low:.1%} to {high:.1%}); decided segments of one colour or none "
                f"{part['decided_one_colour'] / part['images']:.1%}",
                f"the paper's settings, as in {named('lime')}: {shares['paper']:.1%}",
                f"{shares['paper'] / shares[name]:.1f}" if shares[name] else NOTHING,
            )
        )
    return shown(result)


def main() -> None:
    """Measure, print and, if asked, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", default="swift")
    parser.add_argument("--data", default="data/cifake")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--settings", nargs="+", choices=tuple(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    detector = load_detector(find_detector(options.detector))
    chosen = load_image_set(options.data, "test").limited(options.images)
    report: dict[str, Any] = {
        "detector": detector.name,
        "detector_sha256": detector.sha256,
        "images_fingerprint": chosen.fingerprint,
        "images": len(chosen),
        "settings": {},
    }
    if options.json and options.json.exists():
        before = json.loads(options.json.read_text(encoding="utf-8"))
        if all(before.get(key) == report[key] for key in ("detector_sha256", "images_fingerprint")):
            report["settings"] = before["settings"]
    for name in options.settings:
        found = measure(detector, chosen.pixels, SETTINGS[name])
        report["settings"][name] = {"lime": SETTINGS[name].model_dump(), "by_verdict": found}
        print_table(name, found)
        if options.json:
            options.json.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
