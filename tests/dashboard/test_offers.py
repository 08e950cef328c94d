"""The offer of the training images: to whom, for which detectors, and what comes of it."""

import json
import time
from dataclasses import asdict
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.images.cifake import FINGERPRINTS
from core.images.preprocessing import Preprocessing
from core.storage import sealed
from dashboard import datasets, sidebar
from dashboard.datasets import Attaching
from tests.damage import reseal
from tests.dashboard.conftest import Open
from tests.dashboard.studies import add_studies
from tests.dashboard.test_experiments import settled
from tests.dashboard.test_pages import words

RUN = "tiny@seen-test"


@pytest.fixture
def learned_cifake(home: Path) -> None:
    """The detector says that it was trained on CIFAKE."""
    file = home / "detectors" / "tiny" / "manifest.json"
    manifest = json.loads(file.read_text())
    file.write_text(json.dumps(sealed({**manifest, "training_set_fingerprint": FINGERPRINTS["train"]})))


@pytest.fixture
def on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidebar, "is_local", lambda: True)


def offers(app: AppTest) -> list[str]:
    return [found.key for found in app.button if found.label == "Download CIFAKE"]


@pytest.mark.usefixtures("learned_cifake", "on_this_machine")
def test_neighbours_offer_the_training_images(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(datasets.registry(), "attach", lambda *given, fit: asked.append((*given, fit)))
    app = settled(open_page("inspect", run=RUN, **{"lime.n_samples": "64"}, evidence="alike"))
    assert not app.exception
    assert "Its training images are not available." in words(app)
    assert offers(app) == ["neighbours.fetch"]
    app.button(key="neighbours.fetch").click().run()
    assert asked == [("github", ("test", "train"), Preprocessing(32))]


def test_training_images_are_not_read_where_each_would_be_enlarged(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reseal(home / "runs" / RUN, preprocess=asdict(Preprocessing(32, crop="none")))
    reseal(home / "runs" / "tiny@blind-test", preprocess=asdict(Preprocessing(48)))
    asked = []
    monkeypatch.setattr(datasets.registry(), "attach", lambda *given, fit: asked.append((*given, fit)))
    for run in (RUN, "tiny@blind-test"):
        monkeypatch.setattr(st, "session_state", {"run": run})
        sidebar.fetch_cifake()
    assert asked == [
        ("github", ("test", "train"), Preprocessing(32, crop="none")),
        ("github", ("test",), Preprocessing(48)),
    ]


@pytest.mark.usefixtures("learned_cifake", "on_this_machine")
def test_while_they_are_read_there_is_no_second_offer(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.registry(), "status", Attaching("reading", doing="downloading", done=1, total=2))
    app = open_page("inspect", run=RUN, **{"lime.n_samples": "64"}, evidence="alike")
    # the bar on the left never ends, so that the page does not come to rest
    for _ in range(600):
        if "Its training images are not available." in words(app):
            break
        time.sleep(0.1)
        app.run()
    assert "Pictures are being read: the bar on the left" in words(app)
    assert not offers(app)


@pytest.mark.usefixtures("learned_cifake")
def test_visitors_from_elsewhere_are_told_and_offered_nothing(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidebar, "is_local", lambda: False)
    app = settled(open_page("inspect", run=RUN, **{"lime.n_samples": "64"}, evidence="alike"))
    assert "Its training images are not available." in words(app)
    assert not offers(app)


@pytest.mark.usefixtures("on_this_machine")
def test_cifake_is_not_offered_for_a_detector_of_other_images(open_page: Open, home: Path) -> None:
    reseal(home / "detectors" / "tiny", training_set_fingerprint="0" * 64)
    app = settled(open_page("inspect", run=RUN, **{"lime.n_samples": "64"}, evidence="alike"))
    assert "Its training images are not available." in words(app)
    assert not offers(app)


@pytest.mark.usefixtures("learned_cifake", "on_this_machine")
def test_copies_offer_the_training_images(open_page: Open, home: Path) -> None:
    add_studies(home, "audit", "duplicates")
    app = open_page("data", run=RUN)
    assert not app.exception
    assert "python -m core study duplicates --run tiny@seen-test" in words(app)
    assert "data.fetch" in offers(app)


@pytest.mark.usefixtures("learned_cifake", "on_this_machine")
def test_evidence_offers_the_training_images(open_page: Open, home: Path) -> None:
    add_studies(home, "neighbours")
    app = open_page("evidence", run=RUN)
    assert not app.exception
    assert "python -m core study neighbours --run tiny@seen-test" in words(app)
    assert offers(app) == ["evidence.fetch"]
