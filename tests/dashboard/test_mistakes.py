"""The page Mistakes: its filters, what flips an image, experiments on the open one, the sheet, and originals."""

import re
import shutil
from html import unescape

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.metrics.pairwise import cosine_distances

from core.images.labels import LABELS, verdict_of
from core.images.loading import load_image_set
from core.perturbations.edits import rms
from core.perturbations.flips import NOTHING, flipping, reason, tabulate_changes
from core.perturbations.registry import probe_columns, probe_pictures
from core.runs.filter import Filter
from core.runs.rows import find_rows
from core.runs.run import read_run
from core.runs.writing import write_run
from core.studies.columns import browse_table
from core.studies.store import read_study, study_path
from dashboard import library
from dashboard.components import probing
from dashboard.components.about import original_of
from dashboard.components.case import Case
from dashboard.components.component import OWN, report_file
from dashboard.components.requests import Subject
from dashboard.components.words import coloured
from tests.conftest import textured
from tests.core.studies.test_columns import seal
from tests.dashboard.conftest import RUN, image_set
from tests.dashboard.studies import add_studies
from tests.dashboard.test_pages import sent, settled, words


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
    report = report_file(opened, Filter()).decode()
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


@pytest.mark.parametrize(
    "asked, chosen",
    [
        ({"category": "cat"}, False),
        ({"result": "wrong"}, True),
        ({"result": "right", "true": "FAKE"}, True),
        # which no cell fits
        ({"result": "wrong", "true": "FAKE", "said": "FAKE"}, True),
        ({"true": "FAKE,REAL"}, True),
    ],
)
def test_the_matrix_marks_every_cell_that_the_filter_lets_through(open_page, run, asked, chosen):
    data = sent(open_page("mistakes", **asked))["filter.matrix"]
    table = browse_table(run)
    found = table.iloc[find_rows(table, Filter.from_params(asked, table))]
    expected = set(zip(found["label"], found["predicted"], strict=True)) if chosen else set()
    assert {(cell["truth"], cell["said"]) for cell in data["cells"] if cell["pressed"]} == expected
    assert data["chosen"] == chosen


def test_what_a_filter_finds_is_compared_with_what_got_the_other_verdict(open_page, run):
    rows = run.predictions
    fake = (rows["label"] == "FAKE").to_numpy()
    called = (rows["predicted"] == "FAKE").to_numpy()
    # what goes with the verdict among FAKE images; REAL ones have other values altogether
    frame = pd.DataFrame({"id": rows["id"], "height": np.where(fake, called * 5.0, 99.0) + np.arange(60) / 60})
    seal(study_path(run.path, "cues"), frame, {"title": "Cues", "columns": {"height": "height, in metres"}})

    def compared(**asked):
        app = open_page("mistakes", **asked)
        app.session_state["mistakes.apart"] = True
        return words(app.run())

    text = compared(true="FAKE", said="FAKE")
    assert f"the {(fake & ~called).sum()} other images that all filters but verdicts find" in text
    assert f"the {(~fake).sum()} other images of this run" in compared(true="FAKE")
    assert "Compared with the" not in compared()


@pytest.mark.parametrize("page", ["mistakes", "try_picture"])
def test_without_a_study_an_image_is_changed_live_and_saved_with_what_flips_it(open_page, run, tiny, page):
    row = int(find_rows(browse_table(run), Filter())[0])
    about = run.predictions.iloc[row]
    address = {"mistakes": "id", "try_picture": "sample"}
    changes = changes_of(tiny, run.images[row], about["id"]).drop(index="")
    app = settled(open_page(page, evidence="turns", **{"lime.n_samples": "64", address[page]: about["id"]}))
    sentence = reason(changes, side=run.side)
    assert coloured(sentence) in words(app)
    rows = next(element.value for element in app.dataframe if "change" in element.value)
    own = [column for column in changes.index[changes["margin"].notna()] if not probe_columns()[column][0].is_control]
    np.testing.assert_allclose(sorted(rows["margin"]), sorted(changes["margin"][own]), atol=1e-5)
    flips = changes["flips"][own] == 1
    assert (rows["verdict"] == "flips").sum() == (flips & changes["controlled"][own]).sum()
    assert rows["verdict"].str.startswith("flips").sum() == flips.sum()
    app.run()
    saved = unescape(app.session_state[OWN]["page.file"].make().decode())
    assert f'<b class="{about["label"]}">' in saved
    assert sentence.rpartition(", until ")[2] in saved
    if page == "try_picture":
        assert re.search("FAKE-like|Nothing found|Out of scope", saved)


def pictured(app):
    """The names of the pictures of similar images, the nearest first."""
    alts = [image.alt for element in app.get("image") for image in element.proto.imgs]
    return [alt[:-6] for alt in alts if alt.endswith((", FAKE", ", REAL"))]


def test_similar_images_are_the_nearest_of_the_run(open_page, run):
    row = int(find_rows(browse_table(run), Filter())[0])
    app = settled(open_page("mistakes", **{"lime.n_samples": "64"}, evidence="alike"))
    distances = cosine_distances(run.features[[row]], run.features)[0]
    distances[row] = np.inf
    others = np.where(run.predicted_real == run.predicted_real[row], np.inf, distances)
    names = run.predictions["name"].to_numpy(str)
    expected = [*names[np.argsort(distances)[:5]], names[others.argmin()]]
    assert pictured(app) == expected
    app = settled(open_page("try_picture", sample=run.predictions["id"].iloc[row], evidence="alike"))
    assert "Most alike to it:" in words(app)
    assert pictured(app) == expected
