"""A short run of the fuzzing, the same each time, and every file of the corpus."""

import re
import subprocess
import sys

import numpy as np
import pytest

from core.images.decoding import decode
from core.runs.folders import ROOT
from tests.corpus import Case, cases

pytestmark = pytest.mark.slow

CASES = list(cases())
# of what only the shape is known, and which must not be refused
READ = ("largest", "motion photo", "JPEG that ends before")
# prints what becomes of each file of the corpus
JUDGE = """
from core.images.preprocessing import Preprocessing
from tests.corpus import cases
from tests.slow.fuzz import judge_apart
for answer in judge_apart([(case.data, Preprocessing(32)) for case in cases()]):
    print(repr(answer))
"""


def run(*command: str) -> str:
    """What a process of its own prints: it forks, and what forks beside threads of torch may wait for ever."""
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_mutated_images_and_addresses_are_answered() -> None:
    printed = run("-m", "tests.slow.fuzz", "--seed", "0", "--minutes", "60", "--images", "600", "--addresses", "24")
    images = re.search(r"^images: 600 tried, 0 wrong.*'image': (\d+)", printed, re.MULTILINE)
    # so that the mutations neither spare everything nor destroy everything
    assert images, printed
    assert 60 < int(images[1]) < 540
    assert "addresses: 24 tried, 0 wrong" in printed


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_file_of_the_corpus_is_a_right_image_or_one_sentence() -> None:
    answers = [eval(line) for line in run("-c", JUDGE).splitlines()]  # noqa: S307 - our own process printed it
    for case, (outcome, what, shape) in zip(CASES, answers, strict=True):
        assert outcome != "wrong", (case.name, what)
        if outcome == "image":
            assert case.shape is not None, case.name
            assert shape == (*case.shape, 32, 32, 3), case.name
        else:
            assert case.pixels is None or case.name == "ICC profile of 3 MB", (case.name, what)
            assert case.pixels is not None or not case.name.startswith(READ), (case.name, what)


@pytest.mark.parametrize("case", [case for case in CASES if case.pixels is not None], ids=lambda case: case.name)
def test_the_right_pixels(case: Case) -> None:
    if case.name != "ICC profile of 3 MB":
        assert case.pixels is not None
        assert np.abs(decode(case.data).astype(int) - case.pixels).max() <= case.tolerance
