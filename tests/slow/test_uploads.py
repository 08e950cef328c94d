"""Every file of the corpus becomes the right image or one sentence, within limits of CPU time and memory."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from core.images.decoding import decode
from core.runs.folders import ROOT
from tests.corpus import Case, cases
from tests.slow.uploads import MEGABYTES, SECONDS, Outcome

pytestmark = pytest.mark.slow

# of what only the shape is known, and which must not be refused
READ = ("largest", "motion photo", "JPEG that ends before")
CASES = list(cases())


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    """What became of each file, by its name."""
    # a process of its own: it forks, and what forks beside threads of torch or of a browser may wait for ever
    command = [sys.executable, "-m", "tests.slow.uploads"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=1200, check=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(CASES)
    return {one["name"]: one for one in found}


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_right_image_or_one_sentence(case: Case, outcomes: dict[str, Outcome]) -> None:
    found = outcomes[case.name]
    said = found["said"]
    if said is None:
        pytest.fail(f"ended by {found['ended']}: a hang, longer than {SECONDS} s of CPU, or a traceback")
    assert found["megabytes"] < MEGABYTES
    if isinstance(said, str):
        assert case.pixels is None or case.name == "ICC profile of 3 MB", said
        assert case.pixels is not None or not case.name.startswith(READ), said
        assert re.fullmatch(r"[A-Z][^\n]+\.", said), said
        assert "Traceback" not in said
    else:
        assert case.shape is not None
        assert said == [*case.shape, 32, 32, 3]


@pytest.mark.parametrize("case", [case for case in CASES if case.pixels is not None], ids=lambda case: case.name)
def test_the_right_pixels(case: Case) -> None:
    if case.name == "ICC profile of 3 MB":
        return
    assert case.pixels is not None
    difference = np.abs(decode(case.data).astype(int) - case.pixels)
    assert difference.max() <= case.tolerance
