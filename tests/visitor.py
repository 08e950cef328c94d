"""A visitor without a browser: speaks the protocol of the running server, as the page in a browser does.

It keeps the elements of its page and asks again for the parts that come back by themselves, and writes down everything
that a visitor should never see. Unlike a browser it keeps no messages, and sends only the widgets that it changes; the
server remembers the others.
"""

import asyncio
import contextlib
import http.client
import json
import time
from urllib.parse import urlencode, urlsplit

from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

# a page that has not answered by then counts as an error
PATIENCE = 180.0
ENDS = (ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY)


class Trouble(Exception):
    """What a visitor should never meet: a lost connection, a page that does not answer."""


def ask_http(address, method, path, *, headers=None):
    """One HTTP request: status, headers, body."""
    server = http.client.HTTPConnection(urlsplit(address).netloc, timeout=PATIENCE)
    try:
        server.request(method, path, headers=headers or {})
        answer = server.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        server.close()


def xsrf_token(address):
    """The token that the server gives to a browser as a cookie, "" where it gives none."""
    cookies = ask_http(address, "GET", "/_stcore/health")[1].get_all("Set-Cookie") or []
    named = (cookie.partition(";")[0].partition("=") for cookie in cookies)
    return next((value for name, _, value in named if name == "_streamlit_xsrf"), "")


def open_socket(address, *, token="", origin=None, headers=None, **where):
    """The connection that a page opens; `origin` is the page's, `where` another host and port than the address says."""
    return connect(
        address.replace("http", "ws", 1) + "/_stcore/stream",
        subprotocols=["streamlit", token or "none"],
        additional_headers={"Cookie": f"_streamlit_xsrf={token}"} | dict(headers or {}),
        origin=origin or address,
        max_size=None,
        compression=None,
        **where,
    )


class Visitor:
    """One open page.

    Attributes:
        elements: what has been drawn on it, by place, each with the fragment it belongs to ("" for none).
        page: the path of its address, "" for the first page.
        session: the server's number for it.
        troubles: sentences on what a visitor should never see: exceptions, error boxes, lost connections.
        on_message: called with every message that arrives.
    """

    def __init__(self, address, headers=None):
        self.address, self._headers = address, headers
        self.elements = {}
        self.page, self.session = "", ""
        self.troubles = []
        self.on_message = lambda _message: None
        self._query, self._page_hash, self._moved = "", "", 0.0
        # fragments that the run which is going on redraws, none for the whole page; and the one that is waited for
        self._running = None
        self._awaited = ""
        self._timers = {}
        # of the page, or the part, that was asked for last
        self._whole = None

    async def __aenter__(self):
        token = await asyncio.to_thread(xsrf_token, self.address)
        self._socket = await open_socket(self.address, token=token, headers=self._headers)
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_):
        self._stop_timers(self._timers)
        await self._socket.close()
        await self._reader

    async def open(self, page, **parameters):
        """Open a page of the app by its address; seconds until it is whole."""
        self._query, self.page, self._page_hash = urlencode(parameters), page, ""
        return await self._run()

    async def send_state(self, state, fragment=""):
        """Send a widget's state as it is; seconds until what hangs on it is whole."""
        return await self._run(state, fragment=fragment)

    async def download(self, key):
        """Press the button of a file, which the server makes then."""
        url = next((json.loads(widget.json)["url"] for _, widget, _ in self.widgets() if has_key(widget, key)), None)
        if url is None:
            raise Trouble(f"there is no file {key}")
        status, _, file = await asyncio.to_thread(ask_http, self.address, "GET", url)
        if status != 200:
            raise Trouble(f"a download failed with status {status}")
        return file

    async def still(self, seconds, patience):
        """Wait until the page has not been drawn for some seconds, or as long as `patience`."""
        ends = time.perf_counter() + patience
        while time.perf_counter() < min(ends, self._moved + seconds):
            await asyncio.sleep(0.05)

    def widgets(self):
        """What can be set on the page: its kind, the widget and its fragment."""
        for element, fragment in list(self.elements.values()):
            kind = element.WhichOneof("type")
            if kind and getattr(getattr(element, kind), "id", ""):
                yield kind, getattr(element, kind), fragment

    def has(self, key):
        """Whether a widget of this key is on the page."""
        return any(has_key(widget, key) for _, widget, _ in self.widgets())

    async def _run(self, state=None, *, fragment=""):
        request = self._request(fragment)
        if state is not None:
            request.rerun_script.widget_states.widgets.append(state)
        # a run that is going on is another one
        self._awaited, self._running, start = fragment, None, time.perf_counter()
        self._whole = asyncio.get_running_loop().create_future()
        await self._send(request)
        try:
            await asyncio.wait_for(self._whole, PATIENCE)
        except TimeoutError:
            raise Trouble(f"{self.page or 'the first page'} has not answered for {PATIENCE:.0f} s") from None
        return time.perf_counter() - start

    def _request(self, fragment):
        request = BackMsg()
        asked = request.rerun_script
        asked.query_string, asked.fragment_id, asked.page_script_hash = self._query, fragment, self._page_hash
        asked.page_name = "" if self._page_hash else self.page
        asked.context_info.url = f"{self.address}/{self.page}"
        asked.context_info.timezone, asked.context_info.locale = "Europe/London", "en-GB"
        asked.widget_states.SetInParent()
        return request

    async def _send(self, request):
        try:
            await self._socket.send(request.SerializeToString())
        except ConnectionClosed as error:
            raise Trouble(f"the connection is lost: {error}") from None

    async def _read(self):
        try:
            async for data in self._socket:
                message = ForwardMsg.FromString(data)
                self._moved = time.perf_counter()
                self.on_message(message)
                getattr(self, f"_take_{message.WhichOneof('type')}", lambda _message: None)(message)
        except ConnectionClosed as error:
            self.troubles.append(f"the connection is lost: {error}")
        if self._whole is not None and not self._whole.done():
            self._whole.set_exception(Trouble("the connection is lost"))

    def _take_new_session(self, message):
        self._running = tuple(message.metadata.run.fragment_ids)
        self.session = message.new_session.initialize.session_id
        if not self._running:
            self.elements.clear()
            self._stop_timers(self._timers)

    def _take_navigation(self, message):
        self._page_hash = message.navigation.page_script_hash

    def _take_page_info_changed(self, message):
        self._query = message.page_info_changed.query_string

    def _take_delta(self, message):
        if message.delta.WhichOneof("type") != "new_element":
            return
        element = message.delta.new_element
        self.elements[tuple(message.metadata.delta_path)] = (element, message.delta.fragment_id)
        if element.HasField("exception"):
            self.troubles.append(f"an exception on {self.page}: {element.exception.type} {element.exception.message}")
        elif element.HasField("alert") and element.alert.format == Alert.ERROR:
            self.troubles.append(f"an error box on {self.page}: {element.alert.body}")

    def _take_script_finished(self, message):
        if message.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
            self.troubles.append(f"the script of {self.page} failed")
        # a part of the page that came back by itself meanwhile is not what was asked for
        is_asked_for = self._running is not None and (not self._running or self._awaited in self._running)
        if message.script_finished in ENDS and is_asked_for and not self._whole.done():
            self._whole.set_result(None)

    def _take_auto_rerun(self, message):
        fragment = message.auto_rerun.fragment_id
        interval = message.auto_rerun.interval
        if fragment not in self._timers:
            self._timers[fragment] = asyncio.create_task(self._poll(fragment, interval))

    def _take_stop_auto_rerun(self, message):
        self._stop_timers(message.stop_auto_rerun.fragment_ids or self._timers)

    async def _poll(self, fragment, interval):
        with contextlib.suppress(Trouble):
            while True:
                await asyncio.sleep(interval)
                request = self._request(fragment)
                request.rerun_script.is_auto_rerun = True
                await self._send(request)

    def _stop_timers(self, names):
        for name in list(names):
            if timer := self._timers.pop(name, None):
                timer.cancel()


def has_key(widget, key):
    """Whether a widget was given this key."""
    return widget.id.endswith(f"-{key}")
