"""What docs/hosting.md says on hosting, tried: its very lines, where nothing but the cache can be written."""

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.images.encoding import encode_png
from core.runs.folders import ROOT
from tests.read_only import available
from tests.server import free_port, started
from tests.visitor import Visitor, ask_http, in_a_thread

NAME = "telltale.example.org"
HOSTING = (ROOT / "docs" / "hosting.md").read_text(encoding="utf-8")


def lines(language: str) -> str:
    """The block of a language."""
    return re.findall(rf"```{language}\n(.*?)```", HOSTING, re.DOTALL)[0]


@pytest.fixture
def hosted(made_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that was started by its lines, as somebody who can write to the cache alone."""
    if not available():
        pytest.skip("this kernel cannot take a process the right to write")
    cache, port = tmp_path / "cache", free_port()
    cache.mkdir()
    script = lines("sh")
    assert script.count("/var/lib/telltale") == 1
    script = script.replace("/var/lib/telltale", str(cache))
    found = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *more, **named: found("localhost" if host == NAME else host, *more, **named)
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("TMPDIR", "TELLTALE_CACHE")}
    environment |= {"STREAMLIT_SERVER_PORT": str(port), "TELLTALE_HOME": str(made_home), "HOME": "/nowhere"}
    command = ["python", "-m", "tests.read_only", str(cache), "bash", "-euc", script]
    with started(command, port, tmp_path / "log", environment=environment, patience=60):
        yield f"http://{NAME}:{port}"
    assert "Traceback" not in (tmp_path / "log").read_text(encoding="utf-8")


def test_the_readmes_lines_serve_everything_from_a_read_only_tree(hosted: str) -> None:
    large = encode_png(np.random.default_rng(0).integers(0, 256, (1100, 1000, 3), dtype=np.uint8))
    assert len(large) > 3 * 2**20

    async def visit() -> tuple[dict[str, int], list[str]]:
        sizes: dict[str, int] = {}
        async with Visitor(hosted, {"X-Forwarded-For": "203.0.113.9"}) as visitor:
            await visitor.open("upload", run="tiny@seen-test")
            await visitor.upload("large.png", large, key="upload.files")
            assert visitor.has("url.filter"), visitor.troubles
            for page in ("", "explore", "inspect", "upload", "evidence", "trust", "data"):
                await visitor.open(page, run="tiny@seen-test")
                await visitor.still(1.0, 30.0)
                for kind, widget, _ in list(visitor.widgets()):
                    if kind == "download_button":
                        sizes[f"{page}:{widget.id.rpartition('-')[2]}"] = len(await fetch(visitor, widget))
            return sizes, visitor.troubles

    sizes, troubles = in_a_thread(visit())
    assert troubles == []
    assert len(sizes) >= 4
    assert min(sizes.values()) > 20, sizes


async def fetch(visitor: Visitor, button: Any) -> bytes:
    """The file behind a download button."""
    if button.deferred_file_id:
        return await visitor.download(button.id)
    status, _, body = ask_http(visitor.address, "GET", button.url)
    assert status == 200
    return body
