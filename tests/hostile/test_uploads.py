"""Every file of the corpus becomes the right image or one sentence, within two seconds of CPU and 200 MB."""

import multiprocessing
import re
import resource
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.images import ImageError, decode
from core.upload import prepare
from tests.hostile.corpus import Case, cases

SECONDS = 2
MEGABYTES = 200


def peak() -> float:
    """The most memory that this process has held since it was last asked to forget, in MB."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found[1]) / 1024


def work(data: bytes, answer: Connection) -> None:
    """In a process of its own: what an upload goes through, under a limit of CPU time."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = peak()
    try:
        ready = prepare(data)
        said: Any = (ready.height, ready.width, ready.pixels.shape[1:])
    except ImageError as error:
        said = str(error)
    answer.send((said, peak() - before))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_a_right_image_or_one_sentence(case: Case) -> None:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=work, args=(case.data, theirs))
    process.start()
    theirs.close()
    try:
        said, megabytes = ours.recv()
    except EOFError:
        pytest.fail(f"ended by signal {process.exitcode}: longer than {SECONDS} s of CPU, or a traceback")
    finally:
        process.join()
    assert megabytes < MEGABYTES
    if isinstance(said, str):
        assert case.pixels is None or case.name == "ICC profile of 3 MB", said
        assert case.pixels is not None or not case.name.startswith("largest"), said
        assert re.fullmatch(r"[A-Z][^\n]+\.", said), said
        assert "Traceback" not in said
    else:
        assert said == (*case.shape, (32, 32, 3))


@pytest.mark.parametrize("case", [case for case in cases() if case.pixels is not None], ids=lambda case: case.name)
def test_the_right_pixels(case: Case) -> None:
    if case.name == "ICC profile of 3 MB":
        return
    difference = np.abs(decode(case.data).astype(int) - case.pixels)
    assert difference.max() <= case.tolerance
