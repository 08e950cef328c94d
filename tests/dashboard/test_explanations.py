"""Explanations side by side: a method of a test's own is offered, set and drawn; what is saved is what is shown."""

import base64
import io
import os
import re
from dataclasses import replace

import numpy as np
import pytest
import streamlit as st
from numpy.testing import assert_array_equal
from PIL import Image

from core.explainers import drawing
from core.explainers.cam import GRADCAM, CamSettings
from core.explainers.drawing import Style, draw_explanation
from core.explainers.explanation import shuffled
from core.explainers.lime import LIME, LIME_GRID, LimeSettings
from core.explainers.settings import describe
from core.images.labels import CLASS_COLOURS, rgb
from dashboard import catalogue
from dashboard.components import explanations, picture, settings
from dashboard.components.component import OWN, key_of
from dashboard.components.explanations import View, draw_explanations
from dashboard.components.picture import Cell
from dashboard.components.requests import Subject
from dashboard.jobs import JobStatus
from dashboard.state import put_all
from tests.conftest import textured
from tests.core.explainers.toy import BRIGHT, registered, to_parameters
from tests.dashboard.conftest import RUN
from tests.dashboard.studies import add_studies
from tests.dashboard.test_pages import sent, settled

IMAGES = textured(2, fine=True, seed=11)


def named(settings):
    """The parameters of an address that asks for LIME's settings."""
    return {f"lime.{name}": text for name, text in to_parameters(settings).items()}


def test_a_new_method_is_offered_set_drawn_and_compared(open_page):
    with registered(BRIGHT):
        app = settled(open_page("mistakes", methods="gradcam,bright", **{"bright.grey": "100"}))
        chosen = app.multiselect(key="methods.chosen")
        assert BRIGHT.title in chosen.options
        assert chosen.value == ["gradcam", "bright"]
        [grey] = [one for one in app.number_input if one.label == "Middle grey"]
        assert grey.value == 100
        assert f"{key_of('bright', 'tiny')}.picture" in sent(app)
        # both maps are compared
        assert any("rank correlation" in table.value.index for table in app.table)
        for ending in ("png", "npz"):
            assert f"{key_of('bright', 'tiny')}.files.{ending}" in app.session_state[OWN]
    app = open_page("mistakes", methods="gradcam,bright")
    assert BRIGHT.title not in app.multiselect(key="methods.chosen").options


@pytest.mark.parametrize("method, name, most", [(LIME, "n_segments", 120), (LIME_GRID, "cells", 16)])
def test_an_address_asks_for_no_more_than_the_widget_offers(method, name, most, monkeypatch):
    (one,) = (one for one in describe(method.settings) if one.name == name)
    for asked, found in ((most, most), (most + 1, one.default)):
        monkeypatch.setattr(st, "query_params", {f"{method.name}.{name}": str(asked)})
        assert settings.parameter(method, one).value == found


def test_a_preset_is_one_step_that_leaves_the_seed_and_no_preset_is_the_defaults(open_page, monkeypatch):
    steps = []
    monkeypatch.setattr(settings, "put_all", lambda values: steps.append(values) or put_all(values))
    app = open_page("mistakes", view="case", methods="lime", **{"lime.seed": "7", "lime.n_segments": "12"})
    for preset, left in (("paper", {"lime.seed": "7", **named(LimeSettings.paper())}), ("", {})):
        app.segmented_control(key="lime.preset").set_value(preset).run()
        assert {name: text for name, text in app.query_params.items() if name.startswith("lime.")} == left
    assert len(steps) == 2


@pytest.fixture
def parts(monkeypatch):
    """The parts of what is drawn that are drawn again by themselves, with the seconds between."""
    parts = []
    monkeypatch.setattr(st, "fragment", lambda part, run_every=None: parts.append((part, run_every)) or part)
    return parts


@pytest.fixture
def draw(home, parts, monkeypatch):
    """A function that draws an image's explanations, each with a given status, and returns what has been asked."""
    monkeypatch.setattr(st, "session_state", {"run": RUN})

    def drawn(image, **statuses):
        asked = []

        def ask(_detector, _pixels, request, *, slot, **_):
            asked.append(slot)
            return statuses[request.method]

        monkeypatch.setattr(explanations, "ask", ask)
        draw_explanations(View(Subject(image, "a.png"), catalogue.detectors()["tiny"]))
        return asked

    return drawn


@pytest.fixture
def studied(home):
    """The home with a study of its maps."""
    add_studies(home, "faithfulness")


@pytest.fixture
def answer(tiny_detector, pixels):
    """Grad-CAM's explanation of the first picture."""
    return GRADCAM.explain_fully(tiny_detector, pixels[0])


def test_nothing_is_saved_before_all_of_it_has_the_settings_that_are_shown(draw, answer, pixels):
    done = JobStatus("done", answer, 1.0)
    for lime, offered in ((done, {"slide", "page.file"}), (JobStatus("running", answer, 0.5), set())):
        draw(pixels[0], gradcam=done, lime=lime)
        assert {"slide", "page.file"} & set(st.session_state[OWN]) == offered


@pytest.mark.usefixtures("studied")
def test_a_drawing_asks_once_for_each_map_and_a_poll_opens_no_file(draw, parts, answer, pixels, monkeypatch):
    opened = []
    now = JobStatus("running", answer, 0.5)
    asked = draw(pixels[0], gradcam=now, lime=now)
    first = sorted(asked)
    assert len(first) == len(set(first)) > 1
    asked.clear()
    for name in ("open", "stat", "scandir"):
        use = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda path, *args, use=use, **more: opened.append(path) or use(path, *args, **more)
        )
    for part, seconds in parts:
        if seconds is not None:
            part()
    assert sorted(asked) == first
    assert not opened


def test_what_samples_take_stands_beside_their_slider(tiny_detector, pixels, monkeypatch):
    captions = []
    monkeypatch.setattr(st, "caption", lambda text, **_: captions.append(text))
    monkeypatch.setattr(st, "session_state", {})
    explanation = LIME.explain_fully(tiny_detector, pixels[0], LimeSettings(n_samples=64))
    samples = LimeSettings().n_samples
    for seconds, numbers in ((1e-6, []), (32.0, [samples, samples / 2, 100, 50])):
        captions.clear()
        made = replace(explanation, provenance=replace(explanation.provenance, seconds=seconds))
        settings.draw_strip([LIME], tiny_detector.about, {"lime": made})
        estimates = " ".join(text for text in captions if re.search(r"\d s\b", text)).replace(",", "")
        assert [float(number) for number in re.findall(r"\d+(?:\.\d+)?", estimates)] == numbers


def test_the_map_of_the_settings_before_is_dimmed_and_that_of_another_picture_is_not_shown(
    draw, answer, pixels, monkeypatch
):
    shown = []
    monkeypatch.setattr(explanations, "explained_picture", lambda *_, dim=False, **__: shown.append(dim))
    waiting = JobStatus("waiting")
    # beside the map that is there, one at random
    for image, status, dimmed in (
        (pixels[0], waiting, []),
        (pixels[0], JobStatus("done", answer, 1.0), [False, False]),
        (pixels[0], waiting, [True]),
        (pixels[1], waiting, []),
    ):
        shown.clear()
        draw(image, gradcam=status, lime=waiting)
        assert shown == dimmed


def test_a_random_map_has_the_values_of_the_map_in_other_places(tiny_detector, pixels):
    cam = GRADCAM.explain_fully(tiny_detector, pixels[0])
    fake = shuffled(cam, seed=1)
    assert not np.array_equal(fake.values, cam.values)
    np.testing.assert_array_equal(np.sort(fake.values, axis=None), np.sort(cam.values, axis=None))
    lime = LIME.explain_fully(tiny_detector, pixels[0], LimeSettings(n_samples=64))
    weights = np.where(lime.parts.decisions == 0, 0, lime.parts.weights)
    values = shuffled(lime, seed=1).values
    assert {len(np.unique(values[lime.regions == number])) for number in range(len(weights))} == {1}
    assert set(np.unique(values)) == set(weights)


def pixels_of(url):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB"))


@pytest.mark.parametrize("crisp", [False, True])
def test_a_picture_is_encoded_once_however_often_it_is_drawn(crisp, monkeypatch):
    encoded = []
    urls = []
    save = Image.Image.save
    monkeypatch.setattr(Image.Image, "save", lambda *args, **options: encoded.append(args) or save(*args, **options))
    monkeypatch.setattr(picture, "shows_pixels", lambda: crisp)
    monkeypatch.setattr(picture.st, "image", lambda source, **_: urls.append(source))
    st.cache_resource.clear()
    for _ in range(3):
        picture.picture_strip([Cell(IMAGES[0].copy(), "a picture", verdict=verdict) for verdict in ("FAKE", None)])
    assert len(encoded) == len(set(urls)) == 2
    framed, bare = (pixels_of(url).astype(int) for url in urls[:2])
    assert np.abs(framed[0, 0] - rgb(CLASS_COLOURS["FAKE"])).max() <= (0 if crisp else 8)
    edge = (len(framed) - len(bare)) // 2
    assert np.abs(framed[edge:-edge, edge:-edge] - bare).mean() < 4
    if crisp:
        assert_array_equal(bare[4::8, 4::8], IMAGES[0])


def test_a_picture_is_drawn_once_for_an_answer_and_a_style(tiny_detector, monkeypatch):
    drawn = []
    shown = []
    monkeypatch.setattr(
        picture, "draw_explanation", lambda *args, **options: drawn.append(args) or draw_explanation(*args, **options)
    )
    monkeypatch.setattr(picture, "_mount", lambda *, key, data: shown.append(data))
    first, *_, last = LIME.explain(tiny_detector, IMAGES[0], LimeSettings(n_samples=128, n_segments=12))
    cams = GRADCAM.explain_batch(tiny_detector, IMAGES, CamSettings(layer="layer2"))
    styles = (Style(), Style("paper", 0.5), Style(scale=3.0), Style(drawing="alone"))
    asked = [(result, style, style is styles[1]) for result in (first, last, *cams) for style in styles]
    for result, style, blind in 2 * asked:
        # another visitor's, with the same content
        picture.explained_picture(replace(result), key="x", style=style, blind=blind)
    assert len(drawn) == len(asked)
    assert shown[: len(asked)] == shown[len(asked) :]
    for (result, style, blind), data in zip(asked, shown, strict=False):
        assert_array_equal(pixels_of(data["source"]), draw_explanation(result, picture.SIZE, style=style))
        assert (data["rgb"] == "") == blind


def test_maps_of_a_page_are_drawn_once(open_page, monkeypatch):
    drawn = []
    draw = drawing.draw_overlay
    monkeypatch.setattr(drawing, "draw_overlay", lambda *args, **options: drawn.append(args) or draw(*args, **options))
    counts = []
    for _ in range(2):
        open_page("maps")
        counts.append(len(drawn))
    assert counts[0] == counts[1] > 0
