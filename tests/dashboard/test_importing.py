"""Two threads that enter a package at different ends are both given whole modules."""

import subprocess
import sys
from pathlib import Path

import pytest

from core.runs.folders import ROOT

# each of both can be read first, and leads to the other, as in SciPy
ONE = """
from circle.other import value
import time
time.sleep(0.5)
late = 1
"""
OTHER = """
value = 1
import time
time.sleep(0.2)
import circle.one
def use():
    return circle.one.late
"""
CODE = """
import sys, threading
sys.path.insert(0, sys.argv[1])
if sys.argv[2] == "in turn":
    from dashboard.services.server import importing
    importing.LARGE.add("circle")
    importing.import_in_turn()
problems = []
def read(statement):
    try:
        exec(statement, {})
    except Exception as error:
        problems.append(f"{type(error).__name__}: {error}")
threads = [
    threading.Thread(target=read, args=(statement,))
    for statement in ("import circle.one; circle.one.late", "from circle import other; other.use()")
]
[thread.start() for thread in threads]
[thread.join(60) for thread in threads]
assert not any(thread.is_alive() for thread in threads)
print(problems)
"""


@pytest.mark.parametrize("how", ["in turn", "as Python does"])
def test_nobody_is_given_half_a_module(tmp_path: Path, how: str) -> None:
    (tmp_path / "circle").mkdir()
    for name, text in {"__init__": "", "one": ONE, "other": OTHER}.items():
        (tmp_path / "circle" / f"{name}.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-c", CODE, str(tmp_path), how]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    if how == "in turn":
        assert done.stdout.strip() == "[]"
    else:
        # else this would test nothing; which thread is given a half, and of which module, depends on which came first
        assert "AttributeError: " in done.stdout


LIBRARIES = """
import importlib, sys, threading
import dashboard
names = sys.argv[1:]
problems, barrier = [], threading.Barrier(len(names))
def read(name):
    barrier.wait()
    try:
        exec(f"import {name}", {})
    except BaseException as error:
        problems.append(f"{name}: {type(error).__name__}: {error}")
threads = [threading.Thread(target=read, args=(name,)) for name in names]
[thread.start() for thread in threads]
[thread.join(300) for thread in threads]
assert not any(thread.is_alive() for thread in threads), "a lock that nobody lets go of"
assert not problems, problems
assert all(name in sys.modules for name in names)
"""


def test_large_libraries_are_read_by_many_threads_at_once() -> None:
    names = [
        "dashboard.services.worker.answering", "scipy.special", "scipy.stats", "sklearn.metrics",
        "skimage.segmentation", "core.report.page", "core.studies.clusters.study", "scipy.sparse.linalg",
        "dashboard.views.data_parts.audit", "core.detectors.storage", "sklearn.cluster",
        "dashboard.components.panels",
    ]  # fmt: skip
    command = [sys.executable, "-c", LIBRARIES, *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
