"""What visitors may do and are told: a guard before the server, who sits at this machine, errors without its folders.

The guard is public middleware, against framing, other sites, and messages that would hold the server up.
"""

import asyncio
import contextlib
import functools
import logging
import os
import re
import time
from pathlib import Path
from urllib.parse import urlsplit

import streamlit as st
from google.protobuf.message import DecodeError
from google.protobuf.message import Message as ProtoMessage
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg

from core.homes import ROOT, homes
from core.storage.atomic import cache_dir

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
# an absolute path with a folder in it, as Unix or Windows writes it, and its last name
ABSOLUTE = re.compile(r"(?:(?<![\w.])/|\b[A-Za-z]:[\\/])(?:[^\s'\"/\\]+[\\/])+(?P<name>[^\s'\"/\\;,)]*)")
# of what was attached
_parents: set[Path] = set()
LOCAL = ("localhost", "127.0.0.1", "::1")
# headers that browsers send when they open a page's connection; whatever else there is a proxy has added
BROWSERS = re.compile(
    r"host|connection|upgrade|origin|user-agent|accept(-encoding|-language)?|cookie|cache-control|pragma|priority|dnt|te"
    r"|referer|sec-(websocket-|fetch-|ch-|gpc).*"
)


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
                MutableHeaders(raw=message["headers"]).update(HEADERS)
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
    return f"{scheme}://localhost:{st.get_option('server.port')}{base_path() or '/'}"


def base_path() -> str:
    """Return the path beneath which the server answers; "" for all of its own."""
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}" if base else ""


def hide_parent(data: str | Path) -> None:
    """Strip the parent folder of an attached image set from all later messages, whatever its name."""
    with contextlib.suppress(RuntimeError, OSError, ValueError):
        path = Path(data).expanduser().absolute()
        _parents.update({path.parent, path.resolve().parent} - {Path(path.anchor)})


def for_visitors(error: BaseException | str) -> str:
    """Return the message of what core raised, or its sentence, with a full stop.

    Its paths are cut to start at a run, a detector or the project.
    """
    whole = f"{str(error).rstrip('.')}."
    text = whole
    given = {*homes(), *_parents, ROOT, cache_dir(), Path.home()}
    roots = given | {root.resolve() for root in given}
    # the innermost first, so that nothing of it is left over
    for root in sorted(roots, reverse=True):
        if len(root.parts) > 1:
            text = re.sub(rf"{re.escape(str(root))}[\\/]((runs|detectors)[\\/])?", "", text)
    text = ABSOLUTE.sub(lambda match: match["name"] or "the folder", text)
    if text != whole:
        log_once(whole)
    return text


@functools.lru_cache(maxsize=256)
def log_once(sentence: str) -> None:
    """Write a sentence to the server's log, once: pages say the same again at every click."""
    logging.getLogger(__name__).warning("%s", sentence)


def is_local() -> bool:
    """Check whether the visitor sits at this machine, and so may name a path on it.

    The server must listen on a loopback address only, and the request must have a local host and origin and no headers
    but a browser's: behind a proxy on this machine every visitor has a local IP address, but the proxy's host name or
    extra headers. Against a proxy that hides both, only `TELLTALE_LOCAL=no` helps.
    """
    # "yes" or "no" says it of all visitors, whatever they send
    said = os.environ.get("TELLTALE_LOCAL", "").lower()
    if said in ("yes", "no"):
        return said == "yes"
    headers = {name.lower(): value for name, value in st.context.headers.items()}
    opened_at = (f"//{headers.get('host', 'localhost')}", headers.get("origin", "//localhost"))
    return (
        st.get_option("server.address") in LOCAL
        and st.context.ip_address in (None, *LOCAL)
        and all(urlsplit(url).hostname in LOCAL for url in opened_at)
        and all(map(BROWSERS.fullmatch, headers))
    )
