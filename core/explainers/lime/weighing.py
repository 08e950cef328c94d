"""The parts of one image weighed step by step: samples drawn, judged, none twice, and fitted."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from core.explainers.explainer import Cancel
from core.explainers.explanation import Parts
from core.explainers.lime.sampling import SampledSettings, Samples, balanced_samples, distinct_rows, random_samples

if TYPE_CHECKING:
    from core.explainers.lime.surrogate import Fit

FIRST_SAMPLES = 64
# between two looks at `cancel`
BATCH = 128
Judge = Callable[[NDArray[np.bool_]], NDArray[np.float64]]
Values = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Weighed:
    """S parts, weighed from the samples judged so far.

    Attributes:
        answers: float64 (n, ...), the detector's output for each sample, the image itself first.
        values: float64 (n,), the target in each.
        fit: of the values.
        decisions: int8 (S,), 1 where a weight is significantly positive and not negligible, -1 negative, 0 undecided.
        least: weights of a smaller magnitude are negligible.
        distinct: number of distinct samples that were judged.
        done: share of all samples, 1 at the last step.
        confidence: of the intervals.
    """

    answers: NDArray[np.float64]
    values: NDArray[np.float64]
    fit: "Fit"
    decisions: NDArray[np.int8]
    least: float
    distinct: int
    done: float
    confidence: float

    def parts(self, labels: tuple[str, ...], *, sign: int = 1, regions: NDArray[np.int32] | None = None) -> Parts:
        """The parts towards REAL.

        Args:
            labels: their names.
            sign: -1 where the target speaks for FAKE.
            regions: where they lie.
        """
        weights, error = sign * self.fit.weights, self.fit.error
        decisions = (sign * self.decisions).astype(np.int8)
        return Parts(labels, weights, weights - error, weights + error, decisions, self.confidence, regions)

    @property
    def numbers(self) -> dict[str, float]:
        """For diagnostics."""
        return {
            "samples": len(self.values),
            "distinct": self.distinct,
            "r2": self.fit.r2,
            "least_effect": self.least,
            "value": float(self.values[0]),
            "intercept": self.fit.intercept,
        }


def weigh(
    judge: Judge,
    count: int,
    settings: SampledSettings,
    *,
    target: Values,
    balanced: bool = True,
    cancel: Cancel | None = None,
    stepwise: bool = True,
) -> Iterator[Weighed]:
    """Weigh S parts on the first 64, 128, ... samples, as long as each step brings new ones, and finally on all.

    Args:
        judge: bool (m, S), the parts that each sample keeps, no two alike, -> float64 (m, ...), the detector's outputs.
        count: S.
        settings: number and seed of the samples, confidence, minimum effect.
        target: outputs for n samples -> float64 (n,), the values to fit.
        balanced: False for the lime package's own coin flips.
        cancel: called between batches; once it returns True, the iteration ends.
        stepwise: False to yield the last step only.
    """
    # scikit-learn is imported where it is needed
    from core.explainers.lime.imputation import fit_imputed  # noqa: PLC0415
    from core.explainers.lime.surrogate import fit_samples  # noqa: PLC0415

    state, total = RandomState(settings.seed), settings.n_samples
    if balanced:
        samples = balanced_samples(total, count, state)
    else:
        # lime's explain_instance draws a seed for the segmentation before data_labels draws the samples
        state.randint(0, high=1000)
        samples = random_samples(total, count, state)
    first, inverse = distinct_rows(samples.keep)
    steps, stop = [], FIRST_SAMPLES
    while stepwise and stop < len(samples) and first[-1] >= stop:
        steps.append(stop)
        stop *= 2
    answers: NDArray[np.float64] | None = None
    for stop in (*steps, len(samples)):
        needed = int(np.searchsorted(first, stop))
        while answers is None or len(answers) < needed:
            if cancel is not None and cancel():
                return
            done = 0 if answers is None else len(answers)
            more = judge(samples.keep[first[done : min(done + BATCH, needed)]])
            answers = more if answers is None else np.concatenate([answers, more])
        own, values = answers[inverse[:stop]], target(answers[inverse[:stop]])
        part = Samples(samples.keep[:stop], samples.clusters[:stop], samples.exhaustive and stop == len(samples))
        # coin flips stay the package's to the last digit; where every combination is run there is nothing to impute
        fitted = fit_imputed if balanced and not samples.exhaustive else fit_samples
        fit = fitted(part, values, confidence=settings.confidence)
        least = settings.least_share * abs(float(values[0]))
        named = (np.abs(fit.weights) > fit.error) & (np.abs(fit.weights) >= least)
        decisions = np.where(named, np.sign(fit.weights), 0).astype(np.int8)
        yield Weighed(own, values, fit, decisions, least, needed, stop / len(samples), settings.confidence)
