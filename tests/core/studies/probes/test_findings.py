"""The findings of the probes: what is left beyond the control, and right about networks that see one thing."""

from pathlib import Path

import numpy as np
import pytest

from core.findings.claims import sign_of, standing
from core.findings.finding import Finding
from core.findings.words import Told, tell
from core.findings.words.probes import degree
from core.studies.probes.findings import conclude
from core.studies.probes.summary import read_turns, responses
from tests.core.cues import CUES
from tests.core.studies.counted import PARAMETERS, asked, counted

ALL = {
    "smallest_fake", "smallest_real", "detail_out", "detail_in", "finest_levels", "shape_texture", "colour",
    "detail_back", "place", "compression", "light", "geometry",
}  # fmt: skip
# finding -> what decides it, for each network
SEEN = {
    "mean_colour": {"colour": "mostly"},
    "ring": {"detail_back": "mostly", "detail_in": "mostly"},
    "corner": {"place": "mostly"},
    "block_order": {"shape_texture": "often"},
}
# what nothing but its own network may rest on so much
ONLY = {"colour": "mostly", "place": "mostly", "shape_texture": "often"}


def found(sizes: dict[str, float], turned: dict[str, float | tuple[float, float]], path: Path) -> dict[str, Finding]:
    run, table = counted(sizes, turned, path, images=400)
    return {one.key: one for one in conclude(run, table, PARAMETERS)}


def told(sizes: dict[str, float], turned: dict[str, float | tuple[float, float]], path: Path) -> dict[str, Told]:
    return {key: tell(one) for key, one in found(sizes, turned, path).items()}


@pytest.mark.parametrize("name", CUES)
def test_each_network_rests_on_what_it_sees_and_on_nothing_else(name: str, tmp_path: Path) -> None:
    run, table = asked(CUES[name](), tmp_path)
    made = {one.key: one for one in conclude(run, table, PARAMETERS)}
    assert set(made) == ALL
    for key, how in SEEN[name].items():
        assert degree(made[key]) == how
        assert sign_of(made[key]) == 1
    for key, how in ONLY.items():
        assert (degree(made[key]) == how) == (key in SEEN[name])


@pytest.mark.parametrize("name", CUES)
def test_answers_are_short_and_every_part_is_a_sentence(name: str, tmp_path: Path) -> None:
    run, table = asked(CUES[name](), tmp_path)
    for one in map(tell, conclude(run, table, PARAMETERS)):
        assert one.question.endswith("?")
        for part in filter(None, map(str, (one.answer, one.control, one.aside, one.standing))):
            assert part[0].isupper() or part[0].isdigit()
            assert part.endswith(".")
            assert len(part) < 200
            assert "nan" not in part


def test_the_numbers_are_those_of_the_charts(tmp_path: Path) -> None:
    run, table = asked(CUES["corner"](), tmp_path)
    shares = responses(read_turns(run, table, PARAMETERS))
    for one in conclude(run, table, PARAMETERS):
        for each in (one, *one.choices):
            assert each.measure.n == 40
            same = shares[(shares["share"] == each.measure.value) & (shares["low"] == each.measure.low)]
            if each.control is not None and each.difference is not None:
                same = same[same["control_share"] == each.control.measure.value]
                same = same[(same["net"] == each.difference.value) & (same["net_low"] == each.difference.low)]
            assert len(same), one.key


def test_what_its_control_flips_as_well_does_not_decide(tmp_path: Path) -> None:
    as_much = {"tint_full": 0.5, "tint_control_full": 0.52, "shuffle_8": 0.5, "shuffle_turn_8": 0.45}
    as_much |= {"hide_border_texture": 0.5, "hide_spread_texture": 0.5, "lowpass_12": 0.62, "lowpass_control_12": 0.6}
    made = found({}, as_much, tmp_path)
    for key in ("colour", "shape_texture", "place", "detail_out"):
        assert degree(made[key]) == "no more"
        assert sign_of(made[key]) == 0
    colour = made["colour"]
    assert (colour.measure.value, colour.group) == (0.5, "FAKE")
    assert colour.control is not None
    assert (colour.control.name, colour.control.measure.value) == ("“mean colour of its own class”", 0.52)
    assert made["shape_texture"].beside["seams.REAL"].value == 0.45
    words = str(tell(colour).answer)
    assert words.startswith("How much colour, and of what tint, decides no more than its control:")
    without = {column: share for column, share in as_much.items() if "control" not in column}
    made = found({}, {column: without.get(column, 0) for column in without if "_turn_" not in column}, tmp_path)
    assert [degree(made[key]) for key in ("colour", "shape_texture", "detail_out")] == ["often", "often", "mostly"]
    assert all(standing(made[key]).sign == 1 for key in ("colour", "shape_texture", "detail_out"))


def test_each_verdict_has_its_own_answer(tmp_path: Path) -> None:
    one = found({}, {"shuffle_8": (0.02, 0.7), "shuffle_turn_8": (0.01, 0.1)}, tmp_path)["shape_texture"]
    assert standing(one).on == {"verdict": {"FAKE": 0, "REAL": 1}}
    assert str(tell(one).answer).startswith("FAKE verdicts rest on texture, REAL verdicts mostly need shape as well:")
    said = told({}, {"shuffle_8": (0.1, 0.5), "shuffle_turn_8": 0.1, "shuffle_roll_8": (0.6, 0.0)}, tmp_path)
    assert str(said["shape_texture"].answer).startswith(
        "FAKE verdicts hang more on where pixels fall than on shape, REAL verdicts often need shape as well:"
    )
    made = found({}, {"transplant_8": (0.97, 0.14), "transplant_same_8": (0.54, 0.0)}, tmp_path)
    back = made["detail_back"]
    assert (back.measure.value, back.beside["same"].value, back.details["waves"]) == (0.97, 0.54, "4 pixels")
    assert (degree(back), degree(made["detail_in"])) == ("often", "seldom")


def test_a_place_that_decides_under_one_fill_depends_on_the_fill(tmp_path: Path) -> None:
    one = found({}, {"hide_border_texture": 0.5, "hide_border_flat": 0.2, "hide_spread_flat": 0.2}, tmp_path)["place"]
    assert standing(one).on == {"fill": {"texture": 1, "flat": 0}}
    one = found({}, {"hide_border_texture": 0.5, "hide_border_flat": 0.4}, tmp_path)["place"]
    assert standing(one).kind == "claimed"


def test_the_finest_levels_decide_only_where_they_flip_verdicts(tmp_path: Path) -> None:
    answers = {0.0: "no", 0.06: "hardly", 0.2: "seldom", 0.9: "mostly"}
    for share, how in answers.items():
        one = found({}, {"noise_2": share}, tmp_path)["finest_levels"]
        assert degree(one) == how
        assert (one.details["what"], one.control) == ("noise of up to ±2", None)
        assert standing(one).kind == "uncontrolled"
    rounded = found({}, {"levels_4": 0.9}, tmp_path)["finest_levels"]
    assert (rounded.details["what"], rounded.measure.value) == ("rounding to steps of 4", 0.9)


def test_what_has_no_control_is_a_number_and_what_has_one_of_its_size_names_it(tmp_path: Path) -> None:
    made = found({}, {"hue_180": 0.3, "flatter_50": 0.3, "turn_90": 0.3}, tmp_path)
    assert degree(made["colour"]) == "no"
    assert made["colour"].beside["hue"].value == 0.3
    assert str(tell(made["colour"]).aside).startswith("Unnatural colours may: opposite hues, which have no control,")
    for key in ("light", "geometry"):
        assert standing(made[key]).kind == "uncontrolled"
        # without a control nothing is said to decide
        assert "may decide" in str(tell(made[key]).answer)
    sizes = {"brighter_16": 10.0, "lowpass_control_10": 10.0}
    light = found(sizes, {"brighter_16": 0.1, "lowpass_control_10": 0.3, "brighter_48": 0.8}, tmp_path)["light"]
    # what is beaten by its control comes before what has none, however much that flips
    assert (light.details["what"], light.measure.value, standing(light).sign) == ("16 levels brighter", 0.1, -1)
    assert (light.details["alone"], light.beside["alone"].value) == ("48 levels brighter", 0.8)
    made = found({"blur_2": 10.0, "lowpass_control_10": 10.0}, {"blur_2": 0.8, "lowpass_control_10": 0.2}, tmp_path)
    blur = made["compression"]
    assert blur.control is not None
    assert (blur.control.name, blur.control.measure.value) == ("as large a change of coarser detail", 0.2)
    assert (degree(blur), blur.details["strengths"]) == ("mostly", {"FAKE": "2 pixels", "REAL": "2 pixels"})


def test_the_smallest_change_is_one_with_a_control_and_a_smaller_one_without_is_named_beside(tmp_path: Path) -> None:
    sizes, turned = {"lowpass_14": 6.0, "noise_1": 0.8}, {"lowpass_14": 0.6, "noise_1": 0.4}
    one = found(sizes, turned, tmp_path)["smallest_fake"]
    assert (one.details["title"], one.details["strength"], one.details["size"]) == ("Fine detail out", "radius 14", 6.0)
    assert (one.details["smaller_title"], one.beside["smaller"].value) == ("Noise", 0.4)
    one = found({"noise_1": 0.8}, {"noise_1": 0.4}, tmp_path)["smallest_fake"]
    assert standing(one).kind == "uncontrolled"
    assert str(tell(one).answer) == "No change flips FAKE verdicts more often than its control does."
    none = found({}, {}, tmp_path)["smallest_real"]
    assert not none.measure.known
    assert not tell(none).standing


def test_a_detail_that_nobody_could_lend_is_left_out_and_its_own_is_told(tmp_path: Path) -> None:
    run, table = asked(CUES["ring"](), tmp_path)
    lacking = table.assign(**{f"transplant_same_{radius}": np.nan for radius in (12, 10, 8)})
    made = {one.key: one for one in conclude(run, lacking, PARAMETERS)}
    for key, verdict in (("detail_back", "FAKE"), ("detail_in", "REAL")):
        assert not made[key].beside["same"].known
        assert str(tell(made[key]).control).startswith(f"No other {verdict} image was available to lend its own; as")
