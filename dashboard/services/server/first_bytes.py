"""Speed up the first load: compress Streamlit's scripts, and show the logo until they have loaded.

Streamlit sends its scripts uncompressed, four times as many bytes, and a page that stays blank until they run: many
seconds on a slow connection.
"""

import asyncio
import gzip
import hashlib
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.logo import FONT, LOGO, TEXT

PAGE = "text/html"
# where Streamlit keeps what visitors download
MEDIA = "/media/"
UNASKED = (b"accept-encoding", b"if-none-match", b"if-modified-since")
SCRIPTS = ("text/javascript", "application/javascript", "text/css")
# compressed files that are kept; Streamlit has fewer
MOST = 400
# 1 to 9; more takes longer and saves little
LEVEL = 6
ROOT = b'<div id="root">'
TITLE = b"<title>Streamlit</title>"
# the theme uses fonts of the system, so that Streamlit's need not be there first
PRELOADED = re.compile(rb'<link\s+rel="preload"[^>]*\sas="font"[^>]*>')
# React takes it away when it draws
WAITING = f"""<style>
.waiting {{ display: grid; place-content: center; gap: 1rem; justify-items: center; height: 90vh;
  color: {TEXT["light"]}; font: 600 1rem {FONT} }}
.waiting svg {{ height: 2.6rem }}
@media (prefers-color-scheme: dark) {{ body {{ background: #12151b }} .waiting {{ color: {TEXT["dark"]} }} }}
</style><noscript><style>.waiting {{ display: none }}</style></noscript>
<div class="waiting" role="status">{LOGO.format(text="currentColor")}<span>The page is loading.</span></div>"""
# what browsers and caches would take for the same file, unedited
VALIDATORS = ("ETag", "Last-Modified", "Accept-Ranges")


class FirstBytes:
    """ASGI middleware around Streamlit: edits scripts, styles and the page that loads them, and nothing else."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        # compressed, by the digest of what it is of
        self._packed: dict[bytes, bytes] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD") or MEDIA in scope["path"]:
            await self.app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        if "text/html" in asked.get("accept", ""):
            # ask for the page in full: Streamlit compresses it at some addresses, and may answer 304 Not Modified
            kept = [(name, value) for name, value in scope["headers"] if name not in UNASKED]
            scope = {**scope, "headers": kept}
        head: Message = {}
        body = bytearray()

        async def pass_on(message: Message) -> None:
            nonlocal head
            if message["type"] == "http.response.start":
                if not _is_edited(message):
                    await send(message)
                elif scope["method"] == "HEAD":
                    # how long it is nobody has worked out
                    headers = MutableHeaders(raw=message["headers"])
                    del headers["Content-Length"]
                    await send(message)
                else:
                    head = message
            elif not head or message["type"] != "http.response.body":
                await send(message)
            else:
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    edited = await asyncio.to_thread(self._edited, head, bytes(body), asked)
                    await send(head)
                    await send({"type": "http.response.body", "body": edited})

        await self.app(scope, receive, pass_on)

    def _edited(self, head: Message, body: bytes, asked: Headers) -> bytes:
        """The body as it is sent; its headers are changed in place."""
        headers = MutableHeaders(raw=head["headers"])
        validator = headers.get("etag", "")
        for name in VALIDATORS:
            del headers[name]
        if _kind(headers) == PAGE:
            body = _greet(body)
        elif validator:
            # the same script, in other bytes
            headers["ETag"] = f"W/{validator.removeprefix('W/')}"
        headers.add_vary_header("Accept-Encoding")
        if "gzip" in asked.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            body = self._pack(body)
        headers["Content-Length"] = str(len(body))
        return body

    def _pack(self, body: bytes) -> bytes:
        """Compress a file, once."""
        key = hashlib.blake2b(body).digest()
        packed = self._packed.get(key)
        if packed is None:
            packed = gzip.compress(body, LEVEL, mtime=0)
            if len(self._packed) >= MOST:
                self._packed.clear()
            self._packed[key] = packed
        return packed


def _kind(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0]


def _is_edited(head: Message) -> bool:
    """Whether a response is edited, by its head."""
    got = Headers(raw=head["headers"])
    return head["status"] == 200 and "content-encoding" not in got and _kind(got) in (PAGE, *SCRIPTS)


def _greet(body: bytes) -> bytes:
    named = PRELOADED.sub(b"", body).replace(TITLE, b"<title>Telltale</title>")
    return named.replace(ROOT, ROOT + WAITING.encode())
