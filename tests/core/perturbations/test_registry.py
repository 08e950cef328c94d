"""The table of probes: every control changes as much as its probe, and every change is the named one."""

import hashlib

import numpy as np
import pytest
from numpy.typing import NDArray

from core.perturbations import frequency, photometric, spatial
from core.perturbations.frequency import ring
from core.perturbations.photometric import rms
from core.perturbations.probe import BLOCKS, Batch, Chance, Probe, Strength, block_side, inline, radii, steps
from core.perturbations.registry import PROBES, in_every_way, probe_columns, probe_pictures

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
    means = generator.uniform(100, 150, (2, 6, 3)).astype(np.float32)
    return Batch(pixels[:6], pixels[6:12], pixels[12:], *means, Chance.of(list("abcdef"), side=32, seed=5))


def sizes(batch: Batch, probe: Probe) -> dict[str, NDArray[np.float32]]:
    return {one.key: rms(probe.edit(batch, one.value), batch.pixels) for one in probe.strengths if not one.excess}


@pytest.mark.parametrize(("key", "control"), MATCHED)
def test_a_control_changes_as_much_as_its_probe(batch: Batch, key: str, control: str) -> None:
    own, other = sizes(batch, PROBES[key]), sizes(batch, PROBES[control])
    assert own.keys() == other.keys()
    for strength, size in own.items():
        np.testing.assert_allclose(other[strength], size, rtol=0.05, err_msg=strength)


@pytest.mark.parametrize("side", [32, 15])
def test_chance_depends_on_the_image_and_the_seed_alone(side: int) -> None:
    chance = Chance.of(["a", "b"], side=side, seed=5)
    for row, name in enumerate("ab"):
        generator = np.random.default_rng(int.from_bytes(hashlib.sha256(f"5 {name}".encode()).digest()[:8], "little"))
        np.testing.assert_array_equal(chance.uniform[row], generator.random((side, side, 3), np.float32))
        np.testing.assert_array_equal(chance.normal[row], generator.standard_normal((side, side), np.float32))
        # as the shipped studies have it
        generator.random(4, np.float32)
        for parts in BLOCKS:
            blocks = (side // block_side(side, parts)) ** 2
            np.testing.assert_array_equal(chance.orders[parts][row], generator.permutation(blocks))
    assert {name: block_side(side, name) for name in BLOCKS} == {32: {2: 16, 4: 8, 8: 4}, 15: {2: 7, 4: 3, 8: 2}}[side]
    np.testing.assert_array_equal(Chance.of(["a"], side=side).uniform, Chance.of(["a"], side=side, seed=0).uniform)


def test_each_change_is_the_one_that_its_column_names(batch: Batch) -> None:
    pixels, other, same, chance = batch.pixels, batch.other, batch.same, batch.chance
    spectra, theirs, twins = map(frequency.spectra_of, (pixels, other, same))
    fine, grey = ring(10, side=32), chance.normal[..., None]
    amount, texture = frequency.energy(spectra, fine), frequency.scrambled(spectra, chance.normal)
    centre, corner = np.zeros((2, 32, 32), bool)
    centre[8:24, 8:24] = corner[:16, 16:] = True
    depth = np.minimum(np.arange(32), np.arange(32)[::-1])
    depth = np.minimum(depth, depth[:, None])
    fade = spatial.cross_faded
    expected = {
        "lowpass_10": frequency.attenuated(spectra, fine),
        "lowpass_control_10": frequency.attenuated_elsewhere(spectra, fine),
        "lowpass_pattern_10": frequency.patterned_elsewhere(spectra, fine, chance.uniform - np.float32(0.5), amount),
        "lowpass_grey_10": frequency.patterned_elsewhere(spectra, fine, grey, amount),
        "rephase_10": frequency.images_of(frequency.rephased(spectra, fine, chance.normal)),
        "highpass_4": frequency.attenuated(spectra, ring(0, 4, side=32)),
        "ring_8_12": frequency.attenuated(spectra, ring(8, 12, side=32)),
        "ring_16_23": frequency.attenuated(spectra, ring(16, 23, side=32)),
        "transplant_10": frequency.transplanted(spectra, theirs, fine),
        "transplant_same_10": frequency.transplanted(spectra, twins, fine),
        "lend_10": frequency.transplanted(theirs, spectra, fine),
        "tint_half": photometric.tinted(pixels, batch.other_means, 0.5),
        "tint_control_full": photometric.tinted(pixels, batch.same_means, 1), "brighter_16": pixels + np.uint8(16),
        "shuffle_blend_8": spatial.without_seams(pixels, 8, chance.orders[4]),
        "shuffle_blend_stay_8": spatial.without_seams(pixels, 8),
        "shuffle_4": spatial.shuffled(pixels, 4, chance.orders[8]),
        "shuffle_turn_4": spatial.rotated_in_blocks(pixels, 4), "shuffle_fade_16": fade(pixels, 16, chance.orders[2]),
        "shuffle_fade_turn_16": fade(pixels, 16), "hide_centre_flat": spatial.hidden(pixels, centre),
        "hide_top_right_texture": spatial.hidden(pixels, corner, texture),
        "hide_border_flat": spatial.hidden(pixels, depth < 2),
        "hide_frame_32_flat": spatial.hidden(pixels, (depth > 0) & (depth < 3)),
        "shift_1": spatial.shifted(pixels, 1), "turn_270": np.rot90(pixels, 3, axes=(1, 2)),
    }  # fmt: skip
    for column, after in expected.items():
        probe, strength = probe_columns()[column]
        np.testing.assert_array_equal(probe.edit(batch, strength.value), after, err_msg=column)
    # one image alone, with what it lacks left out
    given = {"other": other[1], "same": same[1], "means": (batch.other_means[1], batch.same_means[1])}
    alone = probe_pictures(pixels[1], name="b", seed=5, **given)  # type: ignore[arg-type]
    assert list(alone) == list(probe_columns())
    for column, after in expected.items():
        difference = np.abs(alone[column].astype(int) - after[1])
        assert difference.max() <= 1
    assert list(probe_pictures(pixels[1], name="b", columns=["blur_1", "tint_half", "turn_90"])) == [
        "blur_1",
        "turn_90",
    ]
    for need in given:
        lacking = probe_pictures(pixels[1], name="b", **{**given, need: None})  # type: ignore[arg-type]
        assert {probe_columns()[column][0].needs for column in alone.keys() - lacking.keys()} == {need}


def test_strengths_are_labelled_for_the_size_of_the_image() -> None:
    half, finest = PROBES["shuffle"].strengths[0], PROBES["lowpass"].strengths[0]
    assert (half.at(32).label, half.at(63).label, half.at_any_side) == ("16 pixels", "31 pixels", "16 pixels of 32")
    assert (finest.at(63), finest.at_any_side, finest.told) == (finest, finest.label, f"{finest.label}, {finest.waves}")
    assert steps((1, 48), "{} pixels") == (Strength("1", "1 pixel", 1), Strength("48", "48 pixels", 48))
    assert radii((2.5,), "under {} px") == (Strength("2.5", "radius 2.5", 2.5, "under 12.8 px"),)
    assert inline("Recompressing as JPEG") == "recompressing as JPEG"
    every_way = {column for column in probe_columns() if in_every_way(column)}
    assert {"lowpass_12", "shuffle_blend_8", "blur_1"} <= every_way <= probe_columns().keys() - {"lowpass_14"}
