"""The table of probes: every control changes as much as its probe."""

import numpy as np
import pytest
from numpy.typing import NDArray

from core.perturbations.photometric import rms
from core.perturbations.probe import Batch, Chance, Probe
from core.perturbations.table import PROBES

# only these change as much as their probe: a shuffled picture cannot be matched, nor can places or class means
MATCHED = [
    (key, control)
    for key, probe in PROBES.items()
    for control in probe.controls
    if probe.family in ("detail", "transplant") and control != "transplant_same"
]


@pytest.fixture(scope="module")
def batch() -> Batch:
    """Six images with energy at every frequency, soft enough that no change leaves 0..255, and their donors."""
    generator = np.random.default_rng(3)
    coarse = generator.uniform(100, 150, (18, 8, 8, 3)).repeat(4, axis=1).repeat(4, axis=2)
    pixels = np.rint(coarse + generator.normal(0, 4, (18, 32, 32, 3))).astype(np.uint8)
    means = np.zeros((6, 3), np.float32)
    return Batch(pixels[:6], pixels[6:12], pixels[12:], means, means, Chance.of(list("abcdef"), side=32))


def sizes(batch: Batch, probe: Probe) -> dict[str, NDArray[np.float32]]:
    return {one.key: rms(probe.edit(batch, one.value), batch.pixels) for one in probe.strengths if not one.excess}


@pytest.mark.parametrize(("key", "control"), MATCHED)
def test_a_control_changes_as_much_as_its_probe(batch: Batch, key: str, control: str) -> None:
    own, other = sizes(batch, PROBES[key]), sizes(batch, PROBES[control])
    assert own.keys() == other.keys()
    for strength, size in own.items():
        np.testing.assert_allclose(other[strength], size, rtol=0.05, err_msg=strength)
