"""The guide's images: chosen by rule, and one with less and less detail."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.detectors.storage import load_detector
from core.explainers.drawing import Style, draw_explanation
from core.explainers.lime.regions import LIME, LimeSettings
from core.images.image_set import ImageSet
from core.runs.folders import ROOT
from core.runs.run import read_run
from core.studies.columns import browse_table
from dashboard.components.cast import DETAIL_COLUMN, RADII, UNSURE, choose_cast, is_all_red, with_less_detail
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


@pytest.mark.parametrize("name", ["swift", "paper"])
def test_on_cifake_it_really_is_red(name: str, cifake_test: ImageSet) -> None:
    run = read_run(ROOT / "assets" / "runs" / f"{name}@cifake-test")
    study = pd.read_parquet(run.path / "studies" / "one_colour.parquet")
    cast = choose_cast(browse_table(run), np.ones(len(run), bool), None, study)
    assert cast is not None
    detector = load_detector(ROOT / "assets" / "detectors" / name, device="cpu")
    result = LIME.explain_fully(detector, np.asarray(cifake_test.pixels[cast.red]), LimeSettings.paper())
    assert result.verdict == "FAKE"
    assert is_all_red(result)
    drawn = draw_explanation(result, 64, style=Style("paper", drawing="alone"))[..., :3].astype(int)
    assert ((drawn[..., 0] > drawn[..., 1] + 30) & (drawn[..., 0] > drawn[..., 2] + 30)).mean() > 0.9
    # and green, or of both colours, it is not
    assert not is_all_red(replace(result, values=-result.map))
    assert not is_all_red(replace(result, undecided=np.ones_like(result.undecided)))


def test_without_pictures_there_is_none(tmp_path: Path) -> None:
    table = made_table(tmp_path)
    assert choose_cast(table, np.zeros(len(table), bool)) is None
    assert choose_cast(table, (table["label"] == "REAL").to_numpy()) is None


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
