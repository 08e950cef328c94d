"""Is a score a function of the image? How a margin depends on the batch, on repetition and on rounding."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from core.arrays import Float64, Pixels
from core.detectors.detector import Detector
from core.detectors.manifest import STEADY
from core.images.labels import FAKE, REAL

# the least change of an input: its last bit, one part in ten million
LAST_BIT = 2.0**-23
# times that every input is repeated, and that it is changed so
DRAWS = 4


def measure_noise(detector: Detector, pixels: Pixels) -> tuple[Detector, dict[str, str]]:
    """Measure a detector's margins alone, in a batch, twice, and with the last bits of its inputs changed at random.

    Args:
        detector: one whose margins depend on the batch is returned as one that takes images one by one.
        pixels: uint8 (N, S, S, 3).

    Returns:
        The detector, with `noise` in its manifest where its margins change by more than `STEADY` though the image is
        the same; and what is to be said of that, heading -> words.
    """
    inputs = detector.inputs(pixels)

    def together(batch: Tensor) -> Float64:
        with torch.inference_mode():
            scores = detector.scores(batch).double().cpu().numpy()
        return scores[:, REAL] - scores[:, FAKE]

    def alone(batch: Tensor) -> Float64:
        return np.concatenate([together(image) for image in torch.split(batch, 1)])

    noise = _spread(together, inputs)
    remarks = {}
    about = detector.about
    manifest = dict(detector.manifest)
    first, *again = (together(inputs) for _ in range(DRAWS))
    # of one that draws at random, two may differ by twice as much as any of some from the first
    apart = float(np.abs(alone(inputs) - first).max())
    chance = float(np.abs(np.stack(again) - first).max())
    if apart > max(STEADY, 2 * chance):
        noise = _spread(alone, inputs)
        about = replace(about, config={**about.config, "one_by_one": True}, target_layer="")
        remarks["One by one"] = f"in a batch its margin depends on the other images, by {apart:.2g}"
    if noise > STEADY:
        manifest["noise"] = noise
        remarks["Noise"] = f"its margin is uncertain by {noise:.2g}: it changes so much though the image is the same"
    if not remarks:
        return detector, {}
    return detector.from_about(detector.network, about, manifest=manifest, device=detector.device), remarks


def _spread(margins: Callable[[Tensor], Float64], inputs: Tensor) -> float:
    """Return the largest change of a margin from the first time to the second, and to those with other last bits."""
    first = margins(inputs)
    generator = torch.Generator().manual_seed(0)
    signs = (torch.randint(-1, 2, inputs.shape, generator=generator).to(inputs.device) for _ in range(DRAWS))
    again = [margins(inputs), *(margins(inputs * (1 + LAST_BIT * sign)) for sign in signs)]
    return float(np.abs(np.stack(again) - first).max())
