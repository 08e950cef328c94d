"""Phrases for what differs: every column that studies offer has its own, and numbers keep their digits."""

import pandas as pd
import pytest

from core.studies.clusters.differences import (
    FACT_WORDS,
    NUMBER_WORDS,
    TEXT_WORDS,
    alike,
    of_number,
    of_text,
    of_unknown,
)
from core.studies.clusters.words import MOST_TEXTS
from core.studies.registry import MODULES, find_study


def test_every_column_that_a_study_offers_has_words() -> None:
    offered = {f"{name}.{column}" for name in MODULES if name != "clusters" for column in find_study(name).explore}
    spoken = {*NUMBER_WORDS, *TEXT_WORDS, "duplicates.in_training", "duplicates.in_set"}
    assert offered
    assert offered - spoken == set()
    # nor are there words for what no study offers
    assert spoken - offered == {"margin", "category"}


@pytest.mark.parametrize(
    ("own", "rest", "told"),
    [
        (0.2211, 0.2744, ("0.22", "0.27")),
        (4.52, 2.96, ("4.5", "3.0")),
        (12.66, 13.49, ("12.7", "13.5")),
        (1421.0, 1388.0, ("1,420", "1,390")),
        (3.12, 29.8, ("3.1", "30")),
        (0.0, 5.0, ("0.0", "5.0")),
        (-0.31, 0.02, ("\N{MINUS SIGN}0.31", "0.020")),
        (0.5, 0.5, ("0.50", "0.50")),
    ],
)
def test_numbers_have_two_digits_and_more_where_they_would_look_the_same(
    own: float, rest: float, told: tuple[str, str]
) -> None:
    assert alike(own, rest) == told


def test_more_and_less_are_told_apart() -> None:
    nearer = of_number(NUMBER_WORDS["neighbours.distance_other"], 0.221, 0.274)
    assert nearer == "nearer to images of the other verdict (distance 0.22, others 0.27)"
    assert of_number(NUMBER_WORDS["neighbours.distance_other"], 0.274, 0.221).startswith("further from ")
    # a larger radius takes less away
    assert of_number(NUMBER_WORDS["probes.detail_radius"], 13.5, 12.7).startswith("a milder loss ")
    assert (
        of_number(FACT_WORDS["fine_detail"], 0.109, 0.0855) == "more fine detail (10.9% of the variation, others 8.6%)"
    )
    for phrase in (*NUMBER_WORDS.values(), *FACT_WORDS.values()):
        assert phrase.more != phrase.less
        assert of_number(phrase, 0.4, 0.2).startswith(f"{phrase.more} (")


def test_what_has_no_words_is_told_by_its_label() -> None:
    assert of_unknown("height", 0.221, 0.274, share=False) == "height: 0.22, others 0.27"
    assert of_unknown("is tall", 0.5, 0.02, share=True) == "is tall: 50.0%, others 2.0%"
    assert of_text("my.kind", "dark_blue", "kind") == "more often kind: dark blue"


def test_texts_are_told_as_people_say_them() -> None:
    assert of_text("category", "grace_hopper", "category") == "more often grace hopper"
    assert (
        of_text("duplicates.in_training", "near copy", "")
        == "more often nearly the same as an image in the training set"
    )
    assert of_text("probes.turned_by", "ring", "").endswith("“one ring of the spectrum out”")
    assert of_text("probes.turned_by", "jpeg", "").endswith("“JPEG again”")
    assert "what it fills in" in of_text("one_colour.ours_cause", "fill", "")
    assert pd.Series(list(TEXT_WORDS.values())).str.count(r"\{\}").eq(1).all()
    assert MOST_TEXTS > 24
