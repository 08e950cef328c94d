"""The pages show a detector that the project does not know, at 48 x 48 pixels with one output."""

from collections.abc import Iterator

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.studies.runner import Source
from tests.core.any_detector import plain_kind, source_of, write_studies
from tests.dashboard.conftest import PAGES, at_page
from tests.dashboard.test_pages import settled, words
from tests.shared import made_once

RUN = "plain@images-test"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    """The run with small studies."""
    with plain_kind():
        yield source_of(made_once(tmp_path_factory, "any-detector", write_studies))


@pytest.fixture(autouse=True)
def _home(made: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELLTALE_HOME", str(made.run.parents[1]))
    st.cache_resource.clear()


def opened(page: str, **params: str) -> AppTest:
    """A page of the run."""
    app = at_page(page, {"run": RUN, **params}).run()
    # both always show how far they are
    return app if page in ("play", "start") else settled(app)


@pytest.mark.parametrize("page", PAGES)
def test_every_page(page: str) -> None:
    app = opened(page)
    assert not app.exception
    assert not app.error
    assert "could not be computed" not in words(app)


def test_the_open_image_explains_by_both_methods() -> None:
    app = opened("mistakes", **{"lime.n_samples": "64"})
    said = words(app)
    assert "different versions of the image in 64 samples" in said
    assert "Do they agree" in said
