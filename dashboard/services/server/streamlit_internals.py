"""The only module that uses Streamlit's private API, and the minor versions on which that was tested.

Where another version has moved something used here, the feature that needs it is off and the server's log says so;
`tests/dashboard/test_streamlit_internals.py` checks this for the installed version.
"""

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode
from weakref import WeakSet

import streamlit
from streamlit import runtime

from dashboard.services.server.memory import give_back

TESTED = ("1.67",)
# kinds of values in messages
JSON = ("json_value", "json_trigger_value")
NUMBERS = {"int_value", "double_value"}
# of one cache; more than any keeps values
MOST_LOCKS = 300
# seconds between two looks who has left
SWEEP = 20.0
# what is off, since Streamlit has changed what it hangs on, and how
broken: dict[str, str] = {}

# called before an upload is kept, sizes in bytes: the visitor's files by id, all visitors' total, this file's id, size
Check = Callable[[Mapping[str, int], int, str, int], None]


@contextlib.contextmanager
def _or_without(what: str) -> Iterator[None]:
    try:
        yield
    except (ImportError, AttributeError, TypeError) as error:
        if what not in broken:
            logging.getLogger(__name__).exception(
                "Going on without %s. Streamlit is %s; tested are %s.", what, streamlit.__version__, ", ".join(TESTED)
            )
        broken[what] = f"{type(error).__name__}: {error}"


def refuse_forged_values() -> None:
    """Have values of widgets that no browser sends count as never sent.

    Streamlit hands a widget whatever kind of value a message holds, and what the widget raises ends the page.
    """
    with _or_without("a check of the values that browsers send"):
        from streamlit.runtime.state.common import is_element_id  # noqa: PLC0415
        from streamlit.runtime.state.session_state import Serialized, WStates, _is_internal_key  # noqa: PLC0415

        read, keep = WStates.__getitem__, WStates.set_widget_from_proto
        # so that this fails here and not on a page
        _ = WStates().states, WStates().widget_metadata

        def read_sound(held: WStates, id_: str) -> Any:
            sent, known = held.states[id_], held.widget_metadata.get(id_)
            try:
                if isinstance(sent, Serialized) and known is not None:
                    _check_value(sent.value, known.value_type)
                return read(held, id_)
            except Exception:  # noqa: BLE001 - no JSON, no such index, nested too deep
                raise KeyError(id_) from None

        def keep_known(held: WStates, sent: Any) -> None:
            # drop ids that are neither a widget's nor Streamlit's own: reading all values would fail on them
            if is_element_id(sent.id) or _is_internal_key(sent.id):
                keep(held, sent)

        WStates.__getitem__ = read_sound  # type: ignore[method-assign]
        WStates.set_widget_from_proto = keep_known  # type: ignore[method-assign, assignment]


def _check_value(sent: Any, declared: str | None) -> None:
    """Raise a ValueError, or what JSON raises, for a value of another kind than the widget's own."""
    kind = sent.WhichOneof("value")
    # a widget that was cleared sends none
    if None not in (kind, declared) and kind != declared and {kind, declared} != NUMBERS:
        raise ValueError(kind)
    if kind in JSON:
        json.loads(getattr(sent, kind))


def obey_no_developer() -> None:
    """Keep the caches that all visitors share, and the state of the checkout, from browsers.

    Streamlit clears the one and tells the other to whoever asks, which is meant for the developer of an app.
    """
    with _or_without("keeping caches and the checkout from visitors"):
        from streamlit.runtime.app_session import AppSession  # noqa: PLC0415

        # so that this fails here and not in a session
        _ = AppSession._handle_clear_cache_request, AppSession._handle_git_information_request

        def clear_own(session: Any) -> None:
            session._session_state.clear()

        def tell_nothing(_session: Any) -> None:
            pass

        AppSession._handle_clear_cache_request = clear_own  # type: ignore[method-assign, assignment]
        AppSession._handle_git_information_request = tell_nothing  # type: ignore[method-assign, assignment]


def hear_runs_out() -> None:
    """Deliver the last messages of a script run that has ended, even if the next run was requested before that.

    Streamlit drops them, and with them the end of a page, or a part that would have requested its next redraw. This
    happens when two parts of a page request a rerun at the same moment on a busy server.
    """
    with _or_without("the last messages of a run that another one follows at once"):
        from streamlit.runtime.app_session import AppSession  # noqa: PLC0415
        from streamlit.runtime.scriptrunner import ScriptRunnerEvent  # noqa: PLC0415

        hear, begin = AppSession._handle_scriptrunner_event_on_event_loop, AppSession._create_scriptrunner
        ended: WeakSet[Any] = WeakSet()

        def begin_after(session: Any, request: Any) -> None:
            # Streamlit unsets a runner that it stops for the next one: one that is still set has ended by itself or
            # was stopped by somebody, and has few messages left to send
            if session._scriptrunner is not None:
                ended.add(session._scriptrunner)
            begin(session, request)

        def hear_out(session: Any, sender: Any, event: Any, *rest: Any, **named: Any) -> None:
            current = session._scriptrunner
            if sender is current or sender not in ended or event is ScriptRunnerEvent.SHUTDOWN:
                hear(session, sender, event, *rest, **named)
                return
            session._scriptrunner = sender
            try:
                hear(session, sender, event, *rest, **named)
            finally:
                session._scriptrunner = current

        AppSession._create_scriptrunner = begin_after  # type: ignore[method-assign, assignment]
        AppSession._handle_scriptrunner_event_on_event_loop = hear_out  # type: ignore[method-assign, assignment]


def keep_parts_where_they_are() -> None:
    """Draw a part of a page anew only on the page that it belongs to, and at the address that the session has by then.

    A browser that asks for a part just before it learns of another page or address sends the old ones. Streamlit would
    draw the part after the page, and so empty the page or bring the old address back.
    """
    with _or_without("keeping parts of a page on their page"):
        from streamlit.runtime.scriptrunner.script_runner import ScriptRunner  # noqa: PLC0415
        from streamlit.runtime.scriptrunner_utils.script_requests import RerunData  # noqa: PLC0415

        run = ScriptRunner._run_script
        # so that this fails here and not on a page
        _ = RerunData().fragment_id_queue, RerunData().page_script_hash, RerunData().query_string

        def run_here(runner: Any, asked: Any) -> None:
            if asked.fragment_id_queue:
                with _or_without("keeping parts of a page on their page"):
                    if asked.page_script_hash not in ("", runner._pages_manager.current_page_script_hash):
                        return
                    with runner._session_state.query_params() as known:
                        asked = replace(asked, query_string=urlencode(known._query_params, doseq=True))
            run(runner, asked)

        ScriptRunner._run_script = run_here  # type: ignore[method-assign, assignment]


def forget_locks() -> None:
    """Have caches drop the locks of values that they have dropped.

    Streamlit locks each value while it is computed and keeps every lock: with 36 visitors ten thousand in an hour.
    """
    with _or_without("forgetting the locks of dropped values"):
        from streamlit.runtime.caching.cache_utils import Cache  # noqa: PLC0415

        take = Cache.compute_value_lock

        def take_and_forget(cache: Any, value_key: str) -> Any:
            lock = take(cache, value_key)
            if len(cache._value_locks) > MOST_LOCKS:
                with cache._value_locks_lock:
                    # if one is just being taken its value is computed twice at worst
                    idle = [key for key, one in cache._value_locks.items() if key != value_key and not one.locked()]
                    for key in idle:
                        del cache._value_locks[key]
            return lock

        Cache.compute_value_lock = take_and_forget  # type: ignore[method-assign, assignment]


def guard_uploads(check: Check) -> None:
    """Have the running server ask before it keeps an upload; the uploader shows the HTTP status that `check`
    raises."""
    with _or_without("limits of what visitors upload"):
        manager = runtime.get_instance().uploaded_file_mgr
        manager.add_file = guarded(manager, check)  # type: ignore[method-assign, attr-defined]


def guarded(manager: Any, check: Check) -> Callable[[str, Any], None]:
    """The `add_file` of Streamlit's store of uploads, with a check before it."""
    add, lock = manager.add_file, threading.Lock()
    sizes_of(manager, "")

    def add_file(session_id: str, file: Any) -> None:
        with lock:
            everybody = sum(sum(sizes_of(manager, one).values()) for one in list(manager.file_storage))
            check(sizes_of(manager, session_id), everybody, file.file_id, len(file.data))
            add(session_id, file)

    return add_file


def sizes_of(manager: Any, session_id: str) -> dict[str, int]:
    """Bytes of each file that a session has uploaded, by id."""
    held = dict(manager.file_storage.get(session_id, {}))
    return {file_id: len(file.data) for file_id, file in held.items()}


def forget_own_uploads() -> None:
    """Drop the files of the visitor whose page is being drawn."""
    with _or_without("forgetting uploads where their page is left"):
        from streamlit.runtime.scriptrunner import get_script_run_ctx  # noqa: PLC0415

        context = get_script_run_ctx()
        if context is not None and runtime.exists():
            runtime.get_instance().uploaded_file_mgr.remove_session_files(context.session_id)


def hold_file(data: bytes, mime: str, place: str, file_name: str) -> None:
    """Keep a file that was made for a download until something else takes its place."""
    with _or_without("holding a download until the browser has fetched it"):
        if runtime.exists():
            # what is added outside a page's own run is nobody's
            files = runtime.get_instance().media_file_mgr
            files.add(data, mime, place, file_name=file_name, is_for_static_download=True)


def free_what_was_left() -> None:
    """Free the memory of visitors who have left, in a sweep every `SWEEP` seconds.

    Streamlit keeps their sessions for two minutes, but only evicts expired ones when somebody else comes or goes.
    """
    threading.Thread(target=_sweep_for_ever, args=(runtime.get_instance(),), name="sweep", daemon=True).start()


def _sweep_for_ever(server: Any) -> None:
    swept = Swept()
    with _or_without("freeing what visitors have left"):
        while server.state is not runtime.RuntimeState.STOPPED:
            # who comes or goes meanwhile is looked at the next time
            with contextlib.suppress(RuntimeError):
                swept.sweep(server._session_mgr, server.uploaded_file_mgr)
            give_back()
            time.sleep(SWEEP)


class Swept:
    """The sessions seen at the last sweep; one that is missing twice is taken to have left."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}
        self._missing: set[str] = set()

    def sweep(self, sessions: Any, uploads: Any) -> None:
        """Free uploads and state of sessions that are neither connected nor remembered any more.

        Args:
            sessions: Streamlit's `WebsocketSessionManager`.
            uploads: its store of uploaded files.
        """
        here = {info.session.id: info.session for info in sessions.list_active_sessions()}
        # listing stored sessions also evicts the expired ones
        with sessions._storage_lock:
            here |= {info.session.id: info.session for info in sessions._session_storage.list()}
        missing = (self._known.keys() | set(uploads.file_storage)) - here.keys()
        for gone in missing & self._missing:
            uploads.remove_session_files(gone)
            if (session := self._known.pop(gone, None)) is not None:
                session.session_state.clear()
        self._missing = missing
        self._known |= here
