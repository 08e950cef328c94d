"""What it reads and Can maps be believed?: pictures first, ways to the images, and what they say without a study."""

import json

import numpy as np
import pytest
import streamlit as st

from core.explainers.cam import KEPT
from core.findings.answer import MARKS, answer_of
from core.perturbations.delivery import DELIVERIES
from core.runs.filter import Area
from core.runs.writing import write_run
from core.studies.columns import browse_table
from core.studies.shared.groups import with_predictions
from core.studies.store import read_study, study_path
from dashboard import library
from dashboard.components.probing import example_of, stored_changes
from dashboard.components.words import plain
from dashboard.views.evidence import AS_THEY_ARE, SURVIVAL
from dashboard.views.patterns import clicked_row, drawn_area
from tests.conftest import make_patch, write_detector
from tests.dashboard.conftest import RUN, image_set
from tests.dashboard.studies import TRUST, add_studies
from tests.dashboard.test_pages import words


@pytest.fixture
def studied(home):
    """The home with some studies of its run."""
    add_studies(home, "audit", "files", "clusters", "probes")
    return home


def figure(app):
    """The first figure of a page."""
    return dict(json.loads(app.get("plotly_chart")[0].proto.spec))


def tables(app):
    """The HTML of a page."""
    return "\n".join(element.proto.body for element in app.get("html"))


def alts(app):
    """What the pictures of a page are called."""
    return [image.alt for element in app.get("image") for image in element.proto.imgs]


def marked(finding):
    """An answer with its mark."""
    answer = answer_of(finding)
    return f"{MARKS[answer.word]} {answer}"


def test_pictures_come_first_and_every_finding_is_a_row(open_page, studied, run):
    app = open_page("reads", open="probe")
    assert not app.error
    assert any(alt.startswith("A picture called") for alt in alts(app))
    assert any(alt.startswith("changed: called ") for alt in alts(app))
    found = read_study(study_path(run.path, "probes"), run).findings
    assert tables(app).count("<details>") == len(found)
    strips = [element.value for element in app.markdown if element.value.endswith(".**")]
    assert strips
    answered = tuple(f"{plain(finding.question)} **{marked(finding)}".lower() for finding in found)
    assert all(strip.lower().startswith(answered) for strip in strips)
    assert [tab.label for tab in app.tabs] == ["Evidence", "Data", "Patterns"]
    # on a run without pictures those of another stand in, or it says how to get some
    blind = open_page("reads", run="tiny@blind-test")
    assert " study probes --run tiny@blind-test --data DATA" in words(blind)


def test_a_picture_does_what_the_answer_above_it_says(studied, monkeypatch):
    monkeypatch.setattr(st, "query_params", {})
    monkeypatch.setattr(st, "session_state", {})
    opened = library.open_run(studied / "runs" / RUN)
    columns = ("lowpass_8", "blur_2", "turn_180")
    for flips in (True, False):
        shown = [(column, example_of(opened, column, "FAKE", flips)) for column in columns]
        # of some changes every image does the same
        assert any(stored_changes(*example)[0].loc[column, "flips"] == flips for column, example in shown)


def test_every_image_is_a_point_and_every_group_outlined_and_numbered(open_page, studied, run):
    app = open_page("reads", tab="Patterns", space="maps")
    assert not app.error
    drawn = figure(app)
    table = browse_table(run)
    sizes = [int(str(trace["customdata"].get("shape", "0")).split(",")[0]) for trace in drawn["data"]]
    assert sum(sizes) == 60
    clusters = table["clusters.maps_cluster"]
    assert {note["text"] for note in drawn["layout"]["annotations"]} == {f"<b>{one}</b>" for one in clusters.unique()}
    # outlines are told apart without colour
    shapes = drawn["layout"]["shapes"]
    assert len(shapes) == clusters.nunique()
    assert len({shape["line"]["dash"] for shape in shapes}) == min(len(shapes), 4)
    # right and wrong verdicts have another shape, whatever the colour
    shapes = {trace["marker"]["symbol"] for trace in drawn["data"]}
    cells = {(str(row.label), str(row.predicted)) for row in table.itertuples()}
    assert len(shapes) == len(cells) > 2


def test_what_is_enclosed_or_clicked_opens(open_page, studied, run, monkeypatch):
    table = browse_table(run)
    x, y = (table[f"features_{end}"].to_numpy() for end in "xy")
    area = Area.drawn("features", [np.median(x), 9e3], [-9e3, 9e3])
    assert 20 < area.holds(x, y).sum() < 40
    opened = []
    boxes = ({"x": [np.median(x), 9e3], "y": [-9e3, 9e3]}, {"x": [8e3, 9e3], "y": [8e3, 9e3]})
    for selection in (*({"box": [box]} for box in boxes), {"points": [{"customdata": [7]}]}):
        monkeypatch.setattr(st, "plotly_chart", lambda *_, selection=selection, **__: {"selection": selection})
        opened.append(open_page("reads", tab="Patterns", open=""))
    assert opened[0].query_params["area"] == str(area)
    assert "no image in that area" in opened[1].toast[0].value
    assert opened[2].query_params["id"] == table["id"][7]


@pytest.mark.parametrize(
    "read, sent, expected",
    [
        (drawn_area, {"box": [{"x": [1, 3], "y": [5, 2]}], "lasso": []}, Area.drawn("maps", [1, 3], [5, 2])),
        (drawn_area, {"lasso": [{"x": [0, 1, 1], "y": [0, 0, 1]}]}, Area.drawn("maps", [0, 1, 1], [0, 0, 1])),
        (drawn_area, {}, None),
        (drawn_area, {"lasso": [{"x": "abc", "y": [1, 2, 3]}]}, None),
        (drawn_area, {"box": [{"x": [1, 1], "y": [2, 3]}]}, None),
        (clicked_row, {"points": [{"customdata": [12.0, 99.0]}]}, 12),
        (clicked_row, {"points": [{"customdata": [60, 1]}]}, None),
        (clicked_row, {"points": [{"customdata": [float("inf")]}]}, None),
        (clicked_row, {"points": [{"customdata": [1]}], "box": [{"x": [0, 1], "y": [0, 1]}]}, None),
    ],
)
def test_what_the_browser_sends(read, sent, expected):
    assert read(sent, "maps" if read is drawn_area else 60) == expected


@pytest.mark.parametrize("page, tab, name", [("reads", "Data", "audit"), ("maps", "", "stability")])
def test_a_broken_study_is_one_sentence(open_page, studied, page, tab, name):
    add_studies(studied, "agreement", "stability")
    file = studied / "runs" / RUN / "studies" / f"{name}.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    app = open_page(page, tab=tab)
    assert [error.value.startswith(f"{RUN}/studies/{name}.parquet is no") for error in app.error] == [True]
    assert str(studied) not in words(app)
    assert "<details" in tables(app) or name == "audit"


def test_a_real_map_stands_beside_maps_that_know_nothing(open_page, home, run):
    add_studies(home, *TRUST)
    app = open_page("maps", filled="road")
    assert not app.error
    assert [alt.split(",")[0] for alt in alts(app)] == [
        "The picture", f"its {KEPT.title}", "the same shuffled", f"another picture's {KEPT.title}",
    ]  # fmt: skip
    assert app.segmented_control(key="url.filled").value == "road"
    # one word a method and verdict
    findings = read_study(study_path(run.path, "faithfulness"), run).findings
    assert set(app.table[0].value.to_numpy().ravel()) == set(map(marked, findings))


def test_the_exact_map_of_another_detector_stands_beside_its_own(open_page, home):
    patch = write_detector(home, "patch", make_patch(9))
    write_run(home, patch, image_set("seen-test"), ship_images=True)
    rows = ["The picture", f"its {KEPT.title}", "the same shuffled", f"another picture's {KEPT.title}"]
    exact = [*rows[:2], "the exact map", *rows[3:]]
    for run, expected in ((RUN, [*rows, *exact]), ("patch@seen-test", exact)):
        app = open_page("maps", run=run)
        assert [alt.split(",")[0] for alt in alts(app)] == expected


def test_a_run_has_a_row_for_what_each_delivery_does(open_page, home, run):
    add_studies(home, "deliveries")
    app = open_page("reads", open="deliveries")
    (shares,) = [frame.value for frame in app.dataframe if {*SURVIVAL.values()} <= {*frame.value}]
    assert shares.index[0] == AS_THEY_ARE
    rows = with_predictions(read_study(study_path(run.path, "deliveries"), run).table, run)
    columns = {delivery.title: delivery.column for delivery in DELIVERIES} | {AS_THEY_ARE: "margin"}
    assert len(shares) > 5
    for title, of in shares.iterrows():
        is_real = rows[columns[title]] > 0
        for name, changed in (("FAKE", is_real), ("REAL", ~is_real)):
            missed = "FAKE called REAL" if name == "FAKE" else "REAL called FAKE"
            assert of[missed] == pytest.approx(changed[rows["label"] == name].mean())
            if title != AS_THEY_ARE:
                assert of[f"{name} verdicts flipped"] == pytest.approx(changed[rows["predicted"] == name].mean())
