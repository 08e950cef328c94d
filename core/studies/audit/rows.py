"""Rows of the audit's table: what a fact, a ring of the spectrum, a regression and the network tell of the class."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.intervals import Estimate, weighted_share
from core.findings.separation import auroc, best_rule, carried_rule, leaning, strata_of, within_strata
from core.images.labels import CLASSES
from core.images.statistics import STATISTICS
from core.studies.audit.baselines import fit_and_ask, radial_spectrum
from core.studies.audit.names import FACT_NAMES
from core.studies.copies.both_splits import Part

ENDS = ("", "_low", "_high")
MIN_IN_CLASS = 10
Row = dict[str, Any]


def spread(name: str, estimate: Estimate) -> dict[str, float]:
    """An estimate as three columns."""
    return dict(zip([name + end for end in ENDS], estimate[:3], strict=True))


def fact_row(
    name: str,
    facts: pd.DataFrame,
    margins: NDArray[np.float64],
    *,
    learned: pd.DataFrame | None = None,
    seed: int = 0,
) -> Row | None:
    """Measure how well a fact alone separates the classes, and the detector among images matched on it.

    Args:
        name: a column of `facts`.
        facts: `is_real` and facts, a row an image; images that lack the fact are left out.
        margins: (N,) of the detector.
        learned: the same columns of the training images; None where they are not available.
        seed: of folds and of shuffling.

    Returns:
        A row of the audit, None where fewer than ten images of a class have the fact.
    """
    known = facts[name].notna().to_numpy()
    values, is_real, margins = _values(facts[name][known]), facts["is_real"].to_numpy(bool)[known], margins[known]
    if min(is_real.sum(), (~is_real).sum()) < MIN_IN_CLASS:
        return None
    judge = _judge(values, is_real, None if learned is None else learned[[name, "is_real"]].dropna(), seed=seed)
    matched = within_strata(margins, is_real, strata_of(values))
    row: Row = {"kind": "fact", "name": name, "images": len(values), "fitted": judge.fitted}
    row |= _quartiles(values, is_real) if FACT_NAMES[name].is_number else {"values": len(np.unique(values))}
    row |= spread("auroc", auroc(judge.scores, is_real))
    row |= spread("shuffled", auroc(judge.control, judge.shuffled))
    row |= spread("accuracy", weighted_share((judge.scores > 0) == is_real))
    row |= spread("matched_auroc", matched.auroc) | spread("matched_accuracy", matched.accuracy)
    return row | spread("lean", leaning(judge.scores, margins, is_real))


class _Judge(NamedTuple):
    """What a rule on one fact says of N images, and what it says after labels were shuffled."""

    scores: NDArray[np.float64]
    control: NDArray[np.float64]
    shuffled: NDArray[np.bool_]
    fitted: int


def _judge(values: NDArray[Any], is_real: NDArray[np.bool_], learned: pd.DataFrame | None, *, seed: int) -> _Judge:
    """A rule from the training images, or from the other images of the same set where those are not available."""
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(is_real)
    if learned is None or learned["is_real"].nunique() < len(CLASSES):
        scores, control = (best_rule(values, labels, seed=seed) for labels in (is_real, shuffled))
        return _Judge(scores, control, shuffled, 0)
    there, real = _values(learned.iloc[:, 0]), learned["is_real"].to_numpy(bool)
    scores = carried_rule(there, real, values)
    return _Judge(scores, carried_rule(there, generator.permutation(real), values), shuffled, len(there))


def _values(column: pd.Series) -> NDArray[Any]:
    if pd.api.types.is_numeric_dtype(column):
        return np.asarray(column, np.float64)
    return np.asarray(column.astype(str), "U")


def _quartiles(values: NDArray[Any], is_real: NDArray[np.bool_]) -> Row:
    """Quartiles of both classes, and which of them has the higher values."""
    row: Row = spread("direct", auroc(values, is_real))
    for name, chosen in (("real", is_real), ("fake", ~is_real)):
        ends = np.quantile(values[chosen], [0.25, 0.5, 0.75])
        row |= {f"{part}_{name}": end for part, end in zip(("lower", "median", "upper"), ends, strict=True)}
    return row


def ring_rows(spectra: NDArray[np.float32], is_real: NDArray[np.bool_]) -> Iterator[Row]:
    """The power of each ring by class.

    Args:
        spectra: (N, 16) from `radial_spectrum`.
        is_real: bool (N,), both classes.
    """
    for ring, powers in enumerate(spectra.astype(np.float64).T, start=1):
        yield {"kind": "ring", "name": str(ring), "images": len(powers), **_quartiles(powers, is_real)}


def network_row(margins: NDArray[np.float64], is_real: NDArray[np.bool_]) -> Row:
    """The detector itself."""
    row = {"kind": "network", "name": "network", "images": len(margins)}
    return row | spread("auroc", auroc(margins, is_real)) | spread("accuracy", weighted_share((margins > 0) == is_real))


def baseline_rows(own: Part, training: Part | None, spectra: NDArray[np.float32], *, seed: int) -> Iterator[Row]:
    """Logistic regressions on the radial spectrum, and on all facts that are numbers.

    Args:
        own: the run's images, which are judged.
        training: what the regressions are fitted on; without it each image is judged by the others of the run.
        spectra: (N, 16) of the run's images, from `radial_spectrum`.
        seed: of folds and of shuffling.
    """
    real, learned_real = own.is_real, None if training is None else training.is_real
    numbers = {"spectrum": spectra, "facts": own.rows[list(STATISTICS)].to_numpy(float)}
    for name, asked in numbers.items():
        learned = None
        if training is not None:
            facts = training.rows[list(STATISTICS)].to_numpy(float)
            learned = radial_spectrum(training.pixels) if name == "spectrum" else facts
        fitted = fit_and_ask(asked, real, learned, learned_real, seed=seed)
        generator = np.random.default_rng(seed)
        shuffled = generator.permutation(real)
        learned_shuffled = None if learned_real is None else generator.permutation(learned_real)
        control = fit_and_ask(asked, shuffled, learned, learned_shuffled, seed=seed)
        yield (
            {"kind": "baseline", "name": name, "images": len(real), "fitted": 0 if fitted.crossed else fitted.on}
            | spread("auroc", auroc(fitted.scores, real))
            | spread("accuracy", weighted_share((fitted.scores > 0) == real))
            | spread("shuffled", auroc(control.scores, shuffled))
        )
