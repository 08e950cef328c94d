"""A short run of the kills, see `small_kills`."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.works import WORKS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", WORKS)
def test_nothing_is_lost_or_corrupt(name: str, tmp_path: Path) -> None:
    # a process of its own: it forks, and what forks beside threads of torch or of a browser may wait for ever
    command = [sys.executable, "-m", "tests.hostile.small_kills", name, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
