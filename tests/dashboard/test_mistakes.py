"""The page Mistakes: what flips an image, the sheet, the image that is open, and images that are there twice."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from numpy.testing import assert_array_equal
from PIL import Image

from core.images.labels import LABELS, verdict_of
from core.images.loading import load_image_set
from core.perturbations.flips import NOTHING, flipping, tabulate_changes
from core.perturbations.photometric import rms
from core.perturbations.registry import probe_pictures
from core.runs.filter import Filter
from core.runs.run import read_run
from core.runs.writing import write_run
from core.studies.store import read_study, study_path
from dashboard import library
from dashboard.components import probing
from dashboard.components.about import original_of
from dashboard.components.case import Case
from dashboard.components.component import report_file
from dashboard.components.requests import Subject
from tests.conftest import textured
from tests.dashboard.conftest import RUN, image_set
from tests.dashboard.studies import add_studies
from tests.dashboard.test_pages import words


def changes_of(detector, image, name="a"):
    """What each change that needs no other image does to a detector's verdict, with the changed pictures."""
    pictures = probe_pictures(image, name=name)
    margins = dict(zip(pictures, detector.margins(np.stack([*pictures.values()])), strict=True))
    sizes = {column: float(rms(picture[None], image[None])[0]) for column, picture in pictures.items()}
    changes = tabulate_changes(margins, sizes, float(detector.margins(image[None])[0]))
    return changes.assign(picture=pd.Series(pictures))


@pytest.mark.parametrize("number", range(4))
def test_a_case_shows_the_smallest_flips_and_then_what_flips_nothing(tiny_detector, number):
    image = textured(4, fine=number % 2 == 0, seed=number)[number]
    changes = changes_of(tiny_detector, image)
    case = Case(Subject(image, "a"), changes, label="FAKE")
    shown = case.chosen()
    flips = [column for column in shown if changes["controlled"][column]]
    assert 0 < len(shown) == len(set(shown))
    assert shown[: len(flips)] == flips
    assert [*flipping(changes).index[:1]] == flips[:1]
    assert changes["size"][flips].is_monotonic_increasing
    assert (changes["flips"][shown[len(flips) :]] == 0).all()
    # the headline and the slide are about the first of them
    assert (case.headline == NOTHING) == (not flips)
    before, after = case.story().sides
    assert before.verdict == case.word("")
    assert after.verdict == verdict_of(changes["margin"][shown[0]])
    assert_array_equal(after.image, changes["picture"][shown[0]])


def test_what_the_study_has_of_an_image_is_not_asked_again(open_page, home, run, monkeypatch):
    add_studies(home, "probes")
    smallest = read_study(study_path(run.path, "probes"), run).table.set_index("id")["smallest_flip"]
    asked = []
    monkeypatch.setattr(probing, "follow", lambda *given, **_: asked.append(given))
    for id_ in (str(smallest.dropna().index[0]), str(smallest.index[-1])):
        app = open_page("mistakes", id=id_, evidence="turns")
        assert not asked
        [table] = [element.value for element in app.dataframe if "change" in element.value]
        assert table["verdict"].is_monotonic_increasing
        if isinstance(title := smallest[id_], str):
            clean = table["change"][table["verdict"] == "flips"]
            assert clean.str.lower().str.endswith(title.partition(",")[0].lower()).any()
            assert app.title[0].value != NOTHING


def test_a_filter_keeps_the_settings_of_maps_and_lets_go_of_the_image(open_page, run):
    app = open_page("mistakes", id=run.predictions["id"][7], said="FAKE", **{"lime.n_samples": "64"})
    app.button(key="case.close").click().run()
    app.pills(key="filter.category").set_value(["cat"]).run()
    assert dict(app.query_params) == {"run": RUN, "said": "FAKE", "category": "cat", "lime.n_samples": "64"}


@pytest.mark.parametrize("labelled", [True, False])
def test_only_what_has_a_label_is_called_wrong(open_page, home, labelled, tiny):
    images = image_set("own-test")
    if not labelled:
        images.rows["label"] = np.uint8(len(LABELS) - 1)
    write_run(home, tiny, images, ship_images=True)
    sheet = open_page("mistakes", run="tiny@own-test", view="sheet")
    grid = open_page("mistakes", run="tiny@own-test")
    assert ("Dashed" in words(grid)) == labelled
    assert "Choose a " in words(grid)
    opened = library.open_run(home / "runs" / "tiny@own-test")
    report = report_file(opened, Filter(), library.pictures(opened)).decode()
    _, _, tiles = report.partition('<ul class="tiles">')
    for html in ("".join(element.proto.body for element in sheet.get("html")), tiles):
        assert not re.search(r"\bnan\b", html)
        assert bool(re.search('class="[^"]* wrong"', html)) == labelled
    assert ("Error rate" in report) == labelled


def test_the_original_stands_beside_what_the_detector_saw_where_it_had_another_size(open_page, home, tmp_path, tiny):
    for number, size in enumerate([(32, 32), (300, 200)]):
        for label in ("REAL", "FAKE"):
            (tmp_path / "own" / label).mkdir(parents=True, exist_ok=True)
            Image.effect_noise(size, 50 + number).save(tmp_path / "own" / label / f"{number}.png")
    images = load_image_set(tmp_path / "own", "test", fit=tiny.preprocessing)
    run = read_run(write_run(home, tiny, images, ship_images=True))
    ids = run.predictions.set_index("name")["id"]

    def shown(name):
        app = open_page("mistakes", run=run.name, id=ids[name])
        return "The original: 300 x 200 pixels" in words(app)

    assert [shown(name) for name in ("REAL/0.png", "REAL/1.png", "FAKE/1.png")] == [False, True, True]
    original = original_of(run, int(np.flatnonzero(run.predictions["name"] == "FAKE/1.png")[0]))
    assert_array_equal(original, np.asarray(Image.open(tmp_path / "own/FAKE/1.png").convert("RGB")))
    # a file that has changed is not that of the run
    shutil.copy(tmp_path / "own/REAL/0.png", tmp_path / "own/REAL/1.png")
    st.cache_data.clear()
    assert not shown("REAL/1.png")
