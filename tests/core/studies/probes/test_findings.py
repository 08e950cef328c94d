"""The sentences of the probes: short, judged by what is left beyond the control, and right about networks that see one
thing only.
"""

import re
from pathlib import Path

import numpy as np
import pytest

from core.studies.probes.findings import conclude
from core.studies.probes.summary import read_turns, responses
from core.studies.study import Finding
from tests.core.cues import CUES
from tests.core.studies.counted import PARAMETERS, asked, counted

ALL = {
    "smallest_fake", "smallest_real", "detail_out", "detail_in", "finest_levels", "shape_texture", "colour",
    "detail_back", "place", "compression", "light", "geometry",
}  # fmt: skip
# what each network is said to rest on
SAID = {
    "mean_colour": {"colour": "Colour mostly decides: the mean colour of the other class turns"},
    "ring": {
        "detail_back": "The fine detail of REAL images mostly makes FAKE images REAL:",
        "detail_in": "The fine detail of FAKE images mostly makes REAL images FAKE:",
    },
    "corner": {"place": "One place mostly decides: hiding the upper left quarter turns"},
    "block_order": {"shape_texture": "Verdicts often need shape as well: shuffling"},
}
# and what nothing but its own network may be said to rest on
ONLY = {"colour": "Colour mostly", "place": "One place mostly", "shape_texture": "Verdicts often need shape"}


def found(sizes: dict[str, float], turned: dict[str, float | tuple[float, float]], path: Path) -> dict[str, Finding]:
    run, table = counted(sizes, turned, path, images=400)
    return {one.key: one for one in conclude(run, table, PARAMETERS)}


@pytest.mark.parametrize("name", CUES)
def test_each_network_is_said_to_rest_on_what_it_sees_and_on_nothing_else(name: str, tmp_path: Path) -> None:
    run, table = asked(CUES[name](), tmp_path)
    sentences = {one.key: one.sentence for one in conclude(run, table, PARAMETERS)}
    for key, begins in SAID[name].items():
        assert sentences[key].startswith(begins)
    for key, begins in ONLY.items():
        assert sentences[key].startswith(begins) == (key in SAID[name])


@pytest.mark.parametrize("name", CUES)
def test_answers_are_two_short_sentences_the_second_of_which_is_the_control(name: str, tmp_path: Path) -> None:
    run, table = asked(CUES[name](), tmp_path)
    made = conclude(run, table, PARAMETERS)
    assert {one.key for one in made} == ALL
    for one in made:
        sentences = re.split(r"(?<=\.) (?=[A-Z])", one.sentence)
        assert len(sentences) == 2, one.sentence
        assert all(len(sentence) < 190 for sentence in sentences), one.sentence
        numbered = 1 if sentences[0].startswith("No change turns") else 0
        assert re.search(r"\d % \(\d[\d.]* to \d[\d.]* %\)", sentences[numbered]), one.sentence
        assert re.search(r"control|coarser detail|same seams|as much anywhere", sentences[1]), one.sentence
        assert "nan" not in one.sentence


def test_the_numbers_are_those_of_the_charts(tmp_path: Path) -> None:
    run, table = asked(CUES["corner"](), tmp_path)
    shares = responses(read_turns(run, table, PARAMETERS))
    for one in conclude(run, table, PARAMETERS):
        same = shares[(shares["share"] == one.value) & (shares["low"] == one.low) & (shares["high"] == one.high)]
        assert len(same), one.key
        assert one.images == 40


def test_what_its_control_turns_as_well_does_not_decide(tmp_path: Path) -> None:
    as_much = {"tint_full": 0.5, "tint_control_full": 0.52, "shuffle_8": 0.5, "shuffle_turn_8": 0.45}
    as_much |= {"hide_border_texture": 0.5, "hide_spread_texture": 0.5, "lowpass_12": 0.62, "lowpass_control_12": 0.6}
    said = found({}, as_much, tmp_path)
    assert said["colour"].sentence.startswith("How much colour, and of what tint, decides no more than its control:")
    assert "Its control, “mean colour of its own class”, turns 52 %" in said["colour"].sentence
    assert said["shape_texture"].sentence.startswith(
        "Verdicts turn about as often by the seams alone: shuffling blocks of 8 pixels turns 50 %"
    )
    assert "The same seams without shuffling turn 45 % of FAKE and 45 % of REAL" in said["shape_texture"].sentence
    assert said["place"].sentence.startswith("One place decides no more than its control: hiding the border turns 50 %")
    assert said["detail_out"].sentence.startswith("FAKE verdicts rest on fine detail no more than on coarser detail:")
    without = {column: share for column, share in as_much.items() if "control" not in column}
    said = found({}, {column: without.get(column, 0) for column in without if "_turn_" not in column}, tmp_path)
    assert said["colour"].sentence.startswith("Colour often decides:")
    assert said["shape_texture"].sentence.startswith("Verdicts often need shape as well:")
    assert said["detail_out"].sentence.startswith(
        "FAKE verdicts mostly rest on fine detail: without waves shorter than 2.7"
    )


def test_each_verdict_has_its_own_answer(tmp_path: Path) -> None:
    said = found({}, {"shuffle_8": (0.02, 0.7), "shuffle_turn_8": (0.01, 0.1)}, tmp_path)
    assert said["shape_texture"].sentence.startswith(
        "FAKE verdicts rest on texture, REAL ones mostly need shape as well:"
    )
    said = found({}, {"shuffle_8": (0.1, 0.5), "shuffle_turn_8": 0.1, "shuffle_roll_8": (0.6, 0.0)}, tmp_path)
    assert said["shape_texture"].sentence.startswith(
        "FAKE verdicts hang more on where pixels fall than on shape, REAL ones often need shape as well:"
    )
    said = found({}, {"transplant_8": (0.97, 0.14), "transplant_same_8": (0.54, 0.0)}, tmp_path)
    assert (
        "often makes FAKE images REAL: put in, their waves shorter than 4 pixels turn 97 %"
        in said["detail_back"].sentence
    )
    assert "But those of other FAKE images turn 54 %" in said["detail_back"].sentence
    assert "seldom makes REAL images FAKE" in said["detail_in"].sentence


def test_the_finest_levels_decide_only_where_they_turn_verdicts(tmp_path: Path) -> None:
    answers = {0.0: "do not decide", 0.06: "hardly decide", 0.2: "seldom decide", 0.9: "mostly decide"}
    for share, answer in answers.items():
        sentence = found({}, {"noise_2": share}, tmp_path)["finest_levels"].sentence
        assert sentence.startswith(f"Differences of 1 or 2 in value {answer}: noise of up to ±2 turns")
        assert "There is no control so small" in sentence
    rounded = found({}, {"levels_4": 0.9}, tmp_path)["finest_levels"].sentence
    assert "rounding to steps of 4 turns 90 %" in rounded


def test_what_has_no_control_says_so_and_what_has_one_of_its_size_names_it(tmp_path: Path) -> None:
    said = found({}, {"hue_180": 0.3, "flatter_50": 0.3, "turn_90": 0.3}, tmp_path)
    assert said["colour"].sentence.startswith("How much colour, and of what tint, does not decide:")
    assert "unnatural colours may: opposite hues, which have no control, turn 30 %" in said["colour"].sentence
    for key in ("light", "geometry"):
        # without a control nothing is said to decide
        assert "may decide" in said[key].sentence
        assert "There is no control of that size" in said[key].sentence
    sizes = {"brighter_16": 10.0, "lowpass_control_10": 10.0}
    told = found(sizes, {"brighter_16": 0.1, "lowpass_control_10": 0.3, "brighter_48": 0.8}, tmp_path)["light"].sentence
    # what is beaten by its control comes before what has none, however much that turns
    assert told.startswith("Light, changed a little, decides no more than its control: 16 levels brighter turns 10 %")
    assert "; 48 levels brighter, which has none, turns 80 %" in told
    said = found({"blur_2": 10.0, "lowpass_control_10": 10.0}, {"blur_2": 0.8, "lowpass_control_10": 0.2}, tmp_path)
    assert said["compression"].sentence.startswith("Blur mostly turns FAKE and REAL verdicts, 80 % (")
    assert "at 2 pixels and 80 % (" in said["compression"].sentence
    assert "As large a change of coarser detail turns 20 %" in said["compression"].sentence


def test_the_smallest_change_is_one_with_a_control_and_a_smaller_one_without_is_named_beside(tmp_path: Path) -> None:
    sizes, turned = {"lowpass_14": 6.0, "noise_1": 0.8}, {"lowpass_14": 0.6, "noise_1": 0.4}
    sentence = found(sizes, turned, tmp_path)["smallest_fake"].sentence
    assert sentence.startswith(
        "For its size, “fine detail out” (radius 14) turns FAKE verdicts most beyond its control:"
    )
    assert sentence.endswith("; “noise” (±1), smaller and without a control, 40 %.")
    sentence = found({"noise_1": 0.8}, {"noise_1": 0.4}, tmp_path)["smallest_fake"].sentence
    assert sentence.startswith(
        "No change turns FAKE verdicts more often than its control does. Without a control, “noise”"
    )
    assert (
        found({}, {}, tmp_path)["smallest_real"].sentence
        == "No change turns REAL verdicts more often than its control does."
    )


def test_a_detail_that_nobody_could_lend_is_left_out_and_its_own_is_told(tmp_path: Path) -> None:
    run, table = asked(CUES["ring"](), tmp_path)
    lacking = table.assign(**{f"transplant_same_{radius}": np.nan for radius in (12, 10, 8)})
    said = {one.key: one.sentence for one in conclude(run, lacking, PARAMETERS)}
    for key, verdict in (("detail_back", "FAKE"), ("detail_in", "REAL")):
        assert f"No other {verdict} image was at hand to lend its own; as large a change" in said[key]
    assert not any("nan" in sentence for sentence in said.values())
