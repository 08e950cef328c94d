"""Areas on a picture of clusters: what they hold against scikit-image, their way through a URL, and nonsense."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from skimage.measure import points_in_poly

from core.runs.filter import MOST_CORNERS, Area, Filter
from core.runs.rows import find_rows
from core.studies.columns import browse_table, read_embedding
from tests.core.runs.test_rows import make_run


def test_an_area_holds_what_scikit_image_says() -> None:
    generator = np.random.default_rng(0)
    angles = np.sort(generator.uniform(0, 2 * np.pi, 40))
    radii = generator.uniform(1, 5, 40)
    area = Area.drawn("features", list(radii * np.cos(angles)), list(radii * np.sin(angles)))
    assert area is not None
    x, y = generator.uniform(-6, 6, (2, 2000))
    expected = points_in_poly(np.column_stack([x, y]), area.corners)
    assert 100 < expected.sum() < 1900
    np.testing.assert_array_equal(area.holds(x, y), expected)
    assert not area.holds(np.array([np.nan, 0.0]), np.array([0.0, np.nan])).any()


def test_a_box_is_given_by_two_corners() -> None:
    area = Area.drawn("maps", [3, -1], [2, 5])
    assert area is not None
    np.testing.assert_array_equal(area.holds(np.array([0.0, 2.9, 3.1]), np.array([3.0, 2.1, 3.0])), [True, True, False])


def test_an_area_survives_a_url_and_a_long_lasso_keeps_its_shape() -> None:
    angles = np.linspace(0, 2 * np.pi, 700, endpoint=False)
    area = Area.drawn("features", list(40 * np.cos(angles)), list(40 * np.sin(angles)))
    assert area is not None
    assert len(area.corners) <= MOST_CORNERS
    assert Area.parse(str(area)) == area
    assert len(str(area)) < 1200
    x, y = np.random.default_rng(0).uniform(-50, 50, (2, 5000))
    assert np.mean(area.holds(x, y) == (np.hypot(x, y) < 40)) > 0.99


@pytest.mark.parametrize(
    "text",
    [
        "",
        "features",
        "features:",
        "features:1,2",
        "features:1,2;3",
        "features:1,2;3,x;4,5",
        "features:1,2;nan,3;4,inf",
        "features:1,2;1,2;1,2",
        "features:" + ";".join(["1,2", "3,4", "5,7"] * 100),
    ],
)
def test_what_is_no_area_is_none(text: str) -> None:
    assert Area.parse(text) is None


def test_a_filter_finds_the_rows_in_an_area(tmp_path: Path) -> None:
    run = make_run(tmp_path / "d@s", n=100)
    places = np.random.default_rng(1).normal(size=(90, 2)).astype(np.float32)
    study = pd.DataFrame({"id": run.predictions["id"][:90], "features_x": places[:, 0], "features_y": places[:, 1]})
    (run.path / "studies").mkdir(parents=True)
    study.iloc[::-1].to_parquet(run.path / "studies" / "clusters.parquet")
    table = browse_table(run)
    wanted = Filter.from_params({"area": "features:0,-9;9,9", "true": "REAL"}, table)
    expected = np.flatnonzero((places[:, 0] > 0) & (table["label"][:90] == "REAL").to_numpy())
    assert len(expected) > 5
    assert set(find_rows(table, wanted)) == set(expected)
    assert Filter.from_params(wanted.to_params(), table) == wanted
    # a picture that this run has not, and what is no area, filter nothing
    for text in ("maps:0,0;1,1", "features:0"):
        assert Filter.from_params({"area": text}, table) == Filter()


def test_without_a_readable_study_nobody_stands_anywhere(tmp_path: Path) -> None:
    run = make_run(tmp_path / "d@s", n=10)
    assert read_embedding(run.path, run.predictions["id"]).shape == (10, 0)
    (run.path / "studies").mkdir(parents=True)
    (run.path / "studies" / "clusters.parquet").write_bytes(b"no parquet")
    assert read_embedding(run.path, run.predictions["id"]).shape == (10, 0)


def test_places_of_far_more_images_than_a_run_has_are_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "d@s", n=10)
    (run.path / "studies").mkdir(parents=True)
    study = pd.DataFrame({"id": run.predictions["id"], "features_x": 0.0, "features_y": 0.0})
    study.to_parquet(run.path / "studies" / "clusters.parquet")
    unpacked: list[object] = []
    monkeypatch.setattr("core.storage.MAX_ROWS", 9)
    monkeypatch.setattr(pq, "read_table", lambda *given, **_: unpacked.append(given))
    assert read_embedding(run.path, run.predictions["id"]).shape == (10, 0)
    assert unpacked == []


def test_places_are_found_where_the_ids_are_the_index_of_pandas(tmp_path: Path) -> None:
    run = make_run(tmp_path / "d@s", n=10)
    (run.path / "studies").mkdir(parents=True)
    places = pd.DataFrame({"features_x": np.arange(10.0), "features_y": np.arange(10.0) ** 2})
    study = places.set_index(pd.Index(run.predictions["id"], name="id"))
    study.iloc[::-1].to_parquet(run.path / "studies" / "clusters.parquet")
    assert read_embedding(run.path, run.predictions["id"]).to_dict("list") == places.to_dict("list")
