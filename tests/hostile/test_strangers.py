"""Text that is not ours is shown as it was written, everywhere: nothing of it is Markdown, HTML or a formula."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from google.protobuf.message import Message
from streamlit.testing.v1 import AppTest

from core.explainers.cam import stored_map
from core.report.explanation import save_html
from core.report.html import _ENVIRONMENT
from core.report.page import gather, report_of
from core.report.selection import Selection
from core.runs.filter import Filter
from core.runs.run import read_run
from core.storage import cache_dir
from core.studies.columns import browse_table
from dashboard.components.downloads import as_csv
from dashboard.components.plain import JOINER, code, figure_text, plain, with_code, without_pictures
from dashboard.library import tags
from tests.conftest import textured
from tests.dashboard.conftest import PAGES, Open, open_page
from tests.hostile.strangers import MARKS, RUN, make_strange, payload, put_tags

__all__ = ["open_page"]
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
    "inspect": {"evidence": "alike"},
    "explore": {
        "tag": f"![b](http://{HOST}/x.png)", "name": f"![b](http://{HOST}/y.png)", "category": payload(HOST),
        "run": "![b](x)", "sort": "![b](x)", "also": "![b](x)", "compare": "on",
    },
    "upload": {"by": "![b](x) **sample**"},
    "trust": {"by": "cell"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("page", "asked"),
    # the other pages read nothing more from an address
    [(page, asked) for page in PAGES for asked in ("plainly", "with more") if asked == "plainly" or page in ADDRESSES],
)
def test_no_page_reads_a_stranger_s_text_as_markdown(home: Path, open_page: Open, page: str, asked: str) -> None:
    run = read_run(home / "runs" / RUN)
    ids = list(run.predictions["id"])
    more = {} if asked == "plainly" else ADDRESSES[page] | {"id": ids[3], "pick": ",".join(ids[:3])}
    app = open_page(page, **{"run": RUN, **more})
    if page == "explore":
        for key in ("explore.more", "explore.apart"):
            app.session_state[key] = True
        app.run()
    assert not app.exception
    assert unescaped(app) == []
    # and yet it is there
    if page in ("overview", "explore", "inspect"):
        assert "b](" in "".join(text for _, text in as_markdown(app._tree)).replace("\\", "").replace(JOINER, "")


def test_a_report_and_an_exported_page_hold_nothing_that_a_browser_would_ask_for(home: Path, tmp_path: Path) -> None:
    run = read_run(home / "runs" / RUN)
    whole = report_of(run, **gather(run, (home,)))
    table = browse_table(run)
    wanted = Filter(name=f"![b](http://{HOST}/x.png)<img src=http://{HOST}/y.png>")
    selection = report_of(run, table=table, selection=Selection(wanted, np.arange(5)))
    image = textured(1, fine=True, seed=1)[0]
    save_html(tmp_path / "page.html", [stored_map(run, 0, image)], title=payload(HOST), notes=[payload(HOST)])
    for page in (whole, selection, (tmp_path / "page.html").read_text()):
        assert "b](http" in page
        addresses = re.findall(r"""(?:src|href|srcset|poster|data|action)\s*=\s*["']?([^"'\s>]*)""", page)
        asked = [one for one in addresses if HOST in one]
        # what is escaped is text
        assert [one for one in asked if f"<img src={one}" in page or f'"{one}' in page] == []
        assert "<img src=http" not in page


TEXTS = (
    payload(HOST), "**a** _b_ *c* ~~d~~ `e` ``f`", "# a", "- a", "+ a", "1. a", "1) a", "= a", "> a", "a\n\n# b\n    c",
    "[a](b)", "[a][b]", "![a][b]", "[^1]", "<b>a</b>", "&lt;&#33;", "$a$", "$$a$$", ":red[a]", ":a", ":smile:",
    ":streamlit:", ":material/home:", "http://a.b", "www.a.b", "a|b\n-|-", "a\\*b", "a_b_c", "swift@cifake-test", "",
    "  a  ", "a:b: c", "a_www.a.b", "_www.a.b", "me@a.b", "swift@cifake.v2-test",
)  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_plain_text_loses_nothing(text: str) -> None:
    shown = re.sub(r"\\([^a-zA-Z0-9\s])", r"\1", plain(text)).replace(JOINER, "")
    assert shown == re.sub(r"\n+", " ", text).strip()
    assert "\n" not in plain(text)
    assert not re.search(r"(?<!\\)[*`\[\]<>$~|]|(?<![\\\w])_|(?<!\\)_(?!\w)", plain(text).replace("\\\\", ""))
    assert not re.search(r":[^\s\N{WORD JOINER}]|www\.|@\w+\.", plain(text))


def test_ordinary_names_are_as_they_are() -> None:
    names = "swift@cifake-test", "a, b", "Ελληνικά 日本語", "FAKE/0001 (2).jpg", "lime_other", "12.5\u00a0% (1 to 2)"
    assert tuple(map(plain, names)) == names


@pytest.mark.parametrize("control", "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
def test_no_name_reverses_the_sentence_in_which_it_stands(control: str) -> None:
    for shown in (plain, with_code, code, figure_text, without_pictures):
        assert control not in shown(f"cat{control}.png, 60 x 48")
    assert _ENVIRONMENT.from_string("{{ name }}, 60 x 48").render(name=f"cat{control}") == "cat, 60 x 48"


def test_letters_from_right_to_left_are_isolated() -> None:
    assert plain("\u05d0\u05d1") == "\u2068\u05d0\u05d1\u2069"


def test_what_is_told_to_be_typed_shows_as_code() -> None:
    assert with_code("![a](b) is old; run `python -m x '$y'`.") == "!\\[a\\](b) is old; run `python -m x '$y'`."
    for text in ("a`b", "``a``", "`a", "```a```", "`a``b`"):
        assert with_code(text) == plain(text)


@pytest.mark.parametrize("text", ["a", "a`b", "``", "`a`", "a\nb"])
def test_code_is_closed_by_nothing_in_it(text: str) -> None:
    fence = re.match("`+", code(text))
    assert fence is not None
    inside = code(text)[len(fence[0]) : -len(fence[0])]
    assert fence[0] not in inside
    assert inside.strip() == " ".join(text.splitlines())


def test_a_model_card_keeps_all_but_its_pictures() -> None:
    card = "# A\n\n![b](http://a/b)\n\n[c](http://a/c)\n\n```mermaid\nx\n```\n~~~ mermaid\ny\n~~~\n| a |\n| - |\n"
    shown = without_pictures(card)
    assert "![" not in shown
    assert "mermaid" not in shown
    assert shown.count("```") == 2
    assert "[c](http://a/c)" in shown
    # a lone carriage return ends a line, too, and a footnote can hold a fence
    for odd in (
        "a\r```mermaid\rx\r```\r",
        "a[^1]\n\n[^1]: ```mermaid\n    x\n    ```\n",
        "- [^a b]: ~~~mermaid\r\nx\r\n~~~\n",
    ):
        assert "mermaid" not in without_pictures(odd)
    # code within a line is no fence
    for same in ("# A\n\n- `a` ```b``` c\n\n```\ncode\n```\n", "~~a~~ and ``b``\n"):
        assert without_pictures(same) == same


def test_a_figure_s_text_is_no_html() -> None:
    assert figure_text("<b>%{x}</b> & a") == f"&lt;b&gt;%{JOINER}{{x}}&lt;/b&gt; &amp; a"


def test_no_cell_of_a_table_is_a_formula() -> None:
    texts = [
        "=1+1",
        "+1",
        "-1",
        "@a",
        "\t=1",
        "\r=1",
        " =1",
        "a;=1",
        "a; +1;b",
        "a\t=1",
        "a\n-1",
        "a\r+1",
        "\uff1d1",
        "a",
        "a;b",
        "1-2",
        None,
    ]
    table = pd.DataFrame(
        {
            "tags": texts,
            "=more": texts,
            "kind": pd.Series(texts, dtype="category"),
            "number": -np.arange(len(texts), dtype=float),
            "flag": [True] * len(texts),
        }
    )
    heads, *rows = list(csv.reader(io.StringIO(as_csv(table).decode("utf-8-sig"), newline="")))
    assert heads == ["tags", "'=more", "kind", "number", "flag"]
    for row, text in zip(rows, texts, strict=True):
        assert row[0] == row[1] == row[2]
        # whatever ends a cell for a spreadsheet, no cell begins as a formula does
        assert not any(re.match(r"\s*[=+\-@\uff1d]", cell) for cell in re.split("[;\t\r\n]", row[0]))
        assert row[0].replace("'", "") == (text or "")
    assert [row[3] for row in rows[1:3]] == ["-1.0", "-2.0"]
    assert [row[0] for row in rows[-4:-1]] == ["a", "a;b", "1-2"]


def test_a_model_card_of_footnotes_alone_is_read_at_once() -> None:
    line = "[^a]:" * 5000 + "x"
    assert without_pictures(line) == line
