"""The metrics of a test as a command prints them, beside the paper's."""

from collections.abc import Mapping
from typing import Any

from core.images.labels import CLASSES
from core.metrics.classification import ECE_BINS
from core.runs.paper import PAPER


def result_table(metrics: Mapping[str, Any], *, beside_paper: bool) -> str:
    """Format the metrics of a test like the paper's Table 1 and its confusion matrix.

    Args:
        metrics: from a run's manifest.
        beside_paper: add the paper's figures, which are from its own image set.
    """

    def paper(text: object) -> str:
        return f"(paper {text})" if beside_paper else ""

    lines = [""]
    for label in CLASSES:
        ours, theirs = metrics["per_class"][label], PAPER["per_class"][label]
        rates = " ".join(f" {key} {ours[key]:.3f} {paper(theirs[key])}" for key in ("precision", "recall", "f1"))
        lines.append(f"{label} {rates}  images {ours['support']}")
    auroc = "none" if metrics["auroc"] is None else f"{metrics['auroc']:.4f}"
    lines.append(f"accuracy {metrics['accuracy']:.4f} {paper(PAPER['accuracy'])}")
    lines.append(f"AUROC {auroc}  calibration error {metrics['ece']:.4f} ({ECE_BINS} bins)")
    for label, ours, theirs in zip(CLASSES, metrics["confusion"], PAPER["confusion"], strict=True):
        lines.append(f"true {label}: called FAKE {ours[0]}, called REAL {ours[1]} {paper(f'{theirs[0]}, {theirs[1]}')}")
    return "\n".join(lines)
