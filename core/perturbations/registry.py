"""The table of probes: small named changes, each with strengths, descriptions, and matched controls.

A probe changes one named property of the image to see whether the verdict flips. Its controls change the image in the
same way and about as much, except for that property, so a flip that a control causes too is not evidence. Needs no
torch.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np

from core.arrays import Float32, Float64, Int64, Mask, Pixels
from core.images.encoding import compressed
from core.perturbations import frequency, photometric, spatial
from core.perturbations.frequency import Ring, Spectra, attenuated, ring
from core.perturbations.probe import (
    BLOCKS,
    LABELLED,
    Batch,
    Chance,
    Dial,
    Edit,
    Needs,
    Probe,
    Strength,
    block_side,
    radii,
    steps,
    wave_length,
)

BANDS = {"16_23": (16, 23), "12_16": (12, 16), "8_12": (8, 12), "4_8": (4, 8)}
_FINE = frequency.NYQUIST / 2
_CUTOFFS = radii((14, 12, 10, 8, 6, 4, 2), "wavelengths under {} pixels")
_SWAPS = radii((12, 10, 8), "wavelengths under {} pixels")
_RINGS = tuple(
    Strength(key, f"{low:g} to {high:g}", index, f"wavelengths of {wave_length(high)} to {wave_length(low)} pixels")
    for index, (key, (low, high)) in enumerate(BANDS.items())
)
_SIDES = tuple(Strength(f"{LABELLED // parts}", f"{LABELLED // parts} pixels", parts, parts=parts) for parts in BLOCKS)
# of the waves that the low-pass like it removes, a blur leaves less than 0.5% of the energy (by cosine transforms)
_BLURS = tuple(
    replace(strength, like=like)
    for strength, like in zip(steps((0.5, 1, 2), "{} pixels"), ("", "12", "8"), strict=True)
)
_FULL = (Strength("full", "all the way", 1.0),)
_FILLS = (Strength("texture", "its own texture", 0), Strength("flat", "its mean colour", 1))
# top, bottom, left, right in eighths of the side, and name
_SQUARES = {
    "centre": ((2, 6, 2, 6), "the centre"),
    "top_left": ((0, 4, 0, 4), "the upper left quarter"),
    "top_right": ((0, 4, 4, 8), "the upper right quarter"),
    "bottom_left": ((4, 8, 0, 4), "the lower left quarter"),
    "bottom_right": ((4, 8, 4, 8), "the lower right quarter"),
    "top": ((0, 4, 2, 6), "the middle of the upper edge"),
    "bottom": ((4, 8, 2, 6), "the middle of the lower edge"),
    "left": ((2, 6, 0, 4), "the middle of the left edge"),
    "right": ((2, 6, 4, 8), "the middle of the right edge"),
}
# control frames: inset from the border, as a share of the side (1 and 4 pixels of 32), and name
_FURTHER = {"frame_32": (1 / 32, "a frame just inside the border"), "frame_8": (1 / 8, "a frame further in")}


def _above(batch: Batch, radius: float) -> Ring:
    return ring(radius, side=batch.side)


def _below(batch: Batch, radius: float) -> Ring:
    return ring(0, radius, side=batch.side)


def _band(batch: Batch, value: float) -> Ring:
    low, high = list(BANDS.values())[int(value)]
    return ring(low, high, side=batch.side)


def _on_pixels(change: Callable[[Pixels, Any], Pixels]) -> Edit:
    """Make an edit of a change of the pictures alone."""

    def edit(batch: Batch, value: float) -> Pixels:
        return change(batch.pixels, value)

    return edit


def _towards(donor: Needs, change: Callable[[Pixels, Pixels, float], Pixels]) -> Edit:
    """Make an edit of a change that moves the pictures towards those of a donor."""

    def edit(batch: Batch, share: float) -> Pixels:
        if donor == "same":
            return change(batch.pixels, batch.same, share)
        return change(batch.pixels, batch.other, share)

    return edit


def _on_spectra(change: Callable[[Spectra, Ring], Pixels], rings: Callable[[Batch, float], Ring] = _above) -> Edit:
    """Make an edit of a change of rings of the spectra, by default of all beyond a radius."""

    def edit(batch: Batch, value: float) -> Pixels:
        return change(batch.spectra, rings(batch, value))

    return edit


def _on_blocks(change: Callable[[Pixels, int], Pixels]) -> Edit:
    """Make an edit of a change of each block in its own place."""

    def edit(batch: Batch, parts: float) -> Pixels:
        return change(batch.pixels, block_side(batch.side, int(parts)))

    return edit


def _on_order(change: Callable[[Pixels, int, Int64], Pixels]) -> Edit:
    """Make an edit of a change that moves blocks."""

    def edit(batch: Batch, parts: float) -> Pixels:
        return change(batch.pixels, block_side(batch.side, int(parts)), batch.chance.orders[int(parts)])

    return edit


def _add_pattern(batch: Batch, radius: float, amount: Float64 | None = None) -> Pixels:
    """Add a coloured pattern, see `_patterned`."""
    return _patterned(batch, radius, batch.chance.uniform - np.float32(0.5), amount)


def _add_grey(batch: Batch, radius: float, amount: Float64 | None = None) -> Pixels:
    """Add a grey pattern, see `_patterned`."""
    return _patterned(batch, radius, batch.chance.normal[..., None], amount)


def _patterned(batch: Batch, radius: float, noise: Float32, amount: Float64 | None) -> Pixels:
    """Add noise below a radius; where `amount` is None it has the energy of the detail beyond."""
    rings = _above(batch, radius)
    if amount is None:
        amount = frequency.energy(batch.spectra, rings)
    return frequency.patterned_elsewhere(batch.spectra, rings, noise, amount)


def _rephased(batch: Batch, radius: float) -> Spectra:
    return frequency.rephased(batch.spectra, _above(batch, radius), batch.chance.normal)


def _rephase(batch: Batch, radius: float) -> Pixels:
    return frequency.images_of(_rephased(batch, radius))


def _add_pattern_like_rephasing(batch: Batch, radius: float) -> Pixels:
    amount = frequency.energy(_rephased(batch, radius) - batch.spectra, _above(batch, radius))
    return _add_pattern(batch, radius, amount)


def _blur_energy(batch: Batch, sigma: float) -> Float64:
    """Return the energy of the change that a blur makes, float64 (N,)."""
    change = np.subtract(photometric.blurred(batch.pixels, sigma), batch.pixels, dtype=np.float64)
    return (change**2).sum(axis=(1, 2, 3))


def _fade_like_blur(batch: Batch, sigma: float) -> Pixels:
    return frequency.attenuated_elsewhere(batch.spectra, _above(batch, _FINE), _blur_energy(batch, sigma))


def _add_grey_like_blur(batch: Batch, sigma: float) -> Pixels:
    return _add_grey(batch, _FINE, _blur_energy(batch, sigma))


def _swap(batch: Batch, radius: float) -> Pixels:
    return frequency.transplanted(batch.spectra, batch.other_spectra, _above(batch, radius))


def _swap_same(batch: Batch, radius: float) -> Pixels:
    return frequency.transplanted(batch.spectra, batch.same_spectra, _above(batch, radius))


def _swap_elsewhere(batch: Batch, radius: float) -> Pixels:
    return frequency.transplanted_elsewhere(batch.spectra, batch.other_spectra, _above(batch, radius))


def _lend(batch: Batch, radius: float) -> Pixels:
    return frequency.transplanted(batch.other_spectra, batch.spectra, _above(batch, radius))


def _brightened(pixels: Pixels, levels: float) -> Pixels:
    return frequency.to_pixels(pixels + np.float32(levels))


def _mirrored(pixels: Pixels, _quarters: float) -> Pixels:
    return pixels[:, :, ::-1]


def _turned_without_seams(pixels: Pixels, block: int) -> Pixels:
    return spatial.without_seams(spatial.rotated_in_blocks(pixels, block), block)


def _noise_like(change: Callable[[Pixels, Any], Pixels]) -> tuple[str, str, Edit]:
    """Declare a control: noise with the amplitudes of the spectrum of a change, and random phases."""

    def add_noise(batch: Batch, value: float) -> Pixels:
        spectra = frequency.spectra_of(change(batch.pixels, value)) - batch.spectra
        return frequency.to_pixels(batch.pixels + frequency.scrambled(spectra, batch.chance.normal))

    return "noise", "Adding noise of the same size and spectrum", add_noise


def _hide(batch: Batch, mask: Mask, fill: float) -> Pixels:
    return spatial.hidden(batch.pixels, mask, None if fill else batch.textures)


def _hide_area(area: tuple[int, int, int, int], batch: Batch, fill: float) -> Pixels:
    return _hide(batch, spatial.place_mask(area, side=batch.side), fill)


def _hide_frame(inset: float, batch: Batch, fill: float) -> Pixels:
    return _hide(batch, spatial.frame_mask(inset, side=batch.side), fill)


def _with_controls(probe: Probe, *controls: tuple[str, str, Edit]) -> tuple[Probe, ...]:
    """Return a probe and its controls, each given as suffix of the key, title and edit; all else is the probe's.

    The control "same" makes the probe's change with the donor of the same verdict.
    """
    alike = replace(
        probe, is_control=True, sentence="", clause="", result="", way="", others={}, beside=False, dial=None
    )
    made = []
    for suffix, title, edit in controls:
        needs = "same" if suffix == "same" else probe.needs
        made.append(replace(alike, key=f"{probe.key}_{suffix}", title=title, edit=edit, needs=needs))
    return replace(probe, controls=tuple(control.key for control in made)), *made


_HALF = Strength("50", "half", 0.5)
_TABLE = (
    *_with_controls(
        Probe(
            "levels", "levels", "Reducing grey levels", "Every value is rounded to a multiple of a step.",
            steps((2, 4, 8, 16), "steps of {}"), _on_pixels(photometric.rounded),
            clause="its grey levels are rounded to {}", result="fewer greys",
        ),
        _noise_like(photometric.rounded),
    ),
    *_with_controls(
        Probe(
            "lowpass", "detail", "Removing fine detail", "All detail finer than a radius of the spectrum is removed.",
            _CUTOFFS, _on_spectra(attenuated),
            way="removed", others={"change": ("rephase", "blur")},
            clause="its detail {} is removed", result="detail removed",
            dial=Dial("Fine detail", "Finest detail removed", "all detail", "less detail"),
        ),
        ("control", "Removing as much coarse detail", _on_spectra(frequency.attenuated_elsewhere)),
        ("pattern", "Adding a coarse pattern", _add_pattern),
        ("grey", "Adding a coarse grey pattern", _add_grey),
    ),
    *_with_controls(
        Probe(
            "rephase", "detail", "Scrambling fine detail",
            "All detail finer than a radius gets random phases: its energy stays, its arrangement goes.",
            _SWAPS, _rephase, way="its phases randomised",
            clause="its detail {} is scrambled", result="detail scrambled",
        ),
        ("pattern", "Adding as much of a coarse pattern", _add_pattern_like_rephasing),
    ),
    *_with_controls(
        Probe(
            "blur", "detail", "Blurring", "A Gaussian blur.",
            _BLURS, _on_pixels(photometric.blurred), way="blurred",
            clause="it is blurred by {}", result="blurred",
            dial=Dial("Blur", "Blurred", "sharp", "blurred"),
        ),
        ("control", "Fading coarse detail as much", _fade_like_blur),
        ("grey", "Adding as much of a coarse grey pattern", _add_grey_like_blur),
    ),
    Probe(
        "highpass", "detail", "Removing coarse shading",
        "The mean stays; all shading coarser than a radius is removed.",
        radii((1, 2, 4), "wavelengths of {} pixels and more"),
        _on_spectra(attenuated, _below), beside=True,
        clause="its shading {} is removed", result="shading removed",
    ),
    *_with_controls(
        Probe(
            "ring", "detail", "Removing one ring of the spectrum", "Detail of one range of fineness is removed.",
            _RINGS, _on_spectra(attenuated, _band), beside=True,
            clause="its detail {} is removed", result="ring removed",
        ),
        ("control", "Removing as much from other rings", _on_spectra(frequency.attenuated_elsewhere, _band)),
    ),
    *_with_controls(
        Probe(
            "transplant", "transplant", "Swapping in fine detail of the other class",
            "All detail finer than a radius is replaced by that of an image of the other verdict.", _SWAPS,
            _swap,
            needs="other",
            clause="it gets another picture's detail {}", result="detail swapped",
        ),
        ("same", "Swapping in fine detail of the same class", _swap_same),
        ("elsewhere", "Swapping in as much coarse detail of the other class", _swap_elsewhere),
    ),
    Probe(
        "lend", "transplant", "Giving its fine detail to the other class",
        "An image of the other verdict gets this image's detail finer than a radius.", _SWAPS,
        _lend,
        needs="other", changes_donor=True,
    ),
    Probe(
        "fade", "colour", "Fading colour", "Colour fades towards grey; brightness stays.",
        (_HALF, Strength("grey", "grey", 0.0)), _on_pixels(photometric.saturated),
        clause="its colour fades to {}", result="colour faded",
        dial=Dial("Colour", "Colour faded", "full colour", "grey"),
    ),
    *_with_controls(
        Probe(
            "chroma", "colour", "Moving the mean chroma to that of the other class",
            "The mean colour moves to that of an image of the other verdict; brightness stays.", _FULL,
            _towards("other", photometric.with_chroma), needs="other",
            clause="it gets the mean colour of the other class", result="colour moved",
        ),
        ("same", "Moving the mean chroma to that of another image of its class",
         _towards("same", photometric.with_chroma)),
    ),
    *_with_controls(
        Probe(
            "brightness", "light", "Moving the mean brightness to that of the other class",
            "The mean brightness moves to that of an image of the other verdict; colour stays.", _FULL,
            _towards("other", photometric.with_brightness), needs="other",
            clause="it gets the mean brightness of the other class", result="brightness moved",
        ),
        ("same", "Moving the mean brightness to that of another image of its class",
         _towards("same", photometric.with_brightness)),
    ),
    Probe(
        "brighter", "light", "Brightening", "Grey levels are added to every value.",
        steps((16, 48), "{} levels"), _on_pixels(_brightened),
        clause="it is brightened by {}", result="brighter",
    ),
    Probe(
        "flatter", "light", "Reducing contrast", "Contrast about the mean is halved.", (_HALF,),
        _on_pixels(photometric.contrasted),
        clause="its contrast is halved", result="less contrast",
    ),
    Probe(
        "harder", "light", "Raising contrast", "Contrast about the mean grows by half.",
        (Strength("150", "half as much again", 1.5),),
        _on_pixels(photometric.contrasted),
        clause="its contrast is raised by half", result="more contrast",
    ),
    *_with_controls(
        Probe(
            "jpeg", "compression", "Recompressing as JPEG",
            "The picture is compressed once more as a JPEG and unpacked.",
            steps((95, 75, 50, 30), "quality {}"),
            _on_pixels(compressed),
            clause="it is saved as a JPEG of {}", result="JPEG",
            dial=Dial("JPEG", "Saved as JPEG", "as it is", "low quality"),
        ),
        _noise_like(compressed),
    ),
    *_with_controls(
        Probe(
            "sharpen", "compression", "Sharpening", "The difference from a blurred copy is added.",
            (Strength("50", "half of it", 0.5), Strength("100", "all of it", 1.0)),
            _on_pixels(photometric.sharpened),
            clause="it is sharpened", result="sharpened",
        ),
        _noise_like(photometric.sharpened),
    ),
    *_with_controls(
        Probe(
            "shuffle_blend", "blocks", "Shuffling blocks without seams",
            "Square blocks change places and are joined so that no seam shows.",
            _SIDES, _on_order(spatial.without_seams),
            way="blended", others={"seam": ("shuffle", "shuffle_fade")},
            clause="its blocks of {} are shuffled", result="blocks shuffled",
            dial=Dial("Blocks", "Blocks shuffled", "in place", "small blocks"),
        ),
        ("turn", "Turning blocks in place without seams", _on_blocks(_turned_without_seams)),
    ),
    *_with_controls(
        Probe(
            "shuffle", "blocks", "Shuffling blocks", "Square blocks change places, and hard seams stay between them.",
            _SIDES, _on_order(spatial.shuffled), way="hard",
            clause="its blocks of {} are shuffled", result="blocks shuffled",
        ),
        ("turn", "Turning blocks in place", _on_blocks(spatial.rotated_in_blocks)),
    ),
    *_with_controls(
        Probe(
            "shuffle_fade", "blocks", "Shuffling blocks with cross-fades",
            "Square blocks change places and fade into each other.",
            _SIDES, _on_order(spatial.cross_faded),
            way="cross-faded",
            clause="its blocks of {} are shuffled", result="blocks shuffled",
        ),
        ("turn", "Cross-fading blocks in place", _on_blocks(spatial.cross_faded)),
    ),
    *(
        Probe(
            f"hide_{place}", "place", f"Hiding {name}", f"A quarter of the picture, {name}, is covered.",
            _FILLS, partial(_hide_area, area), f"{name} is covered", f"{place.replace('_', ' ')} covered",
            controls=tuple(f"hide_{other}" for other in _SQUARES if other != place), strengths_are="fill",
        )
        for place, (area, name) in _SQUARES.items()
    ),
    Probe(
        "hide_border", "place", "Hiding the border", "A frame a sixteenth as wide as the picture is covered.",
        _FILLS, partial(_hide_frame, 0), "its border is covered", "border covered",
        controls=tuple(f"hide_{name}" for name in _FURTHER), strengths_are="fill",
    ),
    *(
        Probe(f"hide_{key}", "place", f"Hiding {name}", "", _FILLS, partial(_hide_frame, inset), is_control=True)
        for key, (inset, name) in _FURTHER.items()
    ),
    Probe(
        "shift", "geometry", "Shifting", "The picture moves to the right.",
        steps((1,), "{} pixels"), _on_pixels(spatial.shifted),
        clause="it is moved by {}", result="moved",
    ),
    *_with_controls(
        Probe(
            "turn", "geometry", "Rotating", "The picture is turned.",
            tuple(Strength(f"{90 * quarters}", f"{90 * quarters}°", quarters) for quarters in (1, 2, 3)),
            _on_pixels(spatial.rotated), strengths_are="angle",
            clause="it is turned by {}", result="turned",
            dial=Dial("Turn", "Turned", "upright", "270°"),
        ),
        ("mirror", "Mirroring left and right", _on_pixels(_mirrored)),
    ),
)  # fmt: skip

PROBES = {probe.key: probe for probe in _TABLE}
# alternative ways to make another probe's change, which are its choices
OTHER_WAYS = frozenset(key for probe in PROBES.values() for keys in probe.others.values() for key in keys)


def other_ways(column: str) -> dict[str, list[str]]:
    """Find the columns that make a column's change in other ways, by kind of choice; a way may lack the strength."""
    probe, strength = probe_columns()[column]
    ways: dict[str, list[str]] = {kind: [] for kind in probe.others}
    for kind, keys in probe.others.items():
        for way in map(PROBES.__getitem__, keys):
            ways[kind] += [way.column(step.key) for step in way.strengths if strength.key == (step.like or step.key)]
    return ways


def in_every_way(column: str) -> bool:
    """Check whether every alternative way of making a column's change has a strength that is alike."""
    probe = probe_columns()[column][0]
    ways = other_ways(column)
    return all(len(ways[kind]) == len(keys) for kind, keys in probe.others.items())


def control_columns(column: str) -> list[str]:
    """List the columns of a change's controls, at its strength."""
    probe, strength = probe_columns()[column]
    return [PROBES[key].column(strength.key) for key in probe.controls]


@cache
def probe_columns() -> Mapping[str, tuple[Probe, Strength]]:
    """Return each margin's column with its probe and strength, in the order of the table."""
    return {probe.column(step.key): (probe, step) for probe in PROBES.values() for step in probe.strengths}


def probe_pictures(
    image: Pixels,
    *,
    name: str,
    seed: int = 0,
    other: Pixels | None = None,
    same: Pixels | None = None,
) -> dict[str, Pixels]:
    """Change one image in every way of the table, as the study `probes` does.

    Args:
        image: uint8 (side, side, 3).
        name: the image's id, which seeds what is random.
        seed: of the study.
        other, same: uint8 (side, side, 3), donors, see `Batch`.

    Returns:
        Column -> uint8 (side, side, 3), in the table's order; changes that need what is None are left out.
    """
    donors = {"nothing": image, "other": other, "same": same}
    chance = Chance.of([name], side=len(image), seed=seed)
    # where a donor is missing nothing that needs it is made
    lender = image if other is None else other
    twin = image if same is None else same
    batch = Batch(image[None], lender[None], twin[None], chance)
    pictures = {}
    for column, (probe, strength) in probe_columns().items():
        if donors[probe.needs] is not None:
            pictures[column] = probe.edit(batch, strength.value)[0]
    return pictures
