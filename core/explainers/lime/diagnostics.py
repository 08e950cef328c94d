"""Diagnostics of LIME: how much data an explanation rests on, and why its map shows one colour or none."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from core.explainers.explanation import Diagnostics, OneColour
from core.perturbations.masking import Fill, mask_batch

Margins = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
# one direction holds this share of all movement: "every segment the same way"
SAME_WAY = 0.9
# fewest and most segments filled one at a time to judge a fill; with fewer, a common direction may be chance
MIN_PROBES, MAX_PROBES = 5, 24
ONE_COLOUR: dict[OneColour, str] = {
    "": "",
    "nothing decided": "No colour: no segment's effect is both clear of sampling error and worth naming.",
    "one segment": "One colour only: there is one segment; use SLIC or the grid with more.",
    "one sign": "One colour only: every decided segment points the same way.",
    "fill": "One colour only, and the fill is the cause: try another fill.",
}


def lime_diagnostics(
    regions: NDArray[np.int32],
    decisions: NDArray[np.int8],
    cause: OneColour,
    *,
    numbers: Mapping[str, float],
    aim: int | None,
) -> Diagnostics:
    """The diagnostics of LIME on regions.

    Args:
        regions: int32 (height, width).
        decisions: int8 (S,), 1, -1 or 0 a region.
        cause: from `one_colour`.
        numbers: see `Weighed.numbers`.
        aim: number of regions requested; None without such a request.
    """
    count = len(decisions)
    area = float(np.isin(regions, np.flatnonzero(decisions)).mean())
    sentence = (
        f"{count} segment{'s' if count > 1 else ''}{f' (of {aim} requested)' if aim else ''}, "
        f"{numbers['distinct']} different versions of the image in {numbers['samples']} samples; the surrogate "
        f"explains {max(numbers['r2'], 0):.0%} of the variance, and {area:.0%} of the area is decided."
    )
    about = {"segments": count, "decided_share": area, **numbers}
    return Diagnostics(f"{sentence} {ONE_COLOUR[cause]}".strip(), cause, about)


def with_holding(diagnostics: Diagnostics, decisions: NDArray[np.int8], holds: NDArray[np.bool_]) -> Diagnostics:
    """Add how many of the decided segments have the same sign under every fill."""
    decided, held = int(np.count_nonzero(decisions)), int(np.count_nonzero(holds))
    if not decided:
        return diagnostics
    sentence = (
        f"{diagnostics.sentence} Of {decided} decided segment{'s' if decided > 1 else ''}, {held} speak the same way "
        "under every fill."
    )
    return replace(diagnostics, sentence=sentence, numbers={**diagnostics.numbers, "hold": held})


def one_colour(
    decisions: NDArray[np.int8],
    fill: Fill,
    margins: Margins | None,
    *,
    image: NDArray[np.uint8],
    regions: NDArray[np.int32],
    seed: int,
) -> OneColour:
    """Find why a map shows one colour or none.

    Args:
        decisions: int8 (S,), 1, -1 or 0 a region.
        fill: what a covered region showed.
        margins: a score that grows towards REAL; called only for a map of one colour. None leaves open whether the fill
            is the cause.
        image: uint8 (height, width, 3).
        regions: int32 (height, width).
        seed: of random fills.
    """
    signs = set(decisions[decisions != 0].tolist())
    if len(signs) != 1:
        return "" if signs else "nothing decided"
    if len(decisions) == 1:
        return "one segment"
    if len(decisions) < MIN_PROBES or margins is None:
        return "one sign"
    own, other = movement(margins, image, regions, fills=(fill, "texture" if fill != "texture" else "mean"), seed=seed)
    one_way = 2 * SAME_WAY - 1
    return "fill" if abs(own) >= one_way and other * np.sign(own) < one_way else "one sign"


def movement(
    margins: Margins, image: NDArray[np.uint8], segments: NDArray[np.int32], *, fills: tuple[Fill, Fill], seed: int
) -> tuple[float, float]:
    """Measure which way each of two fills moves a score, with up to `MAX_PROBES` segments filled one at a time.

    Returns:
        For each fill, the sum of the movements over the sum of their magnitudes: 1 where all are towards REAL, -1 where
        all are towards FAKE, 0 where nothing moves.
    """
    count = int(segments.max()) + 1
    chosen = np.unique(np.linspace(0, count - 1, min(count, MAX_PROBES)).round().astype(int))
    keep = np.ones((len(chosen) + 1, count), bool)
    keep[np.arange(len(chosen)), chosen] = False
    batches = [mask_batch(image, segments, keep=keep, fill=fill, seed=seed) for fill in fills]
    found = margins(np.concatenate(batches)).astype(np.float64).reshape(2, -1)
    moved = found[:, :-1] - found[:, -1:]
    total = np.abs(moved).sum(axis=1)
    balance = np.divide(moved.sum(axis=1), total, out=np.zeros(2), where=total > 0)
    return float(balance[0]), float(balance[1])
