"""Contrasts and findings: what was asked, what was measured, and what it was compared with, as data.

A contrast is a measure beside its control under one named choice. A finding is a question with its contrasts: the
first is the main one, the others are the choices that were tried. `core.findings.answer` decides what it answers.
"""

import json
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, TypeAdapter

from core.arrays import Record
from core.storage.limits import plain_json

# with fewer independent sources there is no interval
FEWEST_SOURCES = 5
Unit = Literal["share", "margins", "correlation", "auroc", "silhouette"]
# on which side of its control the effect must lie for the answer yes
Side = Literal["above", "below"]

# unit -> what units.toml says of it
UNITS: dict[Any, dict[str, Any]] = tomllib.loads(Path(__file__).with_name("units.toml").read_text(encoding="utf-8"))
# quantity -> its unit
QUANTITIES: dict[str, Unit] = {}
for _unit, _about in UNITS.items():
    QUANTITIES |= dict.fromkeys(_about["quantities"], _unit)
# null in JSON, which knows no NaN
Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]


@dataclass(frozen=True, eq=False)
class Measure:
    """A number with its 95 % interval.

    Attributes:
        value, low, high: in the unit of the quantity; NaN where unknown. With fewer than `FEWEST_SOURCES` sources the
            ends are NaN: the number describes those sources and says nothing about others.
        n: how many images it rests on; 0 where that is unknown.
        sources: how many independent sources those come from, where that is fewer.
    """

    value: Number
    low: Number = math.nan
    high: Number = math.nan
    n: int = 0
    sources: int | None = None

    def __post_init__(self) -> None:
        if self.has_few_sources:
            for end in ("low", "high"):
                object.__setattr__(self, end, math.nan)

    def __eq__(self, other: object) -> bool:
        """Compare all fields; an unknown number equals an unknown one."""
        return isinstance(other, Measure) and plain_json(self) == plain_json(other)

    def __hash__(self) -> int:
        return hash((self.n, self.sources))

    @property
    def has_few_sources(self) -> bool:
        """True with too few independent sources for an interval."""
        return self.sources is not None and self.sources < FEWEST_SOURCES

    @property
    def known(self) -> bool:
        """True where there is a number."""
        return math.isfinite(self.value)

    @property
    def has_interval(self) -> bool:
        """True where both ends of the interval are known."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def as_columns(self) -> dict[str, float | int]:
        """Return `value`, `low`, `high` and `n` for a row of a table."""
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n}


UNKNOWN = Measure(math.nan)


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
class Contrast:
    """A measure beside its control under one choice.

    Attributes:
        kind: what was varied: "control", "fill", "change", "place", "training" and so on.
        value: the option that was chosen.
        measure: the number.
        control: what it is compared with; None if nothing that matches it could act.
        difference: measure minus control, with a paired interval where both are of the same images.
    """

    kind: str
    value: str
    measure: Measure
    control: Control | None = None
    difference: Measure | None = None

    @property
    def n(self) -> int:
        """Number of images behind it."""
        return self.measure.n


@dataclass(frozen=True)
class Finding:
    """A study's question about one quantity, with what was measured.

    Attributes:
        key: a short name, unique within the study.
        question: at most 15 words, worded so that "yes" is the claim.
        quantity: one of `QUANTITIES`.
        contrasts: the main one first, beside its strongest control; the others are the choices that were tried.
        yes: the side of the control on which the effect must lie for the answer yes.
        least: the least difference that matters, in the quantity's unit, above 0; 0 until the study is concluded, which
            takes the usual one (`core.findings.answer`).
        group: the verdict or class that it is about, "FAKE" or "REAL"; None for all images.
        subject: what was measured, a method, a change or a delivery, as a noun phrase; "" where the question says it.
        beside: further measures that belong to it, by name.
        details: plain JSON values: names and counts.
        study: name of the study.
    """

    key: str
    question: str
    quantity: str
    contrasts: tuple[Contrast, ...]
    yes: Side = "above"
    least: float = 0.0
    group: str | None = None
    subject: str = ""
    beside: Mapping[str, Measure] = field(default_factory=dict)
    details: Record = field(default_factory=dict)
    study: str = ""

    @property
    def unit(self) -> Unit:
        """The unit of the measured quantity."""
        return QUANTITIES[self.quantity]

    @property
    def main(self) -> Contrast:
        """The contrast that is shown first."""
        return self.contrasts[0]

    @property
    def choices(self) -> tuple[Contrast, ...]:
        """The contrasts under other choices."""
        return self.contrasts[1:]

    @property
    def measure(self) -> Measure:
        """The number of the main contrast."""
        return self.main.measure

    @property
    def control(self) -> Control | None:
        """The control of the main contrast."""
        return self.main.control

    @property
    def difference(self) -> Measure | None:
        """The difference of the main contrast."""
        return self.main.difference


def find(findings: Iterable[Finding], key: str) -> Finding | None:
    """The finding of this key, None where there is none."""
    return next((finding for finding in findings if finding.key == key), None)


def to_json(findings: Sequence[Finding]) -> str:
    """Write findings as JSON, a list of objects; numbers that are not finite become null."""
    return json.dumps(plain_json(findings), indent=1, allow_nan=False)


def read_findings(rows: Sequence[Record]) -> list[Finding]:
    """Read findings from plain JSON values.

    Raises:
        ValueError: the values are something else.
    """
    findings = _FINDINGS.validate_python(rows)
    unknown = {finding.quantity for finding in findings} - QUANTITIES.keys()
    if unknown:
        raise ValueError(f"no quantity is called {', '.join(sorted(unknown))}")
    if not all(finding.contrasts for finding in findings):
        raise ValueError("a finding has no contrast")
    return findings


_FINDINGS = TypeAdapter(list[Finding])
