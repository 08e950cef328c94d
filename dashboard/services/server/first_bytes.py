"""What a browser gets first: Streamlit's scripts compressed, and a page that says whose it is until they have loaded.

Streamlit sends its scripts as they are, four times as many bytes, and a page that stays blank until they run: on a slow
line that is many seconds.
"""

import asyncio
import gzip
import re
from collections.abc import Callable
from functools import lru_cache

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.logo import LOGO

SCRIPTS = ("text/javascript", "application/javascript", "text/css")
# files of Streamlit's in memory, which has fewer
MOST = 400
# 1 to 9; more takes longer and saves little
LEVEL = 6
ROOT = b'<div id="root">'
TITLE = b"<title>Streamlit</title>"
# the theme's fonts are the system's: who has one of them needs none of Streamlit's
FONT = re.compile(rb'<link\s+rel="preload"[^>]*\sas="font"[^>]*>')
# React takes it away when it draws
WAITING = f"""<style>
.waiting {{ display: grid; place-content: center; gap: 1rem; justify-items: center; height: 90vh; color: #1b1f27;
  font: 600 1rem -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif }}
.waiting svg {{ height: 2.6rem }}
@media (prefers-color-scheme: dark) {{ body {{ background: #12151b }} .waiting {{ color: #e6e9ee }} }}
</style><div class="waiting" role="status">{LOGO.format(text="currentColor")}<span>The page is loading.</span></div>"""

Edit = Callable[[bytes, MutableHeaders], bytes]


class FirstBytes:
    """ASGI middleware around Streamlit: edits scripts, styles and the page that loads them, and nothing else."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        asked = Headers(scope=scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        if asked is None or "range" in asked:
            await self.app(scope, receive, send)
            return
        if "text/html" in asked.get("accept", ""):
            # Streamlit compresses some of the addresses that its page answers to
            plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
            scope = {**scope, "headers": plain}
        edits: list[Edit] = []
        start: Message = {}
        body = bytearray()

        async def pass_on(message: Message) -> None:
            nonlocal edits, start
            if message["type"] == "http.response.start":
                start, edits = message, _edits(message, asked)
                if not edits:
                    await send(message)
            elif not edits or message["type"] != "http.response.body":
                await send(message)
            else:
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    headers = MutableHeaders(raw=start["headers"])
                    edited = bytes(body)
                    for edit in edits:
                        edited = await asyncio.to_thread(edit, edited, headers)
                    headers["Content-Length"] = str(len(edited))
                    await send(start)
                    await send({"type": "http.response.body", "body": edited})

        await self.app(scope, receive, pass_on)


def _edits(start: Message, asked: Headers) -> list[Edit]:
    """What is done to a response whose head is known, one after the other."""
    got = Headers(raw=start["headers"])
    kind = got.get("content-type", "").partition(";")[0]
    # what is downloaded stays what it is
    if start["status"] != 200 or {"content-encoding", "content-disposition"} & set(got):
        return []
    edits: list[Edit] = [_greet] if kind == "text/html" else []
    if kind in {"text/html", *SCRIPTS} and "gzip" in asked.get("accept-encoding", ""):
        edits.append(_compress)
    return edits


def _compress(body: bytes, headers: MutableHeaders) -> bytes:
    headers["Content-Encoding"] = "gzip"
    headers.add_vary_header("Accept-Encoding")
    return pack(body)


def _greet(body: bytes, headers: MutableHeaders) -> bytes:  # noqa: ARG001
    named = FONT.sub(b"", body).replace(TITLE, b"<title>Telltale</title>")
    return named.replace(ROOT, ROOT + WAITING.encode())


@lru_cache(maxsize=MOST)
def pack(body: bytes) -> bytes:
    """Compress a file, once."""
    return gzip.compress(body, LEVEL, mtime=0)
