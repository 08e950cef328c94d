"""A short run of the fuzzing, the same each time."""

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import streamlit as st

from core.runs.folders import ROOT
from tests.slow import mutations
from tests.slow.fuzz import fuzz_addresses

pytestmark = pytest.mark.slow


def test_mutated_images_are_images_or_sentences(tmp_path: Path) -> None:
    # a process of its own: it forks, and what forks beside threads of torch or of a browser may wait for ever
    command = [sys.executable, "-m", "tests.slow.fuzz", "--seed", "0", "--minutes", "60"]
    command += ["--images", "600", "--addresses", "0", "--keep", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert re.search("^images: 600 in .* wrong 0$", done.stdout, re.MULTILINE), done.stdout
    # so that the mutations neither spare everything nor destroy everything
    images = re.search(r"^images: .*\bimage (\d+)", done.stdout, re.MULTILINE)
    assert images
    assert 60 < int(images[1]) < 540


def test_mutations_follow_from_seed_and_number() -> None:
    assert mutations.image(3, 7) == mutations.image(3, 7)
    assert len({mutations.image(3, number) for number in range(50)}) > 45


def test_mutated_addresses_show_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    # put back afterwards, as the cache is for every test
    monkeypatch.setenv("TELLTALE_HOME", "")
    st.cache_resource.clear()
    found = list(fuzz_addresses(0, math.inf, 24))
    st.cache_resource.clear()
    assert len(found) == 24
    assert [what for _, outcome, what in found if outcome == "wrong"] == []
