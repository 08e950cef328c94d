"""The page Patterns: points, colours, areas that open in Explore, cards, and what it says without the study."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.images.palette import CLASS_COLOURS
from core.runs.filter import Area
from core.runs.run import read_run
from core.studies.columns import browse_table
from dashboard.components.scatter import clicked_row, drawn_area
from tests.dashboard.conftest import Open
from tests.dashboard.studies import add_studies
from tests.dashboard.test_pages import words

RUN = "tiny@seen-test"


@pytest.fixture(scope="session")
def clustered(made_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study `clusters` of the made run, computed once."""
    home = tmp_path_factory.mktemp("clustered") / "home"
    shutil.copytree(made_home, home)
    add_studies(home, "clusters")
    return home / "runs" / RUN / "studies"


@pytest.fixture
def studied(home: Path, clustered: Path) -> Path:
    """The home that the dashboard finds, with that study."""
    shutil.copytree(clustered, home / "runs" / RUN / "studies")
    return home


def table_of(home: Path) -> pd.DataFrame:
    return browse_table(read_run(home / "runs" / RUN))


def figure(app: AppTest) -> dict[str, Any]:
    chart = app.get("plotly_chart")[0]
    return dict(json.loads(chart.proto.spec))


def count(app: AppTest) -> int:
    """How many points are drawn."""
    return sum(map(written, figure(app)["data"]))


def written(trace: dict[str, Any]) -> int:
    """How many points a trace has, by what is written to each."""
    return int(str(trace["customdata"].get("shape", "0")).split(",")[0])


def pictures(app: AppTest) -> list[str]:
    """What the pictures of a page are called."""
    return [one.alt for element in app.get("image") for one in element.proto.imgs]


@pytest.mark.parametrize("space", ["features", "maps"])
def test_every_image_is_a_point_and_every_cluster_numbered(open_page: Open, studied: Path, space: str) -> None:
    app = open_page("patterns", run=RUN, space=space)
    assert not app.exception
    assert not app.error
    drawn, table = figure(app), table_of(studied)
    assert count(app) == 60
    assert {trace["type"] for trace in drawn["data"]} == {"scattergl"}
    clusters = table[f"clusters.{space}_cluster"]
    numbers = {note["text"] for note in drawn["layout"]["annotations"]}
    assert numbers == {f"<b>{number}</b>" for number in clusters.unique()}
    # right and wrong verdicts have another shape, whatever the colour
    shapes = {trace["marker"]["symbol"] for trace in drawn["data"]}
    cells = {(str(row.label), str(row.predicted)) for row in table.itertuples()}
    assert len(shapes) == len(cells) > 2
    assert app.get("plotly_chart")[0].proto.alt


def test_colours_are_in_the_url_and_any_column_of_a_study_will_do(open_page: Open, studied: Path) -> None:
    add_studies(studied, "stability")
    app = open_page("patterns", run=RUN, colour="predicted")
    assert {(trace["name"], trace["marker"]["color"]) for trace in figure(app)["data"]} == set(CLASS_COLOURS.items())
    for colour in ("confidence", "stability.lime_seed", "stability.margin_change"):
        app = open_page("patterns", run=RUN, colour=colour)
        assert not app.exception
        assert app.selectbox(key="url.colour").value == colour
        assert "coloraxis" in figure(app)["layout"]
        assert count(app) == 60
    for colour in ("correct", "category", "stability.noise_turns"):
        app = open_page("patterns", run=RUN, colour=colour)
        assert not app.exception
        assert count(app) == 60
        assert len({trace["name"] for trace in figure(app)["data"]}) > 1


def test_a_drawn_area_opens_in_explore_and_a_click_in_inspect(open_page: Open, studied: Path) -> None:
    table = table_of(studied)
    x, y = (table[f"features_{end}"].to_numpy() for end in "xy")
    area = Area.drawn("features", [float(np.median(x)), 9e3], [-9e3, 9e3])
    assert area is not None
    app = open_page("patterns", run=RUN)
    app.session_state["patterns.area"] = area
    app.run()
    assert not app.exception
    assert app.title[0].value == "Browse the images"
    assert app.query_params["area"] == str(area)
    assert f"**{area.holds(x, y).sum()}** of 60 images" in words(app)
    assert 20 < area.holds(x, y).sum() < 40
    assert "an area drawn on Patterns" in [button.label for button in app.button]
    app = open_page("patterns", run=RUN)
    app.session_state["patterns.area"] = Area.drawn("features", [8e3, 9e3], [8e3, 9e3])
    app.run()
    assert "no image in that area" in app.toast[0].value
    app = open_page("patterns", run=RUN)
    app.session_state["patterns.row"] = 7
    app.run()
    assert app.query_params["id"] == table["id"][7]


def test_what_the_browser_draws_becomes_an_area() -> None:
    box = {"box": [{"xref": "x", "yref": "y", "x": [1, 3], "y": [5, 2]}], "lasso": [], "points": []}
    assert drawn_area(box, "maps") == Area.drawn("maps", [1, 3], [5, 2])
    lasso = {"box": [], "lasso": [{"x": [0, 1, 1], "y": [0, 0, 1]}], "points": [{}]}
    assert drawn_area(lasso, "maps") == Area.drawn("maps", [0, 1, 1], [0, 0, 1])
    for nothing in (
        {},
        {"box": [{}]},
        {"lasso": [{"x": "abc", "y": [1, 2, 3]}]},
        {"box": [{"x": [1, 1], "y": [2, 3]}]},
    ):
        assert drawn_area(nothing, "maps") is None


def test_what_the_browser_clicks_becomes_a_row() -> None:
    assert clicked_row({"points": [{"customdata": [12.0, 99.0]}]}, 60) == 12
    for nothing in ({}, {"points": [{"customdata": [60, 1]}]}, {"points": [{}]}, {"points": [{"customdata": "x"}]},
                    {"points": [{"customdata": [float("inf")]}]}):  # fmt: skip
        assert clicked_row(nothing, 60) is None
    assert clicked_row({"points": [{"customdata": [1]}], "box": [{"x": [0, 1], "y": [0, 1]}]}, 60) is None
