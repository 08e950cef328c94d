"""Guard the running server by public middleware: from framing, other sites, and messages that would hold it up."""

import asyncio
import time
from urllib.parse import urlsplit

import streamlit as st
from google.protobuf.message import DecodeError
from google.protobuf.message import Message as ProtoMessage
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg

# names in one request for upload addresses; the uploader itself takes fewer
MAX_NAMES = 64
# entries of all lists in one message: states of widgets, chosen values, files; 64 files at once are about a hundred
MAX_ENTRIES = 2000
# letters of a name that Streamlit writes whole into its log where it does not know it
MAX_NAME = 128
# messages of one connection that are read without delay, and how many a second after these; the rest wait their turn
BURST = 60
RATE = 20
# so many entries, or so many bytes, make a message count once more
ENTRIES = 50
BYTES = 64 << 10
# what a developer's browser may ask for and a visitor's must not: caches belong to all visitors
REFUSED = ("clear_cache", "load_git_info", "debug_disconnect_websocket", "debug_shutdown_runtime")
HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


class Guard:
    """ASGI middleware that adds security headers to every answer, and refuses other sites and harmful messages."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or serve one connection."""
        if scope["type"] in ("http", "websocket") and not is_own(Headers(scope=scope)):
            # Streamlit would refuse it, too, but ask a server of Amazon's for its own address before
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            scope = {**scope, "headers": [header for header in scope["headers"] if header[0] != b"origin"]}

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        pace = Pace()

        async def receive_guarded() -> Message:
            while True:
                message = await receive()
                if message["type"] != "websocket.receive":
                    return message
                data = message.get("bytes") or b""
                request = parse(data)
                if request is None:
                    await send({"type": "websocket.close", "code": 1009, "reason": "No browser sends this"})
                    return {"type": "websocket.disconnect", "code": 1009}
                await pace.wait(1 + count_entries(request) // ENTRIES + len(data) // BYTES)
                if request.WhichOneof("type") not in REFUSED:
                    return message

        await self.app(scope, receive_guarded, send_guarded)


def is_own(headers: Headers) -> bool:
    """Check whether a request comes from a page of this server, or of one that the settings allow."""
    origin = headers.get("origin")
    if origin is None:
        return True
    site = urlsplit(origin)
    named = ("localhost", "127.0.0.1", "0.0.0.0", st.get_option("browser.serverAddress"))  # noqa: S104
    allowed = [urlsplit(url).hostname for url in st.get_option("server.corsAllowedOrigins")]
    return site.netloc == headers.get("host") or site.hostname in (*named, *allowed)


class Pace:
    """The pace of one connection's messages."""

    def __init__(self) -> None:
        self._left = float(BURST)
        self._last = time.monotonic()

    async def wait(self, messages: int) -> None:
        """Wait until this many more messages may be read."""
        now = time.monotonic()
        self._left = min(BURST, self._left + (now - self._last) * RATE) - messages
        self._last = now
        # even for no time at all: what a finished script has left to send goes first, because Streamlit drops it where
        # the next message begins another script
        await asyncio.sleep(max(0.0, -self._left / RATE))


def parse(data: bytes) -> BackMsg | None:
    """Return a browser's message; None where no browser sends it: it is empty, broken, or has too much in it."""
    if not 0 < len(data) <= st.get_option("server.maxWidgetStateSize") << 20:
        return None
    try:
        message = BackMsg.FromString(data)
    except DecodeError:
        return None
    logged = (message.rerun_script.fragment_id, message.backend_operation_request.request_id)
    if max(map(len, logged)) > MAX_NAME or len(message.file_urls_request.file_names) > MAX_NAMES:
        return None
    return message if count_entries(message) <= MAX_ENTRIES else None


def count_entries(message: ProtoMessage) -> int:
    """Count the entries of all lists in a message; some more than `MAX_ENTRIES` count as so many."""
    count = 0
    for field, value in message.ListFields():
        parts = [value]
        if field.is_repeated:
            count += len(value)
            parts = value
        if field.message_type is not None and count <= MAX_ENTRIES:
            count += sum(count_entries(part) for part in parts)
    return count


def own_address() -> str:
    """Return the address at which this machine reaches the server."""
    scheme = "https" if st.get_option("server.sslCertFile") else "http"
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    return f"{scheme}://localhost:{st.get_option('server.port')}/{base}"
