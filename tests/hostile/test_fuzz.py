"""A short run of the fuzzing, the same each time."""

import math
import warnings

import pytest
import streamlit as st

from tests.hostile import mutations
from tests.hostile.fuzz import fuzz_addresses, fuzz_images


def test_mutated_images_are_images_or_sentences() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = list(fuzz_images(0, math.inf, 600))
    assert [number for number, _, _ in found] == list(range(600))
    assert [one for one in found if one[1] == "wrong"] == []
    # so that the mutations neither spare everything nor destroy everything
    assert 60 < sum(outcome == "image" for _, outcome, _ in found) < 540


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
