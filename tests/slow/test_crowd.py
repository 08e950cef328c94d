"""Many visitors at once: none of the first twelve of a cold server fails, and eight browse and explain together."""

import asyncio
import subprocess
import sys

import pytest

from core.homes import ROOT
from tests.dashboard.conftest import PAGES, made_home
from tests.server import running_server
from tests.shared import in_a_thread
from tests.visitor import Visitor

__all__ = ["made_home"]
pytestmark = pytest.mark.slow


def test_twelve_first_visitors_at_once_of_a_cold_server(made_home, tmp_path):
    async def visit(address, page):
        async with Visitor(address) as visitor:
            await visitor.open(page, run="tiny@seen-test")
            return visitor.troubles

    async def together(address):
        pages = ("", *PAGES[1:])
        troubles = await asyncio.gather(*(visit(address, pages[number % len(pages)]) for number in range(12)))
        return [trouble for found in troubles for trouble in found]

    log = tmp_path / "log"
    with running_server(made_home, tmp_path / "cache", log=log) as (address, _):
        assert in_a_thread(together(address)) == []
    assert "Traceback" not in log.read_text()


def test_eight_browse_and_explain_without_an_error():
    command = [sys.executable, "-m", "tests.slow.load", "--browsers", "6", "--explainers", "2", "--minutes", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
