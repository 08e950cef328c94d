"""Explanations side by side: a method of a test's own is offered, set and drawn; what is saved is what is shown."""

import os
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import streamlit as st

from core.explainers.cam import GRADCAM
from core.explainers.drawing import DEFAULT
from core.explainers.explanation import shuffled
from core.explainers.lime.regions import LIME, LIME_GRID, LimeSettings
from core.explainers.settings import describe
from core.report.comparing import compared
from dashboard import catalogue
from dashboard.components import explanations, requests, settings
from dashboard.components.component import key_of
from dashboard.components.explanations import View, draw_explanations
from dashboard.components.requests import Subject
from dashboard.files import OWN
from dashboard.jobs import LEASE, JobStatus
from tests.core.explainers.toy import BRIGHT, registered, to_parameters
from tests.dashboard.studies import add_studies
from tests.dashboard.test_address import Params
from tests.dashboard.test_pages import settled


def test_a_new_method_is_offered_set_drawn_and_compared(open_page):
    with registered(BRIGHT):
        app = settled(open_page("mistakes", run="tiny@seen-test", methods="gradcam,bright", **{"bright.grey": "100"}))
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
        assert f"{key_of('bright', 'tiny')}.files.npz" in app.session_state[OWN]
    app = open_page("mistakes", run="tiny@seen-test", methods="gradcam,bright")
    assert BRIGHT.title not in app.multiselect(key="methods.chosen").options


@pytest.mark.parametrize("method, name, most", [(LIME, "n_segments", 120), (LIME_GRID, "cells", 16)])
def test_an_address_asks_for_no_more_than_the_widget_offers(method, name, most, monkeypatch):
    (one,) = (one for one in describe(method.settings) if one.name == name)
    for asked, found in ((most, most), (most + 1, one.default)):
        monkeypatch.setattr(st, "query_params", {f"{method.name}.{name}": str(asked)})
        assert settings.parameter(method, one).value == found


def test_a_preset_is_one_step_that_leaves_the_seed_and_no_preset_is_the_defaults(
    monkeypatch,
):
    params = Params({"run": "r", "lime.seed": "7", "lime.n_segments": "12"})
    monkeypatch.setattr(st, "query_params", params)
    monkeypatch.setattr(st, "session_state", {"lime.preset": "paper"})
    settings._apply_preset(LIME, "lime.preset")
    paper = {f"lime.{name}": text for name, text in to_parameters(LimeSettings.paper()).items()}
    st.session_state["lime.preset"] = ""
    settings._apply_preset(LIME, "lime.preset")
    assert params.steps == [{"run": "r", "lime.seed": "7"} | paper, {"run": "r"}]


def test_nothing_is_saved_before_all_of_it_has_the_settings_that_are_shown(tiny_detector, pixels, monkeypatch):
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(explanations, "finding_of_maps", lambda *_: None)
    found, view = (
        GRADCAM.explain_fully(tiny_detector, pixels[0]),
        View(Subject(pixels[0], "a.png"), [SimpleNamespace(name="tiny")]),
    )
    for own, offered in (([found], {"slide", "page.file"}), ([found, None], set())):
        explanations._draw_saving(view, [(explanation, DEFAULT) for explanation in own], [])
        assert set(st.session_state[OWN]) == offered


def test_a_drawing_asks_once_for_each_map_and_a_poll_opens_no_file(home, tiny_detector, pixels, monkeypatch):
    add_studies(home, "faithfulness")
    now = JobStatus("running", GRADCAM.explain_fully(tiny_detector, pixels[0]), 0.5)
    asked, parts, opened = [], [], []
    monkeypatch.setattr(explanations, "ask", lambda *_, slot, **__: asked.append(slot) or now)
    monkeypatch.setattr(st, "fragment", lambda part, run_every=None: parts.append((part, run_every)) or part)
    monkeypatch.setattr(st, "session_state", {"run": "tiny@seen-test"})
    draw_explanations(View(Subject(pixels[0], "a.png"), [catalogue.detectors()["tiny"]]))
    drawn = len(asked)
    assert drawn == len(set(asked)) > 1
    for name in ("open", "stat", "scandir"):
        use = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda path, *args, use=use, **more: opened.append(path) or use(path, *args, **more)
        )
    for part, seconds in parts:
        if seconds is not None:
            part()
    assert sorted(asked[drawn:]) == sorted(asked[:drawn])
    assert not opened


def test_who_waits_behind_others_looks_less_often(monkeypatch):
    seconds = []
    monkeypatch.setattr(st, "fragment", lambda part, run_every: seconds.append(run_every) or (lambda: None))
    for place in (0, 1, 2, 100, 200):
        requests.follow(lambda place=place: JobStatus("waiting", place=place), print, slot="x")
    assert seconds[0] < seconds[1] < seconds[2] < seconds[3] == seconds[4] < LEASE / 4


def test_the_map_of_the_settings_before_is_dimmed_and_that_of_another_picture_is_not_shown(
    tiny_detector, pixels, monkeypatch
):
    dimmed = []
    monkeypatch.setattr(explanations, "explained_picture", lambda *_, dim=False, **__: dimmed.append(dim))
    monkeypatch.setattr(st, "session_state", {})
    found, detector = GRADCAM.explain_fully(tiny_detector, pixels[0]), SimpleNamespace(name="tiny")
    for image, status, expected in (
        (pixels[0], JobStatus("waiting"), []),
        (pixels[0], JobStatus("done", found, 1.0), [False]),
        (pixels[0], JobStatus("waiting"), [True]),
        (pixels[1], JobStatus("waiting"), []),
    ):
        dimmed.clear()
        view = View(Subject(image, "a.png"), [detector])
        explanations._draw_one(view, detector, GRADCAM, status, DEFAULT)
        assert dimmed == expected


def test_what_is_mostly_undecided_agrees_with_nothing(tiny_detector, pixels):
    cam = GRADCAM.explain_fully(tiny_detector, pixels[0])
    lime = LIME.explain_fully(tiny_detector, pixels[0], LimeSettings(n_samples=64))
    for undecided, is_compared in ((0.6, False), (0.4, True)):
        mask = np.arange(lime.map.size).reshape(lime.map.shape) < undecided * lime.map.size
        [row] = compared([replace(lime, undecided=mask), cam], None).to_dict("records")
        assert pd.notna(row["rank correlation"]) == is_compared
        assert ("undecided on most" in row["conclusion"]) != is_compared


def test_a_random_map_has_the_values_of_the_map_in_other_places(tiny_detector, pixels):
    cam = GRADCAM.explain_fully(tiny_detector, pixels[0])
    fake = shuffled(cam, seed=1)
    assert not np.array_equal(fake.map, cam.map)
    np.testing.assert_array_equal(np.sort(fake.map, axis=None), np.sort(cam.map, axis=None))
    lime = LIME.explain_fully(tiny_detector, pixels[0], LimeSettings(n_samples=64))
    assert lime.parts is not None
    weights = np.where(lime.parts.decisions == 0, 0, lime.parts.weights)
    values = shuffled(lime, seed=1).map
    assert {len(np.unique(values[lime.regions == number])) for number in range(len(weights))} == {1}
    assert set(np.unique(values)) == set(weights)
