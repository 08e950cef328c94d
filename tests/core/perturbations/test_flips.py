"""Flips of one image and of many: counted beyond their controls, the smallest first, and what fine detail decides."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.perturbations.flips import (
    HEADLINES,
    controlled_flips,
    flip_values,
    flipping,
    headline,
    own_columns,
    short_margins,
    summarise_flips,
    tabulate_changes,
)
from core.perturbations.photometric import rms
from core.perturbations.probe import size_column
from core.perturbations.table import PROBES, probe_columns
from core.studies.donors import probe_example
from tests.core.cues import CUES
from tests.core.studies.counted import asked_of

# the smallest change that flips most of a cue's images
SMALLEST = {
    "mean_colour": {"tint"}, "ring": {"ring", "lowpass", "transplant"}, "corner": {"hide_top_left"},
    "block_order": {"shuffle", "shuffle_blend"},
}  # fmt: skip


@pytest.mark.parametrize("name", CUES)
def test_one_image_gets_what_the_study_has_of_it_and_its_cue_flips_it(name: str, tmp_path: Path) -> None:
    (run, table), cue = asked_of(name, tmp_path), CUES[name]()
    hit, decided = 0, 0
    for row in (50, 60, 70):
        example = probe_example(run, row, lambda at: cue.pixels[at])
        assert example is not None
        assert example.donor is not None
        margins = dict(zip(example.pictures, cue.detector.margins(np.stack([*example.pictures.values()])), strict=True))
        sizes = {}
        for column, picture in example.pictures.items():
            before = example.donor if probe_columns()[column][0].changes_donor else example.image
            sizes[column] = float(rms(picture[None], before[None])[0])
        changes = tabulate_changes(margins, sizes, float(run.predictions["margin"][row]))
        assert changes.index[0] == ""
        changes = changes.iloc[1:]
        stored = table.iloc[row]
        np.testing.assert_allclose(changes["margin"], stored[list(changes.index)].astype(float), rtol=0.005)
        np.testing.assert_allclose(changes["size"], stored[[*map(size_column, changes.index)]].astype(float), rtol=0.01)
        own = changes.loc[list(own_columns())]
        real = run.predictions["margin"][row] > 0
        assert (own["flips"] == ((own["margin"] > 0) != real)).all()
        flips = flipping(changes)
        assert len(flips)
        assert probe_columns()[flips.index[0]][0].key == stored["turned_by"]
        assert flips["size"].iloc[0] == flips["size"].min() == own["size"][own["controlled"]].min()
        families = {probe_columns()[column][0].family for column in flips.index}
        assert len(families) == stored["turned_families"]
        hit += bool(SMALLEST[name] & {probe_columns()[column][0].key for column in flips.index})
        decided += headline(changes) == HEADLINES["detail"]
        assert (headline(changes) == HEADLINES["detail"]) == stored["detail_both_ways"]
    assert hit >= 2
    assert decided >= 2 if name == "ring" else not decided


def margins_of(**flipped: bool | None) -> dict[str, float]:
    """The margins of an image that is called REAL: columns that flip it, that do not, and that could not be made."""
    values = {column: np.nan if flips is None else -1.0 if flips else 1.0 for column, flips in flipped.items()}
    return dict.fromkeys(probe_columns(), 1.0) | values


@pytest.mark.parametrize("control", [*PROBES["lowpass"].controls, None])
def test_a_flip_counts_where_every_control_that_was_made_leaves_the_verdict(control: str | None) -> None:
    # put into the other class, the detail gives it this verdict: `margins_of` assumes so
    margins = margins_of(lowpass_8=True) | ({} if control is None else {f"{control}_8": -1.0})
    sizes = {size_column(column): 5.0 for column in probe_columns()}
    summary = summarise_flips(pd.DataFrame([margins]), pd.DataFrame([sizes]), np.array([True])).iloc[0]
    changes = tabulate_changes(margins, dict.fromkeys(margins, 5.0), 1.0)
    is_clean = control is None
    assert summary["detail_both_ways"] == is_clean
    assert (summary["turned_by"] == "lowpass") == changes["controlled"]["lowpass_8"] == is_clean
    assert headline(changes) == HEADLINES["detail" if is_clean else "uncontrolled"]
    assert headline(tabulate_changes(margins_of(), {}, 1.0)) == HEADLINES["nothing"]


def test_what_could_not_be_made_flips_nothing_and_controls_nothing() -> None:
    assert np.isnan(flip_values([np.nan], np.array([True]), "blur_1")).all()
    lacking = {PROBES[key].column("8"): None for key in PROBES["lowpass"].controls}
    for margins, is_controlled in ((margins_of(lowpass_8=True), True), (margins_of(lowpass_8=True, **lacking), False)):
        flips = {column: flip_values([value], np.array([True]), column) for column, value in margins.items()}
        assert controlled_flips(pd.DataFrame(flips))["lowpass_8"].iloc[0] == is_controlled
    some = tabulate_changes({"blur_1": -1.0}, {"blur_1": 3.0}, 1.0)
    assert list(flipping(some).index) == ["blur_1"]
    assert some["flips"].notna().sum() == 2, "and the image as it is"
    assert some["p_real"]["blur_1"] == pytest.approx(1 / (1 + np.e))


def test_margins_are_shortened_to_less_than_half_a_percent_and_keep_their_sign() -> None:
    margins = np.random.default_rng(0).normal(0, 3, 10000).astype(np.float32)
    short = short_margins(margins).astype(np.float64)
    np.testing.assert_allclose(short, margins, rtol=0.0045, atol=1e-6)
    np.testing.assert_array_equal(short > 0, margins > 0)
    tiny = np.array([1e-7, -1e-7, 1e-30, -1e-30, 0], np.float32)
    np.testing.assert_array_equal(np.sign(short_margins(tiny)), [1, -1, 1, -1, 0])
    assert np.isnan(short_margins(np.array([np.nan], np.float32))).all()
