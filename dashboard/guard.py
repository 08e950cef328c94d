"""Guard the running server by public middleware: from framing, other sites, and messages that would hold it up."""

from urllib.parse import urlsplit

import streamlit as st
from google.protobuf.message import DecodeError
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg

# names in one request for upload addresses; the uploader itself takes fewer
MAX_NAMES = 64
# what a developer's browser may ask for and a visitor's must not: caches belong to all visitors
REFUSED = ("clear_cache", "load_git_info")
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

        async def receive_guarded() -> Message:
            while True:
                message = await receive()
                if message["type"] != "websocket.receive":
                    return message
                kind, names = read_message(message.get("bytes") or b"")
                if names > MAX_NAMES:
                    await send({"type": "websocket.close", "code": 1009, "reason": "Too many files at once"})
                    return {"type": "websocket.disconnect", "code": 1009}
                if kind not in REFUSED:
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


def read_message(data: bytes) -> tuple[str | None, int]:
    """Return the kind of a browser's message, None where it is none, and how many files it asks addresses for."""
    try:
        message = BackMsg.FromString(data)
    except DecodeError:
        return None, 0
    return message.WhichOneof("type"), len(message.file_urls_request.file_names)


def own_address() -> str:
    """Return the address at which this machine reaches the server."""
    scheme = "https" if st.get_option("server.sslCertFile") else "http"
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    return f"{scheme}://localhost:{st.get_option('server.port')}/{base}"
