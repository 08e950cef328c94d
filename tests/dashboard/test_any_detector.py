"""The pages show a detector of an unknown kind, one that gives predictions only, and a run of scores alone."""

import pytest
import streamlit as st

from core.studies.runner import Source
from tests.core.any_detector import plain_kind, source_of, write_studies
from tests.core.commands.test_scores import write_scores_home
from tests.core.test_predictions_only import NAME, graph_home
from tests.dashboard.conftest import PAGES, at_page
from tests.dashboard.test_pages import settled, words
from tests.shared import made_once

PLAIN = "plain@set-test"
SCORES = f"{NAME}@set-test"
TABLE = "theirs@set-test"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Both runs with small studies: at 48 x 48 pixels with one output, and without layers."""
    with plain_kind():
        plain = source_of(made_once(tmp_path_factory, "any-detector", write_studies))
        home = made_once(tmp_path_factory, "scores-home", write_scores_home)
        table = Source(home / "runs" / TABLE, None, str(home / "set"))
        yield {PLAIN: plain, SCORES: graph_home(tmp_path_factory), TABLE: table}


def opened(made, monkeypatch, run, page, **params):
    """A page of a run."""
    monkeypatch.setenv("TELLTALE_HOME", str(made[run].run.parents[1]))
    st.cache_resource.clear()
    app = at_page(page, {"run": run, **params}).run()
    # both always show how far they are
    return app if page in ("play", "start") else settled(app)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("run", [PLAIN, SCORES, TABLE])
def test_every_page(made, monkeypatch, run, page):
    app = opened(made, monkeypatch, run, page, view="case", **{"lime.n_samples": "64"})
    assert not app.exception
    assert not app.error or run != PLAIN
    assert "could not be computed" not in words(app)
    if (run, page) == (PLAIN, "mistakes"):
        assert "different versions of the image in 64 samples" in words(app)


def test_a_study_that_needs_layers_is_impossible_without_them(made, monkeypatch):
    assert "study clusters --run" not in words(opened(made, monkeypatch, SCORES, "reads", tab="Patterns"))
