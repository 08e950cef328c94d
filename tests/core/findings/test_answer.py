"""The claim rule against the rule written down once more, and what studies conclude by it."""

from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest

from core.findings.answer import Answer, answer_of, certain_side, ruling_of, with_least, with_noise
from core.findings.contrast import UNITS
from core.studies import store
from tests.core.findings.planted import contrast, finding, measure
from tests.core.studies.pairs import made_run


def test_what_a_study_concludes_has_its_name_its_least_effect_and_the_noise_of_its_run(monkeypatch):
    made = [finding(contrast(0.3), quantity=quantity, least=0) for quantity in ("rank_correlation", "margin_effect")]
    monkeypatch.setattr(store, "find_study", lambda _: SimpleNamespace(conclude=lambda *_: made))
    run = made_run("d", np.array([-2.0, 2.0]), np.array([False, True]))
    run.manifest["noise"] = 0.3
    rank, margin = store.conclude_study("audit", run, None, {})
    assert rank.study == "audit"
    assert rank.least == UNITS["correlation"]["least"]
    noisy = with_noise(with_least(made[1], 2.0), 0.3)
    assert margin == replace(noisy, study="audit")
    assert noisy != with_least(made[1], 2.0)
    assert store.conclude_study("nobody's", run, None, {}) == []


def drawn(generator):
    """A finding whose contrasts may lack a control or an interval; many ends coincide with each other and `least`."""

    def one():
        value = generator.choice([-0.5, -0.1, 0, 0.05, 0.1, 0.15, 0.2, 0.5, np.nan])
        half = generator.choice([0, 0.05, 0.1, 0.4, np.nan])
        made = contrast(value, half, kind=str(generator.choice(["fill", "seam", "control"])))
        return made if generator.random() < 0.8 else contrast(None)

    contrasts = [one() for _ in range(generator.integers(1, 5))]
    return finding(*contrasts, yes=generator.choice(["above", "below"]), least=0.1)


def ends(made, of):
    if of.difference is None:
        return None
    value = of.difference.value
    low = of.difference.low
    high = of.difference.high
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
