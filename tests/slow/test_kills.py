"""A short run of the kills."""

import subprocess
import sys

import pytest

from core.runs.folders import ROOT

pytestmark = pytest.mark.slow


def test_nothing_is_lost_or_corrupt() -> None:
    # a process of its own: it forks, and what forks beside threads of torch or of a browser may wait for ever
    command = [sys.executable, "-m", "tests.slow.kills", "--count", "4"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
