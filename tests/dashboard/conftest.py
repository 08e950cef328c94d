"""A home with small runs of a random detector on generated images, made once, and pages opened on it."""

import hashlib
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from core import homes
from core.detectors.storage import load_detector
from core.images.encoding import encode_png
from core.runs.run import read_run
from core.runs.writing import write_run
from dashboard.catalogue import registry
from dashboard.state import PAGES as LISTED
from tests.conftest import balanced, make_detector, make_set, mixed, write_detector
from tests.shared import made_once

# each run of an AppTest reads what every installed package says of itself, which takes longer than most pages; a server
# does so once
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)
ROOT = Path(__file__).parents[2]
# what a page is tested with: the script that every page is a part of
MAIN = ROOT / "dashboard" / "main.py"
# all that the navigation leads to, in its order, by the names of their folders in dashboard/views/
PAGES = tuple(LISTED)
# pages whose parts open on demand
FOLDED = ("try_picture", "detectors", "reads", "maps")
RUN = "tiny@seen-test"


def image_set(name, n=60):
    """`n` images, half of each class, in three categories, known by their PNG files, with a repeat."""
    pixels = mixed(n)
    made = make_set(pixels, name, digests=[hashlib.sha256(encode_png(image)).hexdigest() for image in pixels])
    made.rows["is_repeat"] = np.arange(n) == 5
    return made


@pytest.fixture(scope="session")
def made_home(tmp_path_factory):
    """`tiny@seen-test` with pictures, `tiny@blind-test` without, and the detector of both."""
    return made_once(tmp_path_factory, "home", _write_home)


def _write_home(home):
    history = [{"epoch": 1, "loss": 0.5, "train_accuracy": 0.7, "val_accuracy": 0.6}]
    detector = make_detector(manifest={"recipe": {"name": "tiny", "epochs": 1}, "history": history})
    seen = image_set("seen-test")
    # verdicts of both classes, so that every cell of the confusion matrix can have images
    detector = write_detector(home, "tiny", balanced(detector, seen.pixels))
    leak = frozenset(seen.rows["sha256"].iloc[:2])
    write_run(home, detector, seen, train_sha256=leak, ship_images=True)
    write_run(home, detector, image_set("blind-test"), train_sha256=leak)


@pytest.fixture
def home(made_home, tmp_path, monkeypatch):
    """A copy that the test may change, and that the dashboard finds alone, without what ships."""
    path = tmp_path / "home"
    shutil.copytree(made_home, path)
    monkeypatch.setenv("TELLTALE_HOME", str(path))
    monkeypatch.setattr(homes, "SHIPPED", tmp_path / "nothing")
    st.cache_resource.clear()
    return path


@pytest.fixture
def run(home):
    """`RUN` of this test's home."""
    return read_run(home / "runs" / RUN)


@pytest.fixture
def tiny(home):
    """The detector of this test's home."""
    return load_detector(home / "detectors" / "tiny", device="cpu")


@pytest.fixture
def open_page(home):
    """A function that opens a page of the app with URL parameters, on `RUN`, with all that a page folds unfolded.

    The test fails if a page holds an exception when it is opened or at the end.
    """
    apps = []

    def opened(page="detectors", /, **params):
        folded = {"open": "all"} if page in FOLDED else {}
        app = at_page(page, {"run": RUN} | folded | params).run()
        assert not app.exception
        apps.append(app)
        return app

    yield opened
    assert not any(app.exception for app in apps)


def at_page(page, params):
    """The app, to be run at the address of a page of views/ with these parameters."""
    app = AppTest.from_file(MAIN, default_timeout=600)
    for name, value in params.items():
        app.query_params[name] = value
    if page != PAGES[0]:
        # `switch_page` would have to draw the first page before; a page is known by the hash of its address
        app._page_hash = calc_hash(page)
        # as if that had been: pictures are read once a browser has come back
        app.session_state["pictures"] = registry().status
    return app
