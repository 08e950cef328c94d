"""Experiments on one image in Inspect and Upload: nothing before they are chosen, then what core says."""

import re
from html import unescape

import numpy as np
from sklearn.metrics.pairwise import cosine_distances

from core.detectors.storage import load_detector
from core.perturbations.flips import reason
from core.perturbations.registry import probe_columns
from core.runs.filter import Filter
from core.runs.rows import find_rows
from core.studies.columns import browse_table
from core.studies.store import read_study, study_path, write_study
from dashboard.components.words import coloured
from dashboard.files import OWN
from tests.dashboard.studies import add_studies
from tests.dashboard.test_mistakes import changes_of
from tests.dashboard.test_pages import settled, words


def first_row(run):
    """The image that Inspect opens with."""
    return int(find_rows(browse_table(run), Filter())[0])


def probed(run, row):
    """What the detector makes of each change that needs no other image."""
    detector = load_detector(run.path.parents[1] / "detectors" / "tiny")
    return changes_of(detector, run.images[row], run.predictions["id"][row]).drop(index="")


def test_without_a_study_the_open_image_is_changed_live(open_page, run):
    row = first_row(run)
    expected = probed(run, row)
    app = settled(open_page("mistakes", **{"lime.n_samples": "64"}, evidence="turns"))
    assert coloured(reason(expected, side=run.side)) in words(app)
    rows = next(element.value for element in app.dataframe if "change" in element.value)
    own = [column for column in expected.index[expected["margin"].notna()] if not probe_columns()[column][0].is_control]
    np.testing.assert_allclose(sorted(rows["margin"]), sorted(expected["margin"][own]), atol=1e-5)
    flips = expected["flips"][own] == 1
    assert (rows["verdict"] == "flips").sum() == (flips & expected["controlled"][own]).sum()
    assert rows["verdict"].str.startswith("flips").sum() == flips.sum()


def pictured(app):
    """The names of the pictures of similar images, the nearest first."""
    alts = [image.alt for element in app.get("image") for image in element.proto.imgs]
    return [alt[:-6] for alt in alts if alt.endswith((", FAKE", ", REAL"))]


def test_similar_images_are_the_nearest_of_the_run(open_page, run):
    row = first_row(run)
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


def test_the_nearest_training_images_are_counted_where_they_were_searched(open_page, run):
    add_studies(run.path.parents[1], "neighbours")
    path = study_path(run.path, "neighbours")
    study = read_study(path)
    write_study(path, study.table.assign(searched_set="images-train", fake_share=np.float32(0.25)), study.about, run)
    app = settled(open_page("mistakes", **{"lime.n_samples": "64"}, evidence="alike"))
    assert "training images" in words(app)
    assert "25%" in words(app)


def test_upload_experiments_on_what_was_chosen_and_saves_it(open_page, run):
    row = 7
    app = open_page("try_picture", sample=run.predictions["id"][row], **{"lime.n_samples": "64"}, evidence="turns")
    app = settled(app)
    sentence = reason(probed(run, row), side=run.side)
    assert coloured(sentence) in words(app)
    app.run()
    page = unescape(app.session_state[OWN]["page.file"].make().decode())
    assert f'<b class="{run.predictions["label"].iloc[row]}">' in page
    assert sentence.rpartition(", until ")[2] in page
    assert re.search("FAKE-like|Nothing found|Out of scope", page)
