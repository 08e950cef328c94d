"""The offer of the training images: to whom, for which detectors, and what comes of it."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.images.cifake import FINGERPRINTS
from core.images.preprocessing import Preprocessing
from core.storage import sealed
from dashboard import datasets, sidebar
from tests.dashboard.conftest import Open
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
    app = settled(open_page("mistakes", run=RUN, **{"lime.n_samples": "64"}, evidence="alike"))
    assert not app.exception
    assert "Its training images are not available." in words(app)
    assert offers(app) == ["neighbours.fetch"]
    app.button(key="neighbours.fetch").click().run()
    assert asked == [("github", ("test", "train"), Preprocessing(32))]


@pytest.mark.usefixtures("learned_cifake")
def test_visitors_from_elsewhere_are_told_and_offered_nothing(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidebar, "is_local", lambda: False)
    app = settled(open_page("mistakes", run=RUN, **{"lime.n_samples": "64"}, evidence="alike"))
    assert "Its training images are not available." in words(app)
    assert not offers(app)
