"""The table of probes: small named changes, each with strengths, descriptions, and matched controls.

A probe changes one named property of the image to see whether the verdict flips. Its controls change the image in the
same way and about as much, except for that property, so a flip that a control causes too is not evidence. What is said
of probes, and their strengths, are read from probes.toml; how each changes the image stands here. Needs no torch.
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import Float64, Mask, Pixels
from core.images.encoding import compressed
from core.perturbations import edits, frequency
from core.perturbations.frequency import Ring, Spectra, ring
from core.perturbations.probe import Batch, Chance, Dial, Edit, Needs, Probe, Strength, block_side

# the radius beyond which detail is fine, for the controls of a blur
_FINE = frequency.NYQUIST / 2
# lower radius of a ring of the spectrum -> its upper radius
_RINGS = {16: 23, 12: 16, 8: 12, 4: 8}


def _above(batch: Batch, radius: float) -> Ring:
    return ring(radius, side=batch.side)


def _below(batch: Batch, radius: float) -> Ring:
    return ring(0, radius, side=batch.side)


def _band(batch: Batch, low: float) -> Ring:
    return ring(low, _RINGS[int(low)], side=batch.side)


def _on_pixels(change: Callable[[Pixels, Any], Pixels]) -> Edit:
    """Make an edit of a change of the pictures alone."""

    def edit(batch: Batch, value: float) -> Pixels:
        return change(batch.pixels, value)

    return edit


def _noise_like(change: Callable[[Pixels, Any], Pixels]) -> Edit:
    """Make an edit that adds noise with the amplitudes of the spectrum of a change, and random phases."""

    def edit(batch: Batch, value: float) -> Pixels:
        spectra = frequency.spectra_of(change(batch.pixels, value)) - batch.spectra
        return frequency.to_pixels(batch.pixels + frequency.scrambled(spectra, batch.chance.normal))

    return edit


def _towards(donor: Needs, change: Callable[[Pixels, Pixels, float], Pixels]) -> Edit:
    """Make an edit of a change that moves the pictures towards those of a donor."""

    def edit(batch: Batch, share: float) -> Pixels:
        return change(batch.pixels, getattr(batch, donor), share)

    return edit


def _swap(donor: Needs, change: Callable[[Spectra, Spectra, Ring], Pixels] = frequency.transplanted) -> Edit:
    """Make an edit that moves detail beyond a radius, or as much elsewhere, to that of a donor."""

    def edit(batch: Batch, radius: float) -> Pixels:
        return change(batch.spectra, getattr(batch, f"{donor}_spectra"), _above(batch, radius))

    return edit


def _on_spectra(change: Callable[[Spectra, Ring], Pixels], rings: Callable[[Batch, float], Ring] = _above) -> Edit:
    """Make an edit of a change of rings of the spectra, by default of all beyond a radius."""

    def edit(batch: Batch, value: float) -> Pixels:
        return change(batch.spectra, rings(batch, value))

    return edit


def _on_blocks(change: Callable[..., Pixels], *, moved: bool = True) -> Edit:
    """Make an edit of a change of blocks, which moves them or leaves each in its own place."""

    def edit(batch: Batch, parts: float) -> Pixels:
        block = block_side(batch.side, int(parts))
        if not moved:
            return change(batch.pixels, block)
        return change(batch.pixels, block, batch.chance.orders[int(parts)])

    return edit


def _hide(mask_of: Callable[..., Mask], place: Any) -> Edit:
    """Make an edit that covers a place."""

    def edit(batch: Batch, fill: float) -> Pixels:
        textures = None if fill else batch.textures
        return edits.hidden(batch.pixels, mask_of(place, side=batch.side), textures)

    return edit


def _add_pattern(batch: Batch, radius: float, amount: Float64 | None = None) -> Pixels:
    noise = batch.chance.uniform - np.float32(0.5)
    return frequency.patterned_elsewhere(batch.spectra, _above(batch, radius), noise, amount)


def _add_grey(batch: Batch, radius: float, amount: Float64 | None = None) -> Pixels:
    noise = batch.chance.normal[..., None]
    return frequency.patterned_elsewhere(batch.spectra, _above(batch, radius), noise, amount)


def _rephased(batch: Batch, radius: float) -> Spectra:
    return frequency.rephased(batch.spectra, _above(batch, radius), batch.chance.normal)


def _rephase(batch: Batch, radius: float) -> Pixels:
    return frequency.images_of(_rephased(batch, radius))


def _add_pattern_like_rephasing(batch: Batch, radius: float) -> Pixels:
    amount = frequency.energy(_rephased(batch, radius) - batch.spectra, _above(batch, radius))
    return _add_pattern(batch, radius, amount)


def _blur_energy(batch: Batch, sigma: float) -> Float64:
    """Return the energy of the change that a blur makes, float64 (N,)."""
    change = np.subtract(edits.blurred(batch.pixels, sigma), batch.pixels, dtype=np.float64)
    return (change**2).sum(axis=(1, 2, 3))


def _fade_like_blur(batch: Batch, sigma: float) -> Pixels:
    return frequency.attenuated_elsewhere(batch.spectra, _above(batch, _FINE), _blur_energy(batch, sigma))


def _add_grey_like_blur(batch: Batch, sigma: float) -> Pixels:
    return _add_grey(batch, _FINE, _blur_energy(batch, sigma))


def _lend(batch: Batch, radius: float) -> Pixels:
    return frequency.transplanted(batch.other_spectra, batch.spectra, _above(batch, radius))


def _brightened(pixels: Pixels, levels: float) -> Pixels:
    return frequency.to_pixels(pixels + np.float32(levels))


def _mirrored(pixels: Pixels, _quarters: float) -> Pixels:
    return pixels[:, :, ::-1]


def _turned_without_seams(pixels: Pixels, block: int) -> Pixels:
    return edits.without_seams(edits.rotated_in_blocks(pixels, block), block)


EDITS: dict[str, Edit] = {
    "levels": _on_pixels(edits.rounded),
    "levels_noise": _noise_like(edits.rounded),
    "lowpass": _on_spectra(frequency.attenuated),
    "lowpass_control": _on_spectra(frequency.attenuated_elsewhere),
    "lowpass_pattern": _add_pattern,
    "lowpass_grey": _add_grey,
    "rephase": _rephase,
    "rephase_pattern": _add_pattern_like_rephasing,
    "blur": _on_pixels(edits.blurred),
    "blur_control": _fade_like_blur,
    "blur_grey": _add_grey_like_blur,
    "highpass": _on_spectra(frequency.attenuated, _below),
    "ring": _on_spectra(frequency.attenuated, _band),
    "ring_control": _on_spectra(frequency.attenuated_elsewhere, _band),
    "transplant": _swap("other"),
    "transplant_same": _swap("same"),
    "transplant_elsewhere": _swap("other", frequency.transplanted_elsewhere),
    "lend": _lend,
    "fade": _on_pixels(edits.saturated),
    "chroma": _towards("other", edits.with_chroma),
    "chroma_same": _towards("same", edits.with_chroma),
    "brightness": _towards("other", edits.with_brightness),
    "brightness_same": _towards("same", edits.with_brightness),
    "brighter": _on_pixels(_brightened),
    "flatter": _on_pixels(edits.contrasted),
    "harder": _on_pixels(edits.contrasted),
    "jpeg": _on_pixels(compressed),
    "jpeg_noise": _noise_like(compressed),
    "sharpen": _on_pixels(edits.sharpened),
    "sharpen_noise": _noise_like(edits.sharpened),
    "shuffle_blend": _on_blocks(edits.without_seams),
    "shuffle_blend_turn": _on_blocks(_turned_without_seams, moved=False),
    "shuffle": _on_blocks(edits.shuffled),
    "shuffle_turn": _on_blocks(edits.rotated_in_blocks, moved=False),
    "shuffle_fade": _on_blocks(edits.cross_faded),
    "shuffle_fade_turn": _on_blocks(edits.cross_faded, moved=False),
    "hide_border": _hide(edits.frame_mask, 0),
    # distances from the border as shares of the side: 1 and 4 pixels of 32
    "hide_frame_32": _hide(edits.frame_mask, 1 / 32),
    "hide_frame_8": _hide(edits.frame_mask, 1 / 8),
    "shift": _on_pixels(edits.shifted),
    "turn": _on_pixels(edits.rotated),
    "turn_mirror": _on_pixels(_mirrored),
}


def _declared() -> Iterator[Probe]:
    """Read probes.toml: each probe, followed by its controls."""
    declared = tomllib.loads(Path(__file__).with_name("probes.toml").read_text(encoding="utf-8"))
    strengths = {}
    for name, steps in declared["strengths"].items():
        strengths[name] = tuple(Strength(**step) for step in steps)
    squares = [key for key, about in declared["probes"].items() if "square" in about]
    for key, about in declared["probes"].items():
        titles = about.pop("controls", {})
        about["strengths"] = strengths[about["strengths"]]
        if "dial" in about:
            about["dial"] = Dial(**about["dial"])
        if key in squares:
            controls = tuple(square for square in squares if square != key)
            edit = _hide(edits.place_mask, about.pop("square"))
        else:
            controls = tuple(titles)
            edit = EDITS[key]
        probe = Probe(key=key, edit=edit, controls=controls, **about)
        yield probe
        for control, title in titles.items():
            needs = "same" if control.endswith("_same") else probe.needs
            yield Probe(control, probe.family, title, "", probe.strengths, EDITS[control], needs=needs, is_control=True)


PROBES = {probe.key: probe for probe in _declared()}
# alternative ways to make another probe's change, which are its choices
OTHER_WAYS = frozenset(key for probe in PROBES.values() for keys in probe.others.values() for key in keys)


def other_ways(column: str) -> dict[str, list[str]]:
    """Find the columns that make a column's change in other ways, by kind of choice; a way may lack the strength."""
    probe, strength = probe_columns()[column]
    alike = [(way, step) for way, step in probe_columns().values() if strength.key == (step.like or step.key)]
    ways = {}
    for kind, keys in probe.others.items():
        ways[kind] = [way.column(step.key) for way, step in alike if way.key in keys]
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


def probe_pictures(image: Pixels, *, name: str, seed: int = 0, **donors: Pixels | None) -> dict[str, Pixels]:
    """Change one image in every way of the table, as the study `probes` does.

    Args:
        image: uint8 (side, side, 3).
        name: the image's id, which seeds what is random.
        seed: of the study.
        donors: `other` and `same`, uint8 (side, side, 3), see `Batch`.

    Returns:
        Column -> uint8 (side, side, 3), in the table's order; changes that need what is None are left out.
    """
    given = {"nothing": image} | {need: donor for need, donor in donors.items() if donor is not None}
    # where a donor is missing nothing that needs it is made
    other = given.get("other", image)
    same = given.get("same", image)
    batch = Batch(image[None], other[None], same[None], Chance.of([name], side=len(image), seed=seed))
    pictures = {}
    for column, (probe, strength) in probe_columns().items():
        if probe.needs in given:
            pictures[column] = probe.edit(batch, strength.value)[0]
    return pictures
