"""Every page on a run with pictures, on one without, on an empty filter, on nonsense, and on nothing at all."""

import io
import json
import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.explainers.registry import explainers
from core.explainers.settings import describe
from core.images.image_set import fingerprint_of
from core.images.labels import LABELS, REAL
from core.runs.filter import ALIASES, DEFAULTS, Filter
from core.runs.rows import find_rows
from core.runs.run import read_run
from core.runs.summary import warnings_of
from core.runs.writing import write_run
from core.studies.columns import browse_table
from dashboard.components.component import OWN
from dashboard.components.requests import worker
from dashboard.components.words import percent, plain
from tests.core.studies.test_columns import seal
from tests.dashboard.conftest import PAGES, ROOT, RUN, image_set

# some pages, such as the glossary, are about no run
OF_A_RUN = tuple(page for page in PAGES if "library.current()" in (ROOT / f"dashboard/views/{page}.py").read_text())
RUNS = (RUN, "tiny@blind-test")
ODD = ("nan..nan", "9" * 400, "../../etc/passwd\0", "features:nan,1;2,3;4,5", "\N{RIGHT-TO-LEFT OVERRIDE}a,,")


def words(app):
    """Everything that is written on a page."""
    kinds = ("title", "header", "markdown", "caption", "info", "error", "warning", "subheader")
    said = [element.value for kind in kinds for element in getattr(app, kind)]
    return "\n".join([*said, *(part.label for part in app.expander)])


def sent(app):
    """What the browser is sent of each component on a page, by its key."""
    return {one.proto.id.rpartition("-")[2]: json.loads(one.proto.json) for one in app.get("bidi_component")}


def with_more_filters(app):
    """The page with its further filters unfolded."""
    app.session_state["mistakes.more"] = True
    return app.run()


def settled(app):
    """The page, which has been drawn, once nothing on it is being made any more."""
    for again in range(600):
        if again:
            app.run()
        coming = any(text in words(app) for text in ("is being asked", "Asking the detector", "still to come"))
        tables = any("being asked" in element.value.to_numpy() for element in (*app.dataframe, *app.table))
        # an answer that a page can do without for now is announced by nothing
        if not (coming or tables or app.get("progress") or app.get("skeleton") or worker()._jobs):
            return app
        # to draw it again meanwhile would only keep the worker from its work
        for _ in range(20):
            time.sleep(0.05)
            if not worker()._jobs:
                break
    raise AssertionError("the page never came to rest")


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("page", PAGES)
def test_opens(open_page, page, run):
    app = open_page(page, run=run)
    assert len(app.title) == 1
    assert not app.error


@pytest.mark.parametrize("page", PAGES)
def test_nonsense_in_any_parameter_is_the_default_view(open_page, home, run, page):
    names = re.findall(r'\bSetting\(\s*"(\w+)"', "".join(map(Path.read_text, (ROOT / "dashboard").rglob("*.py"))))
    names += [f"{method.name}.{setting.name}" for method in explainers() for setting in describe(method.settings)]
    names = sorted({*names, *DEFAULTS, *(ALIASES.get(name, name) for name in browse_table(run).columns)})
    for first, odd in enumerate(ODD):
        app = open_page(page, **{name: (odd, *ODD)[(first + number) % 3] for number, name in enumerate(names)})
        assert not app.error
        assert app.session_state["run"] == RUN
        assert str(home) not in words(app)


@pytest.mark.parametrize("page", OF_A_RUN)
def test_a_damaged_run_is_one_sentence(open_page, home, page):
    file = home / "runs" / RUN / "maps.npy"
    file.write_bytes(file.read_bytes()[:-1])
    app = open_page(page)
    assert [error.value.startswith(f"{RUN}/maps.npy is not the file") for error in app.error] == [True]
    assert str(home) not in words(app)


def test_mistakes_filters_through_the_url_and_through_its_widgets(open_page, run):
    table = browse_table(run)
    app = open_page("mistakes", category="cat,ship")
    with_more_filters(app).pills(key="filter.label").set_value(["FAKE"]).run()
    assert app.query_params["true"] == "FAKE"
    expected = len(find_rows(table, Filter().choosing("category", ["cat", "ship"]).choosing("label", ["FAKE"])))
    assert f"{expected} of 60 images" in words(app)
    app.slider(key="filter.confidence").set_value((0.6, 1.0)).run()
    assert app.query_params["sure"] == "0.6.."
    fact = with_more_filters(app).slider(key="filter.brightness")
    fact.set_value((fact.min, (fact.min + fact.max) / 2)).run()
    assert any(button.label.startswith("Brightness up to ") for button in app.button)
    app.button(key="filter.clear").click().run()
    assert "of 60 images" not in words(app)
    assert set(app.query_params) == {"run"}


def test_mistakes_tags_what_is_selected(open_page, run):
    def tag(pick, text, button="tag"):
        app = open_page("mistakes", pick=pick)
        app.text_input(key="selection.tag_text").set_value(text)
        return app.form_submit_button(key=f"selection.{button}").click().run()

    def found():
        return words(open_page("mistakes", tag="odd one"))

    ids = run.predictions["id"]
    tag(f"{ids[0]},{ids[3]},nobody", "odd one")
    assert "**2 selected**" in words(open_page("mistakes", pick=f"{ids[0]},{ids[3]},nobody"))
    assert "2 of 60 images" in found()
    assert len(tag(ids[0], "a,b").error) == 1
    tag(ids[0], "odd one", "untag")
    assert "1 of 60 images" in found()


def test_another_threshold_is_that_of_the_csv_and_the_tiles(open_page, run):
    table = browse_table(run)
    cut = float(table["p_real"].quantile(0.8))
    turned = table[(table["p_real"] <= cut) & (table["predicted"] == "REAL")]
    assert len(turned) > 3
    app = open_page("mistakes", cut=f"{cut:g}", said="FAKE", sort="sure")
    rows = pd.read_csv(io.BytesIO(app.session_state[OWN]["mistakes.csv"].make()))
    assert len(rows) == (table["p_real"] <= cut).sum()
    assert (rows["predicted"] == "FAKE").all()
    assert ((rows["correct"] == "right") == (rows["label"] == "FAKE")).all()
    assert rows["threshold"].to_numpy() == pytest.approx(cut, rel=1e-4)
    tiles = {tile["id"]: tile for tile in sent(app)["mistakes.grid"]["tiles"]}
    known = table.set_index("id").loc[list(tiles)]
    # the number on a tile is what it is sorted and filtered by
    assert known["confidence"].is_monotonic_decreasing
    for id_, row in known.iterrows():
        moved = row["predicted"] == "REAL"
        assert percent(row["confidence"]) in tiles[id_]["label"]
        assert ("though REAL is likelier" in tiles[id_]["label"]) == moved
    assert set(turned["id"]) & set(tiles)


def test_the_open_image_keeps_tags_and_notes(open_page):
    app = open_page("mistakes", view="case", open="about")
    app.text_area[0].set_value("ringing at the edge").run()
    app.multiselect(key="inspect.tags").set_value(["halo"]).run()
    again = open_page("mistakes", view="case", open="about")
    assert again.text_area[0].value == "ringing at the edge"
    assert again.multiselect(key="inspect.tags").value == ["halo"]


def test_the_open_image_without_the_picture_shows_the_runs_map_and_what_is_known(open_page, home):
    folder = home / "runs" / "tiny@blind-test"
    ids = browse_table(read_run(folder))["id"]
    frame = pd.DataFrame({"id": ids, "flips": np.arange(60) / 60})
    seal(folder / "studies" / "probes.parquet", frame, {"title": "Turns", "columns": {"flips": "turned share, 0 to 1"}})
    app = open_page("mistakes", run="tiny@blind-test", id=ids[45])
    assert "The run's own map" in words(app)
    assert "| Turned share | 0.75 |" in words(app)
    assert "LIME" not in words(app)


def test_another_run_keeps_the_view_where_its_images_are_the_same(open_page, home, tiny):
    asked = {"true": "REAL", "page": "2", "pick": "nobody"}
    app = open_page("mistakes", **asked)
    # the same images, without their pictures
    app.selectbox(key="url.run").set_value("tiny@blind-test").run()
    assert dict(app.query_params) == {"run": "tiny@blind-test", **asked}
    write_run(home, tiny, image_set("other-test", 12))
    app = open_page("mistakes", **asked)
    app.selectbox(key="url.run").set_value("tiny@other-test").run()
    assert dict(app.query_params) == {"run": "tiny@other-test"}
    # where a detector is chosen, no run is
    assert "Run" not in [choice.label for choice in open_page("try_picture").selectbox]


@pytest.mark.parametrize("labels", [None, REAL], ids=["none", "one"])
@pytest.mark.parametrize("page", PAGES)
def test_without_labels_or_with_one_class_a_page_opens_and_shows_no_accuracy(open_page, home, page, labels, tiny):
    images = image_set("own-test")
    images.rows["label"] = np.uint8(len(LABELS) - 1 if labels is None else labels)
    images = replace(images, fingerprint=fingerprint_of("test", images.rows))
    write_run(home, tiny, images, ship_images=True)
    app = open_page(page, run="tiny@own-test")
    assert [error.value for error in app.error] == []
    assert "Wrong on" not in words(app) or labels is not None
    assert "accuracy" not in [metric.label.lower() for metric in app.metric]


def test_generators_are_told_apart_and_shortcuts_are_shown_first(open_page, home, tiny):
    images = image_set("own-test")
    real = images.labels == REAL
    source = np.where(real, "camera", np.where(np.arange(len(images)) % 3, "sd14", "biggan"))
    rows = images.rows.assign(source=source, format=np.where(real, "JPEG", "PNG"), width=32, height=32)
    write_run(home, tiny, replace(images, rows=rows), ship_images=True, seen=["sd14"])
    app = open_page("detectors", run="tiny@own-test")
    means = next(one.value for one in app.dataframe if "Macro mean" in one.value)
    assert means["Sources"].tolist() == ["all", "seen", "unseen"]
    run = read_run(home / "runs/tiny@own-test")
    warnings = warnings_of(run)
    assert "PNG, 100%" in warnings[0]
    for page in (app, open_page("reads", run="tiny@own-test")):
        assert [warning.value for warning in page.warning] == ["  \n".join(map(plain, warnings))]
