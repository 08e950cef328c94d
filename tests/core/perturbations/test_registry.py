"""The table of probes: every control changes as much as its probe, and every change is the named one."""

import hashlib

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import fft

from core.perturbations import edits, frequency
from core.perturbations.edits import rms
from core.perturbations.frequency import ring
from core.perturbations.probe import BLOCKS, Batch, Chance, block_side, inline
from core.perturbations.registry import PROBES, in_every_way, other_ways, probe_columns, probe_pictures

# the energy of their change is matched image by image; that of other controls is alike on average
MATCHED = {
    key
    for key, probe in PROBES.items()
    if probe.is_control and probe.family in ("detail", "transplant") and probe.needs != "same"
}


@pytest.fixture(scope="module")
def batch():
    """Six images with energy at every frequency, soft enough that no change leaves 0..255, and their donors."""
    generator = np.random.default_rng(3)
    coarse = generator.uniform(100, 150, (18, 8, 8, 3)).repeat(4, axis=1).repeat(4, axis=2)
    pixels = np.rint(coarse + generator.normal(0, 4, (18, 32, 32, 3))).astype(np.uint8)
    return Batch(pixels[:6], pixels[6:12], pixels[12:], Chance.of(list("abcdef"), side=32, seed=5))


@pytest.fixture(scope="module")
def natural():
    """Sixteen images with the spectrum of photographs, amplitudes that fall with frequency, and their donors."""
    generator = np.random.default_rng(0)
    waves = np.fft.fftfreq(32) * 32
    radius = np.maximum(np.hypot(waves[:, None], waves), 1)
    noise = np.fft.fft2(generator.standard_normal((48, 32, 32)))
    shading = np.fft.ifft2(noise / radius**1.2).real
    shading /= shading.std(axis=(1, 2), keepdims=True)
    pixels = 128 + 30 * shading[..., None] + generator.uniform(-30, 30, (48, 1, 1, 3))
    pixels = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return Batch(pixels[:16], pixels[16:32], pixels[32:], Chance.of(list("abcdefghijklmnop"), side=32))


@pytest.mark.parametrize("key, control", [(key, control) for key in PROBES for control in PROBES[key].controls])
def test_a_control_acts_and_is_not_its_probe(batch, natural, key, control):
    probe, other = PROBES[key], PROBES[control]
    assert other.is_control or probe.family == "place"
    assert [step.key for step in probe.strengths] == [step.key for step in other.strengths]
    for step in probe.strengths:
        own, theirs = probe.edit(natural, step.value), other.edit(natural, step.value)
        sizes = np.median(rms(own, natural.pixels)), np.median(rms(theirs, natural.pixels))
        assert 0.5 < sizes[1] / sizes[0] < 2, step.key
        # as far apart as two changes that share a part
        assert np.median(rms(own, theirs)) > 0.25 * sizes[0], step.key
        if control in MATCHED and step.value >= 8:
            changes = (rms(of.edit(batch, step.value), batch.pixels) for of in (other, probe))
            assert_allclose(*changes, rtol=0.05, err_msg=step.key)


def test_a_blur_leaves_next_to_nothing_of_what_the_low_pass_like_it_removes(natural):
    alike = {"lowpass_8": "blur_2", "lowpass_12": "blur_1"}
    for lowpass, blur in alike.items():
        assert other_ways(lowpass)["change"][1:] == [blur]
        probe, strength = probe_columns()[blur]
        # by cosine transforms, in which the picture has no seam at its border
        waves = np.arange(32) / 2
        fine = np.hypot(waves[:, None], waves) > probe_columns()[lowpass][1].value
        pictures = probe.edit(natural, strength.value), natural.pixels
        left, all_of_it = (
            (fft.dctn(values.astype(float), axes=(1, 2))[:, fine] ** 2).sum(axis=(1, 2)) for values in pictures
        )
        assert (left < 0.01 * all_of_it).all()


@pytest.mark.parametrize("side", [32, 15])
def test_chance_depends_on_the_image_and_the_seed_alone(side):
    chance = Chance.of(["a", "b"], side=side, seed=5)
    for row, name in enumerate("ab"):
        generator = np.random.default_rng(int.from_bytes(hashlib.sha256(f"5 {name}".encode()).digest()[:8], "little"))
        assert_array_equal(chance.uniform[row], generator.random((side, side, 3), np.float32))
        assert_array_equal(chance.normal[row], generator.standard_normal((side, side), np.float32))
        # as the shipped studies have it
        generator.random(4, np.float32)
        for parts in BLOCKS:
            blocks = (side // block_side(side, parts)) ** 2
            assert_array_equal(chance.orders[parts][row], generator.permutation(blocks))
    assert {name: block_side(side, name) for name in BLOCKS} == {32: {2: 16, 4: 8, 8: 4}, 15: {2: 7, 4: 3, 8: 2}}[side]
    assert_array_equal(Chance.of(["a"], side=side).uniform, Chance.of(["a"], side=side, seed=0).uniform)


def test_each_change_is_the_one_that_its_column_names(batch):
    pixels, other, same, chance = batch.pixels, batch.other, batch.same, batch.chance
    spectra, theirs, twins = map(frequency.spectra_of, (pixels, other, same))
    fine, grey = ring(10, side=32), chance.normal[..., None]
    blurred = ((edits.blurred(pixels, 1).astype(float) - pixels) ** 2).sum(axis=(1, 2, 3))
    amount, texture = frequency.energy(spectra, fine), frequency.scrambled(spectra, chance.normal)
    centre, corner = np.zeros((2, 32, 32), bool)
    centre[8:24, 8:24] = corner[:16, 16:] = True
    depth = np.minimum(np.arange(32), np.arange(32)[::-1])
    depth = np.minimum(depth, depth[:, None])
    fade = edits.cross_faded
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
        "blur_grey_1": frequency.patterned_elsewhere(spectra, ring(8, side=32), grey, blurred),
        "chroma_full": edits.with_chroma(pixels, other, 1),
        "brightness_same_full": edits.with_brightness(pixels, same, 1), "brighter_16": pixels + np.uint8(16),
        "shuffle_blend_8": edits.without_seams(pixels, 8, chance.orders[4]),
        "shuffle_blend_turn_8": edits.without_seams(edits.rotated_in_blocks(pixels, 8), 8),
        "shuffle_4": edits.shuffled(pixels, 4, chance.orders[8]),
        "shuffle_turn_4": edits.rotated_in_blocks(pixels, 4), "shuffle_fade_16": fade(pixels, 16, chance.orders[2]),
        "shuffle_fade_turn_16": fade(pixels, 16), "hide_centre_flat": edits.hidden(pixels, centre),
        "hide_top_right_texture": edits.hidden(pixels, corner, texture),
        "hide_left_flat": edits.hidden(pixels, np.roll(centre, -8, axis=1)),
        "hide_border_flat": edits.hidden(pixels, depth < 2),
        "hide_frame_32_flat": edits.hidden(pixels, (depth > 0) & (depth < 3)),
        "turn_mirror_90": pixels[:, :, ::-1],
        "shift_1": edits.shifted(pixels, 1), "turn_270": np.rot90(pixels, 3, axes=(1, 2)),
    }  # fmt: skip
    for column, after in expected.items():
        probe, strength = probe_columns()[column]
        assert_array_equal(probe.edit(batch, strength.value), after, err_msg=column)
    # one image alone, with what it lacks left out
    given = {"other": other[1], "same": same[1]}
    alone = probe_pictures(pixels[1], name="b", seed=5, **given)
    assert list(alone) == list(probe_columns())
    for column, after in expected.items():
        difference = np.abs(alone[column].astype(int) - after[1])
        assert difference.max() <= 1
    for need in given:
        lacking = probe_pictures(pixels[1], name="b", **{**given, need: None})
        assert {probe_columns()[column][0].needs for column in alone.keys() - lacking.keys()} == {need}


def test_strengths_are_labelled_for_the_size_of_the_image():
    half, finest = PROBES["shuffle"].strengths[0], PROBES["lowpass"].strengths[0]
    assert (half.at(32).label, half.at(63).label, half.at_any_side) == ("16 pixels", "31 pixels", "16 pixels of 32")
    assert (finest.at(63), finest.at_any_side, finest.full_label) == (
        finest,
        finest.label,
        f"{finest.label}, {finest.waves}",
    )
    for _, strength in probe_columns().values():
        # what is said of a radius is its wavelength
        if strength.label.startswith("radius"):
            assert strength.key == f"{strength.value:g}"
            assert f" {round(32 / strength.value, 1):g} pixels" in strength.waves
    assert inline("Recompressing as JPEG") == "recompressing as JPEG"
    every_way = {column for column in probe_columns() if in_every_way(column)}
    assert {"lowpass_12", "shuffle_blend_8", "blur_1"} <= every_way
    assert not every_way & {"lowpass_14", "lowpass_10", "lowpass_4"}


@pytest.mark.parametrize("probe", PROBES.values(), ids=lambda probe: probe.key)
def test_every_change_of_the_image_can_be_a_headline(probe):
    has_text = not (probe.is_control or probe.changes_donor)
    assert bool(probe.clause) == bool(probe.result) == has_text
    assert len(probe.result.split()) <= 3
    # strengths of one probe are told apart, but where it has names of its own for them
    words = {probe.clause.format(strength.label) for strength in probe.strengths}
    assert len(words) == (len(probe.strengths) if "{}" in probe.clause else 1)
