"""The table of probes: small named changes, each with strengths, plain words, and matched controls.

A probe changes one nameable thing and checks whether the verdict flips. Its controls change as much of the image, in a
change of the same shape, but not that thing, so a flip under a control as well shows nothing. Needs no torch.
"""

from core.probes.layout import LAYOUT
from core.probes.probe import Probe, Strength
from core.probes.spectrum import DETAIL, TRANSPLANT
from core.probes.tones import COLOUR, COMPRESSION, LEVELS, LIGHT

PROBES: dict[str, Probe] = {
    probe.key: probe for probe in (*LEVELS, *DETAIL, *TRANSPLANT, *COLOUR, *LIGHT, *COMPRESSION, *LAYOUT)
}


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
