"""Scripts and styles are sent compressed to those who take that; the page that loads them says whose it is."""

import asyncio
import gzip
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import streamlit
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.types import ASGIApp, Message

from dashboard.services.server.first_bytes import FirstBytes

ASKED = {"accept-encoding": "gzip, deflate, br"}


def sent(response: ASGIApp, method: str = "GET", asked: dict[str, str] = ASKED) -> tuple[dict[str, str], bytes]:
    """Headers and body that a browser gets of what Streamlit answers."""
    messages: list[Message] = []

    async def receive() -> Message:
        # nobody hangs up
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        messages.append(message)

    def answer() -> None:
        headers = [(name.encode(), value.encode()) for name, value in asked.items()]
        scope = {"type": "http", "method": method, "path": "/static/a", "headers": headers}
        asyncio.run(FirstBytes(response)(scope, receive, send))

    # browser tests of the same process leave a running loop in the main thread
    with ThreadPoolExecutor(1) as thread:
        thread.submit(answer).result()
    head, *bodies = messages
    got = {name.decode(): value.decode() for name, value in head["headers"]}
    return got, b"".join(message.get("body", b"") for message in bodies)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "index.abc.js"
    # longer than what is sent at a time
    path.write_bytes(os.urandom(100).hex().encode() * 2000)
    return path


def test_a_script_is_compressed(script: Path) -> None:
    plain, _ = sent(FileResponse(script), asked={})
    headers, body = sent(FileResponse(script))
    assert gzip.decompress(body) == script.read_bytes()
    assert len(body) < script.stat().st_size / 4
    assert headers["content-encoding"] == "gzip"
    assert headers["vary"] == "Accept-Encoding"
    assert int(headers["content-length"]) == len(body)
    assert {name: headers[name] for name in ("content-type", "etag")} == {
        name: plain[name] for name in ("content-type", "etag")
    }


@pytest.mark.parametrize(
    ("method", "asked"),
    [("HEAD", ASKED), ("GET", {}), ("GET", {"accept-encoding": "br"}), ("GET", ASKED | {"range": "bytes=0-9"})],
)
def test_who_does_not_take_it_gets_the_file(script: Path, method: str, asked: dict[str, str]) -> None:
    headers, body = sent(FileResponse(script), method, asked)
    assert "content-encoding" not in headers
    assert body == {"HEAD": b"", "GET": script.read_bytes()[: 10 if "range" in asked else None]}[method]


@pytest.mark.parametrize(
    "response",
    [
        Response(b"abc" * 1000, media_type="font/woff2"),
        Response(b"abc" * 1000, media_type="text/javascript", status_code=404),
        Response(gzip.compress(b"abc"), media_type="text/css", headers={"content-encoding": "gzip"}),
        HTMLResponse('<title>Streamlit</title><div id="root">', headers={"content-disposition": "attachment"}),
    ],
    ids=["font", "missing", "compressed", "download"],
)
def test_what_is_none_of_it_stays_as_it_is(response: Response) -> None:
    assert sent(response)[1] == response.body


def test_streamlits_page_says_whose_it_is_until_its_scripts_run() -> None:
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_bytes()
    headers, body = sent(GZipMiddleware(HTMLResponse(page)), asked=ASKED | {"accept": "text/html,*/*;q=0.8"})
    assert int(headers["content-length"]) == len(body)
    text = gzip.decompress(body).decode()
    assert "<title>Telltale</title>" in text
    assert text.index('<div id="root">') < text.index("Telltale</text>") < text.index("The page is loading.")
    # system fonts need no file, and everything else is as it was
    assert 'as="font"' not in text
    assert text.count("<script") == page.decode().count("<script")
    assert text.count("</div>") == page.decode().count("</div>") + 1
