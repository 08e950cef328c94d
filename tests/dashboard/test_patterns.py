"""The page Patterns: points, colours, areas that open in Explore, cards, and what it says without the study."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest

from core.findings.words import tell
from core.images.palette import CLASS_COLOURS
from core.metrics.intervals import wilson_interval
from core.runs.filter import Area
from core.runs.run import read_run
from core.studies.clusters.summary import read_cards
from core.studies.columns import browse_table
from core.studies.registry import find_study
from core.studies.store import read_study, write_study
from core.studies.study import Context
from dashboard.components.component import key_of
from dashboard.components.study import markdown
from dashboard.components.words import CLASS_WORDS
from dashboard.views.patterns_parts.clusters import most_errors, rates
from dashboard.views.patterns_parts.scatter import clicked_row, drawn_area
from tests.core.runs.test_rows import seal
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
    (chart,) = app.get("plotly_chart")
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


def test_without_the_study_it_says_what_to_type(open_page: Open) -> None:
    app = open_page("patterns", run=RUN)
    assert not app.exception
    assert f"`python -m core.studies clusters --run {RUN}`" in words(app)


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


def test_images_that_a_study_has_no_value_of_are_called_so(open_page: Open, studied: Path) -> None:
    frame = pd.DataFrame({"id": table_of(studied)["id"], "height": [np.nan] * 10 + [1.5] * 50})
    seal(studied / "runs" / RUN / "studies" / "cues.parquet", frame, {"title": "Cues"})
    app = open_page("patterns", run=RUN, colour="cues.height")
    assert not app.exception
    assert sum(written(trace) for trace in figure(app)["data"] if trace["name"] == "no value") == 10


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


def test_an_area_by_numbers_needs_no_pointer(open_page: Open, studied: Path) -> None:
    table = table_of(studied)
    app = open_page("patterns", run=RUN, space="maps")
    low = round(float(np.median(table["maps_y"])), 1)
    app.number_input(key=key_of("patterns.maps.Left", RUN)).set_value(-9e3)
    app.number_input(key=key_of("patterns.maps.Right", RUN)).set_value(9e3)
    app.number_input(key=key_of("patterns.maps.Top", RUN)).set_value(9e3)
    app.number_input(key=key_of("patterns.maps.Bottom", RUN)).set_value(low)
    app.form_submit_button[0].click().run()
    assert not app.exception
    assert f"**{(table['maps_y'] > low).sum()}** of 60 images" in words(app)


def test_the_numbers_that_stand_there_first_hold_every_image(open_page: Open, studied: Path) -> None:
    for space in ("features", "maps"):
        app = open_page("patterns", run=RUN, space=space)
        app.form_submit_button[0].click().run()
        assert "**60** images" in words(app)
        assert app.query_params["area"].startswith(f"{space}:")


def test_the_cluster_that_errs_most_is_said_first_and_its_card_shown(
    open_page: Open, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = find_study("clusters")

    def by_outcome(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
        found = study.compute(context, rows, parameters)
        predictions = context.run.predictions.iloc[rows]
        said, truth = ((predictions[name].astype(str) == "REAL").to_numpy() for name in ("predicted", "label"))
        return found.assign(maps_cluster=(2 * said + (said != truth)).astype(np.int8))

    monkeypatch.setattr("tests.dashboard.studies.find_study", lambda _: replace(study, compute=by_outcome))
    add_studies(home, "clusters")
    table = table_of(home)
    wrong = table[table["correct"] == "wrong"]["predicted"].value_counts()
    verdict = str(wrong.index[0])
    assert wrong[verdict] > 5
    app = open_page("patterns", run=RUN)
    # the picture is that of which the sentence speaks
    assert app.segmented_control(key="url.space").value == "maps"
    other = open_page("patterns", run=RUN, space="features", verdict={"FAKE": "REAL", "REAL": "FAKE"}[verdict])
    assert "The picture now shows the other clusters, by features." in words(other)
    other.button(key="patterns.worst.card").click().run()
    assert other.segmented_control(key="url.space").value == "maps"
    app = open_page("patterns", run=RUN)
    number = {"FAKE": 1, "REAL": 3}[verdict]
    said = words(app).replace("\N{NO-BREAK SPACE}", " ")
    assert f"go wrong most in cluster {number} ({wrong[verdict]} images): **100.0%**" in said
    app.button(key="patterns.worst.card").click().run()
    assert not app.exception
    assert app.segmented_control(key="url.space").value == "maps"
    assert app.segmented_control(key="url.verdict").value == verdict
    anchors = [element.proto.anchor for element in app.subheader]
    assert (
        json.loads(next(one.proto for one in app.get("bidi_component") if "scroll." in one.proto.id).json)["to"]
        == f"card-maps-{number}"
        in anchors
    )
    assert f"Cluster {number}" in [element.value for element in app.subheader]
    app.button(key="patterns.worst.errors").click().run()
    assert app.title[0].value == "Browse the images"
    assert f"**{wrong[verdict]}** of 60 images" in words(app)


def test_rates_of_a_sample_with_every_mistake_count_the_images_of_the_run(studied: Path) -> None:
    run = read_run(studied / "runs" / RUN)
    table = read_study(run.path / "studies" / "clusters.parquet", run).table
    table = table.set_index("id").loc[run.predictions["id"]].reset_index()
    wrong, called = run.is_real != run.predicted_real, run.predicted_real
    # one cluster for each verdict, with every mistake and every other right answer
    kept = wrong.copy()
    kept[np.flatnonzero(~wrong)[::2]] = True
    part = table.assign(features_cluster=called.astype(np.int8))[kept]
    found = rates(read_cards(part, run, "features", described=False), len(run)).set_index("value")
    for number, mine in enumerate((~called, called)):
        row = found.loc[f"cluster {number}"]
        assert (row["images"], row["wrong"]) == (mine.sum(), (wrong & mine).sum())


def test_a_verdict_without_a_mistake_has_no_cluster_that_errs_most() -> None:
    right, wrong = (
        SimpleNamespace(number=errors, verdict=verdict, errors=errors, error_rate=SimpleNamespace(value=errors / 10),
                        verdict_error_rate=errors / 20)
        for verdict, errors in (("FAKE", 0), ("REAL", 2))
    )  # fmt: skip
    said = most_errors([right, right, wrong, wrong])  # type: ignore[list-item]
    assert said.startswith(f"{CLASS_WORDS['REAL']} verdicts most in cluster 2")
    assert CLASS_WORDS["FAKE"] not in said
    assert most_errors([right, right]) == ""  # type: ignore[list-item]
    # of one cluster there is no worst
    assert most_errors([wrong]) == ""  # type: ignore[list-item]


def test_of_a_sample_it_is_said_that_counts_are_scaled_up(open_page: Open, studied: Path) -> None:
    file = studied / "runs" / RUN / "studies" / "clusters.parquet"
    scaled = "Counts in brackets are scaled up to the run; a click shows those in the sample."
    assert scaled not in words(open_page("patterns", run=RUN))
    answer = read_study(file)
    write_study(file, answer.table, {**answer.about, "of": 2 * answer.about["of"]})
    app = open_page("patterns", run=RUN)
    assert not app.exception
    assert scaled in words(app)


def test_where_no_cluster_errs_more_it_says_so(open_page: Open, studied: Path) -> None:
    answer = read_study(studied / "runs" / RUN / "studies" / "clusters.parquet", read_run(studied / "runs" / RUN))
    certain = [one for one in answer.findings if one.key.startswith("worst-") and one.measure.known]
    assert ("No cluster errs significantly more" in words(open_page("patterns", run=RUN))) == (not certain)


def test_a_card_says_size_and_error_rate_and_opens_its_images(open_page: Open, studied: Path) -> None:
    table = table_of(studied)
    app = open_page("patterns", run=RUN, verdict="REAL", order="size")
    numbers = table.loc[table["predicted"] == "REAL", "clusters.features_cluster"].value_counts()
    titles = [element.value for element in app.subheader if element.value.startswith("Cluster ")]
    assert sorted(titles) == sorted(f"Cluster {number}" for number in numbers.index)
    number = int(titles[0].split()[1])
    assert numbers[number] == numbers.max()
    mine = table[table["clusters.features_cluster"] == number]
    wrong = (mine["correct"] == "wrong").sum()
    low, high = (100 * float(end) for end in wilson_interval(int(wrong), len(mine)))
    said = words(app).replace("\N{NO-BREAK SPACE}", " ")
    assert f"**{len(mine)} images** called" in said
    assert f"**{100 * wrong / len(mine):.1f}% are wrong** ({low:.1f}% to {high:.1f}%)" in said
    app.button(key=f"patterns.all.features.{number}").click().run()
    assert app.title[0].value == "Browse the images"
    assert f"**{len(mine)}** of 60 images" in words(app)
    worst = table[table["correct"] == "wrong"].groupby("clusters.features_cluster").size().idxmax()
    verdict = str(table.loc[table["clusters.features_cluster"] == worst, "predicted"].iloc[0])
    app = open_page("patterns", run=RUN, verdict=verdict)
    app.button(key=f"patterns.errors.features.{worst}").click().run()
    chosen = (table["clusters.features_cluster"] == worst) & (table["correct"] == "wrong")
    assert f"**{chosen.sum()}** of 60 images" in words(app)


def test_the_studys_own_conclusions_are_told(open_page: Open, studied: Path) -> None:
    run = read_run(studied / "runs" / RUN)
    findings = read_study(studied / "runs" / RUN / "studies" / "clusters.parquet", run).findings
    app = open_page("patterns", run=RUN)
    said = words(app)
    told = [markdown(tell(one).full) for one in findings if "-features-" in one.key]
    assert told
    assert all(sentence in said for sentence in told)


def test_without_pictures_there_is_a_mean_map_and_no_mean_image(
    open_page: Open, studied: Path, clustered: Path
) -> None:
    seen = pictures(open_page("patterns", run=RUN))
    assert {alt.partition(" of ")[0] for alt in seen} == {"Mean image", "Mean margin map"}
    # the other run is of the same detector and the same images, so the study fits it
    shutil.copytree(clustered, studied / "runs" / "tiny@blind-test" / "studies")
    app = open_page("patterns", run="tiny@blind-test")
    assert not app.exception
    assert pictures(app) == [alt for alt in seen if alt.startswith("Mean margin map")]


def test_nonsense_in_the_url_is_the_default_view(open_page: Open, studied: Path) -> None:
    nonsense = {"space": "?", "colour": "probes.nothing", "drag": "x", "order": "", "verdict": "<b>", "area": "maps:1"}
    plain, strange = open_page("patterns", run=RUN), open_page("patterns", run=RUN, **nonsense)
    assert not strange.exception
    assert words(strange) == words(plain)
    assert figure(strange) == figure(plain)


def test_a_broken_study_is_one_sentence(open_page: Open, studied: Path) -> None:
    file = studied / "runs" / RUN / "studies" / "clusters.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    app = open_page("patterns", run=RUN)
    assert not app.exception
    assert [error.value.startswith("tiny@seen-test/studies/clusters.parquet is no") for error in app.error] == [True]
    assert str(studied) not in words(app)


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
