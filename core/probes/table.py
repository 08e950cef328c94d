"""The probes: small changes that have a name, each with strengths, plain words, and the control that fits it.

A probe changes one nameable thing and asks whether the verdict turns. Its controls do as much to the picture without
the thing that is meant, so that what turns under a control as well says nothing. Needs no torch.
"""

import numpy as np
from numpy.typing import NDArray

from core.edits import photometric, spatial
from core.edits.frequency import attenuated_elsewhere, ring, transplanted, transplanted_elsewhere, without
from core.probes.batch import BLOCKS, Batch, Pixels
from core.probes.probe import LABELLED, Probe, Strength, radii, steps, wave_length

BANDS: dict[str, tuple[float, float]] = {"16_23": (16, 23), "12_16": (12, 16), "8_12": (8, 12), "4_8": (4, 8)}
_CUTOFFS = radii((14, 12, 10, 8), "waves under {} pixels")
_SWAPS = radii((12, 10, 8), "waves under {} pixels")
_RINGS = tuple(
    Strength(key, f"{low:g} to {high:g}", index, f"waves of {wave_length(high)} to {wave_length(low)} pixels")
    for index, (key, (low, high)) in enumerate(BANDS.items())
)
_SIDES = tuple(Strength(f"{LABELLED // parts}", f"{LABELLED // parts} pixels", parts, parts=parts) for parts in BLOCKS)
_FILLS = (Strength("texture", "its own texture", 0), Strength("flat", "its mean colour", 1))
_PLACE_NAMES = {
    "centre": "the centre",
    "border": "the border",
    "top_left": "the upper left quarter",
    "top_right": "the upper right quarter",
    "bottom_left": "the lower left quarter",
    "bottom_right": "the lower right quarter",
}


def _band(batch: Batch, value: float) -> NDArray[np.bool_]:
    return ring(*tuple(BANDS.values())[int(value)], side=batch.side)


def _hide(batch: Batch, masks: NDArray[np.bool_], fill: float) -> Pixels:
    return spatial.hidden(batch.pixels, masks, None if fill else batch.textures)


_LEVELS = (
    Probe(
        "levels", "levels", "Fewer grey levels", "Every value is rounded to a multiple of a step.",
        steps((2, 4, 8, 16), "steps of {}"), lambda batch, step: photometric.rounded(batch.pixels, int(step)),
        "differences in value smaller than the step",
    ),
    Probe(
        "noise", "levels", "Noise", "A whole number up to plus or minus this many is added to every value.",
        steps((1, 2, 4), "±{}"),
        lambda batch, most: photometric.with_noise(batch.pixels, batch.chance.uniform, int(most)),
        "differences in value as small as the noise",
    ),
)  # fmt: skip

_DETAIL = (
    Probe(
        "lowpass", "detail", "Fine detail out", "All detail finer than a radius of the spectrum is removed.",
        _CUTOFFS, lambda batch, radius: without(batch.spectra, ring(radius, side=batch.side)),
        "its finest detail", ("lowpass_control",),
    ),
    Probe(
        "lowpass_control", "detail", "As much coarse detail out",
        "As much energy is taken from the coarser detail instead.",
        _CUTOFFS, lambda batch, radius: attenuated_elsewhere(batch.spectra, ring(radius, side=batch.side)),
        "energy as such", is_control=True,
    ),
    Probe(
        "highpass", "detail", "Coarse shading out", "The mean stays; all shading coarser than a radius is removed.",
        radii((1, 2, 4), "waves of {} pixels and more"),
        lambda batch, radius: without(batch.spectra, ring(0, radius, side=batch.side)),
        "its coarse light and shade",
    ),
    Probe(
        "ring", "detail", "One ring of the spectrum out", "Detail of one range of fineness is removed.",
        _RINGS, lambda batch, band: without(batch.spectra, _band(batch, band)),
        "detail of this fineness", ("ring_control",),
    ),
    Probe(
        "ring_control", "detail", "As much from other rings out",
        "As much energy is taken from all other rings instead.",
        _RINGS, lambda batch, band: attenuated_elsewhere(batch.spectra, _band(batch, band)),
        "energy as such", is_control=True,
    ),
)  # fmt: skip

_TRANSPLANT = (
    Probe(
        "transplant", "transplant", "Fine detail of the other class in",
        "All detail finer than a radius is replaced by that of an image of the other verdict.",
        _SWAPS, lambda batch, radius: transplanted(batch.spectra, batch.other_spectra, ring(radius, side=batch.side)),
        "its finest detail", ("transplant_same", "transplant_elsewhere"), "other",
    ),
    Probe(
        "transplant_same", "transplant", "Fine detail of the same class in",
        "All detail finer than a radius is replaced by that of another image of the same verdict.",
        _SWAPS, lambda batch, radius: transplanted(batch.spectra, batch.same_spectra, ring(radius, side=batch.side)),
        "detail that fits the picture", needs="same", is_control=True,
    ),
    Probe(
        "transplant_elsewhere", "transplant", "As much coarse detail of the other class in",
        "As much change of energy, from the same image of the other verdict, is put into the coarser detail instead.",
        _SWAPS,
        lambda batch, radius: transplanted_elsewhere(
            batch.spectra, batch.other_spectra, ring(radius, side=batch.side)
        ),
        "change as such", needs="other", is_control=True,
    ),
    Probe(
        "lend", "transplant", "Its fine detail into the other class",
        "An image of the other verdict gets this image's detail finer than a radius.",
        _SWAPS,
        lambda batch, radius: transplanted(batch.other_spectra, batch.spectra, ring(radius, side=batch.side)),
        "its finest detail", needs="other", changes_donor=True,
    ),
)  # fmt: skip

_COLOUR = (
    Probe(
        "fade", "colour", "Less colour", "Colour fades towards grey; brightness stays.",
        (Strength("50", "half", 0.5), Strength("grey", "grey", 0.0)),
        lambda batch, factor: photometric.saturated(batch.pixels, factor), "its colours",
    ),
    Probe(
        "saturate", "colour", "More colour", "Colour is made stronger; brightness stays.",
        (Strength("150", "half as much again", 1.5),),
        lambda batch, factor: photometric.saturated(batch.pixels, factor), "how strong its colours are",
    ),
    Probe(
        "hue", "colour", "Other hues", "All hues are turned round the colour circle; brightness stays.",
        steps((30, 180), "{}°"), lambda batch, degrees: photometric.hue_rotated(batch.pixels, degrees), "its hues",
    ),
    Probe(
        "tint", "colour", "Mean colour of the other class",
        "The mean of red, green and blue moves to that of the class that the image is not called.",
        (Strength("half", "half the way", 0.5), Strength("full", "all the way", 1.0)),
        lambda batch, share: photometric.tinted(batch.pixels, batch.other_means, share),
        "its mean colour", ("tint_control",),
    ),
    Probe(
        "tint_control", "colour", "Mean colour of its own class",
        "The mean of red, green and blue moves to that of the class that the image is called.",
        (Strength("half", "half the way", 0.5), Strength("full", "all the way", 1.0)),
        lambda batch, share: photometric.tinted(batch.pixels, batch.same_means, share),
        "being unlike its class's average", is_control=True,
    ),
)  # fmt: skip

_LIGHT = (
    Probe(
        "darker", "light", "Darker", "Grey levels are taken off every value.",
        steps((16, 48), "{} levels"), lambda batch, by: photometric.brightened(batch.pixels, -by), "how bright it is",
    ),
    Probe(
        "brighter", "light", "Brighter", "Grey levels are added to every value.",
        steps((16, 48), "{} levels"), lambda batch, by: photometric.brightened(batch.pixels, by), "how dark it is",
    ),
    Probe(
        "flatter", "light", "Less contrast", "Contrast about the mean is halved.",
        (Strength("50", "half", 0.5),),
        lambda batch, factor: photometric.contrasted(batch.pixels, factor), "its contrast",
    ),
    Probe(
        "harder", "light", "More contrast", "Contrast about the mean grows by half.",
        (Strength("150", "half as much again", 1.5),),
        lambda batch, factor: photometric.contrasted(batch.pixels, factor), "how little contrast it has",
    ),
)  # fmt: skip

_COMPRESSION = (
    Probe(
        "jpeg", "compression", "JPEG again", "The picture is compressed once more as a JPEG and unpacked.",
        steps((95, 75, 50, 30), "quality {}"),
        lambda batch, quality: photometric.compressed(batch.pixels, int(quality)),
        "what JPEG throws away",
    ),
    Probe(
        "blur", "compression", "Blur", "A Gaussian blur.",
        steps((0.5, 1, 2), "{} pixels"), lambda batch, sigma: photometric.blurred(batch.pixels, sigma), "its sharpness",
    ),
    Probe(
        "sharpen", "compression", "Sharpen", "The difference from a blurred copy is added.",
        (Strength("50", "half of it", 0.5), Strength("100", "all of it", 1.0)),
        lambda batch, amount: photometric.sharpened(batch.pixels, amount), "its lack of sharpness",
    ),
)  # fmt: skip

_BLOCKS = (
    Probe(
        "shuffle", "blocks", "Blocks shuffled", "Square blocks change places: texture stays, shape goes.",
        _SIDES,
        lambda batch, parts: spatial.shuffled(batch.pixels, batch.side // int(parts), batch.chance.orders[int(parts)]),
        "the order of its parts, its shape", ("shuffle_turn", "shuffle_roll"),
    ),
    Probe(
        "shuffle_turn", "blocks", "The same seams",
        "Each block is turned upside down where it is: seams without shuffling.",
        _SIDES, lambda batch, parts: spatial.rotated_in_blocks(batch.pixels, batch.side // int(parts)),
        "having no seams", is_control=True,
    ),
    Probe(
        "shuffle_roll", "blocks", "Moved by half a block",
        "The whole picture moves by half a block, what falls out comes in again.",
        _SIDES, lambda batch, parts: spatial.rolled(batch.pixels, batch.side // int(parts) // 2),
        "where things lie", is_control=True,
    ),
)  # fmt: skip

_PLACE = (
    *(
        Probe(
            f"hide_{place}", "place", f"Hide {name}", f"A quarter of the picture, {name}, is covered."
            if place != "border" else "A frame a sixteenth as wide as the picture, nearly a quarter of it, is covered.",
            _FILLS, lambda batch, fill, place=place: _hide(batch, spatial.place_mask(place, side=batch.side), fill),  # type: ignore[misc]
            f"what is in {name}" if place != "border" else "what is along the border", ("hide_spread",),
        )
        for place, name in _PLACE_NAMES.items()
    ),
    Probe(
        "hide_spread", "place", "Hide as much anywhere",
        "As much of the picture is covered in four blocks spread over it.",
        _FILLS, lambda batch, fill: _hide(batch, spatial.spread_masks(batch.chance.quarters, side=batch.side), fill),
        "being whole", is_control=True,
    ),
)  # fmt: skip

_GEOMETRY = (
    Probe(
        "mirror", "geometry", "Mirrored", "Left and right change places.",
        (Strength("all", "whole picture", 0),), lambda batch, _: spatial.mirrored(batch.pixels),
        "what is left and what is right",
    ),
    Probe(
        "shift", "geometry", "Shifted", "The picture moves to the right.",
        steps((1,), "{} pixels"), lambda batch, by: spatial.shifted(batch.pixels, int(by)),
        "the exact place of its pixels",
    ),
    Probe(
        "turn", "geometry", "Turned", "The picture is turned.",
        tuple(Strength(f"{90 * quarters}", f"{90 * quarters}°", quarters) for quarters in (1, 2, 3)),
        lambda batch, quarters: spatial.rotated(batch.pixels, int(quarters)), "which way is up",
    ),
)  # fmt: skip

PROBES: dict[str, Probe] = {
    probe.key: probe
    for probe in (
        *_LEVELS, *_DETAIL, *_TRANSPLANT, *_COLOUR, *_LIGHT, *_COMPRESSION, *_BLOCKS, *_PLACE, *_GEOMETRY
    )
}  # fmt: skip


def probe_columns() -> dict[str, tuple[Probe, Strength]]:
    """Each margin's column with its probe and strength, in the order of the table."""
    return {
        column: (probe, strength)
        for probe in PROBES.values()
        for column, strength in zip(probe.columns, probe.strengths, strict=True)
    }
