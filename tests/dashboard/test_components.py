"""What components decide, apart from any page; text that is not ours shows as it was written and does nothing."""

import csv
import io
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.commands.report import main
from core.images.decoding import ImageError, decode, pixels_sha256
from core.images.encoding import encode_png
from core.report import ENVIRONMENT
from core.runs.filter import Filter
from dashboard import catalogue, library
from dashboard.components import component, requests, uploads
from dashboard.components.charts import ticked_value
from dashboard.components.component import as_csv
from dashboard.components.words import JOINER, code, figure_text, plain, with_code, without_pictures
from dashboard.jobs import LEASE, JobStatus, Request
from tests.conftest import noise
from tests.dashboard.conftest import RUN
from tests.dashboard.test_files import fetched
from tests.dashboard.test_pages import sent
from tests.strangers import payload

HOST = "127.0.0.1:9"
TEXTS = (
    payload(HOST), "**a** _b_ *c* ~~d~~ `e` ``f`", "# a", "- a", "+ a", "1. a", "1) a", "= a", "> a", "a\n\n# b\n    c",
    "[a](b)", "[a][b]", "![a][b]", "[^1]", "<b>a</b>", "&lt;&#33;", "$a$", "$$a$$", ":red[a]", ":a", ":smile:",
    ":streamlit:", ":material/home:", "http://a.b", "www.a.b", "a|b\n-|-", "a\\*b", "a_b_c", "swift@cifake-test", "",
    "  a  ", "a:b: c", "a_www.a.b", "_www.a.b", "me@a.b", "swift@cifake.v2-test",
)  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "value"), [([1], "dog"), ([2], None), ([-1], None), ([True], None), ([], None), ("x", None), (None, None)]
)
def test_a_ticked_row_is_one_of_its_values(rows, value):
    assert ticked_value({"selection": {"rows": rows}}, ["cat", "dog"]) == value


def table_app():
    """Draw a finding."""
    from dashboard.components.study import finding_table
    from tests.core.findings.planted import contrast, finding

    finding_table([finding(contrast(0.4))])


def test_findings_open_with_the_page():
    app = AppTest.from_function(table_app).run()
    assert not app.exception
    assert app.get("html")[0].proto.body.count("<details>") == 1
    app.query_params["open"] = "all"
    assert app.run().get("html")[0].proto.body.count("<details open>") == 1


def test_uploads_are_decoded_one_at_a_time_and_the_last_two_are_kept(monkeypatch):
    pixels = noise(50, 70)
    png = encode_png(pixels)
    busy = threading.Lock()
    decoded = []

    def watched(data):
        assert busy.acquire(blocking=False)
        time.sleep(0.01)
        decoded.append(data)
        busy.release()
        return decode(data)

    def use(key, data=png):
        return uploads.Picture(key, key, SimpleNamespace(getvalue=lambda: data)).use(np.copy)

    monkeypatch.setattr(uploads, "decode", watched)
    with ThreadPoolExecutor(6) as visitors:
        found = list(visitors.map(use, "012012"))
    assert all(np.array_equal(each, pixels) for each in found)
    decoded.clear()
    for name in "ababcba":
        use(name)
    assert len(decoded) == 4
    with pytest.raises(ImageError):
        use("no image", b"hello")


def buttons_app():
    """Draw a button of each kind."""
    import pandas as pd

    from dashboard.components.component import csv_button, file_button

    table = pd.DataFrame({"a": [1]})
    file_button("File", lambda: b"1", file_name="a.bin", mime="a/b", key="file")
    file_button("None", lambda: b"2", file_name="b.bin", mime="a/b", key="none", disabled=True)
    csv_button("Table", table, "t.csv", key="table")
    csv_button("Later", lambda: table, "l.csv", key="later")


def test_a_button_gives_the_file_that_it_says():
    app = AppTest.from_function(buttons_app).run()
    assert not app.exception
    buttons = sent(app)
    answers = {key: fetched(button["url"]) for key, button in buttons.items() if button["url"]}
    csv = (b"\xef\xbb\xbfa\r\n1\r\n", "text/csv")
    files = {key: (answer.body, answer.media_type) for key, answer in answers.items()}
    assert files == {"file": (b"1", "a/b"), "table": csv, "later": csv}
    assert {key: button["name"] for key, button in buttons.items()} == {
        "file": "a.bin", "none": "b.bin", "table": "t.csv", "later": "l.csv",
    }  # fmt: skip


def request_app():
    """Follow a request that the test answers."""
    import streamlit as st

    from dashboard.components import requests

    requests.follow(None, "8 images", None, lambda now: st.caption(f"{now.answer}"), slot="slot", doing="{} judged")


@pytest.mark.parametrize(
    "status, doing, press",
    [
        (JobStatus("waiting", place=2), "2 before you", "stop"),
        (JobStatus("waiting"), "next", "stop"),
        (JobStatus("running", "some", 0.25), "2 of 8 judged", "stop"),
        (JobStatus("stopped", "some", 0.25), None, "go_on"),
        (JobStatus("failed", message="a `b`"), None, "go_on"),
        (JobStatus("done", "all", 1.0), None, None),
    ],
)
def test_a_request_is_stopped_and_made_again_from_where_it_is_shown(monkeypatch, status, doing, press):
    pressed = []
    every = []
    buttons = {name: partial(lambda *asker: pressed.append(asker), name) for name in ("stop", "go_on")}
    monkeypatch.setattr(requests, "worker", lambda: SimpleNamespace(**buttons))
    monkeypatch.setattr(requests, "ask", lambda *_, **__: status)
    monkeypatch.setattr(requests.st, "fragment", lambda part, run_every=None: every.append(run_every) or part)
    app = AppTest.from_function(request_app)
    app.session_state["visitor"] = "me"
    app.run()
    assert not app.exception
    assert every == [requests.pace(status) if status.busy else None]
    assert app.caption[0].value == str(status.answer)
    assert [error.value for error in app.error] == [status.message] * (status.state == "failed")
    bars = [(bar.proto.value, doing in bar.proto.text) for bar in app.get("progress")]
    assert bars == [(int(100 * status.share), True)] * (doing is not None)
    assert ("Try again" in [button.label for button in app.button]) == (status.state == "failed")
    for button in app.button:
        button.click().run()
    assert pressed == [(press, "me", "slot")] * (press is not None)


def test_who_waits_behind_others_looks_more_rarely():
    looks = [requests.pace(JobStatus("waiting", place=place)) for place in (0, 1, 3, 100)]
    assert looks == [requests.SECONDS, 2 * requests.SECONDS, 4 * requests.SECONDS, requests.MOST_SECONDS]
    assert requests.MOST_SECONDS < LEASE / 4
    assert requests.any_busy([None, JobStatus("done"), JobStatus("running")])
    assert not requests.any_busy([None, JobStatus("done"), JobStatus("stopped")])


def test_a_session_asks_in_its_own_name_about_the_pixels_that_it_hands_over(monkeypatch, home):
    asked = []
    monkeypatch.setattr(requests, "worker", lambda: SimpleNamespace(ask=lambda *given: asked.append(given)))
    detector = catalogue.detectors()["tiny"]
    pixels = noise(1, 4, 4)
    for session in ({}, {}):
        monkeypatch.setattr(requests.st, "session_state", session)
        for _ in range(2):
            requests.ask(detector, pixels, "predictions", slot="slot")
    request = Request(detector.path, detector.identity, pixels_sha256(pixels), "predictions")
    assert all(given[1:] == ("slot", request, pixels) for given in asked)
    visitors = [visitor for visitor, *_ in asked]
    assert visitors[0] == visitors[1] != visitors[2] == visitors[3]


def test_a_report_is_of_the_run_or_of_the_images_that_a_filter_finds(home, tmp_path):
    opened = library.open_run(home / "runs" / RUN)
    out = tmp_path / "report.html"
    assert main([str(home / "runs" / RUN), "--out", str(out)]) == 0
    assert component.report_file(opened, None).decode() == out.read_text()
    wanted = Filter.from_params({"cut": "0.3", "category": "cat,dog", "sort": "name"}, opened.table)
    made = component.report_file(opened, wanted).decode()
    rows = len(library.matching(opened, wanted))
    assert made.count("data:image/png") >= min(rows, 12) > 0
    assert f"{rows} image" in made


def test_what_a_second_run_says_is_reported_under_its_name(home):
    opened = library.open_run(home / "runs" / RUN)
    other = library.open_run(home / "runs" / "tiny@blind-test")
    both = replace(opened, beside=other.run, without=opened)
    wanted = Filter().choosing("versus.correct", ["wrong"])
    made = component.report_file(both, wanted).decode()
    assert other.run.name in made
    assert other.run.name not in component.report_file(opened, Filter(name="0")).decode()


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
