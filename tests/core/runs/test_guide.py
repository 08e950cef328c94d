"""The guide's images: chosen by rule, and one with less and less detail."""

from pathlib import Path

import numpy as np
import pandas as pd

from core.runs.browsing import browse_table
from core.runs.guide import DETAIL_COLUMN, RADII, choose_cast, with_less_detail
from tests.conftest import textured
from tests.core.runs.test_browsing import make_run


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
