"""What two runs on the same images come to: which detector is right more often, and whether they err alike.

The first run is what a finding measures and the second its control, so that "above its control" reads as "the first is
better". A difference of accuracies is claimed only where it also holds without repeats and the leaks that are known.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.finding import Choice, Control, Finding, Measure
from core.images.labels import CLASSES
from core.metrics.intervals import weighted_mean
from core.metrics.paired import area, difference_of_aurocs, difference_of_shares, mcnemar, rank_correlation
from core.runs.metrics import expected_calibration_error, largest, wilson_interval
from core.studies.comparison.pair import OUTCOMES, Pair

STUDY = "comparison"
# columns that a comparison is broken down by, and their plurals
SEVERAL = {"category": "categories", "source": "sources"}
LEVEL = 0.05
Chosen = NDArray[np.bool_]


def conclude(pair: Pair) -> list[Finding]:
    """The findings of a comparison: accuracy, recalls, AUROC, shared errors, margins, calibration."""
    found = [_accuracy(pair), *(_recall(pair, label) for label in CLASSES), _shared(pair)]
    found += [_auroc(pair), *(_margins(pair, label) for label in CLASSES), _confidence(pair)]
    return [one for one in found if one.measure.known]


def _accuracy(pair: Pair) -> Finding:
    everything = np.ones(len(pair.is_real), bool)
    return _compared(pair, "accuracy", "accuracy", everything)


def without_leaks(pair: Pair) -> str:
    """What `pair.clean` leaves out."""
    known = [name for name in pair.names if name not in pair.unchecked]
    if len(known) == len(pair.names):
        return "without leaks and repeats"
    return f"without repeats and the leaks of {known[0]}" if known else "without repeats"


def _recall(pair: Pair, label: str) -> Finding:
    return _compared(pair, f"recall-{label}", "recall", pair.is_real == (label == "REAL"), group=label)


def _compared(
    pair: Pair,
    key: str,
    quantity: str,
    chosen: Chosen,
    *,
    group: str | None = None,
    confidence: float = 0.95,
    value: str = "",
) -> Finding:
    """The first run's share of right verdicts on the chosen rows, with the second's as its control."""
    counts, clean = pair.counts(chosen), chosen & pair.clean
    choices = [("images", "all", chosen), ("images", without_leaks(pair), clean)] if clean.sum() < chosen.sum() else []
    tried = [Choice(kind, name, *_shares(pair, rows, confidence)) for kind, name, rows in choices]
    measure, control, difference = _shares(pair, chosen, confidence)
    details = {
        "first": pair.names[0],
        "second": pair.names[1],
        "p": mcnemar(counts),
        "value": value,
        **counts._asdict(),
    }
    return Finding(key, STUDY, quantity, measure, group, control, difference, tuple(tried), details=details)


def _shares(pair: Pair, chosen: Chosen, confidence: float) -> tuple[Measure, Control, Measure]:
    counts = pair.counts(chosen)
    n = counts.images
    if not n:
        return Measure(np.nan), Control(pair.names[1], Measure(np.nan)), Measure(np.nan)
    first, second = (
        _share(hits, n, confidence)
        for hits in (n - counts.only_first_wrong - counts.both_wrong, n - counts.only_second_wrong - counts.both_wrong)
    )
    difference = Measure.of(difference_of_shares(counts, confidence=confidence))
    if mcnemar(counts) >= 1 - confidence:
        # for few images the interval is narrower than the exact test allows
        difference = replace(difference, low=min(difference.low, 0.0), high=max(difference.high, 0.0))
    return first, Control(pair.names[1], second), difference


def _share(hits: int, n: int, confidence: float = 0.95) -> Measure:
    low, high = wilson_interval(hits, n, confidence=confidence)
    return Measure(hits / n, float(low), float(high), n)


def _auroc(pair: Pair) -> Finding:
    first, second = pair.margins
    areas = [area(scores, pair.is_real) for scores in (first, second)]
    n = len(pair.is_real)
    difference = Measure.of(difference_of_aurocs(first, second, pair.is_real))
    control = Control(pair.names[1], Measure(areas[1], n=n))
    about = {"first": pair.names[0], "second": pair.names[1]}
    return Finding("auroc", STUDY, "auroc", Measure(areas[0], n=n), None, control, difference, details=about)


def _shared(pair: Pair) -> Finding:
    """The share of images that both get wrong, and what it would be if they erred independently within each class."""
    counts, n = pair.counts(), len(pair.is_real)
    first, second = pair.right
    expected = 0.0
    for real in (True, False):
        chosen = pair.is_real == real
        if chosen.any():
            expected += float((~first[chosen]).mean() * (~second[chosen]).mean() * chosen.sum())
    measure = _share(counts.both_wrong, n)
    control = Control("errors that were independent within each class", Measure(expected / n, n=n))
    details = {
        "first": pair.names[0],
        "second": pair.names[1],
        "expected": expected,
        "either": n - counts.both_right,
        **counts._asdict(),
    }
    return Finding("both_wrong", STUDY, "both_wrong", measure, None, control, details=details)


def _margins(pair: Pair, label: str) -> Finding:
    chosen = pair.is_real == (label == "REAL")
    first, second = (values[chosen] for values in pair.margins)
    measure = Measure.of(rank_correlation(first, second))
    about = {"first": pair.names[0], "second": pair.names[1]}
    # 0 is what margins that know nothing of each other have
    control = Control("unrelated margins", Measure(0.0))
    return Finding(f"margins-{label}", STUDY, "rank_correlation", measure, label, control, details=about)


def _confidence(pair: Pair) -> Finding:
    """Mean confidence less accuracy of each, with the difference paired; calibration errors and Brier scores beside."""
    over, brier, errors = [], [], []
    for p_real, right in zip(pair.p_real, pair.right, strict=True):
        p = p_real.astype(np.float64)
        over.append(np.maximum(p, 1 - p) - right)
        brier.append((p - pair.is_real) ** 2)
        errors.append(expected_calibration_error(p_real, right))
    beside = {
        "brier_first": Measure.of(weighted_mean(brier[0])),
        "brier_second": Measure.of(weighted_mean(brier[1])),
        "brier_difference": Measure.of(weighted_mean(brier[0] - brier[1])),
        "error_first": Measure(errors[0], n=len(over[0])),
        "error_second": Measure(errors[1], n=len(over[1])),
    }
    return Finding(
        "confidence",
        STUDY,
        "overconfidence",
        Measure.of(weighted_mean(over[0])),
        None,
        Control(pair.names[1], Measure.of(weighted_mean(over[1]))),
        Measure.of(weighted_mean(over[0] - over[1])),
        beside=beside,
        details={"first": pair.names[0], "second": pair.names[1]},
    )


def columns_of(pair: Pair) -> list[str]:
    """The columns by whose values a comparison can be broken down: those in which images differ."""
    there = (name for name in SEVERAL if name in pair.first.predictions)
    return [name for name in there if len(set(pair.values(name)) - {None}) > 1]


def by(pair: Pair, column: str) -> list[Finding]:
    """The accuracies of each value of a column, largest difference first.

    Intervals are simultaneous: all of them hold together with 95% confidence (Bonferroni), so that the largest of many
    differences is no more likely to be due to chance than a single one.

    Args:
        pair: of runs.
        column: "category" or "source".
    """
    values = pair.values(column)
    names, counts = np.unique(values[values != None].astype(str), return_counts=True)  # noqa: E711 - elementwise
    kept = largest(pd.DataFrame({"value": names, "images": counts}))
    confidence = 1 - LEVEL / max(1, len(kept))
    found = [
        _compared(pair, f"{column}-{name}", "accuracy", values == name, confidence=confidence, value=str(name))
        for name in kept["value"]
    ]
    return sorted(found, key=lambda one: -abs(_size(one)))


def _size(one: Finding) -> float:
    return one.difference.value if one.difference is not None else 0.0


def outcome_rates(pair: Pair) -> pd.DataFrame:
    """The share of each class that only the first, only the second, and both get wrong.

    Returns:
        Columns `label`, `outcome` (of `OUTCOMES`), `images` (of the class), `wrong`, `rate`, `low`, `high` (0 to 1),
        and `expected`: the share that both would get wrong if their errors were independent, NaN for the others.
    """
    return pd.DataFrame([row for label in CLASSES for row in _rates(pair, label)])


def _rates(pair: Pair, label: str) -> Iterator[dict[str, object]]:
    chosen = pair.is_real == (label == "REAL")
    counts = pair.counts(chosen)
    n = counts.images
    if not n:
        return
    first, second = counts.only_first_wrong + counts.both_wrong, counts.only_second_wrong + counts.both_wrong
    for outcome, wrong in zip(OUTCOMES[1:], counts[1:], strict=True):
        low, high = map(float, wilson_interval(wrong, n))
        expected = first * second / n**2 if outcome == "both wrong" else np.nan
        yield {
            "label": label, "outcome": outcome, "images": n, "wrong": wrong, "rate": wrong / n, "low": low,
            "high": high, "expected": expected,
        }  # fmt: skip


def as_row(one: Finding, name: str) -> dict[str, object]:
    """The measures of both runs in one row of a table for a chart: `name`, `value`, `images`, and the ends of both."""
    other = one.measure if one.control is None else one.control.measure
    ends = {
        f"{side}_{end}": getattr(measure, end)
        for side, measure in (("first", one.measure), ("second", other))
        for end in ("value", "low", "high")
    }
    return {"name": name, "value": name, "images": one.measure.n, **ends}
