"""The guide: every step on a run with pictures and on one without, its numbers, its links; the glossary."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest

from core.detector import load_detector
from core.guide import RADII, choose_cast, with_less_detail
from core.run import read_run
from core.studies.runner import Source, run_study
from core.studies.study import Context, Finding, Study
from dashboard.glossary import TERMS
from dashboard.widgets.guide import STEPS
from dashboard.widgets.words import percent
from tests.dashboard.conftest import Open
from tests.dashboard.test_pages import words

RUN = "tiny@seen-test"


def say(home: Path, name: str, **sentences: str) -> None:
    """A study of this name whose findings are these sentences."""

    def compute(context: Context, rows: NDArray[np.intp], _parameters: Any) -> pd.DataFrame:
        return pd.DataFrame({"id": context.run.predictions["id"].to_numpy()[rows], "lowpass_12": np.float32(1)})

    found = [Finding(key.replace("_", "-") if name != "probes" else key, text) for key, text in sentences.items()]
    study = Study(name, name, "What?", {"lowpass_12": "margin"}, "neither", "None.", compute, lambda *_: found)
    run_study(study, Source(home / "runs" / RUN, home / "detectors" / "tiny", device="cpu"))
    st.cache_resource.clear()


@pytest.mark.parametrize("run", [RUN, "tiny@blind-test"])
@pytest.mark.parametrize("step", range(1, len(STEPS) + 1))
def test_every_step_opens(open_page: Open, run: str, step: int) -> None:
    app = open_page("guide", run=run, step=str(step))
    assert not app.exception
    assert app.title[0].value == (STEPS[step - 1][0] if run == RUN else "The tour")


def test_its_first_number_is_the_run_s(open_page: Open, home: Path) -> None:
    accuracy = read_run(home / "runs" / RUN).manifest["metrics"]["all"]["accuracy"]
    assert f"right **{percent(accuracy)}** of the time" in words(open_page("guide", run=RUN))


MEASURED = {
    3: ("one_colour", "paper_FAKE"),
    4: ("agreement", "beyond_REAL"),
    5: ("probes", "detail_out"),
    6: ("transfer", "generators"),
}


@pytest.mark.parametrize("step", MEASURED)
def test_sentences_are_the_study_s(
    open_page: Open, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    monkeypatch.setenv("TELLTALE_CACHE", str(tmp_path / "cache"))
    study, key = MEASURED[step]
    assert f"python -m core.studies {study} --run {RUN}" in words(open_page("guide", run=RUN, step=str(step)))
    for number in ("12 %", "34 %"):
        say(home, study, **{key: f"It happens on {number} of them."})
        text = words(open_page("guide", run=RUN, step=str(step)))
        assert f"It happens on {number} of them." in text
        assert f"core.studies {study} " not in text


def test_a_damaged_study_is_one_sentence(open_page: Open, home: Path) -> None:
    file = home / "runs" / RUN / "studies" / "one_colour.parquet"
    file.parent.mkdir()
    file.write_bytes(b"no parquet")
    app = open_page("guide", run=RUN, step="3")
    assert not app.exception
    assert "is no readable study" in words(app) + " ".join(one.value for one in app.warning)
    assert str(home) not in words(app) + " ".join(one.value for one in app.warning)


def test_the_buttons_turn_the_page_and_the_address(open_page: Open) -> None:
    app = open_page("guide", run=RUN)
    assert app.button(key="guide.back").disabled
    for step in range(2, len(STEPS) + 1):
        app.button(key="guide.next").click().run()
        assert app.query_params["step"] == str(step)
        assert app.title[0].value == STEPS[step - 1][0]
    assert app.button(key="guide.next").disabled
    app.button(key="guide.back").click().run()
    assert app.title[0].value == STEPS[-2][0]


def test_nonsense_in_the_address_is_the_first_step(open_page: Open) -> None:
    app = open_page("guide", run=RUN, step="-4", kept="99", parts="many")
    assert not app.exception
    assert app.title[0].value == STEPS[0][0]


def test_the_verdict_after_each_step_of_the_slider_is_the_detector_s(open_page: Open, home: Path) -> None:
    run = read_run(home / "runs" / RUN)
    detector = load_detector(home / "detectors" / "tiny", device="cpu")
    app = answered(open_page("guide", run=RUN, step="5", kept="8"))
    row = shown_row(run)
    margins = detector.margins(with_less_detail(np.asarray(run.images[row])))  # type: ignore[index]
    assert f"Score (margin): {margins[RADII.index(8)]:+.1f}." in words(app)
    app.select_slider(key="url.kept").set_value(RADII[0]).run()
    assert f"Score (margin): {margins[0]:+.1f}." in words(answered(app))


def answered(app: AppTest) -> AppTest:
    """The page once the detector has answered."""
    for _ in range(600):
        app.run()
        if not app.get("skeleton") and not any("Asking" in str(one.proto) for one in app.get("progress")):
            return app
        time.sleep(0.1)
    raise AssertionError("the detector never answered")


def shown_row(run: Any) -> int:
    """The row that the fifth step shows."""
    from core.browse import browse_table

    cast = choose_cast(browse_table(run), np.ones(len(run), bool))
    assert cast is not None
    return cast.detailed


def test_more_parts_make_another_picture(open_page: Open) -> None:
    app = answered(open_page("guide", run=RUN, step="3"))
    assert any("part" in one.value for one in app.caption)
    app.select_slider(key="url.parts").set_value("30").run()
    assert not answered(app).exception
    assert app.query_params["parts"] == "30"


def glossary(app: AppTest) -> list[str]:
    return [one.value.removeprefix("##### ") for one in app.markdown if one.value.startswith("##### ")]


def test_the_glossary_explains_every_term_and_finds_one(open_page: Open) -> None:
    assert glossary(open_page("glossary", run=RUN)) == list(TERMS)
    found = glossary(open_page("glossary", run=RUN, find="ridge of nothing"))
    assert found == []
    found = glossary(open_page("glossary", run=RUN, find="margin map"))
    assert found == ["Margin map"]
    assert list(TERMS) == sorted(TERMS, key=str.lower)
