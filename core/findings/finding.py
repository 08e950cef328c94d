"""Findings: what a study concludes, as data, and the quantities that they measure."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BeforeValidator, TypeAdapter

from core.findings.intervals import Clusters, Estimate, Hits, Values, weighted_mean, weighted_share
from core.storage import plain_json

# with fewer independent sources there is no interval
FEWEST_SOURCES = 5
Unit = Literal["share", "margins", "correlation", "auroc", "silhouette"]


@dataclass(frozen=True)
class Quantity:
    """The measured quantity.

    Attributes:
        label: the term, for a heading or a table's cell.
        unit: how a value is written; shares and AUROCs are 0 to 1.
        counted: it only says how many there are, for which there is no control.
    """

    label: str
    unit: Unit
    counted: bool = False


QUANTITIES: dict[str, Quantity] = {
    "flip_rate": Quantity("verdicts flipped", "share"),
    "faithfulness": Quantity("faithfulness", "margins"),
    "margin_effect": Quantity("effect on the margin", "margins"),
    "rank_correlation": Quantity("rank correlation", "correlation"),
    "beyond_chance": Quantity("images that agree beyond chance", "share"),
    "residual_correlation": Quantity("rank correlation after randomisation", "correlation"),
    "reversed_signs": Quantity("certain signs contradicted", "share"),
    "held_signs": Quantity("certain signs confirmed", "share"),
    "one_colour": Quantity("one-colour maps", "share"),
    "cue_auroc": Quantity("AUROC of a cue alone", "auroc"),
    "matched_auroc": Quantity("AUROC of the detector on matched images", "auroc"),
    "ring_auroc": Quantity("AUROC of a ring's power", "auroc"),
    "called_real": Quantity("called REAL", "share"),
    "called_fake": Quantity("called FAKE", "share"),
    "filter_dependent": Quantity("verdicts that depend on the filter", "share"),
    "confidence": Quantity("mean confidence", "share"),
    "label_agreement": Quantity("nearest images of the same class", "share"),
    "grey_share": Quantity("images that are wholly grey", "share"),
    "error_rate": Quantity("error rate", "share"),
    "accuracy": Quantity("accuracy", "share"),
    "recall": Quantity("recall", "share"),
    "auroc": Quantity("AUROC", "auroc"),
    "cue_accuracy": Quantity("accuracy from a cue alone", "share"),
    "both_wrong": Quantity("images that both get wrong", "share"),
    "overconfidence": Quantity("mean confidence less accuracy", "share"),
    "silhouette": Quantity("mean silhouette", "silhouette"),
    "copies": Quantity("copies", "share", counted=True),
    "file_kind": Quantity("files of this kind", "share", counted=True),
}
# null in JSON, which knows no NaN
Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]


@dataclass(frozen=True)
class Measure:
    """A number with its 95 % interval; two are equal where all their fields are, and an unknown number equals another.

    Attributes:
        value, low, high: in the unit of the quantity; NaN where unknown. With fewer than `FEWEST_SOURCES` clusters the
            ends are NaN: the number describes those sources and says nothing about others.
        n: how many images it rests on; 0 where that is unknown.
        clusters: how many independent sources those come from, where that is fewer.
    """

    value: Number
    low: Number = math.nan
    high: Number = math.nan
    n: int = 0
    clusters: int | None = None

    def __post_init__(self) -> None:
        if self.has_few_sources:
            for end in ("low", "high"):
                object.__setattr__(self, end, math.nan)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Measure) and self._comparable == other._comparable

    def __hash__(self) -> int:
        return hash(self._comparable)

    @property
    def _comparable(self) -> tuple[object, ...]:
        numbers = (self.value, self.low, self.high)
        return (*(None if math.isnan(number) else number for number in numbers), self.n, self.clusters)

    @classmethod
    def of(cls, estimate: Estimate, *, clusters: int | None = None) -> Self:
        """The same as an estimate of `core.findings.intervals`."""
        value, low, high = map(float, estimate[:3])
        return cls(value, low, high, int(estimate.images), clusters)

    @property
    def has_few_sources(self) -> bool:
        """True with too few independent sources for an interval."""
        return self.clusters is not None and self.clusters < FEWEST_SOURCES

    @property
    def known(self) -> bool:
        """True where there is a number."""
        return math.isfinite(self.value)

    @property
    def has_interval(self) -> bool:
        """True where both ends of the interval are known."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def or_exact(self) -> "Measure":
        """The same, taken as exact where it has no interval."""
        return self if self.has_interval or self.has_few_sources else Measure(self.value, self.value, self.value)


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
        headline: the answer for its claim status, a fixed text of at most 15 words (`core.findings.claims`).
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


def mean_of(values: Values, weights: Values | None, clusters: Clusters | None = None) -> Measure:
    """Measure a weighted mean, as for `weighted_mean`; images of one cluster are not independent."""
    sources = None if clusters is None else len(np.unique(clusters))
    return Measure.of(weighted_mean(np.asarray(values, np.float64), weights, clusters=clusters), clusters=sources)


def share_of(hits: Hits, weights: Values | None) -> Measure:
    """Measure a weighted share, as for `weighted_share`."""
    return Measure.of(weighted_share(np.asarray(hits, bool), weights))


def compare(
    values: Values, others: Values, weights: Values | None, *, control: str, clusters: Clusters | None = None
) -> dict[str, Any]:
    """Compare two weighted means of the same images: `measure`, `control` and `difference` of a finding or choice."""
    values, others = np.asarray(values, np.float64), np.asarray(others, np.float64)
    return {
        "measure": mean_of(values, weights, clusters),
        "control": Control(control, mean_of(others, weights, clusters)),
        "difference": mean_of(values - others, weights, clusters),
    }


def finding_of(
    key: str, study: str, quantity: str, group: str | None, choices: Sequence[Choice], **more: Any
) -> Finding:
    """Make a finding of which the first choice gives the number; `more` are its other fields."""
    first, *_ = choices
    return Finding(key, study, quantity, first.measure, group, first.control, first.difference, tuple(choices), **more)


def find(findings: Iterable[Finding], key: str) -> Finding | None:
    """The finding of this key, None where there is none."""
    return next((finding for finding in findings if finding.key == key), None)


def to_json(findings: Sequence[Finding]) -> str:
    """Write findings as JSON, a list of objects; numbers that are not finite become null."""
    return json.dumps(plain_json(findings), indent=1, allow_nan=False)


def read_findings(rows: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Read findings from plain JSON values.

    Raises:
        ValueError: the values are something else.
    """
    findings = _FINDINGS.validate_python(rows)
    if unknown := {finding.quantity for finding in findings} - QUANTITIES.keys():
        raise ValueError(f"findings measure no {', '.join(sorted(unknown))}")
    return findings


_FINDINGS = TypeAdapter(list[Finding])
