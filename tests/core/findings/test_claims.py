"""The rule by which findings are claimed, on planted ones and against the rule written down once more."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from core.findings.claims import (
    DEFAULTS,
    ClaimStatus,
    claim_status,
    effect_over_control,
    headline_of,
    is_equivalent,
    with_noise,
)
from core.findings.finding import Choice, Control, Finding, Measure, Unit
from tests.core.findings.planted import finding, measure


def test_an_exact_control_needs_no_interval_and_a_measure_does() -> None:
    assert claim_status(finding(0.9)) == ClaimStatus("no control")
    exact = replace(finding(0.2), control=Control("chance", Measure(0.05)))
    assert claim_status(exact) == ClaimStatus("holds", 1)
    assert claim_status(replace(exact, measure=Measure(0.2))).kind == "not shown"
    # a control from few sources is not exact
    few, enough = (Control("other", Measure(0.1, 0.05, 0.15, 200, clusters)) for clusters in (4, 5))
    assert [claim_status(replace(finding(0.5), control=one)).kind for one in (few, enough)] == ["not shown", "holds"]


@pytest.mark.parametrize(
    ("quantity", "other", "kind"),
    [
        # shares: two points matter, whatever their sign
        ("flip_rate", 0.086, "in part"),
        ("flip_rate", 0.079, "depends"),
        # others: a tenth of the larger effect
        ("rank_correlation", 0.091, "in part"),
        ("rank_correlation", 0.089, "depends"),
    ],
)
def test_choices_disagree_only_by_a_difference_that_matters(quantity: str, other: float, kind: str) -> None:
    # the first is significant and the second is not, whose interval reaches far down; they lie apart
    second = Choice("fill", "blur", measure(0.5), Control("x", measure(0.4)), Measure(other, -0.1, other + 0.0001))
    made = finding(0.5, control=0.4, quantity=quantity)
    made = replace(made, difference=Measure(0.1, 0.0995, 0.1005), choices=(second,))
    assert claim_status(made).kind == kind


def drawn(generator: np.random.Generator) -> Finding:
    """A finding with or without control, paired difference, sources and choices; many ends coincide."""

    def number() -> Measure:
        value, half = (
            generator.choice([-0.5, -0.04, -0.02, 0, 0.01, 0.02, 0.04, 0.07, 0.6]),
            generator.choice([0, 0.01, 0.04]),
        )
        return Measure(value, value - half, value + half, 10, generator.choice([None, None, None, 4, 5]))

    def compared() -> tuple[Measure, Control | None, Measure | None]:
        control = Control("c", replace(number(), low=np.nan) if generator.random() < 0.3 else number())
        kind = generator.random()
        return number(), None if kind < 0.1 else control, number() if kind > 0.5 else None

    choices = tuple(
        Choice(str(generator.choice(["fill", "seam"])), str(name), *compared()) for name in range(generator.integers(4))
    )
    made = finding(quantity=str(generator.choice(["flip_rate", "auroc"])), key="k")
    value, control, difference = compared()
    value = replace(value, value=np.nan) if generator.random() < 0.05 else value
    return replace(made, measure=value, control=control, difference=difference, choices=choices)


Interval = tuple[float, float, float]


def effect(of: Finding | Choice) -> Interval | None:
    """The difference from the control; None without one."""
    if of.difference is not None:
        return of.difference.value, of.difference.low, of.difference.high
    if of.control is None:
        return None
    own, control = of.measure, of.control.measure
    low, high = control.low, control.high
    if np.isnan(low + high) and (control.clusters is None or control.clusters >= 5):
        low = high = control.value
    return own.value - control.value, own.low - high, own.high - low


def side(interval: Interval) -> int:
    return 1 if interval[1] > 0 else -1 if interval[2] < 0 else 0


def statuses(made: Finding) -> Iterator[str]:
    """What a headline may be declared for, the most specific first."""
    if np.isnan(made.measure.value):
        yield "unknown"
        return
    if made.measure.clusters in range(5):
        yield "few sources"
    status, own = claim_status(made), effect(made)
    kinds = list(status.on)
    if status.kind == "depends" and len(kinds) == 1:
        yield f"depends on {kinds[0]}"
    if status.kind == "holds" and own is not None and made.about.unit == "share" and 0 < own[1] < 0.5:
        if own[1] < 0.05:
            yield "holds slightly"
        yield "holds for some"
    if status.kind == "not shown" and is_equivalent(made):
        yield "equivalent"
    yield "holds below" if status.kind == "holds" and own is not None and own[2] < 0 else status.kind


@pytest.mark.parametrize("seed", range(40))
def test_the_rule_is_as_it_is_written(seed: int) -> None:
    generator = np.random.default_rng(seed)
    for made in (drawn(generator) for _ in range(40)):
        own, unit = effect(made), made.about.unit
        tried = [(choice, found) for choice in made.choices if (found := effect(choice)) is not None]
        status = claim_status(made)
        every = [found for _, found in tried]
        if own is None:
            assert status == ClaimStatus("no control")
        else:
            every.append(own)
            of = {
                kind: {choice.value: side(found) for choice, found in tried if choice.kind == kind}
                for kind in ("fill", "seam")
            }
            on = {kind: signs for kind, signs in of.items() if signs and set(signs.values()) != {side(own)}}
            apart = any(
                side(one) != side(other) and (one[1] > other[2] or one[2] < other[1]) and matters(one, other, unit)
                for one, other in combinations(every, 2)
            )
            kind = "depends" if on and apart else "in part" if on else "holds" if side(own) else "not shown"
            assert (status.kind, status.sign, status.on) == (kind, side(own) if kind == "holds" else 0, on)
            assert tuple(vars(effect_over_control(made)).values())[:3] == pytest.approx(own, nan_ok=True)
        words = {
            "holds": "holds" if status.sign > 0 else "holds, below control",
            "depends": f"depends on {', '.join(status.on)}",
        }
        assert str(status) == words.get(status.kind, status.kind)
        within = [max(abs(low), abs(high)) < 0.02 for _, low, high in every]
        assert is_equivalent(made) == (unit == "share" and bool(within) and all(within))
        # each is looked up in turn, and at last among the defaults
        texts = {name: f"own {name}" for name in (*DEFAULTS, "holds for some", "holds slightly")}
        for name in statuses(made):
            assert headline_of(made, texts) == texts.pop(name)
        assert headline_of(made, texts) in DEFAULTS.values()


def matters(one: Interval, other: Interval, unit: Unit) -> bool:
    least = 0.02 if unit == "share" else 0.1 * max(abs(one[0]), abs(other[0]))
    return abs(one[0] - other[0]) >= least


@pytest.mark.parametrize(("noise", "kind"), [(0.0, "holds"), (0.1, "holds"), (0.16, "in part"), (0.3, "not shown")])
def test_no_effect_on_margins_below_the_noise_is_claimed(noise: float, kind: str) -> None:
    on_margins = finding(control=0.1, difference=0.3, choices={"fill": {"blur": 0.2}}, quantity="margin_effect")
    assert claim_status(with_noise(on_margins, noise)).kind == kind
    assert with_noise(finding(control=0.1, difference=0.3), noise) == finding(control=0.1, difference=0.3)
