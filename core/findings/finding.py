"""Findings: what a study concludes, as data."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.findings.intervals import Estimate
from core.findings.quantities import QUANTITIES, Quantity
from core.storage import plain_json


@dataclass(frozen=True)
class Measure:
    """A number with its 95 % interval.

    Attributes:
        value, low, high: in the unit of the quantity; NaN where unknown.
        n: how many images it rests on; 0 where that is unknown.
        clusters: how many independent sources those come from, where that is fewer.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    clusters: int | None = None

    @classmethod
    def of(cls, estimate: Estimate, *, clusters: int | None = None) -> Measure:
        """The same as an estimate of `core.findings.intervals`."""
        value, low, high = map(float, estimate[:3])
        return cls(value, low, high, int(estimate.images), clusters)

    @property
    def known(self) -> bool:
        """True where there is a number."""
        return math.isfinite(self.value)

    @property
    def has_interval(self) -> bool:
        """True where both ends of the interval are known."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def or_exact(self) -> Measure:
        """The same, taken as exact where it has no interval."""
        return self if self.has_interval else Measure(self.value, self.value, self.value)


@dataclass(frozen=True)
class Control:
    """The control of a measure.

    Attributes:
        name: a noun phrase.
        measure: the same quantity under the control; without an interval where it is exact.
    """

    name: str
    measure: Measure


@dataclass(frozen=True)
class Choice:
    """A finding's quantity under one of the analysis choices that were tried.

    Attributes:
        kind: what was varied: "fill", "verdict", "filter", "control" and so on.
        value: the option that was chosen.
        measure, control, difference: as in `Finding`.
    """

    kind: str
    value: str
    measure: Measure
    control: Control | None = None
    difference: Measure | None = None


@dataclass(frozen=True)
class Finding:
    """A study's conclusion about one quantity.

    Attributes:
        key: a short name, unique within the study.
        study: its name.
        quantity: a key of `QUANTITIES`.
        measure: the number; not claimed if the `choices` disagree with it, see `core.findings.claims`.
        group: the verdict or class that it is about, "FAKE" or "REAL"; None for all images.
        control: what it is compared with; None if nothing matches it in size and shape.
        difference: measure minus control with a paired interval, if both are of the same images.
        choices: the same quantity under each choice that was tried.
        beside: further measures that belong to it, by name.
        details: plain JSON values: names and counts.
        subject: what was measured, a method, a change or a delivery, as a noun phrase; "" where the question says it.
        question: the plain question that it answers, at most 15 words.
        headline: the answer for its claim status, a fixed text of at most 15 words (`core.findings.headlines`).
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
    subject: str = ""
    question: str = ""
    headline: str = ""

    @property
    def about(self) -> Quantity:
        """The measured quantity."""
        return QUANTITIES[self.quantity]

    def choice(self, kind: str, value: str) -> Choice | None:
        """The finding under one choice, None where that was not tried."""
        return next((choice for choice in self.choices if (choice.kind, choice.value) == (kind, value)), None)


def find(findings: Iterable[Finding], key: str) -> Finding | None:
    """The finding of this key, None where there is none."""
    return next((finding for finding in findings if finding.key == key), None)


def to_json(findings: Sequence[Finding]) -> str:
    """Write findings as JSON, a list of objects; numbers that are not finite become null."""
    return json.dumps(plain_json(findings), indent=1, allow_nan=False)


def from_json(text: str) -> list[Finding]:
    """Read findings that `to_json` wrote.

    Raises:
        ValueError: the text holds something else.
    """
    return read_findings(json.loads(text))


def read_findings(rows: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Read findings from plain JSON values.

    Raises:
        ValueError: the values are something else.
    """
    try:
        return [_finding(row) for row in rows]
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"these are no findings ({type(error).__name__}: {error})") from error


def _finding(row: Mapping[str, Any]) -> Finding:
    texts = {name: row.get(name, "") for name in ("key", "study", "quantity", "subject", "question", "headline")}
    group, details = row["group"], row["details"]
    if not all(isinstance(text, str) for text in (*texts.values(), group or "")) or not isinstance(details, dict):
        raise TypeError("a text is none")
    if texts["quantity"] not in QUANTITIES:
        raise KeyError(texts["quantity"])
    choices = tuple(Choice(str(choice["kind"]), str(choice["value"]), **_effect(choice)) for choice in row["choices"])
    beside = {str(name): _measure(measure) for name, measure in row["beside"].items()}
    return Finding(**texts, **_effect(row), group=group, choices=choices, beside=beside, details=details)


def _effect(row: Mapping[str, Any]) -> dict[str, Any]:
    """Measure, control and difference of a finding or a choice."""
    control, difference = row["control"], row["difference"]
    return {
        "measure": _measure(row["measure"]),
        "control": None if control is None else Control(str(control["name"]), _measure(control["measure"])),
        "difference": None if difference is None else _measure(difference),
    }


def _measure(row: Mapping[str, Any]) -> Measure:
    value, low, high = (math.nan if row[name] is None else float(row[name]) for name in ("value", "low", "high"))
    return Measure(value, low, high, int(row["n"]), None if row["clusters"] is None else int(row["clusters"]))
