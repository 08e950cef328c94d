"""The guide's images: chosen by rule, and one with less and less detail."""

from pathlib import Path

import numpy as np
import pandas as pd

from core.studies.columns import browse_table
from dashboard.components.cast import DETAIL_COLUMN, RADII, UNSURE, choose_cast, with_less_detail
from tests.conftest import textured
from tests.core.runs.test_rows import make_run


def made_table(tmp_path: Path, n: int = 400) -> pd.DataFrame:
    return browse_table(make_run(tmp_path / "d@s", n))


def test_the_cast_is_rightly_judged_pictured_and_always_the_same(tmp_path: Path) -> None:
    table = made_table(tmp_path)
    pictured = np.arange(len(table)) % 3 > 0
    cast = choose_cast(table, pictured)
    assert cast is not None
    assert cast == choose_cast(table, pictured)
    for row, name in ((cast.real, "REAL"), (cast.fake, "FAKE")):
        assert table["label"][row] == table["predicted"][row] == name
        assert pictured[row]
        assert not table["in_train"][row]
        assert not table["is_repeat"][row]
        rivals = table[(table["label"] == name) & (table["predicted"] == name) & pictured]
        rivals = rivals[~rivals["in_train"] & ~rivals["is_repeat"]]
        share = (rivals["margin"] < table["margin"][row]).mean()
        assert 0.4 < share < 0.6
    assert cast.mistake is not None
    wrong = table[(table["correct"] == "wrong") & pictured & ~table["in_train"] & ~table["is_repeat"]]
    assert table["confidence"][cast.mistake] == wrong["confidence"].max()
    assert cast.detailed == cast.fake
    assert not cast.tested


def test_the_study_says_which_image_shows_what_detail_does(tmp_path: Path) -> None:
    table = made_table(tmp_path)
    fakes = table[
        (table["label"] == "FAKE") & (table["predicted"] == "FAKE") & ~table["in_train"] & ~table["is_repeat"]
    ]
    only = fakes.index[7]
    probes = pd.DataFrame({"id": table["id"], DETAIL_COLUMN: np.where(np.arange(len(table)) == only, 2.0, -2.0)})
    cast = choose_cast(table, np.ones(len(table), bool), probes)
    assert cast is not None
    assert (cast.detailed, cast.tested) == (only, True)
    cast = choose_cast(table, np.ones(len(table), bool), probes.assign(**{DETAIL_COLUMN: -2.0}))
    assert cast is not None
    assert (cast.detailed, cast.tested) == (cast.fake, False)


def test_the_study_says_which_image_is_red_all_over(tmp_path: Path) -> None:
    table = made_table(tmp_path)
    caught = (table["label"] == "FAKE") & (table["predicted"] == "FAKE") & ~table["in_train"] & ~table["is_repeat"]
    surest, *_, better, unsure = table[caught].sort_values("confidence", ascending=False).index
    assert table["confidence"][better] < UNSURE < table["confidence"][surest]
    asked = pd.DataFrame({"id": table["id"], "paper_against": False, "paper_segments": 2})
    asked.loc[[surest, better, unsure, *table.index[table["label"] == "REAL"]], "paper_against"] = True
    everything = np.ones(len(table), bool)
    # unsure ones first, of those the ones of several parts, of those the least sure
    for segments, expected in ((1, better), (2, unsure)):
        asked.loc[unsure, "paper_segments"] = segments
        cast = choose_cast(table, everything, None, asked)
        assert cast is not None
        assert cast.red == expected
    asked.loc[[better, unsure], "paper_against"] = False
    cast = choose_cast(table, everything, None, asked)
    assert cast is not None
    assert cast.red == surest
    for study in (asked.assign(paper_against=False), asked[["id"]], None):
        cast = choose_cast(table, everything, None, study)
        assert cast is not None
        assert cast.red == cast.fake


def test_detail_goes_from_fine_to_coarse() -> None:
    image = textured(1, fine=True, seed=3)[0]
    images = with_less_detail(image)
    assert images.shape == (len(RADII), 32, 32, 3)
    assert (images[0] == image).all()
    y, x = np.meshgrid(np.fft.fftfreq(32, 1 / 32), np.fft.fftfreq(32, 1 / 32), indexing="ij")
    fine = np.hypot(y, x)
    for radius, found in zip(RADII[1:], images[1:], strict=True):
        before, after = (
            np.abs(np.fft.fft2(one.mean(axis=2))) ** 2 for one in (image.astype(float), found.astype(float))
        )
        # what is left above the radius is rounding to whole values and the ends of their range
        assert after[fine > radius].sum() < 0.05 * before[fine > radius].sum()
