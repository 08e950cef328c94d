"""Scripts and styles are sent compressed to those who take that, and as they are to all others."""

import asyncio
import gzip
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from starlette.responses import FileResponse, Response

from dashboard.services.server.compressing import compressed

ASKED = {"accept-encoding": "gzip, deflate, br"}


def sent(path: Path, method: str = "GET", asked: dict[str, str] = ASKED) -> Response:
    def send() -> Response:
        return asyncio.run(compressed(FileResponse(path), method, asked))

    # browser tests of the same process leave a running loop in the main thread
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(send).result()


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "index.abc.js"
    path.write_text("const a = 1\n" * 1000)
    return path


def test_a_script_is_compressed(script: Path) -> None:
    answer = sent(script)
    assert gzip.decompress(answer.body) == script.read_bytes()
    assert len(answer.body) < script.stat().st_size / 4
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert answer.media_type == FileResponse(script).media_type


@pytest.mark.parametrize(
    ("method", "asked"),
    [("HEAD", ASKED), ("GET", {}), ("GET", {"accept-encoding": "br"}), ("GET", ASKED | {"range": "bytes=0-9"})],
)
def test_who_does_not_take_it_gets_the_file(script: Path, method: str, asked: dict[str, str]) -> None:
    assert isinstance(sent(script, method, asked), FileResponse)


def test_a_font_is_compressed_already(tmp_path: Path) -> None:
    font = tmp_path / "a.woff2"
    font.write_bytes(b"abc" * 1000)
    assert isinstance(sent(font), FileResponse)
