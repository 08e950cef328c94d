"""Text that is not ours shows as it was written: nothing of it is Markdown, HTML or a formula."""

import csv
import io
import re

import numpy as np
import pandas as pd
import pytest

from core.report import ENVIRONMENT
from dashboard.components.component import as_csv
from dashboard.components.words import JOINER, code, figure_text, plain, with_code, without_pictures
from tests.strangers import payload

HOST = "127.0.0.1:9"
TEXTS = (
    payload(HOST), "**a** _b_ *c* ~~d~~ `e` ``f`", "# a", "- a", "+ a", "1. a", "1) a", "= a", "> a", "a\n\n# b\n    c",
    "[a](b)", "[a][b]", "![a][b]", "[^1]", "<b>a</b>", "&lt;&#33;", "$a$", "$$a$$", ":red[a]", ":a", ":smile:",
    ":streamlit:", ":material/home:", "http://a.b", "www.a.b", "a|b\n-|-", "a\\*b", "a_b_c", "swift@cifake-test", "",
    "  a  ", "a:b: c", "a_www.a.b", "_www.a.b", "me@a.b", "swift@cifake.v2-test",
)  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_plain_text_loses_nothing(text):
    shown = re.sub(r"\\([^a-zA-Z0-9\s])", r"\1", plain(text)).replace(JOINER, "")
    assert shown == re.sub(r"\n+", " ", text).strip()
    assert "\n" not in plain(text)
    assert not re.search(r"(?<!\\)[*`\[\]<>$~|]|(?<![\\\w])_|(?<!\\)_(?!\w)", plain(text).replace("\\\\", ""))
    assert not re.search(r":[^\s\N{WORD JOINER}]|www\.|@\w+\.", plain(text))


@pytest.mark.parametrize("control", "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
def test_no_name_reverses_the_sentence_in_which_it_stands(control):
    for shown in (plain, with_code, code, figure_text, without_pictures):
        assert control not in shown(f"cat{control}.png, 60 x 48")
    assert ENVIRONMENT.from_string("{{ name }}, 60 x 48").render(name=f"cat{control}") == "cat, 60 x 48"


@pytest.mark.parametrize(
    "text, shown",
    [("a_b", "`a_b`"), ("a`b", "`` a`b ``"), ("`a``b", "``` `a``b ```"), ("a\r\nb", "`a b`"), (3, "`3`")],
)
def test_code_is_fenced_by_more_backticks_than_it_holds(text, shown):
    assert code(text) == shown


def test_a_sentence_shows_its_commands_as_code():
    assert with_code(" *Run* `a *b*` or `c`, not ``d`` \n") == r"\*Run\* `a *b*` or `c`, not \`\`d\`\`"
    assert with_code(ValueError("a_ `b`")) == r"a\_ `b`"


def test_a_figure_fills_in_nothing_from_a_name():
    assert "%{" not in figure_text("a %{y} b")
    assert figure_text('"a" & 3') == '"a" &amp; 3'
    assert figure_text(3) == "3"
    assert figure_text("5% <b>") == "5% &lt;b&gt;"


def test_a_model_card_keeps_all_but_its_pictures():
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


def test_no_cell_of_a_table_is_a_formula():
    texts = ["=1+1", "+1", "-1", "@a", "\t=1", "\r=1", " =1", "a;=1", "a; +1;b", "a\t=1"]
    texts += ["a\n-1", "a\r+1", "\uff1d1", "a", "a;b", "1-2", None]
    numbers = -np.arange(len(texts), dtype=float)
    kinds = pd.Series(texts, dtype="category")
    table = pd.DataFrame({"tags": texts, "=more": texts, "kind": kinds, "number": numbers, "flag": True})
    heads, *rows = list(csv.reader(io.StringIO(as_csv(table).decode("utf-8-sig"), newline="")))
    assert heads == ["tags", "'=more", "kind", "number", "flag"]
    for row, text, number in zip(rows, texts, numbers, strict=True):
        assert row[0] == row[1] == row[2]
        # whatever ends a cell for a spreadsheet, no cell begins as a formula does
        assert not any(re.match(r"\s*[=+\-@\uff1d]", cell) for cell in re.split("[;\t\r\n]", row[0]))
        assert row[0].replace("'", "") == (text or "")
        assert row[3] == str(number)
    assert [row[0] for row in rows[-4:-1]] == ["a", "a;b", "1-2"]
