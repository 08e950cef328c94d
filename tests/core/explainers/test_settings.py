"""Settings: what fits, what does not in one sentence, and the ways to and from texts and JSON."""

from typing import Literal

import pytest

from core.explainers.settings import ExplainerSettings, ExplanationError, describe, setting


class Base(ExplainerSettings):
    seed: int = setting(0, low=0, label="Seed", help="Of chance.")


class Tea(Base):
    minutes: float = setting(3.5, low=0.5, high=9, offers=(2, 3.5, 5))
    leaf: Literal["green", "black"] = setting("green", names={"green": "green tea", "black": "black tea"})
    sugar: int = setting(0, low=0, high=4, applies_if={"leaf": ("black",)}, advanced=True)


def test_fields_are_described_in_order_those_of_the_base_first():
    seed, minutes, leaf, sugar = describe(Tea)
    assert [one.name for one in (seed, minutes, leaf, sugar)] == ["seed", "minutes", "leaf", "sugar"]
    assert (seed.label, seed.help) == ("Seed", "Of chance.")
    about = (minutes.kind, minutes.default, minutes.low, minutes.high, minutes.offers)
    assert about == (float, 3.5, 0.5, 9, (2, 3.5, 5))
    assert leaf.choices == ("green", "black")
    assert (sugar.advanced, minutes.advanced) == (True, False)
    assert not sugar.applies(Tea().model_dump())
    assert sugar.applies(Tea(leaf="black").model_dump())
    limits = ["at least 0", "from 0.5 to 9", "one of green, black", "from 0 to 4"]
    assert [one.limits for one in (seed, minutes, leaf, sugar)] == limits


@pytest.mark.parametrize(
    "wrong, sentence",
    [
        ({"minutes": float("nan")}, "minutes must be from 0.5 to 9, not nan"),
        ({"minutes": True}, "minutes must be from 0.5 to 9, not True"),
        ({"sugar": 1.0}, "sugar must be from 0 to 4, not 1.0"),
        ({"seed": -1}, "seed must be at least 0, not -1"),
        ({"leaf": "oolong"}, "leaf must be one of green, black, not 'oolong'"),
        ({"milk": 1}, "there is no setting 'milk'; these are known: seed, minutes, leaf, sugar"),
    ],
)
def test_what_does_not_fit_is_one_sentence(wrong, sentence):
    for make in (Tea, Tea().changed):
        with pytest.raises(ExplanationError) as raised:
            make(**wrong)
        assert str(raised.value) == sentence
