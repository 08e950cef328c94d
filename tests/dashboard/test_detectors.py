"""Detectors: numbers against the runs' own, runs that cannot be compared, and the way into Mistakes."""

import shutil

import pandas as pd
import pytest

from core.runs.run import read_run
from core.runs.writing import write_run
from core.studies.store import study_path, write_study
from dashboard.components.words import percent
from tests.conftest import balanced, make_detector, write_detector
from tests.dashboard.conftest import RUN, image_set
from tests.dashboard.test_pages import words

OTHER = "twin@seen-test"


@pytest.fixture
def two(home):
    """The home with a second detector's run on the same images, and one on others."""
    twin = write_detector(home, "twin", balanced(make_detector(seed=3), image_set("x").pixels))
    write_run(home, twin, image_set("seen-test"), ship_images=True)
    write_run(home, twin, image_set("other-test", 40))
    return home


def test_the_table_holds_what_runs_and_studies_do(two, open_page, run):
    after = pd.DataFrame({"id": run.predictions["id"], "weight": 1.0})
    for name in ("png", "screenshot"):
        after[f"{name}_margin"] = run.predictions["margin"].to_numpy() + (0.5 if name == "screenshot" else 0)
    add_study(run, "deliveries", after)
    table = open_page("detectors", open="").dataframe[0].value.set_index("Detector")
    # no two rows have one name
    assert table.index.is_unique
    names = {RUN: "tiny (seen)", OTHER: "twin (seen)"}
    for name, row in ((name, table.loc[shown]) for name, shown in names.items()):
        numbers = read_run(two / "runs" / name).manifest["metrics"]["all"]
        assert row["Accuracy"] == pytest.approx(100 * numbers["accuracy"])
        assert row["Recall (FAKE)"] == pytest.approx(100 * numbers["per_class"]["FAKE"]["recall"])
    expected = ((after["screenshot_margin"] > 0).to_numpy() == run.is_real).mean()
    assert table.loc[names[RUN], "Screenshot"] == pytest.approx(100 * expected)
    # what was not measured is empty
    assert pd.isna(table.loc[names[OTHER], "Screenshot"])
    assert table["Other generators"].isna().all()


def by_id(home, name):
    """The predictions of a run by their images."""
    return read_run(home / "runs" / name).predictions.set_index("id")


def shown(app):
    """The measures of the chosen run by their names."""
    table = next(one.value for one in app.table if "95% interval" in one.value)
    return dict(table["value"])


@pytest.mark.parametrize("count", ["all", "clean"])
def test_the_numbers_are_the_runs_own(open_page, run, count):
    numbers = run.manifest["metrics"][count]
    expected = {"Accuracy": numbers["accuracy"], "AUROC": numbers["auroc"]}
    for name in ("FAKE", "REAL"):
        expected |= {
            f"{key.title()} ({name})": numbers["per_class"][name][key] for key in ("recall", "precision", "f1")
        }
    found = shown(open_page("detectors", count=count, open="numbers"))
    assert found == {name: percent(value) for name, value in expected.items()}


def test_the_numbers_follow_the_threshold(open_page, run):
    app = open_page("detectors", open="numbers")
    before = shown(app)
    cut = round(float(run.predictions["p_real"].quantile(0.8)), 2)
    app.slider(key="url.cut").set_value(cut).run()
    after = shown(app)
    real = run.predictions["label"] == "REAL"
    called = run.predictions["p_real"] > cut
    assert after["Recall (FAKE)"] == percent((~called[~real]).mean())
    assert after["Precision (REAL)"] == percent(real[called].mean())
    # that is of all thresholds
    assert after["AUROC"] == before["AUROC"]
    assert app.query_params["cut"] == f"{cut:g}"


def test_each_part_of_a_comparison_opens_on_demand(two, open_page):
    app = open_page("detectors", versus=OTHER, open="compare")
    for more in ("category", "margins", "studies"):
        app.query_params["more"] = more
        assert not app.run().exception
    assert "They share no study." in words(app)
    for name in (RUN, OTHER):
        run = read_run(two / "runs" / name)
        after = pd.DataFrame({"id": run.predictions["id"], "weight": 1.0})
        for delivery in ("png", "jpeg_50"):
            after[f"{delivery}_margin"] = run.predictions["margin"]
        add_study(run, "deliveries", after)
    table = app.run().dataframe[-1].value
    assert len(table)
    assert {"tiny", "tiny, answer", "twin", "twin, answer"} < set(table)


def add_study(run, name, table):
    about = {key: run.manifest[key] for key in ("detector_sha256", "set_fingerprint")}
    about |= {"study": name, "title": name, "parameters": {"seed": 0}, "images": len(run), "of": len(run)}
    write_study(study_path(run.path, name), table, about, run)


def test_runs_that_cannot_be_compared_give_a_sentence(two, open_page):
    for versus in ("twin@other-test", "nobody@seen-test", RUN):
        assert "is not one on these images" in words(open_page("detectors", versus=versus))
    # one that is damaged does not keep the sound ones from being compared
    broken = shutil.copytree(two / "runs" / OTHER, two / "runs" / "broken@seen-test")
    (broken / "manifest.json").write_bytes(b"{")
    app = open_page("detectors", versus=OTHER, open="compare")
    (choice,) = (box for box in app.selectbox if box.label == "Compare with")
    assert "twin on seen-test" in choice.options
    (two / "runs" / OTHER / "predictions.parquet").write_bytes(b"no table")
    assert len(open_page("detectors", versus=OTHER).error) == 1
    assert "There is no other run on these images" in words(open_page("detectors", run="twin@other-test"))


def test_mistakes_filters_by_the_verdict_of_the_other(two, open_page):
    parameters = {"run": RUN, "versus": OTHER, "result": "right", "versus.correct": "wrong"}
    app = open_page("mistakes", **parameters)
    first, second = (by_id(two, name) for name in (RUN, OTHER))
    second = second.loc[first.index]
    right = [(one["label"] == one["predicted"]).to_numpy() for one in (first, second)]
    many = int((right[0] & ~right[1]).sum())
    assert 0 < many < len(first)
    assert f"{many} of {len(first)} pictures" in words(app)
    # another image set has no verdict on these
    app = open_page("mistakes", **parameters | {"versus": "twin@other-test"})
    assert f"{int(right[0].sum())} of {len(first)} pictures" in words(app)


@pytest.mark.parametrize("differs", [True, False])
def test_the_closed_line_of_a_case_names_the_detectors_that_disagree(two, open_page, differs):
    first, second = (by_id(two, name)["predicted"] for name in (RUN, OTHER))
    fits = (first != second.loc[first.index]) == differs
    app = open_page("mistakes", run=RUN, id=first.index[fits][0])
    (line,) = (part.label for part in app.expander if "Other detectors" in part.label)
    assert ("twin" in line) == differs
    assert "says" in line or not differs


def test_two_detectors_are_compared_by_their_pictures_first(two, open_page):
    first, second = (by_id(two, name) for name in (RUN, OTHER))
    pair = (first["predicted"] == "REAL") & (second.loc[first.index, "predicted"] == "FAKE")
    app = open_page("mistakes", versus=OTHER)
    choice = app.pills(key="mistakes.pair")
    assert any(name.endswith(f"REAL, twin FAKE: {pair.sum()}") for name in choice.options)
    app = choice.set_value(("REAL", "FAKE")).run()
    assert str(pair.sum()) in app.title[0].value
    # the address restores the ticks
    sent = "".join(str(element.proto) for element in open_page("detectors", versus=OTHER).dataframe)
    assert "selection_default" in sent
