"""What is found of a detector that is being added, in words: for the terminal, a page and its card."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.detectors.network import NetworkDetector


@dataclass(frozen=True)
class Checked:
    """The result of `check`.

    Attributes:
        margins: float32 (8,), of the reference pictures.
        pictures: number of labelled images; 0 if none were given.
        right: number of labelled images that are predicted correctly.
        warning: a sentence on a suspicious finding; "" without one.
    """

    margins: NDArray[np.float32]
    pictures: int = 0
    right: int = 0
    warning: str = ""


def describe_in_words(detector: NetworkDetector, checked: Checked) -> dict[str, str]:
    """Describe a detector that is being added, for the terminal, a page and its card: heading -> words."""
    preprocessing, classes = detector.preprocessing, detector.classes
    numbers: Callable[[Any], str] = lambda values: ", ".join(f"{value:.4g}" for value in values)  # noqa: E731
    after = f"the shorter side is resized to {preprocessing.resize}, then the centre is cut out"
    crops: Mapping[str, str] = {
        "before": "the central square is cut out, then resized",
        "after": after,
        "after_floor": after,
        "none": "the picture is stretched to a square",
    }
    known = f"right on {checked.right:,} of {checked.pictures:,} pictures with known answers"
    layers = [f"{name} ({height} x {width})" for name, (height, width) in detector.layers.items()]
    return {
        "Input": f"{preprocessing.size} x {preprocessing.size} pixels; {crops[preprocessing.crop]}",
        "Interpolation": preprocessing.interpolation,
        "Mean and deviation": f"{numbers(preprocessing.mean)} and {numbers(preprocessing.std)}, of values in 0..1",
        "Outputs": f"{', '.join(classes.names)} ({classes.outputs})",
        "FAKE": ", ".join(classes.fake) or "whatever the one output does not speak for",
        "Target layer": detector.target_layer or "none: it gives predictions only",
        "Layers": ", ".join(layers) or "none",
        "Margins of eight pictures": ", ".join(f"{margin:+.2f}" for margin in checked.margins),
        "Check": known if checked.pictures else "no pictures with known answers were given",
        **({"Note": checked.warning} if checked.warning else {}),
    }


def model_card(detector: NetworkDetector, checked: Checked) -> str:
    """Write the card of a detector that others made, as Markdown."""
    rows = "\n".join(f"- {heading}: {words}" for heading, words in describe_in_words(detector, checked).items())
    return f"""# Detector `{detector.name}`

Made by others, added from `{detector.manifest["source"]}`. What it was trained on is not known here, so leaks between
its training set and an image set are not found.

{rows}

## Not for

- Deciding whether any picture from the world is real.
- Evidence against a person.
"""
