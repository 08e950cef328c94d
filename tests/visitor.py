"""A visitor without a browser: speaks the protocol of the running server, as the page in a browser does.

It keeps the elements of its page, the address and the parts that come back by themselves, and writes down everything
that a visitor should never see. Unlike a browser it sends only the widgets that it changes; the server remembers the
others.
"""

import asyncio
import contextlib
import http.client
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileUploaderState
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

# a page that has not answered by then counts as an error
PATIENCE = 180.0
ENDS = (ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY)


def in_a_thread(asked: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine in a thread; a browser in this process holds the current thread's loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, asked).result()


class Trouble(Exception):
    """What a visitor should never meet: a lost connection, a page that does not answer."""


def ask_http(
    address: str, method: str, path: str, *, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """One HTTP request: status, headers, body."""
    server = http.client.HTTPConnection(urlsplit(address).netloc, timeout=PATIENCE)
    try:
        server.request(method, path, body=body, headers=headers or {})
        answer = server.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        server.close()


def xsrf_token(address: str) -> str:
    """The token that the server gives to a browser as a cookie, "" where it gives none."""
    cookies = ask_http(address, "GET", "/_stcore/health")[1].get_all("Set-Cookie") or []
    named = (cookie.partition(";")[0].partition("=") for cookie in cookies)
    return next((value for name, _, value in named if name == "_streamlit_xsrf"), "")


def open_socket(
    address: str, *, token: str = "", origin: str | None = None, headers: Mapping[str, str] | None = None, **where: Any
) -> connect:
    """The connection that a page opens; `origin` is the page's, `where` another host and port than the address says."""
    return connect(
        address.replace("http", "ws", 1) + "/_stcore/stream",
        subprotocols=["streamlit", token or "none"],  # type: ignore[list-item]
        additional_headers={"Cookie": f"_streamlit_xsrf={token}"} | dict(headers or {}),
        origin=origin or address,  # type: ignore[arg-type]
        max_size=None,
        compression=None,
        **where,
    )


class Visitor:
    """One open page.

    Attributes:
        elements: what is on it, by place, each with the fragment it belongs to ("" for none).
        query: its address's parameters.
        page: the path of its address, "" for the first page.
        troubles: sentences on what a visitor should never see: exceptions, error boxes, lost connections.
        on_message: called with every message that arrives.
    """

    def __init__(self, address: str, headers: Mapping[str, str] | None = None) -> None:
        self.address, self.token, self._headers = address, "", headers
        self.elements: dict[tuple[int, ...], tuple[Element, str]] = {}
        self.query, self.page, self.session = "", "", ""
        self.troubles: list[str] = []
        self.on_message: Callable[[ForwardMsg], None] = lambda _message: None
        self._hashes: dict[str, str] = {}
        self._page_hash = ""
        self._cached: dict[str, tuple[ForwardMsg, int]] = {}
        self._runs = 0
        self._moved = 0.0
        self._running: tuple[str, ...] | None = None
        # of this run: the places it has drawn, and the fragments that it redraws
        self._drawn: set[tuple[int, ...]] = set()
        self._redrawn: tuple[str, ...] = ()
        self._timers: dict[str, asyncio.Task[None]] = {}
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._awaited: tuple[str, asyncio.Future[None]] | None = None
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.token = await asyncio.to_thread(xsrf_token, self.address)
        self._socket = await open_socket(self.address, token=self.token, headers=self._headers)
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        reader, self._reader = self._reader, None
        self._stop_timers()
        if self._socket is not None:
            await self._socket.close()
        if reader is not None:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader

    async def open(self, page: str, **parameters: str) -> float:
        """Open a page of the app by its address; seconds until it is whole."""
        self.query, self.page = urlencode(parameters), page
        return await self._run(page_hash="", page_name=page)

    async def turn_to(self, page: str) -> float:
        """Click a page in the navigation; seconds until it is whole."""
        self.query, self.page = "", page
        return await self._run(page_hash=self._hashes[page], page_name=page)

    async def change(self, id_: str, fragment: str = "", **value: Any) -> float:
        """Set a widget; seconds until what hangs on it is whole.

        Args:
            id_: of the widget.
            fragment: that it belongs to.
            value: the field of `WidgetState` and what it is set to.
        """
        state = WidgetState(id=id_)
        for name, given in value.items():
            if isinstance(given, list):
                getattr(state, name).data.extend(given)
            elif name == "file_uploader_state_value":
                state.file_uploader_state_value.CopyFrom(given)
            else:
                setattr(state, name, given)
        return await self._run(state, fragment=fragment)

    async def send_state(self, state: WidgetState, fragment: str = "") -> float:
        """Send a widget's state as it is; seconds until what hangs on it is whole."""
        return await self._run(state, fragment=fragment)

    async def forget(self) -> None:
        """Ask the server to clear its caches, as the browser of a developer may."""
        request = BackMsg()
        request.clear_cache = True
        await self._send(request)

    async def download(self, id_: str) -> bytes:
        """Click a download button whose file is made when it is asked for."""
        request = BackMsg()
        request.backend_operation_request.request_id = key = uuid.uuid4().hex
        request.backend_operation_request.session_id = self.session
        request.backend_operation_request.deferred_file.file_id = self.widget(id_).deferred_file_id
        answer = await self._ask(key, request)
        if answer.error_msg:
            raise Trouble(f"a download failed: {answer.error_msg}")
        status, _, body = await asyncio.to_thread(ask_http, self.address, "GET", answer.deferred_file.url)
        if status != 200:
            raise Trouble(f"a download answers {status}")
        return body

    async def upload(self, name: str, data: bytes, *, key: str) -> float:
        """Drop one file on an uploader; seconds until the page has it."""
        request = BackMsg()
        request.file_urls_request.request_id = number = uuid.uuid4().hex
        request.file_urls_request.session_id = self.session
        request.file_urls_request.file_names.append(name)
        urls = (await self._ask(number, request)).file_urls[0]
        status, reason = await asyncio.to_thread(
            put_file, self.address, urls.upload_url, name, data, token=self.token, cookie=self.token
        )
        if status != 204:
            raise Trouble(f"an upload answers {status} {reason}")
        state = FileUploaderState()
        state.uploaded_file_info.add(file_id=urls.file_id, name=name, size=len(data), file_urls=urls)
        uploader, fragment = self.find(key)
        return await self.change(uploader.id, fragment, file_uploader_state_value=state)

    async def still(self, seconds: float = 0.5, patience: float = 10.0) -> None:
        """Wait until the page has not been drawn for some seconds, or as long as `patience`."""
        ends = time.perf_counter() + patience
        while time.perf_counter() < min(ends, self._moved + seconds):
            await asyncio.sleep(0.05)

    async def wait_for(self, *keys: str, patience: float = 10.0) -> None:
        """Wait until the page is still and has widgets of these keys, or as long as `patience` after it was still."""
        await self.still()
        ends = time.perf_counter() + patience
        while not all(map(self.has, keys)) and time.perf_counter() < ends:
            await asyncio.sleep(0.5)
            await self.still()

    def widgets(self) -> Iterator[tuple[str, Any, str]]:
        """What can be set on the page: its kind, the widget and its fragment."""
        for element, fragment in list(self.elements.values()):
            kind, widget = widget_of(element)
            if getattr(widget, "id", ""):
                yield kind, widget, fragment

    def find(self, key: str) -> tuple[Any, str]:
        """The widget of a key and its fragment."""
        for _, widget, fragment in self.widgets():
            if widget.id.endswith(f"-{key}"):
                return widget, fragment
        raise Trouble(f"there is no {key} on {self.page or 'the first page'}")

    def widget(self, id_: str) -> Any:
        """The widget of an id."""
        return next(widget for _, widget, _ in self.widgets() if widget.id == id_)

    def has(self, key: str) -> bool:
        """Whether a widget of this key is on the page."""
        return any(widget.id.endswith(f"-{key}") for _, widget, _ in self.widgets())

    @property
    def parameters(self) -> dict[str, str]:
        """The address's parameters."""
        return {name: values[-1] for name, values in parse_qs(self.query).items()}

    async def _run(
        self,
        state: WidgetState | None = None,
        *,
        fragment: str = "",
        page_hash: str | None = None,
        page_name: str = "",
        own: bool = False,
    ) -> float:
        request = BackMsg()
        asked = request.rerun_script
        asked.query_string, asked.page_name, asked.fragment_id = self.query, page_name, fragment
        asked.page_script_hash = self._page_hash if page_hash is None else page_hash
        asked.cached_message_hashes.extend(self._cached)
        asked.context_info.url = f"{self.address}/{self.page}"
        asked.context_info.timezone, asked.context_info.locale = "Europe/London", "en-GB"
        asked.is_auto_rerun = own
        asked.widget_states.SetInParent()
        if state is not None:
            asked.widget_states.widgets.append(state)
        if own:
            await self._send(request)
            return 0.0
        done = asyncio.get_running_loop().create_future()
        self._awaited = (fragment, done)
        # a run that is going on is another one
        self._running = None
        start = time.perf_counter()
        await self._send(request)
        await self._patiently(done, f"{self.page or 'the first page'} has not answered")
        return time.perf_counter() - start

    async def _ask(self, key: str, request: BackMsg) -> Any:
        answer = self._waiting[key] = asyncio.get_running_loop().create_future()
        await self._send(request)
        return await self._patiently(answer, "the server has not answered")

    async def _patiently(self, answer: asyncio.Future[Any], sentence: str) -> Any:
        try:
            return await asyncio.wait_for(answer, PATIENCE)
        except TimeoutError:
            raise Trouble(f"{sentence} for {PATIENCE:.0f} s") from None

    async def _send(self, request: BackMsg) -> None:
        try:
            await self._socket.send(request.SerializeToString())
        except ConnectionClosed as error:
            raise Trouble(f"the connection is lost: {error}") from None

    async def _read(self) -> None:
        try:
            async for data in self._socket:
                message = ForwardMsg()
                message.ParseFromString(data)
                self._take(message)
        except ConnectionClosed as error:
            if self._reader is not None:
                self.troubles.append(f"the connection is lost: {error}")
        finally:
            lost = Trouble("the connection is lost")
            for future in (*self._waiting.values(), *([self._awaited[1]] if self._awaited else [])):
                if not future.done():
                    future.set_exception(lost)
                    # marks it as retrieved, in case nobody waits for it
                    future.exception()

    def _take(self, message: ForwardMsg) -> None:
        if message.HasField("ref_hash"):
            kept = self._cached.get(message.ref_hash)
            if kept is None:
                self.troubles.append("the server refers to a message that it never sent")
                return
            whole = ForwardMsg()
            whole.CopyFrom(kept[0])
            whole.metadata.CopyFrom(message.metadata)
            self._cached[message.ref_hash] = (kept[0], self._runs)
            message = whole
        elif message.metadata.cacheable:
            self._cached[message.hash] = (message, self._runs)
        self._moved = time.perf_counter()
        self.on_message(message)
        kind = message.WhichOneof("type")
        getattr(self, f"_take_{kind}", lambda _message: None)(message)

    def _take_new_session(self, message: ForwardMsg) -> None:
        self._running = tuple(message.metadata.run.fragment_ids)
        self.session = message.new_session.initialize.session_id
        self._drawn, self._redrawn = set(), self._running
        if not self._running:
            self._runs += 1
            self.elements.clear()
            self._stop_timers()

    def _take_navigation(self, message: ForwardMsg) -> None:
        self._page_hash = message.navigation.page_script_hash
        self._hashes = {
            "" if page.is_default else page.url_pathname: page.page_script_hash for page in message.navigation.app_pages
        }
        # a click in a page may have led to another
        self.page = next(name for name, found in self._hashes.items() if found == self._page_hash)

    def _take_page_info_changed(self, message: ForwardMsg) -> None:
        self.query = message.page_info_changed.query_string

    def _take_delta(self, message: ForwardMsg) -> None:
        if message.delta.WhichOneof("type") != "new_element":
            return
        element, place = message.delta.new_element, tuple(message.metadata.delta_path)
        self.elements[place] = (element, message.delta.fragment_id)
        self._drawn.add(place)
        if element.HasField("exception"):
            self.troubles.append(f"an exception on {self.page}: {element.exception.type} {element.exception.message}")
        elif element.HasField("alert") and element.alert.format == Alert.ERROR:
            self.troubles.append(f"an error box on {self.page}: {element.alert.body}")

    def _take_script_finished(self, message: ForwardMsg) -> None:
        if message.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
            self.troubles.append(f"the script of {self.page} failed")
        if message.script_finished not in ENDS:
            return
        # what a run no longer draws is gone
        self.elements = {
            place: kept for place, kept in self.elements.items() if place in self._drawn or kept[1] not in self._redrawn
        }
        if self._awaited is None or self._running is None:
            return
        fragment, done = self._awaited
        # a part of the page that came back by itself meanwhile is not what was asked for
        if not done.done() and _draws(self._running, fragment):
            # only now, as a browser does: the run may refer to any message whose hash it was sent
            self._cached = {key: kept for key, kept in self._cached.items() if kept[1] >= self._runs - 2}
            done.set_result(None)

    def _take_file_urls_response(self, message: ForwardMsg) -> None:
        self._waiting.pop(message.file_urls_response.response_id).set_result(message.file_urls_response)

    def _take_backend_operation_response(self, message: ForwardMsg) -> None:
        answer = message.backend_operation_response
        self._waiting.pop(answer.request_id).set_result(answer)

    def _take_auto_rerun(self, message: ForwardMsg) -> None:
        fragment, interval = message.auto_rerun.fragment_id, message.auto_rerun.interval
        if fragment not in self._timers:
            self._timers[fragment] = asyncio.create_task(self._poll(fragment, interval))

    def _take_stop_auto_rerun(self, message: ForwardMsg) -> None:
        self._stop_timers(*message.stop_auto_rerun.fragment_ids)

    async def _poll(self, fragment: str, interval: float) -> None:
        with contextlib.suppress(Trouble):
            while True:
                await asyncio.sleep(interval)
                await self._run(fragment=fragment, own=True)

    def _stop_timers(self, *names: str) -> None:
        """Stop those of some fragments, all where none are named."""
        for name in names or list(self._timers):
            if timer := self._timers.pop(name, None):
                timer.cancel()


def put_file(address: str, path: str, name: str, data: bytes, *, token: str, cookie: str) -> tuple[int, str]:
    """Send a file as a browser does; the status and what the server says."""
    border = uuid.uuid4().hex
    head = f'--{border}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    body = f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + data + f"\r\n--{border}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={border}"}
    if token:
        headers["X-Xsrftoken"] = token
    if cookie:
        headers["Cookie"] = f"_streamlit_xsrf={cookie}"
    status, _, answer = ask_http(address, "PUT", path, body=body, headers=headers)
    return status, answer.decode(errors="replace")


def widget_of(element: Element) -> tuple[str, Any]:
    """The kind of an element, and what it holds; "" and None for an empty one."""
    kind = element.WhichOneof("type")
    return (kind, getattr(element, kind)) if kind else ("", None)


def _draws(parts: Sequence[str], fragment: str) -> bool:
    """Whether a run of these fragments, of the whole page where there are none, draws that one."""
    return not parts or fragment in parts
