"""The page Start, the stage over it, and the dial."""

import shutil
import time

import numpy as np
import pytest

from core.images.decoding import pixels_sha256
from core.images.labels import verdict_of
from core.perturbations.registry import PROBES, probe_pictures
from core.runs.pictures import choose_picture
from core.runs.run import read_run
from core.studies.shared.flips import by_change
from core.studies.store import read_study, study_path, write_study
from dashboard import library
from dashboard.components import dial, stage
from dashboard.components.dial import COLUMNS, SHOWN, columns_of
from tests.conftest import make_detector, write_detector
from tests.dashboard.conftest import RUN
from tests.dashboard.studies import add_studies
from tests.dashboard.test_pages import sent, settled

BEATS = ["vote", "frames", "shares", "vote", "own", "trust"]


@pytest.fixture(params=[True, False], ids=["studied", "without a study"])
def studied(request, home):
    """Whether the run has the study of probes."""
    if request.param:
        add_studies(home, "probes")
    return request.param


def margins_of(run):
    """What the study of probes holds, by image."""
    return by_change(read_study(study_path(run.path, "probes"), run).table).set_index("id")


def test_without_pictures_there_is_no_stage(open_page):
    assert not open_page("start", run="tiny@blind-test", stage="3").button


@pytest.mark.parametrize("address", [{"stage": ""}, {"stage": "4"}, {}])
def test_the_stage_has_the_beats_that_the_run_has_data_for(address, studied, open_page, run):
    app = open_page("start", **address)
    if not address:
        assert "stage" not in sent(app)
        app.button(key="stage.begin").click().run()
    data = sent(app)["stage"]
    assert data["at"] == int(address.get("stage") or 1)
    missing = () if studied else ("frames", "shares")
    assert [beat["kind"] for beat in data["beats"]] == [kind for kind in BEATS if kind not in missing]
    for beat in data["beats"]:
        if beat["kind"] == "vote":
            assert beat["answer"] in [picture["letter"] for picture in beat["pictures"]] == ["A", "B"]
    if studied:
        fake = run.predictions.loc[run.predictions["predicted"] == "FAKE", "id"]
        bars = {bar["kind"]: bar["share"] for bar in data["beats"][2]["bars"]}
        assert bars["FAKE"] == pytest.approx((margins_of(run).loc[fake, stage.COLUMN] > 0).mean())
        assert data["beats"][1]["frames"][0]["verdict"] == "FAKE"


def test_the_dial_shows_the_detectors_verdicts_and_the_studys_shares(open_page, home, run, studied, tiny):
    app = open_page("start", change="turn_180")
    for _ in range(300):
        if "start.dial" in sent(app):
            break
        time.sleep(0.1)
        app.run()
    data = sent(app)["start.dial"]
    margins = margins_of(run) if studied else None
    row = choose_picture(run.predictions, np.ones(len(run), bool), margins, columns_of(SHOWN))
    every = probe_pictures(run.images[row], name=run.predictions["id"][row])
    pictures = {column: every[column] for column in COLUMNS}
    assert pixels_sha256(run.images[row]) in data["id"]
    after = tiny.margins(np.stack([*pictures.values()]))
    verdicts = dict(zip(COLUMNS, map(verdict_of, after), strict=True))
    stops = [stop for experiment in data["experiments"] for stop in experiment["stops"]]
    assert len(stops) > 10
    assert data["picture"]["verdict"] == "FAKE"
    assert data["at"] == "turn_180"
    assert [bar["kind"] for bar in stops[0]["shares"]] == (["FAKE", "control", "REAL"] if studied else [])
    # their shares are those of the findings
    for stop in stops:
        assert stop["changed"]["verdict"] == verdicts[stop["column"]]
        assert bool(stop["shares"]) == studied


def test_the_dial_has_no_shares_of_another_detector_than_the_one_that_is_asked(open_page, home):
    add_studies(home, "probes")
    shutil.rmtree(home / "detectors" / "tiny")
    write_detector(home, "rival", make_detector(seed=7))
    data = sent(settled(open_page("try_picture", by="rival", change="turn_180")))["upload.dial.dial"]
    assert not data["of"]
    assert not any(stop["shares"] for experiment in data["experiments"] for stop in experiment["stops"])


def test_the_stage_shows_another_picture_than_start(home):
    opened = library.open_run(home / "runs" / RUN)
    _, first = dial.first_picture(opened)
    second = dial.second_picture(opened, first)
    assert second != first
    assert set(opened.judged.iloc[[second, first]]["predicted"]) == {"FAKE"}


def test_a_probe_that_a_study_lacks_changes_nothing_on_start(home):
    add_studies(home, "probes")
    path = home / "runs" / RUN
    before = dial.first_picture(library.open_run(path))
    run = read_run(path)
    file = study_path(path, "probes")
    study = read_study(file, run)
    added = [name for name in study.table if name.startswith(dial.EXPERIMENTS[-1].key)]
    write_study(file, study.table.drop(columns=added), study.about, run)
    opened = library.open_run(path)
    _, first = dial.first_picture(opened)
    assert added
    assert first == before[1]
    assert any(dial.flips_without_detail(opened, row) for row in range(len(run.predictions)))


def test_the_dial_shows_the_same_figures_as_the_findings(home):
    add_studies(home, "probes")
    opened = library.open_run(home / "runs" / RUN)
    study = library.study_of(opened, "probes")
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
