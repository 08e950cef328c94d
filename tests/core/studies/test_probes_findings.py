"""The findings of the probes: yes where they survive every control and every other way of making the change."""

import shutil
from dataclasses import replace

import pytest

from core.findings.answer import answer_of
from core.perturbations.probe import FAMILIES
from core.perturbations.registry import PROBES
from core.storage.limits import ContractError
from core.studies.questions.probes import STUDY, conclude
from core.studies.store import conclude_again, study_path, write_study
from tests.core.cue_detectors import CUES
from tests.core.studies.counted import PARAMETERS, asked_of, counted

VERDICTS = ("FAKE", "REAL")
# what each network sees -> the answers that must hold
SEEN = {
    "mean_colour": {"colour-FAKE", "colour-REAL"},
    "ring": {"transplant-FAKE", "transplant-REAL"},
    "corner": {"place-REAL"},
    "block_order": {"blocks-FAKE", "blocks-REAL"},
}
# what nothing but its own network may rest on much
ONLY = ("colour", "place", "blocks")
CONTROLS = ("lowpass_control", "lowpass_pattern", "lowpass_grey")
SEAMS = ("shuffle_blend", "shuffle", "shuffle_fade")


def found(flipped, path, sizes=None):
    run, table = counted(sizes or {}, flipped, path, images=400)
    return {finding.key: finding for finding in conclude(run, table, PARAMETERS)}


@pytest.mark.parametrize("name", CUES)
def test_each_network_rests_on_what_it_sees_and_on_nothing_else(name, tmp_path):
    run, table = asked_of(name, tmp_path)
    made = {one.key: one for one in conclude(run, table, PARAMETERS) if one.quantity == "flip_rate"}
    assert set(made) == {f"{family}-{verdict}" for family in FAMILIES for verdict in VERDICTS}
    much = {
        key
        for key, finding in made.items()
        if answer_of(finding).word == "yes" and finding.difference is not None and finding.difference.low > 0.25
    }
    assert much >= SEEN[name]
    assert not {key for key in much - SEEN[name] if key.partition("-")[0] in ONLY}


def test_a_claim_needs_every_control(tmp_path):
    planted = {"lowpass_8": 0.9, "lowpass_control_8": 0.02, "lowpass_pattern_8": 0.2, "lowpass_grey_8": 0.3}
    planted |= {"rephase_8": 0.8, "blur_2": 0.8}
    detail = found(planted, tmp_path)["detail-FAKE"]
    assert answer_of(detail).word == "yes"
    controls = {contrast.value for contrast in detail.contrasts if contrast.kind == "control"}
    assert controls == {PROBES[key].inline for key in CONTROLS}
    # the strongest of them is the one beside the number
    assert detail.control.measure.value == 0.3
    assert detail.difference.value == pytest.approx(0.6)
    for key in CONTROLS:
        detail = found(planted | {f"{key}_8": 0.9}, tmp_path)["detail-FAKE"]
        assert detail.main.value == PROBES[key].inline
        assert answer_of(detail).on == ("control", "change")


def test_a_claim_needs_every_other_way_of_making_the_change(tmp_path):
    agree = dict.fromkeys((f"{key}_8" for key in SEAMS), 0.5)
    blocks = found(agree, tmp_path)["blocks-FAKE"]
    assert answer_of(blocks).word == "yes"
    assert [contrast.value for contrast in blocks.choices if contrast.kind == "seam"] == ["hard", "cross-faded"]
    blocks = found(agree | {"shuffle_turn_8": 0.9}, tmp_path)["blocks-FAKE"]
    assert str(answer_of(blocks)) == "depends on seam"
    # and nothing where no way differs from its control
    nothing = {f"{key}_8": 0.5 for key in (*SEAMS, "shuffle_blend_turn", "shuffle_turn", "shuffle_fade_turn")}
    assert answer_of(found(dict(nothing), tmp_path)["blocks-FAKE"]).word != "yes"
    # random phases may say otherwise than removal, and so may the blur that is like it
    for other in ({"rephase_8": 0.4, "rephase_pattern_8": 0.6, "blur_2": 0.8}, {"rephase_8": 0.8, "blur_grey_2": 0.5}):
        detail = found({"lowpass_8": 0.9, **other}, tmp_path)["detail-FAKE"]
        assert str(answer_of(detail)) == "depends on change"


def test_a_place_is_set_against_the_same_shape_elsewhere_and_under_every_fill(tmp_path):
    border = {"hide_border_texture": 0.5, "hide_border_flat": 0.4}
    place = found(border, tmp_path)["place-FAKE"]
    assert place.details["title"] == "Hiding the border"
    assert answer_of(place).word == "yes"
    assert {contrast.kind for contrast in place.contrasts} == {"control", "fill"}
    # the same frame further in flips more: nothing of the place
    further = border | {"hide_frame_32_texture": 0.7, "hide_frame_32_flat": 0.7}
    assert answer_of(found(further, tmp_path)["place-FAKE"]).word != "yes"
    other = found({"hide_border_texture": 0.5, "hide_border_flat": 0.2, "hide_frame_8_flat": 0.2}, tmp_path)
    assert str(answer_of(other["place-FAKE"])) == "depends on fill"


def test_the_strength_that_certainly_flips_most_beyond_its_strongest_control_answers(tmp_path):
    planted = {"lowpass_12": 0.3, "lowpass_8": 0.9, "lowpass_pattern_8": 0.8}
    assert found(dict(planted), tmp_path)["detail-FAKE"].details["strength"].startswith("radius 12")
    # noise as large as the sharpening flips as many
    noisy = {"jpeg_30": 0.2, "sharpen_100": 0.4, "sharpen_noise_100": 0.4}
    assert found(noisy, tmp_path)["compression-FAKE"].measure.value == 0.2


@pytest.mark.parametrize("shares, answer", [((0.8, 0.9), "yes"), ((0.8, 0.0), "depends on training")])
def test_other_trainings_are_a_choice_that_stays(shares, answer, tmp_path):
    """Their number is that of the probe which answers in the main run, even where another would answer in theirs."""
    runs = []
    for number, share in enumerate((0.9, *shares)):
        planted = dict.fromkeys(("lowpass_8", "rephase_8", "blur_2"), share)
        if number:
            planted |= dict.fromkeys(("lowpass_12", "rephase_12", "blur_1"), 0.95)
        run, table = counted({}, planted, tmp_path / str(number), images=400)
        manifest = {"detector": f"seed-{number}", "set_fingerprint": "same"}
        run = replace(run, path=tmp_path / str(number), manifest=manifest)
        about = {"study": STUDY.name, "parameters": PARAMETERS, "precision": "bfloat16", **manifest}
        write_study(study_path(run.path, STUDY.name), table, {**about, "columns": {}}, run)
        runs.append(run)
    main, *others = runs
    path = study_path(main.path, STUDY.name)
    conclude_again(path, main, others)
    for other in others:
        shutil.rmtree(other.path)
    detail = conclude_again(path, main).finding("detail-FAKE")
    trained = [contrast for contrast in detail.choices if contrast.kind == "training"]
    assert [(contrast.value, contrast.measure.value) for contrast in trained] == [
        ("seed-1", shares[0]),
        ("seed-2", shares[1]),
    ]
    assert str(answer_of(detail)) == answer
    with pytest.raises(ContractError, match="on the same images"):
        conclude_again(path, main, [main])
