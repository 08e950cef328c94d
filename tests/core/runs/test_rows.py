"""Filters and areas: what they find against plain pandas, their way through a URL and back, and nonsense."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy.special import expit

from core.images.statistics import STATISTICS
from core.runs.filter import MOST_CORNERS, PAGE_SIZES, Area, Filter, choices_of
from core.runs.rows import (
    RowLocation,
    at_threshold,
    cells,
    count_choices,
    find_rows,
    location_of,
    page_rows,
    pages,
)
from core.studies.columns import browse_table
from tests.core.runs.made import made_run


def make_run(path, n=400):
    """A run of rows only."""
    generator = np.random.default_rng(0)
    label, called = generator.choice(["FAKE", "REAL"], (2, n))
    in_train, is_repeat = generator.random((2, n)) < 0.05
    run = made_run(
        label,
        called,
        name=[f"{class_name}/{number:04d}.jpg" for number, class_name in enumerate(label)],
        p_real=lambda table: expit(table["margin"]),
        category=pd.Categorical(generator.choice(["cat", "dog", "ship"], n)),
        sha256=[f"{number:064x}" for number in range(n)],
        in_train=in_train,
        is_repeat=is_repeat,
        **{fact: generator.random(n).astype(np.float32) for fact in STATISTICS},
    )
    return replace(run, path=path, manifest={"set_fingerprint": "f"})


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "d@s")


@pytest.fixture
def table(run):
    return browse_table(run)


def ids(table, wanted, **options):
    return set(table["id"].iloc[find_rows(table, wanted, **options)])


def test_choices_ranges_name_and_tag_all_have_to_fit(table):
    wanted = (
        Filter(tag="t", name="real/")
        .choosing("category", ["cat", "ship"])
        .choosing("in_train", ["no"])
        .ranging("confidence", 0.6, 0.95)
        .ranging("greyness", low=0.2)
    )
    tagged = frozenset(table["id"].iloc[::2])
    expected = table[
        table["category"].isin(["cat", "ship"])
        & ~table["in_train"]
        & table["confidence"].between(0.6, 0.95)
        & (table["greyness"] >= 0.2)
        & table["id"].isin(tagged)
        & table["name"].str.startswith("REAL")
    ]
    assert len(expected) > 5
    assert ids(table, wanted, tagged=tagged) == set(expected["id"])


@pytest.mark.parametrize("cut", [0.2, 0.9])
def test_rows_at_a_threshold_are_what_its_filter_finds(table, cut):
    judged = at_threshold(table, cut)
    for column, value in (("predicted", "FAKE"), ("predicted", "REAL"), ("correct", "right"), ("correct", "wrong")):
        found = ids(table, Filter(threshold=cut).choosing(column, [value]))
        assert set(judged["id"][judged[column] == value]) == found != ids(table, Filter().choosing(column, [value]))
    assert (judged["threshold"] == cut).all()
    pd.testing.assert_frame_equal(judged[["p_real", "confidence", "margin"]], table[["p_real", "confidence", "margin"]])
    assert at_threshold(table, 0.5) is table


def test_a_choice_counts_what_it_would_find_beside_the_other_filters(table):
    wanted = Filter(threshold=0.3).choosing("category", ["dog"]).choosing("predicted", ["REAL"])
    for column in ("label", "predicted", "correct", "category", "in_train"):
        counts = count_choices(table, wanted, column)
        assert list(counts) == choices_of(table, column)
        found = {value: len(find_rows(table, wanted.choosing(column, [value]))) for value in counts}
        assert counts == found
        assert sum(counts.values()) > 0


@pytest.mark.parametrize("cut", [0.5, 0.2, 0.9])
def test_each_cell_counts_what_its_filter_finds(table, cut):
    wanted = Filter(threshold=cut).choosing("category", ["dog"]).choosing("correct", ["wrong"])
    counts = cells(table, wanted)
    assert counts.sum() == (table["category"] == "dog").sum()
    for row, truth in enumerate(("FAKE", "REAL")):
        for column, said in enumerate(("FAKE", "REAL")):
            cell = wanted.choosing("correct", []).choosing("label", [truth]).choosing("predicted", [said])
            assert len(find_rows(table, cell)) == counts[row, column]


@pytest.mark.parametrize("sort", ["mistakes", "unsure", "sure", "-red", "red", "name"])
def test_orders(table, sort):
    keys = {"mistakes": ["correct", "confidence"], "unsure": ["confidence"], "sure": ["confidence"]}
    expected = table.assign(correct=table["correct"] == "right").sort_values(
        keys.get(sort, [sort.removeprefix("-")]),
        ascending=[True, False] if sort == "mistakes" else sort not in ("sure", "-red"),
        kind="stable",
    )
    assert table["id"].iloc[find_rows(table, Filter(sort=sort))].tolist() == expected["id"].tolist()


def test_a_filter_comes_back_from_its_url(table):
    wanted = Filter(tag="odd ones", name="0 (2)", threshold=0.31, sort="-fine_detail", page=3, per_page=96)
    wanted = (
        wanted.choosing("label", ["REAL"]).choosing("is_repeat", ["yes", "no"]).choosing("category", ["ship", "cat"])
    )
    wanted = wanted.ranging("brightness", 0.25, 0.5).ranging("confidence", high=0.9)
    # a file of some megabytes has seven digits
    wanted = wanted.ranging("file_bytes", low=3456789)
    # choosing and ranging turn back to the first page
    wanted = Filter(**{**{name: getattr(wanted, name) for name in wanted.__dataclass_fields__}, "page": 3})
    assert Filter.from_params(wanted.to_params(), table) == wanted
    assert Filter().to_params() == {}
    assert Filter.from_params({}, table) == Filter()


def test_nonsense_is_as_if_it_were_not_there(table):
    params = {"true": "MAYBE", "said": "", "category": "yeti,cat,cat", "leaked": "perhaps"}
    params |= {"sure": "high", "brightness": "2..1", "red": "nan..inf", "page": "-3", "per": "7", "cut": "1"}
    params |= {"sort": "drop table", "nothing": "1", "id": "x", "sha256": "y"}
    # its orders have names of their own, and a box that lists them
    assert Filter.from_params({"sort": "confidence"}, table).sort == "mistakes"
    assert Filter.from_params(params, table) == Filter().choosing("category", ["cat"])


def test_pages_cut_the_rows_and_end_at_the_last(table):
    positions = np.arange(53)
    size = PAGE_SIZES[0]
    parts = [page_rows(positions, Filter(page=page)) for page in range(1, pages(53, size) + 1)]
    assert_array_equal(np.concatenate(parts), positions)
    assert_array_equal(page_rows(positions, Filter(page=999)), parts[-1])
    assert pages(0, size) == 1
    assert len(page_rows(positions[:0], Filter(page=2))) == 0


@pytest.mark.parametrize("row, expected", [(7, (1, None, 9)), (9, (2, 7, 5)), (5, (3, 9, None)), (3, ())])
def test_the_location_of_a_row(row, expected):
    assert location_of(np.array([7, 9, 5], np.intp), row) == RowLocation(*expected)


def test_a_box_is_given_by_two_corners():
    area = Area.drawn("maps", [3, -1], [2, 5])
    assert_array_equal(area.holds(np.array([0.0, 2.9, 3.1]), np.array([3.0, 2.1, 3.0])), [True, True, False])
    assert not area.holds(np.array([np.nan, 0.0]), np.array([3.0, np.nan])).any()


def test_an_area_survives_a_url_and_a_long_lasso_keeps_its_shape():
    angles = np.linspace(0, 2 * np.pi, 700, endpoint=False)
    area = Area.drawn("features", list(40 * np.cos(angles)), list(40 * np.sin(angles)))
    assert len(area.corners) <= MOST_CORNERS
    assert Area.parse(str(area)) == area
    assert len(str(area)) < 1200
    x, y = np.random.default_rng(0).uniform(-50, 50, (2, 5000))
    assert np.mean(area.holds(x, y) == (np.hypot(x, y) < 40)) > 0.99


@pytest.mark.parametrize(
    "corners", ["", "1,2;3", "1,2;3,x;4,5", "1,2;nan,3;4,inf", "1,2;1,2;1,2", ";".join(["1,2", "3,4", "5,7"] * 100)]
)
def test_what_is_no_area_is_none(corners):
    assert Area.parse(f"features:{corners}") is None
