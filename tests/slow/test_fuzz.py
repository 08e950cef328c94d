"""A short run of the fuzzing, the same each time, and every file of the corpus."""

import re
import subprocess
import sys

import pytest

from core.runs.folders import ROOT
from tests.corpus import cases

pytestmark = pytest.mark.slow

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


def test_a_file_of_the_corpus_is_an_image_of_its_size_or_one_sentence() -> None:
    answers = [eval(line) for line in run("-c", JUDGE).splitlines()]  # noqa: S307 - our own process printed it
    for case, (outcome, what, shape) in zip(cases(), answers, strict=True):
        if outcome == "image":
            assert case.shape is not None, case.name
            assert shape == (*case.shape, 32, 32, 3), case.name
        else:
            assert outcome == "sentence", (case.name, what)
            assert case.shape is None or case.may_refuse, (case.name, what)
