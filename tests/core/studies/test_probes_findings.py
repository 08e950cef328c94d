"""The findings of the probes: they hold where they survive every control and every other way of making the change."""

from pathlib import Path

import pandas as pd
import pytest

from core.findings.claims import claim_status
from core.findings.finding import Finding
from core.perturbations.probe import FAMILIES
from core.perturbations.registry import PROBES
from core.studies.flips import ranking
from core.studies.probes import answering_column, conclude
from tests.core.cues import CUES
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
Flipped = dict[str, float | tuple[float, float]]
CONTROLS = ("lowpass_control", "lowpass_pattern", "lowpass_grey")
SEAMS = ("shuffle_blend", "shuffle", "shuffle_fade")


def found(flipped: Flipped, path: Path, sizes: dict[str, float] | None = None) -> dict[str, Finding]:
    run, table = counted(sizes or {}, flipped, path, images=400)
    return {finding.key: finding for finding in conclude(run, table, PARAMETERS)}


@pytest.mark.parametrize("name", CUES)
def test_each_network_rests_on_what_it_sees_and_on_nothing_else(name: str, tmp_path: Path) -> None:
    run, table = asked_of(name, tmp_path)
    made = {one.key: one for one in conclude(run, table, PARAMETERS) if one.quantity == "flip_rate"}
    assert set(made) == {f"{family}-{verdict}" for family in ("smallest", *FAMILIES) for verdict in VERDICTS}
    much = {
        key for key, finding in made.items() if not key.startswith("smallest") and str(claim_status(finding)) == "holds"
        and (finding.difference or finding.measure).low > 0.25
    }  # fmt: skip
    assert much >= SEEN[name]
    assert not {key for key in much - SEEN[name] if key.partition("-")[0] in ONLY}


def test_a_claim_needs_every_control(tmp_path: Path) -> None:
    planted: Flipped = {"lowpass_8": 0.9, "lowpass_control_8": 0.02, "lowpass_pattern_8": 0.2, "lowpass_grey_8": 0.3}
    detail = found(planted | {"rephase_8": 0.8}, tmp_path)["detail-FAKE"]
    assert str(claim_status(detail)) == "holds"
    controls = {choice.value for choice in detail.choices if choice.kind == "control"}
    assert controls == {PROBES[key].inline for key in CONTROLS}
    # the strongest of them is the one beside the number
    assert (detail.control.measure.value, detail.difference.value) == (0.3, pytest.approx(0.6))  # type: ignore[union-attr]
    for key in CONTROLS:
        detail = found(planted | {"rephase_8": 0.8, f"{key}_8": 0.9}, tmp_path)["detail-FAKE"]
        assert claim_status(detail).on["control"][PROBES[key].inline] == 0


def test_a_claim_needs_every_other_way_of_making_the_change(tmp_path: Path) -> None:
    agree: Flipped = dict.fromkeys((f"{key}_8" for key in SEAMS), 0.5)
    blocks = found(agree, tmp_path)["blocks-FAKE"]
    assert str(claim_status(blocks)) == "holds"
    assert [choice.value for choice in blocks.choices] == ["blended", "hard", "cross-faded"]
    blocks = found(agree | {"shuffle_turn_8": 0.9}, tmp_path)["blocks-FAKE"]
    assert claim_status(blocks).on == {"seam": {"blended": 1, "hard": -1, "cross-faded": 1}}
    # and nothing where the interval of the difference has zero
    nothing = {f"{key}_8": 0.5 for key in (*SEAMS, "shuffle_blend_stay", "shuffle_turn", "shuffle_fade_turn")}
    assert claim_status(found(dict(nothing), tmp_path)["blocks-FAKE"]).kind == "not shown"
    # random phases may say otherwise than removal
    detail = found({"lowpass_8": 0.9, "rephase_8": 0.4, "rephase_pattern_8": 0.6}, tmp_path)["detail-FAKE"]
    assert claim_status(detail).on == {"change": {"removed": 1, "its phases randomised": -1}}


def test_a_place_is_set_against_the_same_shape_elsewhere_and_under_every_fill(tmp_path: Path) -> None:
    border: Flipped = {"hide_border_texture": 0.5, "hide_border_flat": 0.4}
    place = found(border, tmp_path)["place-FAKE"]
    assert (place.details["title"], str(claim_status(place))) == ("Hiding the border", "holds")
    assert {choice.kind for choice in place.choices} == {"control", "fill"}
    # the same frame further in flips more: nothing of the place
    further = border | {"hide_frame_32_texture": 0.7, "hide_frame_32_flat": 0.7}
    assert str(claim_status(found(further, tmp_path)["place-FAKE"])) != "holds"
    other = found({"hide_border_texture": 0.5, "hide_border_flat": 0.2, "hide_frame_8_flat": 0.2}, tmp_path)
    assert claim_status(other["place-FAKE"]).on == {"fill": {"its own texture": 1, "its mean colour": 0}}


def test_the_smallest_change_is_one_with_a_control(tmp_path: Path) -> None:
    sizes, flipped = {"lowpass_14": 6.0, "levels_2": 0.8}, {"lowpass_14": 0.6, "levels_2": 0.4}
    smallest = found(dict(flipped), tmp_path, sizes)["smallest-FAKE"]
    assert [smallest.details[name] for name in ("strength", "size")] == ["radius 14", 6.0]
    alone = found({"levels_2": 0.4}, tmp_path, {"levels_2": 0.8})["smallest-FAKE"]
    assert str(claim_status(alone)) == "no control"
    assert not found({}, tmp_path)["smallest-REAL"].measure.known


def test_probes_are_ranked_by_what_is_certain_of_them() -> None:
    rows = [
        ("tint", "tint_full", 0.4, 0.1, "x"),
        ("lowpass", "lowpass_12", 0.3, 0.2, "x"),
        ("blur", "blur_1", 0.9, 0.8, None),
        ("ring", "ring_8_12", 0.5, -0.1, "x"),
    ]
    table = pd.DataFrame(rows, columns=["probe", "column", "net", "net_low", "control"])
    table = table.assign(verdict="FAKE", group="all", is_control=False, images=100, size=10.0, share=0)
    top = ranking(table, verdict="FAKE")
    assert top["probe"].tolist() == ["lowpass", "tint", "blur", "ring"]
    assert top["per_level"].tolist() == pytest.approx([0.02, 0.01, 0.08, 0.0])
    assert answering_column(table) == "lowpass_12"
    # where nothing is certain, what flips most
    uncertain = table[table["column"] != "lowpass_12"].assign(net_low=[-0.2, -0.1, -0.1], share=[0.9, 0.6, 0.5])
    assert answering_column(uncertain) == "tint_full"
