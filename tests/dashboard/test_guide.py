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

from core.detectors.detector import Detector
from core.detectors.storage import load_detector
from core.findings.finding import Choice, Finding, Measure
from core.findings.numbers import plus
from core.runs.run import Run, read_run
from core.studies.columns import browse_table
from core.studies.runner import Source, run_study
from core.studies.study import Context, Study
from dashboard.components.cast import RADII, TRIED, choose_cast, suspects, with_less_detail
from tests.dashboard.conftest import Open
from tests.dashboard.test_pages import words

STEPS = 7
RUN = "tiny@seen-test"


QUANTITIES = {
    "one_colour": "one_colour", "agreement": "beyond_chance", "probes": "flip_rate", "large": "called_real",
    "photographs": "called_fake",
}  # fmt: skip
# whatever words of some study need
DETAILS = {
    "name": "LIME", "names": ["LIME", "Grad-CAM"], "set": "seen-test", "plain": "as it is", "left_out": 0,
    "imitates": "CIFAR-10", "own_real": True, "filter": "", "sources": 3,
    "family": "detail", "title": "Removing fine detail", "strength": "radius 8", "strengths": [], "others": [],
    "falls_at": [],
}  # fmt: skip


def found_of(name: str, key: str, value: float) -> Finding:
    """A finding of a study with this number."""
    rate = Measure(value, value / 2, 1, 60, 3)
    beside = dict.fromkeys(("against", "same", "coarse"), rate) | ({"few": rate} if key.startswith("paper") else {})
    each = (Choice("generator", "GAN", rate),)
    quantity = QUANTITIES.get(key) or QUANTITIES[name]
    return Finding(key, name, quantity, rate, "REAL", choices=each, beside=beside, details=DETAILS)


def say(home: Path, name: str, found: Finding, monkeypatch: pytest.MonkeyPatch) -> None:
    """A study of this name with one finding."""

    def compute(context: Context, rows: NDArray[np.intp], _parameters: Any) -> pd.DataFrame:
        return pd.DataFrame({"id": context.run.predictions["id"].to_numpy()[rows], "lowpass_12": np.float32(1)})

    monkeypatch.setattr("core.studies.store.conclude_study", lambda *_: [found])
    study = Study(name, name, "What?", {"lowpass_12": "margin"}, "None.", compute)
    run_study(study, Source(home / "runs" / RUN, home / "detectors" / "tiny", device="cpu"))
    st.cache_resource.clear()


@pytest.mark.parametrize("run", [RUN, "tiny@blind-test"])
@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_every_step_opens(open_page: Open, run: str, step: int) -> None:
    app = open_page("start", run=run, step=str(step))
    assert not app.exception
    assert (app.title[0].value == "Guide") == (run != RUN)


def test_a_damaged_study_is_one_sentence(open_page: Open, home: Path) -> None:
    file = home / "runs" / RUN / "studies" / "one_colour.parquet"
    file.parent.mkdir()
    file.write_bytes(b"no parquet")
    app = open_page("start", run=RUN, step="3")
    assert not app.exception
    assert "is no readable study" in words(app) + " ".join(one.value for one in app.warning)
    assert str(home) not in words(app) + " ".join(one.value for one in app.warning)


def test_the_buttons_turn_the_page_and_the_address(open_page: Open) -> None:
    app = open_page("start", run=RUN)
    assert app.button(key="guide.back").disabled
    for step in range(2, STEPS + 1):
        app.button(key="guide.next").click().run()
        assert app.query_params["step"] == str(step)
        assert f"Step {step} of {STEPS}" in words(app)
    assert app.button(key="guide.next").disabled
    app.button(key="guide.back").click().run()
    assert f"Step {STEPS - 1} of {STEPS}" in words(app)


@pytest.mark.parametrize("studied", [False, True])
def test_the_verdict_after_each_step_of_the_slider_is_the_detector_s(
    open_page: Open, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, studied: bool
) -> None:
    monkeypatch.setenv("TELLTALE_CACHE", str(tmp_path / "cache"))
    run = read_run(home / "runs" / RUN)
    detector = load_detector(home / "detectors" / "tiny", device="cpu")
    if studied:
        say(home, "probes", found_of("probes", "detail-FAKE", 0.5), monkeypatch)
    app = answered(open_page("start", run=RUN, step="5", kept="8"))
    images = np.asarray(run.images)
    row = choose_cast(browse_table(run), np.ones(len(run), bool), None).detailed if studied else turning(run, detector)  # type: ignore[union-attr]
    margins = detector.margins(with_less_detail(images[row]))
    assert f"Margin {plus(margins[RADII.index(8)], 1)}." in words(app)
    assert ("The verdict has flipped" in words(app)) == (margins[RADII.index(8)] > 0)
    app.button(key="guide.kept.L").click().run()
    assert app.query_params["kept"] == "7"
    assert f"Margin {plus(margins[RADII.index(7)], 1)}." in words(answered(app))
    app.select_slider(key="url.kept").set_value(RADII[0]).run()
    assert f"Margin {plus(margins[0], 1)}." in words(answered(app))
    assert app.button(key="guide.kept.M").disabled


def turning(run: Run, detector: Detector) -> int:
    """The image that the fifth step shows where no study has named one: found one by one."""
    table = browse_table(run)
    fake = table[(table["label"] == "FAKE") & (table["predicted"] == "FAKE") & ~table["is_repeat"] & ~table["in_train"]]
    rows = fake.sort_values("margin", kind="stable").index.to_numpy()
    assert list(rows) == list(suspects(table, np.ones(len(table), bool), count=len(rows)))
    tried = suspects(table, np.ones(len(table), bool))
    margins = np.array([detector.margins(with_less_detail(np.asarray(run.images)[row])) for row in tried])
    for radius in TRIED:
        turned = np.flatnonzero(margins[:, RADII.index(radius)] > 0)
        if len(turned):
            return int(tried[turned[len(turned) // 2]])
    raise AssertionError("this detector turns for none")


def answered(app: AppTest) -> AppTest:
    """The page once the detector has answered."""
    for _ in range(600):
        app.run()
        if not app.get("skeleton") and not any("Asking" in str(one.proto) for one in app.get("progress")):
            return app
        time.sleep(0.1)
    raise AssertionError("the detector never answered")


def test_a_failed_question_can_be_asked_again(open_page: Open, home: Path) -> None:
    # the detector looks whole until it is asked
    card = home / "detectors" / "tiny" / "README.md"
    whole = card.read_bytes()
    card.write_bytes(b"")
    app = answered(open_page("start", run=RUN, step="3"))
    assert [error.value.startswith("tiny/README.md") for error in app.error] == [True]
    card.write_bytes(whole)
    app.button(key="guide.lime.again").click()
    app = answered(app.run())
    assert not app.error
    assert "It found **" in words(app)


def glossary(app: AppTest) -> list[str]:
    return [one.value.removeprefix("### ") for one in app.markdown if one.value.startswith("### ")]
