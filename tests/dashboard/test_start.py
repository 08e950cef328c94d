"""The page Start, the stage over it, and the dial."""

import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import streamlit as st

from core.detectors.storage import load_detector
from core.findings.contrast import Measure
from core.images.decoding import pixels_sha256
from core.images.labels import verdict_of
from core.perturbations.registry import PROBES, probe_pictures
from core.runs.run import read_run
from core.runs.showcase import choose_picture
from core.studies.store import read_study, study_path
from dashboard import library
from dashboard.components import dial, stage
from dashboard.components.dial import COLUMNS, SHOWN, columns_of
from dashboard.components.requests import Subject
from tests.dashboard.studies import add_studies

RUN = "tiny@seen-test"
BEATS = ["vote", "frames", "shares", "vote", "own", "trust"]


@pytest.mark.parametrize("run", [RUN, "tiny@blind-test"])
def test_start_opens_with_and_without_pictures(open_page, run):
    app = open_page("start", run=run, stage="3")
    assert not app.exception
    assert (app.title[0].value == "No picture to show yet") == (run != RUN)
    assert bool(app.button(key="stage.begin")) if run == RUN else not app.button


@pytest.mark.parametrize("studied", [True, False])
@pytest.mark.parametrize("address", [{"stage": ""}, {"stage": "4"}, {"step": "2"}, {}])
def test_the_stage_has_the_beats_that_the_run_has_data_for(address, studied, open_page, home, monkeypatch):
    sent = []
    monkeypatch.setattr(stage, "_mount", lambda *, data, **_: sent.append(data))
    if studied:
        add_studies(home, "probes")
        st.cache_resource.clear()
    app = open_page("start", run=RUN, **address)
    assert not app.exception
    if not address:
        assert not sent
        app.button(key="stage.begin").click().run()
    data = sent[-1]
    assert data["at"] == int(address.get("stage") or 1)
    missing = () if studied else ("frames", "shares")
    assert [beat["kind"] for beat in data["beats"]] == [kind for kind in BEATS if kind not in missing]
    for beat in data["beats"]:
        if beat["kind"] == "vote":
            assert beat["answer"] in [picture["letter"] for picture in beat["pictures"]] == ["A", "B"]
    if studied:
        run = read_run(home / "runs" / RUN)
        findings = read_study(study_path(run.path, "probes"), run).table.set_index("id")
        fake = run.predictions.loc[run.predictions["predicted"] == "FAKE", "id"]
        flips = (findings.loc[fake, stage.COLUMN] > 0).mean()
        bars = {bar["kind"]: bar["share"] for bar in data["beats"][2]["bars"]}
        assert bars["FAKE"] == pytest.approx(flips)
        assert data["beats"][1]["frames"][0]["verdict"] == "FAKE"


@pytest.mark.parametrize("studied", [False, True])
def test_the_dial_shows_the_detectors_verdicts_and_the_studys_shares(open_page, home, monkeypatch, studied):
    sent = []
    monkeypatch.setattr(dial, "_mount", lambda *, data, **_: sent.append(data))
    if studied:
        add_studies(home, "probes")
        st.cache_resource.clear()
    app = open_page("start", run=RUN, change="turn_180")
    for _ in range(300):
        if sent:
            break
        time.sleep(0.1)
        app.run()
    assert not app.exception
    data, run = sent[-1], read_run(home / "runs" / RUN)
    margins = read_study(study_path(run.path, "probes"), run).table.set_index("id") if studied else None
    row = choose_picture(run.predictions, np.ones(len(run), bool), margins, columns_of(SHOWN))
    assert row is not None
    id_ = str(run.predictions["id"].iloc[row])
    pictures = probe_pictures(np.asarray(run.images[row]), name=id_, columns=COLUMNS)
    assert tuple(pictures) == COLUMNS
    assert pixels_sha256(np.asarray(run.images[row])) in data["id"]
    after = load_detector(home / "detectors" / "tiny").margins(np.stack([*pictures.values()]))
    verdicts = dict(zip(COLUMNS, map(verdict_of, after), strict=True))
    stops = [stop for experiment in data["experiments"] for stop in experiment["stops"]]
    assert {stop["column"]: stop["changed"]["verdict"] for stop in stops} == {
        stop["column"]: verdicts[stop["column"]] for stop in stops
    }
    assert data["picture"]["verdict"] == "FAKE"
    assert data["at"] == "turn_180"
    assert all(bool(stop["shares"]) == studied for stop in stops)
    assert [bar["kind"] for bar in stops[0]["shares"]] == (["FAKE", "control", "REAL"] if studied else [])
    if margins is not None:
        real = (run.predictions["predicted"] == "REAL").to_numpy()
        for stop in stops:
            flips = (margins.loc[run.predictions["id"], stop["column"]] > 0).to_numpy() != real
            shares = {bar["kind"]: bar["share"] for bar in stop["shares"]}
            assert (shares["FAKE"], shares["REAL"]) == pytest.approx((flips[~real].mean(), flips[real].mean()))


@pytest.mark.parametrize("is_own", [True, False])
def test_the_dial_shows_shares_of_the_detector_that_is_asked_alone(home, monkeypatch, is_own):
    sent = []
    flips = SimpleNamespace(measure=Measure(0.5), control=None)
    changes = pd.DataFrame(
        {"picture": None, "margin": -1.0, "p_real": 0.1, "controlled": True, "size": 1.0},
        index=["", *dial.probe_columns()],
    )
    monkeypatch.setattr(st, "query_params", {})
    monkeypatch.setattr(st, "fragment", lambda part: part)
    monkeypatch.setattr(dial, "_mount", lambda *, data, **_: sent.append(data))
    monkeypatch.setattr(dial, "_thumbnail", lambda *_, **__: "")
    monkeypatch.setattr(dial, "measured_flips", lambda _opened: {(column, "FAKE"): flips for column in COLUMNS})
    monkeypatch.setattr(dial, "follow_changes", lambda *given, **_: given[4](changes))
    asked = SimpleNamespace(identity=SimpleNamespace(made=lambda _manifest: is_own))
    opened = library.open_run(home / "runs" / RUN)
    dial.draw_dial(Subject(np.zeros((32, 32, 3), np.uint8), "a.png"), asked, opened)
    (data,) = sent
    assert bool(data["of"]) == is_own
    assert all(bool(stop["shares"]) == is_own for experiment in data["experiments"] for stop in experiment["stops"])


def test_the_stage_shows_another_picture_than_start(home):
    opened = library.open_run(home / "runs" / RUN)
    _, first = dial.first_picture(opened)
    second = dial.second_picture(opened, first)
    assert second != first
    assert set(opened.judged.iloc[[second, first]]["predicted"]) == {"FAKE"}


def test_the_dial_shows_the_same_figures_as_the_findings(home):
    add_studies(home, "probes")
    st.cache_resource.clear()
    opened = library.open_run(home / "runs" / RUN)
    study = library.study_of(opened, "probes")
    assert study is not None
    flips = dial.measured_flips(opened)
    compared = 0
    for finding in study.findings:
        steps = {step.at(opened.run.side).full_label: step.key for step in PROBES[finding.details["probe"]].strengths}
        column = PROBES[finding.details["probe"]].column(steps[finding.details["strength"]])
        shown = flips.get((column, str(finding.group)))
        if shown is not None:
            compared += 1
            assert shown.measure.value == finding.measure.value
            assert (shown.control and shown.control.name) == (finding.control and finding.control.name)
    assert compared
