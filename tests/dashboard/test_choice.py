"""Methods side by side: a method of a test's own is offered, set, drawn and compared without another line."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import streamlit as st

from core.explainers.explainer import AnyExplainer
from core.explainers.lime.regions import LIME, LIME_GRID, LimeSettings
from core.explainers.registry import registered
from core.explainers.settings import describe
from dashboard.components import choice, panels
from dashboard.components.component import key_of
from dashboard.components.requests import Subject
from dashboard.jobs import JobStatus
from tests.core.explainers.texts import to_parameters
from tests.core.explainers.toy import BRIGHT
from tests.dashboard.conftest import Open
from tests.dashboard.test_address import Params
from tests.dashboard.test_pages import settled


def test_a_new_method_is_offered_set_drawn_and_compared(open_page: Open) -> None:
    with registered(BRIGHT):
        app = settled(open_page("inspect", run="tiny@seen-test", methods="gradcam,bright", **{"bright.grey": "100"}))
        assert not app.exception
        chosen = app.multiselect(key="methods.chosen")
        assert BRIGHT.title in chosen.options
        assert chosen.value == ["gradcam", "bright"]
        [grey] = [one for one in app.number_input if one.label == "Middle grey"]
        assert grey.value == 100
        drawn = {one.proto.id.rpartition("-")[2] for one in app.get("bidi_component")}
        assert f"{key_of('bright', 'tiny')}.picture" in drawn
        # both maps are compared
        assert any("rank correlation" in table.value.index for table in app.table)
        assert f"{key_of('bright', 'tiny')}.files.npz" in {one.key for one in app.get("download_button")}
    app = open_page("inspect", run="tiny@seen-test", methods="gradcam,bright")
    assert BRIGHT.title not in app.multiselect(key="methods.chosen").options


@pytest.mark.parametrize(("method", "name", "most"), [(LIME, "n_segments", 120), (LIME_GRID, "cells", 16)])
def test_an_address_asks_for_no_more_than_the_widget_offers(
    method: AnyExplainer, name: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = (one for one in describe(method.settings) if one.name == name)
    for asked, found in ((most, most), (most + 1, one.default)):
        monkeypatch.setattr(st, "query_params", {f"{method.name}.{name}": str(asked)})
        assert choice.parameter(method, one).value == found


def test_a_preset_is_one_step_that_leaves_the_seed_and_no_preset_is_the_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    params = Params({"run": "r", "lime.seed": "7", "lime.n_segments": "12"})
    monkeypatch.setattr(st, "query_params", params)
    monkeypatch.setattr(st, "session_state", {"lime.preset": "paper"})
    choice._take_preset(LIME, "lime.preset")
    paper = {f"lime.{name}": text for name, text in to_parameters(LimeSettings.paper()).items()}
    st.session_state["lime.preset"] = ""
    choice._take_preset(LIME, "lime.preset")
    assert params.steps == [{"run": "r", "lime.seed": "7"} | paper, {"run": "r"}]


def test_the_page_is_drawn_anew_once_another_detector_has_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What compares explanations, and the scale that they share, stand outside of their panels."""
    states: dict[str, Any] = {"own": "done", "other": "running"}
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(panels, "question_of", lambda method, _about: method.name)
    monkeypatch.setattr(panels.SideBySide, "_asked", staticmethod(lambda _detector: []))
    monkeypatch.setattr(panels.SideBySide, "status", lambda _side, detector, _method: JobStatus(states[detector.name]))
    detectors: Any = [SimpleNamespace(name=name, about=None) for name in states]
    side = panels.SideBySide(Subject.of(np.zeros((32, 32, 3), np.uint8), "image"), detectors, [BRIGHT])
    panels.note_drawn(side)
    assert not panels.outdated()
    states["other"] = "done"
    assert panels.outdated()


def test_the_page_is_drawn_anew_at_once_under_other_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the comparison and the exported page would stay those of the earlier settings while the new are computed."""
    asked = ["16 samples"]
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(panels, "question_of", lambda _method, _about: asked[0])
    monkeypatch.setattr(panels.SideBySide, "_asked", staticmethod(lambda _detector: []))
    monkeypatch.setattr(panels.SideBySide, "status", lambda *_: JobStatus("done" if "16" in asked[0] else "running"))
    detectors: Any = [SimpleNamespace(name="own", about=None)]
    side = panels.SideBySide(Subject.of(np.zeros((32, 32, 3), np.uint8), "image"), detectors, [BRIGHT])
    panels.note_drawn(side)
    assert not panels.outdated()
    asked[0] = "1,024 samples"
    assert panels.outdated()
    panels.note_drawn(side)
    assert not panels.outdated()
