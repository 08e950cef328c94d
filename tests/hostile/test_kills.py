"""A short run of the kills, see `small_kills`."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.hostile.faults import Outcome
from tests.hostile.kills import Account, Suffered, fail_writes
from tests.hostile.works import DONE, WORKS

ROOT = Path(__file__).parents[2]


def test_nothing_is_lost_or_corrupt(tmp_path: Path) -> None:
    # a process of its own: it forks, and what forks beside threads of torch or of a browser may wait for ever
    command = [sys.executable, "-m", "tests.hostile.small_kills", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert re.findall("^== (.*)$", done.stdout, re.MULTILINE) == list(WORKS)


@pytest.mark.parametrize(("changes", "least", "expected"), [(4, 30, 30), (4, 5, 10), (4, 500, 8 + 99)])
def test_as_many_writes_fail_as_are_asked_for(changes: int, least: int, expected: int) -> None:
    suffered: list[Any] = []

    def suffer(**fault: int) -> Suffered:
        suffered.append(tuple(sorted(fault.items())))
        return Suffered(Outcome(result="No."), False, DONE, [])

    # a file of 99 bytes cannot be cut off at more places than that
    trial: Any = SimpleNamespace(changes=changes, work=SimpleNamespace(sizes=(0, 50)), largest=99, suffer=suffer)
    account = Account()
    said = list(fail_writes(trial, account, least=least))
    assert account.counts["write errors"] == account.counts["said so"] == len(said) == expected
    assert max(Counter(suffered).values()) == 1
