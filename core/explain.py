"""Explain one image from a notebook: load a detector by its name, explain a file or an array, and draw the result."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from core.arrays import Pixels
from core.explainers.drawing import draw_explanation
from core.explainers.explanation import Explanation
from core.explainers.registry import find_explainer
from core.explainers.settings import ExplanationError
from core.images.decoding import MAX_BYTES, ImageError, decode
from core.images.preprocessing import prepare_pixels
from core.runs.folders import find_detector
from core.storage.limits import read_bytes

if TYPE_CHECKING:
    from core.detectors.detector import Detector


def open_detector(name: str | Path, *, device: str = "auto") -> "Detector":
    """Load a detector that is here by its name, or from its folder.

    Args:
        name: of the detector, or its folder.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        ContractError: there is none, or it cannot be read.
        ValueError: there is no such device here.
    """
    # torch is read once it is known what to do
    from core.detectors.storage import load_detector  # noqa: PLC0415

    return load_detector(find_detector(name), device=device)


def explain_image(
    detector: "Detector", image: str | Path | Pixels, method: str = "lime", **settings: Any
) -> Explanation:
    """Explain an image as the detector sees it; `draw` makes a picture of the result.

    Args:
        detector: from `open_detector`.
        image: an image file, or uint8 (height, width, 3).
        method: name of an explainer; `telltale explain --list` shows them.
        settings: of that explainer, in place of its defaults.

    Raises:
        ExplanationError: there is no such method, or the detector lacks what it needs.
        ValueError: there is no such setting, or it is out of range.
        ImageError: the file is not an image that can be read, or the array is none.
    """
    explainer = find_explainer(method)
    refusal = explainer.unavailable(detector.about)
    if refusal:
        raise ExplanationError(refusal)
    if isinstance(image, str | Path):
        pixels = decode(read_bytes(Path(image), limit=MAX_BYTES))
    else:
        pixels = np.asarray(image)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ImageError(f"the image is {pixels.dtype} {pixels.shape}; give uint8 (height, width, 3), 0 to 255")
    ready = prepare_pixels(pixels, detector.preprocessing)
    return explainer.explain_fully(detector, ready.seen(ready.usual), explainer.settings(**settings))


def draw(explanation: Explanation) -> Image.Image:
    """Draw an explanation's map over its image; a notebook shows the result as a picture."""
    return Image.fromarray(draw_explanation(explanation))
