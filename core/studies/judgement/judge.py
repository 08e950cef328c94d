"""Judging one picture: FAKE-like, REAL-like or "Cannot tell", with every reason as data. Needs no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.findings.finding import Control, Finding, Measure
from core.images.labels import CLASSES, verdict_of
from core.images.preprocessing import Place, Preprocessing
from core.runs.metrics import wilson_interval
from core.studies.judgement.familiarity import Space
from core.studies.judgement.rule import Group, Limit, Rule, Setting

Answer = Literal["FAKE-like", "REAL-like", "Cannot tell"]
STUDY = "judgement"
KINDS = {"features": "the detector's features", "statistics": "brightness, colour and fine detail"}


class Sent(NamedTuple):
    """One delivery's result.

    Attributes:
        name, title: of the delivery.
        margin: the detector's margin on the delivered picture.
        fits: False if the delivered picture had to be enlarged for the detector, or has lost too much of the chosen
            square, so that its margin says nothing.
    """

    name: str
    title: str
    margin: float
    fits: bool


@dataclass(frozen=True, eq=False)
class Seen:
    """What the detector says of one picture.

    Attributes:
        setting: how the picture became the detector's pixels.
        filters: names of the resampling filters that it was resized with; one where it was not.
        margins: float32 (K,), of the picture under each filter.
        pixels: uint8 (S, S, 3), under the detector's own filter.
        features: (C,), the detector's pooled features of those; None where it has none.
        sent: its deliveries; None where it has not been delivered yet.
        usual: number of the detector's own filter.
    """

    setting: Setting
    filters: tuple[str, ...]
    margins: NDArray[np.floating]
    pixels: NDArray[np.uint8]
    features: NDArray[np.floating] | None
    sent: tuple[Sent, ...] | None = None
    usual: int = 0

    @property
    def margin(self) -> float:
        """Under the detector's own filter, or the only one."""
        return float(self.margins[self.usual])

    @property
    def verdict(self) -> str:
        """REAL or FAKE."""
        return verdict_of(self.margin)


@dataclass(frozen=True)
class Judgement:
    """What can be said of a picture.

    Attributes:
        answer: FAKE-like, REAL-like or Cannot tell; None where nothing speaks against the verdict so far and its
            deliveries are still to come.
        verdict: what the network calls it.
        reasons: why, the one nearest to this picture first: against the verdict, or for it where it is given.
    """

    answer: Answer | None
    verdict: str
    reasons: tuple[Finding, ...]


def setting_of(preprocessing: Preprocessing, height: int, width: int, place: Place | None = None) -> Setting:
    """Name how an image, or a square of it, becomes a detector's input."""
    if not preprocessing.resamples(height, width, place):
        return "same size"
    return "enlarged" if preprocessing.enlarges(height, width, place) else "shrunk"


def judge(rule: Rule | None, space: Space | None, seen: Seen) -> Judgement:
    """Judge a picture.

    Args:
        rule: of the detector; None where nobody has measured what its verdicts are worth.
        space: of the rule's run, for its limits; None where the run is not here, and then no distance is known.
        seen: what the detector says.
    """
    verdict, against = seen.verdict, objections(rule, space, seen)
    if rule is None:
        return Judgement("Cannot tell", verdict, (*against, Finding("unmeasured", STUDY, "right_share", _UNKNOWN)))
    worth = weigh(rule, seen.setting, verdict)
    # by the lower end: few pictures say little of the next one
    if not worth.measure.low >= rule.level:
        against.append(worth)
    if against:
        return Judgement("Cannot tell", verdict, tuple(against))
    if seen.sent is None:
        return Judgement(None, verdict, (worth,))
    if not any(one.fits for one in seen.sent):
        undelivered = Finding("undelivered", STUDY, "flip_rate", _UNKNOWN, verdict)
        return Judgement("Cannot tell", verdict, (undelivered, worth))
    return Judgement("REAL-like" if verdict == "REAL" else "FAKE-like", verdict, (_holds(seen, worth), worth))


def objections(rule: Rule | None, space: Space | None, seen: Seen) -> list[Finding]:
    """Say what speaks against a picture's verdict whatever such verdicts are worth; arguments as for `judge`."""
    return [*_filters(seen), *_deliveries(seen), *_unfamiliar(rule, space, seen)]


_UNKNOWN = Measure(float("nan"))


def weigh(rule: Rule, setting: Setting, verdict: str) -> Finding:
    """Compare how often a verdict is given to pictures of its own class and of the other, in one setting.

    Returns:
        A finding `worth` whose measure is the share of such verdicts that are right among as many pictures of each
        class, of the groups where the verdict is commonest; unknown where a class was not measured. `beside` holds the
        shares of both groups, `details` their names.
    """
    own = _commonest(rule.groups, setting, verdict, (verdict,))
    other = _commonest(rule.groups, setting, verdict, tuple(label for label in CLASSES if label != verdict))
    details = {"setting": setting, "level": round(100 * rule.level)}
    if own is None or other is None:
        return Finding("worth", STUDY, "right_share", _UNKNOWN, verdict, details=details)
    same, opposite = own.share(verdict), other.share(verdict)
    right = same / (same + opposite) if same else 0.0
    beside = {"own": _of_group(own, verdict), "other": _of_group(other, verdict)}
    low, high = (_right(beside["own"], beside["other"], end) for end in ("low", "high"))
    return Finding(
        "worth", STUDY, "right_share", Measure(right, low, high, own.images + other.images), verdict,
        Control("a coin", Measure(0.5)),
        beside=beside,
        details={
            **details, "own_name": own.name, "other_name": other.name, "sources": other.sources,
            "own_held": own.held, "other_held": other.held,
        },
    )  # fmt: skip


def _right(own: Measure, other: Measure, end: Literal["low", "high"]) -> float:
    """The share of such verdicts that are right at worst or at best: at opposite ends of both intervals."""
    same, opposite = (own.low, other.high) if end == "low" else (own.high, other.low)
    return same / (same + opposite) if same else 0.0


def _commonest(groups: Sequence[Group], setting: Setting, verdict: str, labels: tuple[str, ...]) -> Group | None:
    among = [one for one in groups if one.setting == setting and one.label in labels]
    return max(among, key=lambda one: one.share(verdict), default=None)


def _filters(seen: Seen) -> list[Finding]:
    other = [
        name
        for name, margin in zip(seen.filters, seen.margins, strict=True)
        if verdict_of(float(margin)) != seen.verdict
    ]
    if not other:
        return []
    measure = _measure(len(other), len(seen.filters))
    return [Finding("filters", STUDY, "filter_dependent", measure, seen.verdict, details={"filters": other})]


def _deliveries(seen: Seen) -> list[Finding]:
    fitting = [one for one in seen.sent or () if one.fits]
    flips = [one.title for one in fitting if verdict_of(one.margin) != seen.verdict]
    if not flips:
        return []
    measure = _measure(len(flips), len(fitting))
    return [Finding("deliveries", STUDY, "flip_rate", measure, seen.verdict, details={"flips": flips})]


def _unfamiliar(rule: Rule | None, space: Space | None, seen: Seen) -> list[Finding]:
    if rule is None or space is None:
        return []
    found = space.measure(seen.pixels[None], None if seen.features is None else seen.features[None])
    distances = {"features": found.features, "statistics": found.statistics}
    limits = {"features": rule.features, "statistics": rule.statistics}
    return [
        _far(kind, limit, seen.verdict)
        for kind, limit in limits.items()
        if limit is not None and (distance := distances[kind]) is not None and float(distance[0]) > limit.value
    ]


def _far(kind: str, limit: Limit, verdict: str) -> Finding:
    alarms, misses = limit.false_alarms, limit.misses
    return Finding(
        "unfamiliar", STUDY, "unfamiliar", _measure(alarms.hits, alarms.images), verdict,
        beside={"misses": _measure(misses.hits, misses.images)}, details={"kind": KINDS[kind]},
    )  # fmt: skip


def _holds(seen: Seen, worth: Finding) -> Finding:
    fitting = [one for one in seen.sent or () if one.fits]
    return Finding(
        "holds", STUDY, "right_share", worth.measure, seen.verdict,
        beside=worth.beside, details={**worth.details, "deliveries": len(fitting)},
    )  # fmt: skip


def _of_group(group: Group, verdict: str) -> Measure:
    """The share of a group that got a verdict; pictures of one source count as one, where there are several sources."""
    clusters = group.sources if 1 < group.sources < group.images else None
    return _measure(group.said[verdict], group.images, clusters)


def _measure(hits: int, images: int, clusters: int | None = None) -> Measure:
    if not images:
        return _UNKNOWN
    trials = clusters or images
    low, high = wilson_interval(hits * trials / images, trials)
    return Measure(hits / images, float(low), float(high), images, clusters)
