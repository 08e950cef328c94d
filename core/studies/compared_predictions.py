"""Compare the predictions of two runs on the same images: which is right more often, and do they err alike? No torch.

The first run is what a finding measures and the second its control, so that "above its control" reads as "the first is
better". A difference of accuracies is claimed only where it also holds without repeats and the leaks that are known.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.claims import Headlines, with_headlines
from core.findings.finding import Choice, Control, Finding, Measure
from core.findings.intervals import weighted_mean
from core.findings.paired import area, difference_of_aurocs, difference_of_shares, mcnemar, rank_correlation
from core.images.labels import CLASSES
from core.runs.metrics import expected_calibration_error, largest, wilson_interval
from core.studies.pair import BETTER, LEVEL, OUTCOMES, Pair

STUDY = "comparison"
# columns that a comparison is broken down by, and their plurals
SEVERAL = {"category": "categories", "source": "sources"}
Chosen = NDArray[np.bool_]

HEADLINES: Headlines = {
    "accuracy": {"question": "Which detector is right more often?", **BETTER},
    "recall-REAL": {"question": "Which recognises more REAL images?", **BETTER},
    "recall-FAKE": {"question": "Which recognises more FAKE images?", **BETTER},
    "both_wrong": {
        "question": "Do they err on the same images?",
        "subject": "both wrong",
        "holds": "They err together more often than independent detectors would.",
        "holds below": "They err together less often than independent detectors would.",
        "not shown": "Not shown to err together more than by chance.",
    },
    "auroc": {
        "question": "Which separates the classes better?",
        "holds": "The first separates them better.",
        "holds below": "The second separates them better.",
        "not shown": "No difference between the two was found.",
    },
    "margins-*": {
        "question": "Do they find the same images easy?",
        "holds": "They rank the images alike, at least in part.",
        "holds below": "They rank the images against each other.",
        "not shown": "Not shown to rank the images alike.",
    },
    "confidence": {
        "question": "Which is more overconfident?",
        "subject": "mean confidence less accuracy",
        "holds": "The first is more confident for its accuracy.",
        "holds below": "The second is more confident for its accuracy.",
        "not shown": "No difference between the two was found.",
    },
    "*": {"question": "Which detector is right more often on these?", **BETTER},
}


def conclude(pair: Pair) -> list[Finding]:
    """Compare accuracy, recalls, shared errors, AUROC, margins and calibration."""
    everything = np.ones(len(pair.is_real), bool)
    findings = [_compared(pair, "accuracy", "accuracy", everything)]
    findings += [
        _compared(pair, f"recall-{label}", "recall", pair.is_real == (label == "REAL"), group=label)
        for label in CLASSES
    ]
    findings += [_both_wrong(pair), _auroc(pair), *(_margins(pair, label) for label in CLASSES), _confidence(pair)]
    return with_headlines([finding for finding in findings if finding.measure.known], HEADLINES)


def _named(pair: Pair) -> dict[str, Any]:
    return {"first": pair.names[0], "second": pair.names[1]}


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
    """Compare the shares of right predictions on the chosen rows."""
    counts, clean = pair.counts(chosen), chosen & pair.clean
    subsets = {"all": chosen, pair.without_leaks: clean} if clean.sum() < chosen.sum() else {}
    choices = tuple(Choice("images", name, *_shares(pair, rows, confidence)) for name, rows in subsets.items())
    measure, control, difference = _shares(pair, chosen, confidence)
    details = {**_named(pair), "p": mcnemar(counts), "value": value, **counts._asdict()}
    subject = value.replace("_", " ")
    return Finding(key, STUDY, quantity, measure, group, control, difference, choices, details=details, subject=subject)


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


def _both_wrong(pair: Pair) -> Finding:
    """Compare the share that both get wrong with what it would be if they erred independently within each class."""
    counts, n = pair.counts(), len(pair.is_real)
    first, second = pair.right
    expected = 0.0
    for real in (True, False):
        chosen = pair.is_real == real
        if chosen.any():
            expected += float((~first[chosen]).mean() * (~second[chosen]).mean() * chosen.sum())
    control = Control("errors that were independent within each class", Measure(expected / n, n=n))
    details = {**_named(pair), "expected": expected, "either": n - counts.both_right, **counts._asdict()}
    return Finding("both_wrong", STUDY, "both_wrong", _share(counts.both_wrong, n), None, control, details=details)


def _auroc(pair: Pair) -> Finding:
    first, second = pair.margins
    n = len(pair.is_real)
    own, other = (Measure(area(scores, pair.is_real), n=n) for scores in (first, second))
    difference = Measure.of(difference_of_aurocs(first, second, pair.is_real))
    return Finding("auroc", STUDY, "auroc", own, None, Control(pair.names[1], other), difference, details=_named(pair))


def _margins(pair: Pair, label: str) -> Finding:
    chosen = pair.is_real == (label == "REAL")
    measure = Measure.of(rank_correlation(*(values[chosen] for values in pair.margins)))
    # 0 is what margins that know nothing of each other have
    control = Control("unrelated margins", Measure(0.0))
    return Finding(f"margins-{label}", STUDY, "rank_correlation", measure, label, control, details=_named(pair))


def _confidence(pair: Pair) -> Finding:
    """Compare mean confidence less accuracy, paired; calibration errors and Brier scores are beside it."""
    over, brier, errors = [], [], []
    for p_real, right in zip(pair.p_real, pair.right, strict=True):
        p = p_real.astype(np.float64)
        over.append(np.maximum(p, 1 - p) - right)
        brier.append((p - pair.is_real) ** 2)
        errors.append(Measure(expected_calibration_error(p_real, right), n=len(right)))
    beside = {
        "brier_first": Measure.of(weighted_mean(brier[0])),
        "brier_second": Measure.of(weighted_mean(brier[1])),
        "brier_difference": Measure.of(weighted_mean(brier[0] - brier[1])),
        "error_first": errors[0],
        "error_second": errors[1],
    }
    first, second, difference = (Measure.of(weighted_mean(values)) for values in (*over, over[0] - over[1]))
    control = Control(pair.names[1], second)
    return Finding(
        "confidence", STUDY, "overconfidence", first, None, control, difference, beside=beside, details=_named(pair)
    )


def columns_of(pair: Pair) -> list[str]:
    """Return the columns by whose values a comparison can be broken down: those in which images differ."""
    return [name for name in SEVERAL if name in pair.first.predictions and len(set(pair.values(name)) - {None}) > 1]


def by(pair: Pair, column: str) -> list[Finding]:
    """Compare the accuracies on each value of a column, largest difference first.

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
    findings = [
        _compared(pair, f"{column}-{name}", "accuracy", values == name, confidence=confidence, value=str(name))
        for name in kept["value"]
    ]
    findings.sort(key=lambda finding: -abs(0.0 if finding.difference is None else finding.difference.value))
    return with_headlines(findings, HEADLINES)


def outcome_rates(pair: Pair) -> pd.DataFrame:
    """Estimate the share of each class that only the first, only the second, and both get wrong.

    Returns:
        Columns `label`, `outcome` (of `OUTCOMES`), `images` (of the class), `wrong`, `rate`, `low`, `high` (0 to 1),
        and `expected`: the share that both would get wrong if their errors were independent, NaN for the others.
    """
    return pd.DataFrame([row for label in CLASSES for row in _rates(pair, label)])


def _rates(pair: Pair, label: str) -> Iterator[dict[str, object]]:
    counts = pair.counts(pair.is_real == (label == "REAL"))
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
