"""What components decide, apart from any page."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.images.decoding import ImageError, decode, pixels_sha256
from core.images.encoding import encode_png
from dashboard import catalogue
from dashboard.components import requests, uploads
from dashboard.components.charts import ticked_value
from dashboard.jobs import LEASE, JobStatus
from tests.conftest import noise
from tests.dashboard.test_files import fetched
from tests.dashboard.test_pages import sent


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


def uploaded(key, data):
    return uploads.Picture(key, key, SimpleNamespace(getvalue=lambda: data))


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

    monkeypatch.setattr(uploads, "decode", watched)
    with ThreadPoolExecutor(6) as visitors:
        found = list(visitors.map(lambda number: uploaded(f"file {number % 3}", png).use(np.copy), range(6)))
    assert all(np.array_equal(each, pixels) for each in found)
    before = len(decoded)
    for name in ("a", "b", "a", "b", "c", "b", "a"):
        uploaded(name, png).use(np.copy)
    assert len(decoded) - before == 4
    with pytest.raises(ImageError):
        uploaded("no image", b"hello").use(np.copy)


def buttons_app():
    """Draw a button of each kind."""
    import pandas as pd

    from dashboard.components.component import copy_button, csv_button, file_button

    table = pd.DataFrame({"a": [1]})
    options = {"file_name": "a.bin", "mime": "a/b", "icon": "save", "type": "secondary", "help": "Saves."}
    file_button("File", lambda: b"1", key="file", **options)
    file_button(
        "None", lambda: b"2", file_name="b.bin", mime="a/b", key="none", icon="x", type="primary", disabled=True
    )
    copy_button("Copy", "text", key="copy", icon="link", help="Copies.")
    csv_button("Table", table, "t.csv", key="table")
    csv_button("Later", lambda: table, "l.csv", key="later", type="primary", icon="save")


def test_a_button_gives_the_file_or_the_text_that_it_says():
    app = AppTest.from_function(buttons_app).run()
    assert not app.exception
    buttons = sent(app)
    answers = {key: fetched(button["url"]) for key, button in buttons.items() if button["url"]}
    csv = b"\xef\xbb\xbfa\r\n1\r\n"
    assert {key: (answer.body, answer.media_type) for key, answer in answers.items()} == {
        "file": (b"1", "a/b"),
        "table": (csv, "text/csv"),
        "later": (csv, "text/csv"),
    }
    names = ("label", "icon", "kind", "help", "name", "text")
    assert {key: tuple(button[name] for name in names) for key, button in buttons.items()} == {
        "file": ("File", "save", "secondary", "Saves.", "a.bin", None),
        "none": ("None", "x", "primary", "", "b.bin", None),
        "copy": ("Copy", "link", "secondary", "Copies.", "", "text"),
        "table": ("Table", "download", "tertiary", "", "t.csv", None),
        "later": ("Later", "save", "primary", "", "l.csv", None),
    }


def request_app():
    """Follow a request that the test answers."""
    import streamlit as st

    from dashboard.components import requests

    requests.follow(None, "8 images", None, lambda now: st.caption(f"{now.answer}"), slot="slot", doing="{} judged")


@pytest.mark.parametrize(
    "status, message, progress, press",
    [
        (JobStatus("waiting", place=2), "", "2", "stop"),
        (JobStatus("waiting"), "", "", "stop"),
        (JobStatus("running", "some", 0.25), "", "2 of 8 judged", "stop"),
        (JobStatus("stopped", "some", 0.25), "", None, "go_on"),
        (JobStatus("failed", message="a `b`"), "a `b`", None, "go_on"),
        (JobStatus("done", "all", 1.0), "", None, None),
    ],
)
def test_a_request_is_stopped_and_made_again_from_where_it_is_shown(monkeypatch, status, message, progress, press):
    pressed = []
    worker = SimpleNamespace(
        stop=lambda *asker: pressed.append(("stop", *asker)), go_on=lambda *asker: pressed.append(("go_on", *asker))
    )
    monkeypatch.setattr(requests, "worker", lambda: worker)
    monkeypatch.setattr(requests, "ask", lambda *_, **__: status)
    every = []
    monkeypatch.setattr(requests.st, "fragment", lambda part, run_every=None: every.append(run_every) or part)
    app = AppTest.from_function(request_app)
    app.session_state["visitor"] = "me"
    app.run()
    assert not app.exception
    assert every == [requests.pace(status) if status.busy else None]
    assert app.caption[0].value == str(status.answer)
    assert [error.value for error in app.error] == [message] * bool(message)
    bars = [bar.proto for bar in app.get("progress")]
    assert [bar.value for bar in bars] == [int(100 * status.share)] * (progress is not None)
    assert all((progress or "next") in bar.text for bar in bars)
    assert ("Try again" in [button.label for button in app.button]) == (status.state == "failed")
    for button in app.button:
        assert button.label
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
    sessions = {}, {}
    for session in (*sessions, sessions[0]):
        monkeypatch.setattr(requests.st, "session_state", session)
        requests.ask(detector, pixels, "predictions", slot="slot")
    requests.ask(detector, pixels, "predictions", slot="other", sha256="abc")
    (first, second, again, last) = asked
    assert first[0] == again[0] == last[0] != second[0]
    assert all(isinstance(name, str) for name, *_ in asked)
    assert first[1:3] == second[1:3] == again[1:3]
    assert first[3] is pixels
    assert first[1] == "slot"
    assert last[1] == "other"
    assert last[2].images_sha256 == "abc"
    asked_for = first[2]
    assert asked_for.images_sha256 == pixels_sha256(pixels)
    assert asked_for.detector == detector.path
    assert asked_for.identity == detector.identity
    assert asked_for.settings == "predictions"
