"""Probes of the layout: blocks shuffled, places hidden, the whole picture moved. Needs no torch."""

import numpy as np
from numpy.typing import NDArray

from core.perturbations import spatial
from core.perturbations.batch import BLOCKS, Batch, Pixels, block_side
from core.perturbations.probe import LABELLED, Probe, Strength, steps

_SIDES = tuple(Strength(f"{LABELLED // parts}", f"{LABELLED // parts} pixels", parts, parts=parts) for parts in BLOCKS)
_FILLS = (Strength("texture", "its own texture", 0), Strength("flat", "its mean colour", 1))
_SQUARES = {
    "centre": "the centre",
    "top_left": "the upper left quarter",
    "top_right": "the upper right quarter",
    "bottom_left": "the lower left quarter",
    "bottom_right": "the lower right quarter",
}
# control frames: inset from the border, as a share of the side (1 and 4 pixels of 32), and name
_FURTHER = {"frame_32": (1 / 32, "a frame just inside the border"), "frame_8": (1 / 8, "a frame further in")}


def _cut(batch: Batch, parts: float) -> tuple[Pixels, int]:
    """The pictures and the side of their blocks."""
    return batch.pixels, block_side(batch.side, int(parts))


def _order(batch: Batch, parts: float) -> NDArray[np.int64]:
    return batch.chance.orders[int(parts)]


def _hide(batch: Batch, mask: NDArray[np.bool_], fill: float) -> Pixels:
    return spatial.hidden(batch.pixels, mask, None if fill else batch.textures)


def _frame(batch: Batch, inset: float, fill: float) -> Pixels:
    return _hide(batch, spatial.frame_mask(inset, side=batch.side), fill)


LAYOUT = (
    Probe(
        "shuffle_blend", "blocks", "Shuffling blocks without seams",
        "Square blocks change places and are joined so that no seam shows.",
        _SIDES, lambda batch, parts: spatial.without_seams(*_cut(batch, parts), _order(batch, parts)),
        "the order of its parts, its shape", ("shuffle_blend_stay",),
        way="blended", others={"seam": ("shuffle", "shuffle_fade")},
    ),
    Probe(
        "shuffle_blend_stay", "blocks", "Cutting and joining blocks in place",
        "The same blocks are cut and joined in the same way, each in its own place: a smaller change than shuffling.",
        _SIDES, lambda batch, parts: spatial.without_seams(*_cut(batch, parts)),
        "being cut and joined", is_control=True,
    ),
    Probe(
        "shuffle", "blocks", "Shuffling blocks", "Square blocks change places, and hard seams stay between them.",
        _SIDES, lambda batch, parts: spatial.shuffled(*_cut(batch, parts), _order(batch, parts)),
        "the order of its parts, its shape", ("shuffle_turn",), way="hard",
    ),
    Probe(
        "shuffle_turn", "blocks", "Turning blocks in place",
        "Each block is turned upside down where it is: seams without shuffling, and a smaller change.",
        _SIDES, lambda batch, parts: spatial.rotated_in_blocks(*_cut(batch, parts)),
        "having no seams", is_control=True,
    ),
    Probe(
        "shuffle_fade", "blocks", "Shuffling blocks with cross-fades",
        "Square blocks change places and fade into each other.",
        _SIDES, lambda batch, parts: spatial.cross_faded(*_cut(batch, parts), _order(batch, parts)),
        "the order of its parts, its shape", ("shuffle_fade_turn",), way="cross-faded",
    ),
    Probe(
        "shuffle_fade_turn", "blocks", "Cross-fading blocks in place",
        "Each block is turned upside down where it is, and fades into its neighbours: a smaller change.",
        _SIDES, lambda batch, parts: spatial.cross_faded(*_cut(batch, parts)),
        "having no fades", is_control=True,
    ),
    *(
        Probe(
            f"hide_{place}", "place", f"Hiding {name}", f"A quarter of the picture, {name}, is covered.",
            _FILLS, lambda batch, fill, place=place: _hide(batch, spatial.place_mask(place, side=batch.side), fill),  # type: ignore[misc]
            f"what is in {name}", tuple(f"hide_{other}" for other in _SQUARES if other != place),
            strengths_are="fill",
        )
        for place, name in _SQUARES.items()
    ),
    Probe(
        "hide_border", "place", "Hiding the border", "A frame a sixteenth as wide as the picture is covered.",
        _FILLS, lambda batch, fill: _frame(batch, 0, fill),
        "what is along the border", tuple(f"hide_{name}" for name in _FURTHER), strengths_are="fill",
    ),
    *(
        Probe(
            f"hide_{key}", "place", f"Hiding {name}",
            f"As wide a frame is covered, {inset:.0%} of the side further in.",
            _FILLS, lambda batch, fill, inset=inset: _frame(batch, inset, fill),  # type: ignore[misc]
            "being whole", is_control=True,
        )
        for key, (inset, name) in _FURTHER.items()
    ),
    Probe(
        "mirror", "geometry", "Mirroring", "Left and right change places.",
        (Strength("all", "whole picture", 0),), lambda batch, _: spatial.mirrored(batch.pixels),
        "what is left and what is right",
    ),
    Probe(
        "shift", "geometry", "Shifting", "The picture moves to the right.",
        steps((1,), "{} pixels"), lambda batch, by: spatial.shifted(batch.pixels, int(by)),
        "the exact place of its pixels",
    ),
    Probe(
        "turn", "geometry", "Rotating", "The picture is turned.",
        tuple(Strength(f"{90 * quarters}", f"{90 * quarters}°", quarters) for quarters in (1, 2, 3)),
        lambda batch, quarters: spatial.rotated(batch.pixels, int(quarters)), "which way is up", strengths_are="angle",
    ),
)  # fmt: skip
