"""The findings of the probes: claimed where they survive every control and every other way of making the change."""

from pathlib import Path

import numpy as np
import pytest

from core.findings.claims import claim_status
from core.findings.finding import Finding
from core.findings.words import tell
from core.findings.words.probes import degree
from core.perturbations.probe import FAMILIES
from core.perturbations.table import PROBES
from core.studies.flips import flip_rates, read_flips
from core.studies.probes import conclude
from tests.core.cues import CUES
from tests.core.studies.counted import PARAMETERS, asked_of, counted

VERDICTS = ("FAKE", "REAL")
# what each network sees -> the answers that must claim it
SEEN = {
    "mean_colour": {"colour-FAKE", "colour-REAL"},
    "ring": {"transplant-FAKE", "transplant-REAL"},
    "corner": {"place-REAL"},
    "block_order": {"blocks-FAKE", "blocks-REAL"},
}
# what nothing but its own network may rest on much
ONLY = ("colour", "place", "blocks")
Turned = dict[str, float | tuple[float, float]]
CONTROLS = ("lowpass_control", "lowpass_pattern", "lowpass_grey")
SEAMS = ("shuffle_blend", "shuffle", "shuffle_fade")


def found(turned: Turned, path: Path, sizes: dict[str, float] | None = None) -> dict[str, Finding]:
    run, table = counted(sizes or {}, turned, path, images=400)
    return {one.key: one for one in conclude(run, table, PARAMETERS)}


@pytest.mark.parametrize("name", CUES)
def test_each_network_rests_on_what_it_sees_and_on_nothing_else(name: str, tmp_path: Path) -> None:
    run, table = asked_of(name, tmp_path)
    made = {one.key: one for one in conclude(run, table, PARAMETERS)}
    assert set(made) == {f"{family}-{verdict}" for family in ("smallest", *FAMILIES) for verdict in VERDICTS}
    much = {
        key for key, one in made.items() if not key.startswith("smallest") and claim_status(one).kind == "holds"
        and claim_status(one).sign > 0 and degree(one) in ("often", "mostly")
    }  # fmt: skip
    assert much >= SEEN[name]
    assert not {key for key in much - SEEN[name] if key.partition("-")[0] in ONLY}


@pytest.mark.parametrize("name", CUES)
def test_answers_are_short_and_every_part_is_a_sentence(name: str, tmp_path: Path) -> None:
    run, table = asked_of(name, tmp_path)
    for one in map(tell, conclude(run, table, PARAMETERS)):
        assert one.question.endswith("?")
        for part in filter(None, map(str, (one.answer, one.control, one.aside, one.standing))):
            assert part[0].isupper() or part[0] in "0123456789"
            assert part.endswith(".")
            assert "nan" not in part
        assert len(str(one.answer)) < 210


def test_the_numbers_are_those_of_the_charts(tmp_path: Path) -> None:
    run, table = asked_of("corner", tmp_path)
    shares = flip_rates(read_flips(run, table, PARAMETERS))
    for one in conclude(run, table, PARAMETERS):
        for each in (one, *one.choices):
            assert each.measure.n == 40
            assert ((shares["share"] == each.measure.value) & (shares["low"] == each.measure.low)).any(), one.key
            if each.control is not None and each.difference is not None:
                assert each.difference.value == pytest.approx(each.measure.value - each.control.measure.value)


def test_a_claim_needs_every_control(tmp_path: Path) -> None:
    planted: Turned = {"lowpass_8": 0.9, "lowpass_control_8": 0.02, "lowpass_pattern_8": 0.2, "lowpass_grey_8": 0.3}
    one = found(planted | {"rephase_8": 0.8}, tmp_path)["detail-FAKE"]
    assert claim_status(one).kind == "holds"
    assert {choice.value for choice in one.choices if choice.kind == "control"} == {
        PROBES[key].inline for key in CONTROLS
    }
    # the strongest of them is the one beside the number
    assert one.control is not None
    assert (one.control.measure.value, one.difference.value) == (0.3, pytest.approx(0.6))  # type: ignore[union-attr]
    assert str(tell(one).answer).startswith("FAKE verdicts mostly rest on fine detail: removing fine detail (radius 8,")
    for key in CONTROLS:
        one = found(planted | {"rephase_8": 0.8, f"{key}_8": 0.9}, tmp_path)["detail-FAKE"]
        assert claim_status(one).on["control"][PROBES[key].inline] == 0
        assert "depends on the control" in str(tell(one).answer)


def test_a_claim_needs_every_other_way_of_making_the_change(tmp_path: Path) -> None:
    agree: Turned = dict.fromkeys((f"{key}_8" for key in SEAMS), 0.5)
    one = found(agree, tmp_path)["blocks-FAKE"]
    assert claim_status(one).kind == "holds"
    assert [choice.value for choice in one.choices] == ["blended", "hard", "cross-faded"]
    one = found(agree | {"shuffle_turn_8": 0.9}, tmp_path)["blocks-FAKE"]
    assert claim_status(one).on == {"seam": {"blended": 1, "hard": -1, "cross-faded": 1}}
    said = tell(one)
    assert str(said.answer).startswith("Whether FAKE verdicts rest on the order of the parts depends on the seam:")
    assert "below its control for hard" in str(said.standing)
    # and nothing where the interval of the difference has zero
    nothing = {f"{key}_8": 0.5 for key in (*SEAMS, "shuffle_blend_stay", "shuffle_turn", "shuffle_fade_turn")}
    one = found(dict(nothing), tmp_path)["blocks-FAKE"]
    assert claim_status(one).kind == "not shown"
    assert str(tell(one).answer).startswith("That FAKE verdicts rest on the order of the parts is not shown:")
    # random phases may say otherwise than removal
    one = found({"lowpass_8": 0.9, "rephase_8": 0.4, "rephase_pattern_8": 0.6}, tmp_path)["detail-FAKE"]
    assert claim_status(one).on == {"change": {"removed": 1, "its phases randomised": -1}}


def test_a_place_is_set_against_the_same_shape_elsewhere_and_under_every_fill(tmp_path: Path) -> None:
    border: Turned = {"hide_border_texture": 0.5, "hide_border_flat": 0.4}
    one = found(border, tmp_path)["place-FAKE"]
    assert (one.details["title"], claim_status(one).kind) == ("Hiding the border", "holds")
    assert {choice.kind for choice in one.choices} == {"control", "fill"}
    # the same frame further in flips more: nothing of the place
    one = found(border | {"hide_frame_32_texture": 0.7, "hide_frame_32_flat": 0.7}, tmp_path)["place-FAKE"]
    assert "rest on one place:" not in str(tell(one).answer)
    one = found({"hide_border_texture": 0.5, "hide_border_flat": 0.2, "hide_frame_8_flat": 0.2}, tmp_path)["place-FAKE"]
    assert claim_status(one).on == {"fill": {"its own texture": 1, "its mean colour": 0}}
    squares: Turned = {"hide_centre_texture": 0.6, "hide_centre_flat": 0.6, "hide_top_left_texture": 0.6}
    one = found(squares, tmp_path)["place-FAKE"]
    assert claim_status(one).kind != "holds"


def test_each_verdict_has_its_own_answer(tmp_path: Path) -> None:
    made = found({f"{key}_8": (0.04, 0.7) for key in SEAMS} | {"shuffle_blend_stay_8": (0.04, 0.1)}, tmp_path)
    assert [claim_status(made[f"blocks-{verdict}"]).kind for verdict in VERDICTS] == ["depends", "holds"]
    made = found({"transplant_8": (0.97, 0.14), "transplant_same_8": (0.54, 0.0)}, tmp_path)
    assert [degree(made[f"transplant-{verdict}"]) for verdict in VERDICTS] == ["often", "seldom"]


def test_what_has_no_control_is_a_number_without_a_reason(tmp_path: Path) -> None:
    made = found({"turn_90": 0.23, "turn_180": 0.13, "shift_1": 0.04, "brighter_48": 0.3, "levels_16": 0.01}, tmp_path)
    for key, share in (("geometry", 0.23), ("light", 0.3), ("levels", 0.01)):
        one = made[f"{key}-FAKE"]
        assert (one.measure.value, one.control, claim_status(one).kind) == (
            pytest.approx(share, abs=0.005),
            None,
            "no control",
        )
        answer = str(tell(one).answer)
        assert answer.startswith(f"{one.details['title']} (")
        for word in ("decide", "rest", "because"):
            assert word not in answer
    aside = str(tell(made["geometry-FAKE"]).aside)
    assert "90° 23.0%, 180° 13.0%" in aside
    assert "shifting (1 pixel) 4.0%" in aside
    # as large a change of another kind is no control
    sizes = {"brighter_48": 10.0, "lowpass_control_10": 10.0}
    light = found({"brighter_48": 0.8, "lowpass_control_10": 0.1}, tmp_path, sizes)["light-FAKE"]
    assert light.control is None


def test_a_curve_that_falls_is_said_to(tmp_path: Path) -> None:
    doses: Turned = {"lowpass_12": 0.6, "lowpass_10": 0.8, "lowpass_8": 0.95, "lowpass_6": 0.9, "lowpass_4": 0.3}
    doses |= {"lowpass_2": 0.05, "lowpass_14": 0.1}
    aside = str(tell(found(doses, tmp_path)["detail-FAKE"]).aside)
    assert "radius 14 10.0%, radius 12 60.0%, radius 10 80.0%, radius 8 95.0%" in aside
    assert "Not monotone: it falls at radius 6, radius 4 and radius 2." in aside
    rising = {
        f"lowpass_{radius}": share
        for radius, share in zip((14, 12, 10, 8, 6, 4, 2), np.linspace(0.3, 0.9, 7), strict=True)
    }
    assert "monotone" not in str(tell(found(dict(rising), tmp_path)["detail-FAKE"]).aside)


def test_the_smallest_change_is_one_with_a_control_and_a_smaller_one_without_is_named_beside(tmp_path: Path) -> None:
    sizes, turned = {"lowpass_14": 6.0, "levels_2": 0.8}, {"lowpass_14": 0.6, "levels_2": 0.4}
    one = found(dict(turned), tmp_path, sizes)["smallest-FAKE"]
    assert (one.details["title"], one.details["strength"], one.details["size"]) == (
        "Removing fine detail",
        "radius 14",
        6.0,
    )
    assert (one.details["smaller_title"], one.beside["smaller"].value) == ("Reducing grey levels", 0.4)
    one = found({"levels_2": 0.4}, tmp_path, {"levels_2": 0.8})["smallest-FAKE"]
    assert claim_status(one).kind == "no control"
    assert str(tell(one).answer) == "No change flips FAKE verdicts significantly more often than its control does."
    none = found({}, tmp_path)["smallest-REAL"]
    assert not none.measure.known
    assert not tell(none).standing
    assert str(tell(none).answer) == "No change flips REAL verdicts significantly more often than its control does."


def test_the_smallest_change_is_never_another_way_of_making_it(tmp_path: Path) -> None:
    turned: Turned = dict.fromkeys((f"{key}_8" for key in SEAMS), 0.5)
    # the cross-faded way changes far less
    one = found(turned | {"shuffle_turn_8": 0.9}, tmp_path, {"shuffle_fade_8": 2.0})["smallest-FAKE"]
    assert one.details["title"] == PROBES["shuffle_blend"].title
    assert claim_status(one).on == {"seam": {"blended": 1, "hard": -1, "cross-faded": 1}}
    assert "below its control for hard" in str(tell(one).standing)


def test_a_detail_that_nobody_could_lend_is_compared_with_what_there_is(tmp_path: Path) -> None:
    run, table = asked_of("ring", tmp_path)
    lacking = table.assign(**{f"transplant_same_{radius}": np.nan for radius in (12, 10, 8)})
    made = {one.key: one for one in conclude(run, lacking, PARAMETERS)}
    for verdict in VERDICTS:
        one = made[f"transplant-{verdict}"]
        assert one.control is not None
        assert one.control.name == "swapping in as much coarse detail of the other class"
        assert "nan" not in str(tell(one).full)


def test_an_older_file_is_concluded_from_by_what_it_has_or_names_what_it_lacks(tmp_path: Path) -> None:
    run, table = asked_of("corner", tmp_path)
    older = table.drop(columns=[name for name in table if name.startswith(("shuffle_blend", "shuffle_fade"))])
    made = {one.key: one for one in conclude(run, older, PARAMETERS)}
    assert "detail-FAKE" in made
