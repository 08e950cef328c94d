"""What is seen without an address: CIFAKE as it ships, and what else where that is missing, damaged or not cached."""

import shutil

import numpy as np
import pytest

from core.images.cifake import ARCHIVE, FINGERPRINTS
from core.images.loading import load_image_set
from core.images.sources import SHIPPED
from core.runs.writing import write_run
from dashboard import catalogue, library
from tests.conftest import make_detector, write_shipped
from tests.dashboard.conftest import RUN
from tests.dashboard.test_catalogue import settled
from tests.dashboard.test_pages import words


@pytest.fixture
def first(home, cifake, monkeypatch):
    """The home with `swift@cifake-test` too, whose pictures ship beside it."""
    monkeypatch.setitem(FINGERPRINTS, "test", load_image_set(cifake, "test").fingerprint)
    for name in ("paper", "swift"):
        write_run(home, make_detector(seed=len(name), manifest={"name": name}), load_image_set(cifake, "test"))
    write_shipped(home / SHIPPED, cifake)
    return home


def opened(open_page, page="explore", **params):
    """A page once all pictures are read."""
    params = {"run": ""} | params
    open_page(page, **params)
    # what a browser does that comes back
    catalogue.registry().begin()
    settled(catalogue.registry())
    return open_page(page, **params)


def told(app):
    """All that the page and its sidebar say, errors too."""
    return words(app) + " ".join(one.value for one in app.error)


@pytest.mark.parametrize("page", ["explore", "upload", "start"])
def test_without_an_address_every_page_opens_swift_on_cifake(open_page, first, page):
    app = opened(open_page, page)
    assert app.session_state["run"] == "swift@cifake-test"
    assert "All pictures are here." in told(app)
    assert "not available" not in told(app)
    # another run is a choice, and stays one
    assert open_page(page).session_state["run"] == RUN


def test_a_damaged_archive_is_a_sentence_and_the_rest_works(open_page, first, cifake, monkeypatch):
    monkeypatch.setenv("TELLTALE_LOCAL", "yes")
    # where they were read from is remembered
    shutil.rmtree(cifake)
    file = first / SHIPPED / ARCHIVE
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    app = opened(open_page)
    assert app.session_state["run"] == RUN
    assert [error.value for error in app.error] == [
        f"{SHIPPED}/{ARCHIVE} is not the file that was written (its sha256 differs); restore it."
    ]
    assert str(first) not in told(app)
    assert "Accuracy" in opened(open_page, "detectors", run="swift@cifake-test").dataframe[0].value


@pytest.mark.parametrize("needed", [["test"], ["test", "train"]])
def test_a_set_in_data_is_read_for_what_did_not_ship(open_page, first, cifake, needed):
    data = first / "data" / "cifake"
    data.parent.mkdir()
    cifake.rename(data)
    if "train" in needed:
        (first / "runs" / "swift@cifake-test").rename(first / "runs" / "aside")
        write_run(first, make_detector(manifest={"name": "swift"}), load_image_set(data, "train"))
    opened(open_page)
    # the same test images twice would be read for nothing; where training images are is known all the same
    assert [found.split for found in catalogue.registry().sets] == needed
    assert catalogue.registry().source == str(data)


def test_the_first_visitor_sees_pictures_before_all_are_read(open_page, first):
    open_page("start", run="")
    assert catalogue.registry().status.state == "reading"
    run = library.open_run(first / "runs" / "swift@cifake-test")
    early = [library.pictures(run).get(row) for row in range(len(run.run))]
    catalogue.registry().begin()
    settled(catalogue.registry())
    assert early
    assert all(image is not None for image in early)
    for row, image in enumerate(early):
        np.testing.assert_array_equal(image, library.pictures(run).get(row))
