"""What is used below Streamlit's public API: this says what has broken, should another version have moved it."""

import asyncio
import re
import subprocess
import sys
import threading
from contextlib import nullcontext
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock
from urllib.request import Request, urlopen

import pytest
import streamlit as st
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.runtime import app_session
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.caching.cache_utils import Cache
from streamlit.runtime.memory_session_storage import MemorySessionStorage
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import RerunData, ScriptRunner, ScriptRunnerEvent
from streamlit.runtime.session_manager import SessionInfo
from streamlit.runtime.state.query_params import QueryParams
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from core.runs.folders import ROOT
from dashboard.services.server import streamlit_internals as internals
from tests.benchmarks.visitor import Visitor, in_a_thread
from tests.server import running_server

# a module of Streamlit that is not for those who write apps, and a name that is nobody else's business
PRIVATE = re.compile(r"streamlit\.(runtime\.\w|proto|elements|web|delta_generator)|get_instance\(\)")


def test_nothing_else_reaches_below() -> None:
    reaching = [file for file in (ROOT / "dashboard").rglob("*.py") if PRIVATE.search(file.read_text(encoding="utf-8"))]
    assert [file.name for file in reaching] == ["streamlit_internals.py"]


def test_all_of_it_is_there_in_a_running_server(made_home: Path, tmp_path: Path) -> None:

    async def visit(address: str) -> list[str]:
        async with Visitor(address) as visitor:
            for page in ("upload", "explore", "inspect"):
                await visitor.open(page, run="tiny@seen-test")
            return visitor.troubles

    with running_server(made_home, tmp_path / "cache", log=tmp_path / "log") as (address, _):
        assert in_a_thread(visit(address)) == []
        with urlopen(address) as answer:  # noqa: S310
            (script,) = re.findall(r'src="[./]*(static/js/index[^"]*\.js)"', answer.read().decode())
        with urlopen(Request(f"{address}/{script}", headers={"Accept-Encoding": "gzip"})) as answer:  # noqa: S310
            assert answer.headers["Content-Encoding"] == "gzip"
            assert "immutable" in answer.headers["Cache-Control"]
    lost = re.findall(r"Going on without (.*?)\. Streamlit is", (tmp_path / "log").read_text(encoding="utf-8"))
    assert lost == [], (
        f"Streamlit {version('streamlit')} has changed what these hang on: {lost}. "
        f"Mend dashboard/services/server/streamlit_internals.py; it was "
        f"tested with {' and '.join(internals.TESTED)}."
    )


def test_a_version_that_has_moved_something_is_named_and_served_without_it(tmp_path: Path) -> None:
    code = (
        "import streamlit.runtime.state.session_state as moved\n"
        "del moved.WStates\n"
        "from dashboard.services.server import streamlit_internals as internals\n"
        "internals.refuse_forged_values()\n"
        "assert list(internals.broken) == ['a check of the values that browsers send'], internals.broken\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "Going on without a check of the values that browsers send. Streamlit is" in done.stderr


@pytest.mark.parametrize(
    ("declared", "sent", "sound"),
    [
        ("string_value", {"string_value": "a"}, True),
        ("string_value", {}, True),
        (None, {"string_value": "a"}, True),
        # a box for whole numbers declares the one and sends the other
        ("double_value", {"int_value": 3}, True),
        ("string_value", {"json_value": "{}"}, False),
        ("string_array_value", {"string_value": "a"}, False),
        ("json_value", {"json_value": "{"}, False),
        ("json_trigger_value", {"json_trigger_value": "[" * 100_000}, False),
    ],
)
def test_a_value_is_of_its_widgets_kind(declared: str | None, sent: dict[str, Any], sound: bool) -> None:
    try:
        internals._check_value(WidgetState(id="a", **sent), declared)
    except (ValueError, RecursionError):
        assert not sound
    else:
        assert sound


def test_the_last_messages_of_a_run_are_delivered_though_the_next_one_was_asked_for_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As when two parts of a page ask at once, and the first has been drawn before the server gets round to it."""
    for name in ("_create_scriptrunner", "_handle_scriptrunner_event_on_event_loop"):
        # put back in the end
        monkeypatch.setattr(AppSession, name, getattr(AppSession, name))
    monkeypatch.setattr(app_session, "ScriptRunner", Runner)

    async def two_runs() -> list[str]:
        session = AppSession(MagicMock(main_script_path="a.py"), MagicMock(), MagicMock(), lambda: None, {})
        session._fragment_storage.register("part", MagicMock())
        session.request_rerun(None)
        first: Any = session._scriptrunner
        first.say(session, "first")
        first.over = True
        session.request_rerun(ClientState(fragment_id="part"))
        second: Any = session._scriptrunner
        session._on_scriptrunner_event(first, ScriptRunnerEvent.SHUTDOWN)
        second.say(session, "second")
        await asyncio.sleep(0.01)
        # the end of the first one is not the second one's
        assert session._scriptrunner is second is not first
        # one that was told to stop for the next is heard no longer
        session.request_rerun(ClientState())
        second.say(session, "late")
        await asyncio.sleep(0.01)
        said = [message.parent_message.message for message in session._browser_queue._queue]
        session.shutdown()
        return [text for text in said if text]

    assert in_a_thread(two_runs()) == ["second"]
    internals.hear_runs_out()
    assert internals.broken == {}
    assert in_a_thread(two_runs()) == ["first", "second"]


def test_a_browser_clears_no_cache_of_all_and_is_told_nothing_of_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_handle_clear_cache_request", "_handle_git_information_request"):
        # put back in the end
        monkeypatch.setattr(AppSession, name, getattr(AppSession, name))
    checkout = SimpleNamespace(
        get_repo_info=lambda: ("owner/name", "main", "a.py"), untracked_files=["a"], uncommitted_files=["b"],
        is_head_detached=False, ahead_commits=[],
    )  # fmt: skip
    monkeypatch.setattr("streamlit.git_util.GitRepo", lambda _path: checkout)
    made: list[int] = []

    @st.cache_resource
    def shared() -> int:
        made.append(1)
        return len(made)

    async def ask(*kinds: str) -> list[str | None]:
        session = AppSession(MagicMock(main_script_path="a.py"), MagicMock(), MagicMock(), lambda: None, {})
        for kind in kinds:
            session.handle_backmsg(BackMsg(**{kind: True}))
        await asyncio.sleep(0.01)
        said = [message.WhichOneof("type") for message in session._browser_queue._queue]
        session.shutdown()
        return said

    assert in_a_thread(ask("load_git_info")) == ["git_info_changed"]
    internals.obey_no_developer()
    assert internals.broken == {}
    assert shared() == 1
    assert in_a_thread(ask("load_git_info", "clear_cache")) == []
    assert shared() == 1


class Runner:
    """As much of Streamlit's as a session sees: it takes requests until it is over."""

    def __init__(self, **_: Any) -> None:
        self.on_event, self.over = MagicMock(), False

    def start(self) -> None:
        """It runs in no thread."""

    def request_rerun(self, _request: Any) -> bool:
        return not self.over

    def request_stop(self) -> None:
        self.over = True

    def say(self, session: AppSession, text: str) -> None:
        message = ForwardMsg()
        message.parent_message.message = text
        session._on_scriptrunner_event(self, ScriptRunnerEvent.ENQUEUE_FORWARD_MSG, forward_msg=message)  # type: ignore[arg-type]


def test_a_part_is_drawn_on_its_own_page_only_and_at_the_address_that_the_session_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[RerunData] = []
    # put back in the end
    monkeypatch.setattr(ScriptRunner, "_run_script", lambda _, asked: drawn.append(asked))
    internals.keep_parts_where_they_are()
    assert internals.broken == {}
    known = QueryParams({"run": "new"})
    runner: Any = SimpleNamespace(
        _pages_manager=SimpleNamespace(current_page_script_hash="here"),
        _session_state=SimpleNamespace(query_params=lambda: nullcontext(known)),
    )
    part = RerunData("run=old", page_script_hash="here", fragment_id_queue=["part"])
    page = RerunData("run=old", page_script_hash="there")
    for asked in (part, replace(part, page_script_hash="there"), page):
        ScriptRunner._run_script(runner, asked)
    assert drawn == [replace(part, query_string="run=new"), page]


class Session:
    """As much of Streamlit's as is looked at."""

    def __init__(self, id_: str) -> None:
        self.id, self.session_state = id_, {"decoded": bytes(100)}


class Sessions:
    """Streamlit's own store of those who may come back, and those who are there."""

    def __init__(self, seconds: float) -> None:
        self.active: dict[str, Session] = {}
        self._session_storage, self._storage_lock = MemorySessionStorage(ttl_seconds=seconds), threading.Lock()
        self.now = 0.0
        self._session_storage._cache._timer = lambda: self.now

    def list_active_sessions(self) -> list[Any]:
        return [SimpleNamespace(session=session) for session in self.active.values()]

    def leave(self, id_: str) -> None:
        self._session_storage.save(SessionInfo(client=None, session=self.active.pop(id_)))  # type: ignore[arg-type]


def test_caches_drop_the_locks_of_values_that_they_have_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cache, "compute_value_lock", Cache.compute_value_lock)
    internals.forget_locks()
    cache = Cache[Any]()
    computing = cache.compute_value_lock("slow")
    with computing:
        most = max(
            len(cache._value_locks) for number in range(1000) if not cache.compute_value_lock(f"{number}").locked()
        )
        # whoever asks for what is being computed waits for it
        assert cache.compute_value_lock("slow") is computing
    assert most <= internals.MOST_LOCKS + 1


def test_what_visitors_left_is_freed_when_their_time_is_over_though_nobody_comes() -> None:
    uploads, sessions, swept = MemoryUploadedFileManager("/upload"), Sessions(120), internals.Swept()
    states = {}
    for name in ("stays", "leaves"):
        sessions.active[name] = session = Session(name)
        states[name] = session.session_state
        uploads.add_file(session_id=name, file=UploadedFileRec("1", "a.png", "image/png", bytes(1000)))
    swept.sweep(sessions, uploads)
    sessions.leave("leaves")
    for _ in range(3):
        # a moment away is no leaving
        swept.sweep(sessions, uploads)
        assert set(uploads.file_storage) == {"stays", "leaves"}
    sessions.now = 121.0
    swept.sweep(sessions, uploads)
    swept.sweep(sessions, uploads)
    assert set(uploads.file_storage) == {"stays"}
    assert (states["stays"], states["leaves"]) == ({"decoded": bytes(100)}, {})


def test_a_session_that_changes_places_in_the_midst_of_a_look_has_not_left() -> None:
    uploads, sessions, swept = MemoryUploadedFileManager("/upload"), Sessions(120), internals.Swept()
    sessions.active["a"] = session = Session("a")
    uploads.add_file(session_id="a", file=UploadedFileRec("1", "a.png", "image/png", b"x"))
    swept.sweep(sessions, uploads)
    # seen in neither place, once
    del sessions.active["a"]
    swept.sweep(sessions, uploads)
    sessions.active["a"] = session
    for _ in range(2):
        swept.sweep(sessions, uploads)
    assert set(uploads.file_storage) == {"a"}
