"""Settings: what fits, what does not in one sentence, and the ways to and from texts and JSON."""

from dataclasses import dataclass

import pytest

from core.explainers.settings import (
    ExplainerSettings,
    ExplanationError,
    describe,
    from_json,
    from_parameters,
    setting,
    to_json,
    told_settings,
)
from tests.core.explainers.texts import to_parameters


@dataclass(frozen=True)
class Base(ExplainerSettings):
    seed: int = setting(0, label="Seed", help="Of chance.", low=0)


@dataclass(frozen=True)
class Tea(Base):
    minutes: float = setting(3.5, label="Minutes", help="To wait.", low=0.5, high=9, offers=(2, 3.5, 5))
    leaf: str = setting("green", label="Leaf", help="What it is.", names={"green": "green tea", "black": "black tea"})
    sugar: int = setting(
        0, label="Sugar", help="Spoons.", low=0, high=4, applies_if={"leaf": ("black",)}, advanced=True
    )


def test_fields_are_described_in_order_those_of_the_base_first() -> None:
    seed, minutes, leaf, sugar = describe(Tea)
    assert [one.name for one in (seed, minutes, leaf, sugar)] == ["seed", "minutes", "leaf", "sugar"]
    assert (minutes.kind, minutes.default, minutes.low, minutes.high, minutes.offers) == (
        float,
        3.5,
        0.5,
        9,
        (2, 3.5, 5),
    )
    assert leaf.choices == ("green", "black")
    assert (sugar.advanced, minutes.advanced) == (True, False)
    assert not sugar.applies(to_json(Tea()))
    assert sugar.applies(to_json(Tea(leaf="black")))
    assert [one.limits for one in (seed, minutes, leaf, sugar)] == [
        "at least 0", "from 0.5 to 9", "one of green, black", "from 0 to 4",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"minutes": 0.4}, "minutes must be from 0.5 to 9, not 0.4"),
        ({"minutes": float("nan")}, "minutes must be from 0.5 to 9, not nan"),
        ({"minutes": "5"}, "minutes must be a number, not '5'"),
        ({"minutes": True}, "minutes must be a number, not True"),
        ({"sugar": 5}, "sugar must be from 0 to 4, not 5"),
        ({"sugar": 1.0}, "sugar must be a whole number, not 1.0"),
        ({"seed": -1}, "seed must be at least 0, not -1"),
        ({"leaf": "oolong"}, "leaf must be one of green, black, not 'oolong'"),
    ],
)
def test_what_does_not_fit_is_one_sentence(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(ExplanationError) as raised:
        Tea(**wrong)  # type: ignore[arg-type]
    assert str(raised.value) == sentence
    with pytest.raises(ExplanationError, match=sentence):
        from_json(Tea, wrong)


def test_json_and_texts_come_back() -> None:
    tea = Tea(seed=7, minutes=4.25, leaf="black", sugar=2)
    assert to_json(tea) == {"seed": 7, "minutes": 4.25, "leaf": "black", "sugar": 2}
    assert from_json(Tea, to_json(tea)) == tea
    assert from_json(Tea, {"sugar": 1}) == Tea(sugar=1)
    assert to_parameters(tea) == {"seed": "7", "minutes": "4.25", "leaf": "black", "sugar": "2"}
    assert to_parameters(Tea()) == {}
    assert from_parameters(Tea, to_parameters(tea)) == tea
    # as many digits as it takes
    assert from_parameters(Tea, to_parameters(Tea(minutes=1 / 1.3))) == Tea(minutes=1 / 1.3)


def test_texts_that_do_not_fit_are_refused() -> None:
    texts = {"minutes": "long", "leaf": "black", "milk": "yes", "sugar": "99"}
    with pytest.raises(ExplanationError, match="there is no setting 'milk'; these are known: seed, minutes, leaf"):
        from_parameters(Tea, texts)
    with pytest.raises(ExplanationError, match="minutes must be from 0.5 to 9, not 'long'"):
        from_parameters(Tea, {"minutes": "long"})
    with pytest.raises(ExplanationError, match="there is no setting 'milk'"):
        from_json(Tea, {"milk": 1})


def test_a_reader_is_told_what_is_read_and_by_its_name() -> None:
    assert told_settings(Tea()) == {"Seed": "0", "Minutes": "3.5", "Leaf": "green tea"}
    assert told_settings(Tea(leaf="black", sugar=1))["Sugar"] == "1"
