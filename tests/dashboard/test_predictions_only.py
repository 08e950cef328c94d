"""The pages show a detector that gives predictions only, and say what it therefore has not."""

import pytest
import streamlit as st

from core.studies.runner import Source
from core.studies.study import STUDIES
from dashboard.components.study import NEED_LAYERS
from tests.core.test_predictions_only import ABLE, NAME, graph_home
from tests.dashboard import test_any_detector
from tests.dashboard.conftest import PAGES
from tests.dashboard.test_pages import words


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """The run with the small studies that it can have."""
    return graph_home(tmp_path_factory)


@pytest.fixture(autouse=True)
def _home(made: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELLTALE_HOME", str(made.run.parents[1]))
    monkeypatch.setattr(test_any_detector, "RUN", f"{NAME}@images-test")
    st.cache_resource.clear()


@pytest.mark.parametrize("page", PAGES)
def test_every_page(page: str) -> None:
    app = test_any_detector.opened(page)
    assert not app.exception
    assert "Traceback" not in words(app)


def test_a_study_that_needs_layers_is_said_to_be_impossible() -> None:
    # "files" needs nothing of a detector
    assert set(STUDIES) - ABLE - {"files"} == NEED_LAYERS
    said = words(test_any_detector.opened("reads", tab="Patterns"))
    assert f"This cannot be measured for {NAME}@images-test, whose detector gives predictions only." in said
    assert "core study clusters" not in said
