"""Probes of the spectrum: fine detail removed, faded, randomised, or swapped with other images'. Needs no torch."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from core.perturbations.batch import Batch, Pixels
from core.perturbations.frequency import (
    NYQUIST,
    Ring,
    attenuated,
    attenuated_elsewhere,
    energy,
    images_of,
    patterned_elsewhere,
    rephased,
    ring,
    transplanted,
    transplanted_elsewhere,
)
from core.perturbations.probe import Probe, Strength, radii, wave_length

BANDS: dict[str, tuple[float, float]] = {"16_23": (16, 23), "12_16": (12, 16), "8_12": (8, 12), "4_8": (4, 8)}
_FINE = NYQUIST / 2
_CUTOFFS = tuple(
    replace(one, excess=one.value < _FINE) for one in radii((14, 12, 10, 8, 6, 4, 2), "wavelengths under {} pixels")
)
_SWAPS = radii((12, 10, 8), "wavelengths under {} pixels")
_RINGS = tuple(
    Strength(key, f"{low:g} to {high:g}", index, f"wavelengths of {wave_length(high)} to {wave_length(low)} pixels")
    for index, (key, (low, high)) in enumerate(BANDS.items())
)
_DOSES = tuple(
    Strength(f"{100 * keep:g}", f"× {keep:g}", keep, f"wavelengths under {wave_length(_FINE)} pixels")
    for keep in (0.75, 0.5, 0.25)
)


def _above(batch: Batch, radius: float) -> Ring:
    return ring(radius, side=batch.side)


def _band(batch: Batch, value: float) -> Ring:
    return ring(*tuple(BANDS.values())[int(value)], side=batch.side)


def _colours(batch: Batch) -> NDArray[np.float32]:
    return batch.chance.uniform - np.float32(0.5)


def _pattern(batch: Batch, radius: float, noise: NDArray[np.float32], *, keep: float = 0) -> Pixels:
    rings = _above(batch, radius)
    return patterned_elsewhere(batch.spectra, rings, noise, (1 - keep) ** 2 * energy(batch.spectra, rings))


def _rephased_pattern(batch: Batch, radius: float) -> Pixels:
    rings = _above(batch, radius)
    change = rephased(batch.spectra, rings, batch.chance.normal) - batch.spectra
    return patterned_elsewhere(batch.spectra, rings, _colours(batch), energy(change, rings))


DETAIL = (
    Probe(
        "lowpass", "detail", "Removing fine detail", "All detail finer than a radius of the spectrum is removed.",
        _CUTOFFS, lambda batch, radius: attenuated(batch.spectra, _above(batch, radius)),
        "its finest detail", ("lowpass_control", "lowpass_pattern", "lowpass_grey"),
        way="removed", others={"change": ("rephase",)},
    ),
    Probe(
        "lowpass_control", "detail", "Removing as much coarse detail",
        "As much energy is taken from the coarser detail instead.",
        _CUTOFFS, lambda batch, radius: attenuated_elsewhere(batch.spectra, _above(batch, radius)),
        "energy as such", is_control=True,
    ),
    Probe(
        "lowpass_pattern", "detail", "Adding a coarse pattern",
        "A random coloured pattern of as much energy is put into the coarser detail instead.",
        _CUTOFFS, lambda batch, radius: _pattern(batch, radius, _colours(batch)),
        "energy as such", is_control=True,
    ),
    Probe(
        "lowpass_grey", "detail", "Adding a coarse grey pattern",
        "A random grey pattern of as much energy is put into the coarser detail instead.",
        _CUTOFFS, lambda batch, radius: _pattern(batch, radius, batch.chance.normal[..., None]),
        "energy as such", is_control=True,
    ),
    Probe(
        "dose", "detail", "Fading fine detail", "All detail finer than half the Nyquist frequency is made fainter.",
        _DOSES, lambda batch, keep: attenuated(batch.spectra, _above(batch, _FINE), keep=keep),
        "its fine detail", ("dose_control", "dose_pattern"), beside=True,
    ),
    Probe(
        "dose_control", "detail", "Fading as much coarse detail",
        "As much energy is taken from the coarser detail instead.",
        _DOSES, lambda batch, keep: attenuated_elsewhere(batch.spectra, _above(batch, _FINE), keep=keep),
        "energy as such", is_control=True,
    ),
    Probe(
        "dose_pattern", "detail", "Adding a fainter coarse pattern",
        "A random coloured pattern of as much energy is put into the coarser detail instead.",
        _DOSES, lambda batch, keep: _pattern(batch, _FINE, _colours(batch), keep=keep),
        "energy as such", is_control=True,
    ),
    Probe(
        "rephase", "detail", "Scrambling fine detail",
        "All detail finer than a radius gets random phases: its energy stays, its arrangement goes.",
        _SWAPS,
        lambda batch, radius: images_of(rephased(batch.spectra, _above(batch, radius), batch.chance.normal)),
        "how its finest detail is arranged", ("rephase_pattern",), way="its phases randomised",
    ),
    Probe(
        "rephase_pattern", "detail", "Adding as much of a coarse pattern",
        "A random coloured pattern that changes as much is put into the coarser detail instead.",
        _SWAPS, _rephased_pattern, "energy as such", is_control=True,
    ),
    Probe(
        "highpass", "detail", "Removing coarse shading",
        "The mean stays; all shading coarser than a radius is removed.",
        radii((1, 2, 4), "wavelengths of {} pixels and more"),
        lambda batch, radius: attenuated(batch.spectra, ring(0, radius, side=batch.side)),
        "its coarse light and shade", beside=True,
    ),
    Probe(
        "ring", "detail", "Removing one ring of the spectrum", "Detail of one range of fineness is removed.",
        _RINGS, lambda batch, band: attenuated(batch.spectra, _band(batch, band)),
        "detail of this fineness", ("ring_control",), beside=True,
    ),
    Probe(
        "ring_control", "detail", "Removing as much from other rings",
        "As much energy is taken from all other rings instead.",
        _RINGS, lambda batch, band: attenuated_elsewhere(batch.spectra, _band(batch, band)),
        "energy as such", is_control=True,
    ),
)  # fmt: skip

TRANSPLANT = (
    Probe(
        "transplant", "transplant", "Swapping in fine detail of the other class",
        "All detail finer than a radius is replaced by that of an image of the other verdict.",
        _SWAPS, lambda batch, radius: transplanted(batch.spectra, batch.other_spectra, _above(batch, radius)),
        "its finest detail", ("transplant_same", "transplant_elsewhere"), needs="other",
    ),
    Probe(
        "transplant_same", "transplant", "Swapping in fine detail of the same class",
        "All detail finer than a radius is replaced by that of another image of the same verdict.",
        _SWAPS, lambda batch, radius: transplanted(batch.spectra, batch.same_spectra, _above(batch, radius)),
        "detail that fits the picture", needs="same", is_control=True,
    ),
    Probe(
        "transplant_elsewhere", "transplant", "Swapping in as much coarse detail of the other class",
        "As much change of energy, from the same image of the other verdict, is put into the coarser detail instead.",
        _SWAPS,
        lambda batch, radius: transplanted_elsewhere(
            batch.spectra, batch.other_spectra, _above(batch, radius)
        ),
        "change as such", needs="other", is_control=True,
    ),
    Probe(
        "lend", "transplant", "Giving its fine detail to the other class",
        "An image of the other verdict gets this image's detail finer than a radius.",
        _SWAPS,
        lambda batch, radius: transplanted(batch.other_spectra, batch.spectra, _above(batch, radius)),
        "its finest detail", needs="other", changes_donor=True,
    ),
)  # fmt: skip
