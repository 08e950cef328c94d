"""Ordinary pictures: no answer but where the rates of such files allow one, and never that a picture is real."""

import numpy as np
import pytest

from core.answers.judgement import Count
from core.answers.ordinary import Rates, judge_ordinary, kind_of, measured
from core.images.preprocessing import Preprocessing, prepare_pixels
from tests.core.images.origin_files import saved

NATIVE = Preprocessing(32, crop="native")


def rates(found, accused):
    """Of 100 pictures each."""
    counts = [Count(hits=hits, images=100, sources=5) for hits in (found, accused)]
    return Rates(margin=-1, generated=counts[0], photographs=counts[1])


@pytest.mark.parametrize(
    "side, counts, margin, expected",
    [
        (40, (80, 2), -2.0, ("Signs found", "signs")),
        (40, (80, 2), -0.5, ("Cannot tell", "nothing")),
        (40, (80, 2), 9.0, ("Cannot tell", "nothing")),
        (40, (80, 3), -2.0, ("Cannot tell", "gone")),
        (40, (20, 0), -2.0, ("Cannot tell", "gone")),
        (20, (80, 2), -2.0, ("Cannot tell", "small")),
    ],
)
def test_signs_are_found_only_where_the_rates_allow_it(side, counts, margin, expected):
    ready = prepare_pixels(np.zeros((side, 50, 3), np.uint8), NATIVE)
    judgement = judge_ordinary(ready, "lossless", rates(*counts), margin)
    assert judgement[:2] == expected
    # how often it is right stands beside every answer
    is_rated = [f"{count} of 100" in judgement.sentence for count in counts]
    assert is_rated == [judgement.scope != "small"] * 2
    assert judge_ordinary(ready, "jpeg", None, margin).answer == "Cannot tell"


@pytest.mark.parametrize(
    "kind, options, expected",
    [
        ("PNG", {}, "lossless"),
        ("JPEG", {"quality": 95}, "jpeg_fine"),
        ("JPEG", {"quality": 85}, "jpeg"),
        ("WEBP", {}, "lossy"),
    ],
)
def test_kinds_of_file(kind, options, expected):
    assert kind_of(saved(kind, **options)) == expected


def test_the_rates_that_ship_allow_an_answer_without_loss_alone():
    (known,) = measured().values()
    assert {kind for kind, counted in known.items() if counted.useful} == {"lossless"}
