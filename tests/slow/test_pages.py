"""One sweep of all pages over one nasty home: odd names, a damaged study, no maps, an empty filter."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from google.protobuf.message import Message
from streamlit.testing.v1 import AppTest

from core.explainers.cam import stored_map
from core.explainers.drawing import Style
from core.report.explanation import html_of
from core.report.page import gather, report_of
from core.report.selection import selection_report
from core.runs.filter import Filter
from core.runs.run import read_run
from core.storage import cache_dir
from core.studies.columns import browse_table
from dashboard.components.plain import JOINER
from dashboard.library import tags
from tests.conftest import textured
from tests.dashboard.conftest import PAGES, Open, open_page
from tests.dashboard.test_pages import words
from tests.strangers import BARE, MARKS, RUN, make_strange, payload, put_tags

__all__ = ["open_page"]
pytestmark = pytest.mark.slow
HOST = "127.0.0.1:9"
# the fields of Streamlit's messages that its pages read as Markdown, and the kinds of elements whose texts are none
MARKDOWN = {"body", "label", "help", "text", "caption", "captions", "content", "tooltip", "placeholder_markdown"}
AS_WRITTEN = {"text", "code", "json", "bidi_component", "plotly_chart", "arrow_data_frame", "html"}


@pytest.fixture(scope="session")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make_strange` makes."""
    home = tmp_path_factory.mktemp("strange")
    make_strange(home, HOST)
    return home


@pytest.fixture(scope="module", autouse=True)
def _fresh() -> None:
    """No answer is remembered of another home; what pages of this one compute, they share."""
    st.cache_resource.clear()


@pytest.fixture
def home(strange: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, found by the dashboard, with tags and notes."""
    monkeypatch.setenv("TELLTALE_HOME", str(strange))
    tags.clear()
    put_tags(cache_dir(), strange, HOST)
    return strange


def as_markdown(node: Any) -> Iterator[tuple[str, str]]:
    """What the browser will read as Markdown below a node, with where it stands."""
    proto = getattr(node, "proto", None)
    if isinstance(proto, Message) and getattr(node, "type", "") not in AS_WRITTEN:
        yield from _fields(proto, str(getattr(node, "type", "")))
    if getattr(node, "type", "") == "arrow_table":
        # a table's cells and headings are read so, too
        frame = node.value
        for value in (*frame.columns, *frame.index, *frame.to_numpy().ravel()):
            yield "table", str(value)
    for child in getattr(node, "children", {}).values():
        yield from as_markdown(child)


def _fields(message: Message, where: str) -> Iterator[tuple[str, str]]:
    for field, value in message.ListFields():
        repeated = value if hasattr(value, "__iter__") and not isinstance(value, str | bytes) else [value]
        if hasattr(value, "items"):
            continue
        for one in repeated:
            if isinstance(one, Message):
                yield from _fields(one, f"{where}.{field.name}")
            elif isinstance(one, str) and field.name in MARKDOWN:
                yield f"{where}.{field.name}", one


def unescaped(app: AppTest) -> list[tuple[str, str]]:
    """Where a page gives a stranger's text to be read as Markdown."""
    found = []
    for where, text in as_markdown(app._tree):
        # a model card is Markdown, but for its pictures
        marks = MARKS[:1] if text.startswith("### ") and "!\\[b][r]" in text else MARKS
        if any(re.search(rf"(?<!\\){re.escape(mark)}", text) for mark in marks):
            found.append((where, text))
    return found


ADDRESSES: dict[str, dict[str, str]] = {
    "mistakes": {
        "tag": f"![b](http://{HOST}/x.png)", "name": f"![b](http://{HOST}/y.png)", "category": payload(HOST),
        "run": "![b](x)", "sort": "![b](x)", "also": "![b](x)", "compare": "on", "evidence": "alike",
    },
    "try_picture": {"by": "![b](x) **sample**"},
    "maps": {"by": "cell"},
    "reads": {"tab": "Data"},
}  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_every_page_over_the_nasty_home(home: Path, open_page: Open, page: str) -> None:
    ids = list(read_run(home / "runs" / RUN).predictions["id"])
    visits: list[dict[str, str]] = [
        {"run": RUN},
        {"run": BARE, "id": ids[0]},
        {"run": RUN, "category": "nothing of this name", "predicted": "FAKE"},
        {"run": RUN, "id": ids[3], "pick": ",".join(ids[:3]), **ADDRESSES.get(page, {})},
    ]
    for asked in visits:
        app = open_page(page, **asked)
        if page == "mistakes":
            for key in ("mistakes.more", "mistakes.apart"):
                app.session_state[key] = True
            app.run()
        assert not app.exception, asked
        assert len(app.title) == 1, asked
        assert str(home) not in words(app)
        assert unescaped(app) == []
        # and yet it is there
        if asked == visits[0] and page in ("detectors", "mistakes"):
            assert "b](" in "".join(text for _, text in as_markdown(app._tree)).replace("\\", "").replace(JOINER, "")


def test_a_report_and_an_exported_page_hold_nothing_that_a_browser_would_ask_for(home: Path, tmp_path: Path) -> None:
    run = read_run(home / "runs" / RUN)
    whole = report_of(run, **gather(run, (home,)))
    table = browse_table(run)
    wanted = Filter(name=f"![b](http://{HOST}/x.png)<img src=http://{HOST}/y.png>")
    selection = selection_report(run, table, wanted, np.arange(5))
    image = textured(1, fine=True, seed=1)[0]
    explained = html_of([(stored_map(run, 0, image), Style())], title=payload(HOST), notes=[payload(HOST)])
    (tmp_path / "page.html").write_text(explained, encoding="utf-8")
    for page in (whole, selection, (tmp_path / "page.html").read_text()):
        assert "b](http" in page
        addresses = re.findall(r"""(?:src|href|srcset|poster|data|action)\s*=\s*["']?([^"'\s>]*)""", page)
        asked = [one for one in addresses if HOST in one]
        # what is escaped is text
        assert [one for one in asked if f"<img src={one}" in page or f'"{one}' in page] == []
        assert "<img src=http" not in page
