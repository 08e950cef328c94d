"""The table of probes: small named changes, each with strengths, descriptions, and matched controls.

A probe changes one named property of the image to see whether the verdict flips. Its controls change the image in the
same way and as much, except for that property, so a flip that a control causes too is not evidence. Only the controls
of shuffled blocks change it less, because blocks that keep their places keep most of the picture. Needs no torch.
"""

from core.perturbations.layout import LAYOUT
from core.perturbations.probe import Probe, Strength
from core.perturbations.spectrum import DETAIL, TRANSPLANT
from core.perturbations.tones import COLOUR, COMPRESSION, LEVELS, LIGHT

PROBES: dict[str, Probe] = {
    probe.key: probe for probe in (*LEVELS, *DETAIL, *TRANSPLANT, *COLOUR, *LIGHT, *COMPRESSION, *LAYOUT)
}
# alternative ways to make another probe's change, which are its choices
OTHER_WAYS = frozenset(key for probe in PROBES.values() for keys in probe.others.values() for key in keys)


def in_every_way(column: str) -> bool:
    """Check whether every alternative way of making a column's change has the same strength."""
    probe, strength = probe_columns()[column]
    ways = (PROBES[key] for keys in probe.others.values() for key in keys)
    return all(strength.key in {one.key for one in way.strengths} for way in ways)


def probe_columns() -> dict[str, tuple[Probe, Strength]]:
    """Each margin's column with its probe and strength, in the order of the table."""
    return {
        column: (probe, strength)
        for probe in PROBES.values()
        for column, strength in zip(probe.columns, probe.strengths, strict=True)
    }
