"""Rings of the spectrum as players: how much each of eight gives to the margin, by exact Shapley values (Shapley 1953).

All 256 sets of rings are judged, so nothing is drawn or fitted. A ring that is absent is removed; the mean colour
always stays. Needs no torch.
"""

from collections.abc import Iterator
from itertools import pairwise
from math import comb
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from core.explainers.explainer import BatchExplainer, Cancel, Cancelled, Pixels, check_finite
from core.explainers.explanation import Diagnostics, Explanation, Parts
from core.explainers.settings import ExplainerSettings
from core.perturbations.frequency import NYQUIST, OUTERMOST, ring, to_pixels, wave_length

if TYPE_CHECKING:
    from core.detectors.detector import Detector

RINGS = 8
# radii of the rings' outer edges; the last ring includes the corners
EDGES = tuple(NYQUIST * number / RINGS for number in range(RINGS + 1))
# bool (256, RINGS): which rings each version keeps, none first, all last
SETS = (np.arange(2**RINGS)[:, None] >> np.arange(RINGS) & 1).astype(bool)
# parts with a smaller effect, as a share of the margin, have no colour
LEAST = 0.01


class RingEffects(NamedTuple):
    """Effects of the rings, float64 (..., RINGS) each, in margins towards REAL.

    Attributes:
        shapley: the mean gain over all orders in which rings could come; they add up to what all rings give.
        alone: the gain of a ring with no other there.
        last: the gain of a ring when all others are there.
    """

    shapley: NDArray[np.float64]
    alone: NDArray[np.float64]
    last: NDArray[np.float64]


def ring_effects(margins: NDArray[np.floating]) -> RingEffects:
    """Compute the effects of rings from the margins of all versions, (..., 256) in the order of `SETS`."""
    values, sizes = np.asarray(margins, np.float64), SETS.sum(axis=1)
    # of a ring: how likely it is to come after exactly these others
    likely = np.array([1 / (RINGS * comb(RINGS - 1, before)) for before in range(RINGS)] + [0.0])
    weights = np.where(SETS, likely[sizes - 1][:, None], -likely[sizes][:, None])
    single = 2 ** np.arange(RINGS)
    return RingEffects(
        values @ weights, values[..., single] - values[..., :1], values[..., -1:] - values[..., -1 - single]
    )


def ring_versions(image: Pixels, absent: NDArray[np.floating] | None = None) -> Pixels:
    """Make every version of an image: uint8 (256, side, side, 3), in the order of `SETS`.

    Args:
        image: uint8 (side, side, 3).
        absent: float (RINGS, side, side, 3), `ring_parts` of an image that stand in for absent ones; None for nothing.
    """
    own = ring_parts(image)
    others = np.zeros_like(own) if absent is None else absent
    rest = image.mean(axis=(0, 1), dtype=np.float64) + others.sum(axis=0)
    kept = np.tensordot(SETS.astype(np.float32), (own - others).astype(np.float32), 1)
    return to_pixels(kept + rest.astype(np.float32))


def ring_parts(image: NDArray[Any]) -> NDArray[np.float64]:
    """Split an image, (side, side, 3) of 0..255, into its rings: float64 (RINGS, side, side, 3), without the mean."""
    side, spectrum = len(image), fft.rfft2(np.asarray(image, np.float64), axes=(0, 1))
    ends = (*EDGES[:-1], OUTERMOST)
    masks = np.stack([ring(low, high, side=side) for low, high in pairwise(ends)])
    return np.asarray(fft.irfft2(spectrum * masks[..., None], s=(side, side), axes=(1, 2)))


def ring_label(number: int) -> str:
    """Name a ring by its wavelengths in pixels: "waves of 4 to 5.3 pixels"."""
    longest, shortest = (f"{wave_length(edge):.2g}" if edge else "" for edge in EDGES[number : number + 2])
    return f"waves of {shortest} to {longest} pixels" if longest else f"waves of {shortest} pixels and more"


class Rings(BatchExplainer[ExplainerSettings]):
    """The explainer; see the module. Nothing can be set: all sets of rings are judged."""

    name = "rings"
    title = "Rings of the spectrum"
    sentence = "How much each fineness of detail gives to the score, alone and in company: all combinations are tried."
    settings = ExplainerSettings
    has_map = False

    def batch_size(self, detector: "Detector", settings: ExplainerSettings) -> int:  # noqa: ARG002
        """See `BatchExplainer.batch_size`."""
        return 1

    def explain_part(
        self,
        detector: "Detector",
        pixels: Pixels,
        settings: ExplainerSettings,  # noqa: ARG002 - there are none
        cancel: Cancel | None,
    ) -> Iterator[dict[str, Any]]:
        """See `BatchExplainer.explain_part`."""
        for image in pixels:
            if cancel is not None and cancel():
                raise Cancelled
            margins = detector.margins(ring_versions(image))
            check_finite(detector, margins)
            effects = ring_effects(margins)
            weights = effects.shapley
            named = np.abs(weights) >= LEAST * abs(float(margins[-1]))
            parts = Parts(
                labels=tuple(ring_label(number).capitalize() for number in range(RINGS)),
                weights=weights,
                low=weights,
                high=weights,
                decisions=np.where(named, np.sign(weights), 0).astype(np.int8),
                confidence=1.0,
            )
            numbers = {f"{kind} {number}": float(value) for kind in ("alone", "last")
                       for number, value in enumerate(getattr(effects, kind))}  # fmt: skip
            yield {
                "margin": float(margins[-1]),
                "unit": "margin",
                "diagnostics": Diagnostics("", numbers={"without rings": float(margins[0]), **numbers}),
                "parts": parts,
            }

    def cost(self, settings: ExplainerSettings) -> int:  # noqa: ARG002
        """See `Explainer.cost`."""
        return len(SETS)

    def reading(self, explanation: Explanation) -> str:  # noqa: ARG002
        """See `Explainer.reading`."""
        return (
            "A picture is a sum of waves, from broad shading to the finest detail. All 256 combinations of eight rings "
            "of waves were judged; a bar is what its ring adds to the score for REAL, averaged over all orders in "
            "which the rings could come. Together with the mean colour the bars make up the score exactly."
        )


RINGS_EXPLAINER = Rings()
