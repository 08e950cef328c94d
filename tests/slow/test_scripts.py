"""Short runs of the scripts that look for trouble, and every file of the corpus."""

import subprocess
import sys

import pytest

from core.homes import ROOT
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


def run(*command):
    """What a process of its own prints: it forks, and what forks beside threads of torch may wait for ever."""
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=3600
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@pytest.mark.parametrize("script", ["kills --count 4", "fuzz --seed 0 --minutes 1"])
def test_nothing_goes_wrong(script):
    name, *options = script.split()
    run("-m", f"tests.slow.{name}", *options)


def test_a_file_of_the_corpus_is_an_image_of_its_size_or_one_sentence():
    answers = [eval(line) for line in run("-c", JUDGE).splitlines()]  # noqa: S307 - our own process printed it
    for case, (outcome, what, shape) in zip(cases(), answers, strict=True):
        if outcome == "image":
            assert case.shape is not None, case.name
            assert shape == (*case.shape, 32, 32, 3), case.name
        else:
            assert outcome == "sentence", (case.name, what)
            assert case.shape is None or case.may_refuse, (case.name, what)
