"""Findings: what a study concludes, as data. Words are made from them when they are shown (`core.findings.words`)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from core.findings.quantities import QUANTITIES, Quantity
from core.metrics.intervals import Estimate


class FindingError(ValueError):
    """Data that is no finding; the message says what is wrong with it, in one sentence."""


@dataclass(frozen=True)
class Measure:
    """A number with its 95 % interval.

    Attributes:
        value, low, high: in the unit of the quantity; NaN where unknown.
        n: how many images it rests on.
        clusters: how many independent sources those come from, where that is fewer.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    clusters: int | None = None

    @classmethod
    def of(cls, estimate: Estimate, *, clusters: int | None = None) -> Measure:
        """The same as an estimate of `core.metrics`."""
        value, low, high = map(float, estimate[:3])
        return cls(value, low, high, int(estimate.images), clusters)

    @property
    def known(self) -> bool:
        """Whether there is a number at all."""
        return math.isfinite(self.value)

    @property
    def has_interval(self) -> bool:
        """Whether both ends of the interval are known."""
        return math.isfinite(self.low) and math.isfinite(self.high)


@dataclass(frozen=True)
class Control:
    """What a measure is compared with.

    Attributes:
        name: a noun phrase.
        measure: the same quantity under the control; without an interval where it is exact.
    """

    name: str
    measure: Measure


@dataclass(frozen=True)
class Choice:
    """The same quantity under another choice that could have been made.

    Attributes:
        kind: of choice: "fill", "verdict", "filter", "control" and so on.
        value: which one.
        measure, control, difference: as in `Finding`.
    """

    kind: str
    value: str
    measure: Measure
    control: Control | None = None
    difference: Measure | None = None


@dataclass(frozen=True)
class Finding:
    """What a study concludes about one quantity.

    Attributes:
        key: a short name, unique within the study.
        study: its name.
        quantity: a key of `QUANTITIES`.
        measure: the number; it is never claimed against its `choices`, see `core.findings.claims`.
        group: the verdict or class that it is about, "FAKE" or "REAL"; None where it is about all.
        control: what it is compared with; None where nothing matches it in size and shape.
        difference: measure less control with a paired interval, where both are of the same images.
        choices: the same under every other choice that was tried.
        beside: other measures that the words quote, by name.
        details: plain JSON values that the words need: names and counts.
    """

    key: str
    study: str
    quantity: str
    measure: Measure
    group: str | None = None
    control: Control | None = None
    difference: Measure | None = None
    choices: tuple[Choice, ...] = ()
    beside: Mapping[str, Measure] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def about(self) -> Quantity:
        """What is measured."""
        return QUANTITIES[self.quantity]

    def choice(self, kind: str, value: str) -> Choice | None:
        """The finding under one choice, None where that was not tried."""
        return next((one for one in self.choices if (one.kind, one.value) == (kind, value)), None)


def find(findings: Iterable[Finding], key: str) -> Finding | None:
    """The finding of this key, None where there is none."""
    return next((one for one in findings if one.key == key), None)


def to_json(findings: Sequence[Finding]) -> str:
    """Findings as JSON, a list of objects; numbers that are not finite become null."""
    return json.dumps([_plain(one) for one in findings], indent=1, ensure_ascii=False, allow_nan=False)


def from_json(text: str) -> list[Finding]:
    """Read what `to_json` wrote.

    Raises:
        FindingError: it is no such list.
    """
    try:
        listed = json.loads(text)
    except ValueError as error:
        raise FindingError(f"these are no findings: {error}") from None
    if not isinstance(listed, list):
        raise FindingError("these are no findings: a list of objects was expected")
    return [_finding(one) for one in listed]


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _finding(one: Any) -> Finding:
    _check(one, Finding, "a finding")
    where = f"the finding {one['key']}"
    if one["quantity"] not in QUANTITIES:
        raise FindingError(f"{where} is of an unknown quantity, {one['quantity']!r}")
    if not isinstance(one["beside"], dict) or not isinstance(one["details"], dict):
        raise FindingError(f"{where} has beside or details that are no objects")
    return Finding(
        _text(one["key"], where),
        _text(one["study"], where),
        one["quantity"],
        _measure(one["measure"], where),
        None if one["group"] is None else _text(one["group"], where),
        _control(one["control"], where),
        None if one["difference"] is None else _measure(one["difference"], where),
        tuple(_choice(each, where) for each in one["choices"]),
        {name: _measure(each, where) for name, each in one["beside"].items()},
        one["details"],
    )


def _choice(one: Any, where: str) -> Choice:
    _check(one, Choice, f"a choice of {where}")
    difference = None if one["difference"] is None else _measure(one["difference"], where)
    kind, value = _text(one["kind"], where), _text(one["value"], where)
    return Choice(kind, value, _measure(one["measure"], where), _control(one["control"], where), difference)


def _control(one: Any, where: str) -> Control | None:
    if one is None:
        return None
    _check(one, Control, f"the control of {where}")
    return Control(_text(one["name"], where), _measure(one["measure"], where))


def _measure(one: Any, where: str) -> Measure:
    _check(one, Measure, f"a measure of {where}")
    ends = [one[name] for name in ("value", "low", "high")]
    if not all(end is None or (isinstance(end, int | float) and not isinstance(end, bool)) for end in ends):
        raise FindingError(f"{where} has a number that is none")
    counts = [one["n"], 0 if one["clusters"] is None else one["clusters"]]
    if not all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in counts):
        raise FindingError(f"{where} rests on a number of images that is none")
    value, low, high = (math.nan if end is None else float(end) for end in ends)
    return Measure(value, low, high, one["n"], one["clusters"])


def _check(one: Any, kind: type, what: str) -> None:
    if not isinstance(one, dict) or set(one) != {each.name for each in fields(kind)}:
        raise FindingError(f"{what} does not have the fields of a {kind.__name__.lower()}")


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise FindingError(f"{where} has {value!r} where text was expected")
    return value
