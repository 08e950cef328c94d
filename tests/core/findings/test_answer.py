"""The claim rule: all six answers from planted data through a study, and against the rule written down once more."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from core.findings.answer import LEAST, Answer, answer_of, certain_side, ruling_of, with_least, with_noise
from core.findings.contrast import Contrast, Finding, Measure
from core.findings.paired import compare_means, strongest_first
from core.studies import registry
from core.studies.study import Study
from tests.core.findings.planted import contrast, finding, measure
from tests.core.studies.pairs import made_run

# what a method and its controls give under two fills -> the answer, if more means yes
PLANTED = {
    "yes": ({"a": (1.0, 0.0, 0.1), "b": (0.9, 0.0, 0.2)}, "yes"),
    "no": ({"a": (0.0, 0.0, 0.05), "b": (0.05, 0.0, 0.0)}, "no"),
    "other_side": ({"a": (-1.0, 0.0, -0.5), "b": (-1.0, 0.0, 0.0)}, "no"),
    # the strongest of the controls decides
    "a_control": ({"a": (1.0, 0.0, 1.0), "b": (1.0, 0.0, 0.0)}, "depends on fill"),
    "a_fill": ({"a": (1.0, 0.0, 0.0), "b": (0.0, 0.0, 0.0)}, "depends on fill"),
    "noisy": ({"a": (0.3, 0.0, 0.0), "b": (0.0, 0.0, 0.0)}, "not shown"),
    "half_noisy": ({"a": (0.3, 0.0, 0.0), "b": (0.2, 0.0, 0.0)}, "in part"),
    "alone": ({"a": (1.0,)}, "no control"),
}
SPREAD = {"noisy": (3.0, 3.0), "half_noisy": (0.1, 3.0)}
IMAGES = 400


def made_study(name, yes):
    """A toy study that declares a question and contrasts, and its table with planted effects."""
    fills, _ = PLANTED[name]
    generator = np.random.default_rng(0)
    sign = 1 if yes == "above" else -1
    table = pd.DataFrame({"id": [f"test-{number}" for number in range(IMAGES)]})
    for number, (fill, means) in enumerate(fills.items()):
        spread = SPREAD.get(name, (0.1, 0.1))[number]
        for column, mean in enumerate(means):
            table[f"{fill}_{column}"] = sign * generator.normal(mean, spread, IMAGES)

    def conclude(_run, table, _parameters):
        contrasts = []
        for fill, means in fills.items():
            own = table[f"{fill}_0"]
            against = [
                compare_means("fill", f"{fill}, {column}", own, table[f"{fill}_{column}"], None, control=f"{column}")
                for column in range(1, len(means))
            ]
            contrasts += strongest_first(against, yes) or [Contrast("fill", fill, measure(0))]
        yield Finding("toy", "Is it more?", "rank_correlation", tuple(contrasts), yes=yes)

    return Study(name, "Toy", "Is it more?", {}, "the columns 1 and 2", lambda *_: table, conclude), table


@pytest.mark.parametrize("yes", ["above", "below"])
@pytest.mark.parametrize("name", PLANTED)
def test_a_study_gets_each_answer_from_planted_data(name, yes, monkeypatch):
    study, table = made_study(name, yes)
    monkeypatch.setattr(registry, "STUDIES", {name: f"{__name__}:X"})
    monkeypatch.setattr(registry, "find_study", lambda _: study)
    run = made_run("d", np.tile([-1.0, 1.0], IMAGES // 2), np.arange(IMAGES) % 2 == 1)
    (concluded,) = registry.conclude_study(name, run, table, {})
    assert (concluded.study, concluded.least) == (name, LEAST["correlation"])
    assert str(answer_of(concluded)) == PLANTED[name][1]


def drawn(generator):
    """A finding whose contrasts may lack a control or an interval; many ends coincide with each other and `least`."""

    def one():
        value = generator.choice([-0.5, -0.1, 0, 0.05, 0.1, 0.15, 0.2, 0.5])
        half = generator.choice([0, 0.05, 0.1, 0.4, np.nan])
        made = contrast(value, half, kind=str(generator.choice(["fill", "seam", "control"])))
        return made if generator.random() < 0.8 else contrast(None)

    contrasts = [one() for _ in range(generator.integers(1, 5))]
    return finding(*contrasts, yes=generator.choice(["above", "below"]), least=0.1)


def ends(made, of):
    if of.difference is None:
        return None
    value, low, high = of.difference.value, of.difference.low, of.difference.high
    return (value, low, high) if made.yes == "above" else (-value, -high, -low)


def says(interval):
    return "yes" if interval[1] >= 0.1 else "no" if interval[2] < 0.1 else "open"


def differ(one, other):
    apart = one[1] > other[2] or one[2] < other[1]
    return says(one) != says(other) and apart and abs(one[0] - other[0]) >= 0.1


@pytest.mark.parametrize("seed", range(40))
def test_the_rule_is_as_it_is_written(seed):
    generator = np.random.default_rng(seed)
    for made in (drawn(generator) for _ in range(60)):
        every = [(of, interval) for of in made.contrasts if (interval := ends(made, of)) is not None]
        assert [ruling_of(made, of) for of, _ in every] == [says(interval) for _, interval in every]
        answer = answer_of(made)
        words = {says(interval) for _, interval in every}
        apart = any(differ(one, other) for (_, one), (_, other) in combinations(every, 2))
        if ends(made, made.main) is None:
            assert answer == Answer("no control")
        elif len(words) == 1 and words <= {"yes", "no"}:
            assert answer == Answer(*words)
        else:
            assert answer.word == ("depends" if apart else "in part" if "yes" in words else "not shown")
            if answer.word != "not shown":
                _, first = every[0]
                certain = [of.kind for of, own in every if differ(own, first)]
                others = [of.kind for of, own in every if says(own) != says(first)]
                assert answer.on == tuple(dict.fromkeys(certain or others))


def test_without_an_interval_nothing_is_certain_and_few_sources_have_none():
    few = replace(measure(0.5), sources=4)
    assert answer_of(finding(replace(contrast(0.5), difference=few))).word == "not shown"
    enough = replace(measure(0.5), sources=5)
    assert answer_of(finding(replace(contrast(0.5), difference=enough))).word == "yes"
    assert [certain_side(of) for of in (measure(0.5), measure(-0.5), measure(0.04), few)] == [1, -1, 0, 0]


@pytest.mark.parametrize("quantity, least", [("flip_rate", 0.05), ("auroc", 0.1), ("faithfulness", 0.4)])
def test_the_least_effect_is_the_usual_one_unless_a_study_declares_its_own(quantity, least):
    assert with_least(finding(contrast(1), least=0, quantity=quantity), 4.0).least == pytest.approx(least)
    assert with_least(finding(contrast(1), least=0.3, quantity=quantity), 4.0).least == 0.3


@pytest.mark.parametrize("noise, word", [(0.0, "yes"), (0.04, "yes"), (0.06, "in part"), (0.3, "not shown")])
def test_no_effect_on_margins_below_the_noise_is_claimed(noise, word):
    made = finding(contrast(0.3), contrast(0.2), contrast(None), quantity="margin_effect")
    assert answer_of(with_noise(made, noise)).word == word
    assert with_noise(finding(contrast(0.3)), noise) == finding(contrast(0.3))


def test_a_measure_without_a_number_is_open():
    lost = replace(contrast(0.3), measure=Measure(np.nan), difference=Measure(np.nan))
    assert answer_of(finding(lost)).word == "not shown"
