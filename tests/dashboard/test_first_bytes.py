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
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.services.server.first_bytes import FirstBytes

ASKED = {"accept-encoding": "gzip, deflate, br"}


def sent(
    app: ASGIApp, method: str = "GET", asked: dict[str, str] = ASKED, path: str = "/static/a"
) -> tuple[dict[str, str], bytes]:
    """Headers and body that a browser gets."""
    messages: list[Message] = []

    async def receive() -> Message:
        # nobody hangs up
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        messages.append(message)

    def answer() -> None:
        headers = [(name.encode(), value.encode()) for name, value in asked.items()]
        scope = {"type": "http", "method": method, "path": path, "headers": headers}
        asyncio.run(app(scope, receive, send))

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
    plain = FileResponse(script, stat_result=script.stat()).headers

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await FileResponse(script)(scope, receive, send)

    served = FirstBytes(answer)
    for _ in range(2):
        headers, body = sent(served)
        assert gzip.decompress(body) == script.read_bytes()
        assert len(body) < script.stat().st_size / 4
        assert headers["content-encoding"] == "gzip"
        assert headers["vary"] == "Accept-Encoding"
        assert int(headers["content-length"]) == len(body)
        assert headers["content-type"] == plain["content-type"]
        # other bytes than Streamlit's under the same name
        assert headers["etag"] == f"W/{plain['etag']}"
        assert {"accept-ranges", "last-modified"}.isdisjoint(headers)


@pytest.mark.parametrize("asked", [{}, {"accept-encoding": "br"}])
def test_who_does_not_take_it_gets_the_file(script: Path, asked: dict[str, str]) -> None:
    headers, body = sent(FirstBytes(FileResponse(script)), asked=asked)
    assert "content-encoding" not in headers
    assert headers["vary"] == "Accept-Encoding"
    assert body == script.read_bytes()


def test_part_of_a_file_is_that_part(script: Path) -> None:
    headers, body = sent(FirstBytes(FileResponse(script)), asked=ASKED | {"range": "bytes=0-9"})
    assert "content-encoding" not in headers
    assert body == script.read_bytes()[:10]


def test_a_head_promises_no_length(script: Path) -> None:
    headers, body = sent(FirstBytes(FileResponse(script)), method="HEAD")
    assert "content-length" not in headers
    assert body == b""


@pytest.mark.parametrize(
    "response",
    [
        Response(b"abc" * 1000, media_type="font/woff2"),
        Response(b"abc" * 1000, media_type="text/javascript", status_code=404),
        Response(gzip.compress(b"abc"), media_type="text/css", headers={"content-encoding": "gzip"}),
    ],
    ids=["font", "missing", "compressed"],
)
def test_what_is_none_of_it_stays_as_it_is(response: Response) -> None:
    assert sent(FirstBytes(response))[1] == response.body


def test_a_download_stays_as_it_is() -> None:
    page = HTMLResponse('<title>Streamlit</title><div id="root">')
    assert sent(FirstBytes(page), path="/media/report.html")[1] == page.body


def test_streamlits_page_says_whose_it_is_until_its_scripts_run() -> None:
    path = Path(streamlit.__file__).parent / "static" / "index.html"
    page = path.read_text(encoding="utf-8")
    browser = ASKED | {"accept": "text/html,*/*;q=0.8"}
    # as Streamlit answers at its root and at the addresses of pages
    for answer in (FileResponse(path, media_type="text/html"), GZipMiddleware(HTMLResponse(page))):
        headers, body = sent(FirstBytes(answer), asked=browser, path="/explore")
        assert int(headers["content-length"]) == len(body)
        # a browser that has Streamlit's page is not told that it has ours
        assert {"etag", "last-modified"}.isdisjoint(headers)
        text = gzip.decompress(body).decode()
        assert "<title>Telltale</title>" in text
        assert text.index('<div id="root">') < text.index("Telltale</text>") < text.index("The page is loading.")
        # system fonts need no file, and everything else is as it was
        assert 'as="font"' not in text
        assert text.count("<script") == page.count("<script")
        assert text.count("</div>") == page.count("</div>") + 1


def test_a_browser_that_comes_back_is_sent_the_page_again(tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    path.write_text('<div id="root"></div>')
    files = StaticFiles(directory=tmp_path, html=True)
    validator = FileResponse(path, stat_result=path.stat()).headers["etag"]
    again = ASKED | {"accept": "text/html", "if-none-match": validator}
    assert sent(files, asked=again, path="/index.html")[1] == b""
    assert b"The page is loading." in gzip.decompress(sent(FirstBytes(files), asked=again, path="/index.html")[1])
