"""The parts of one image weighed step by step: samples drawn, judged, and fitted. What the ways of LIME share."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.explainers.explainer import Cancel
from core.explainers.explanation import Parts
from core.explainers.lime.imputation import UnseenFitter
from core.explainers.lime.sampling import BATCH, Judge, SampledSettings, first_samples, judge_stepwise
from core.explainers.lime.surrogate import Fit, SampledExplainer

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
    fit: Fit
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
    batch: int | None = None,
    cancel: Cancel | None = None,
    stepwise: bool = True,
) -> Iterator[Weighed]:
    """Weigh S parts on the first 64, 128, ... samples and finally on all of them.

    Args:
        judge: bool (m, S), the parts that each sample keeps, -> float64 (m, ...), the detector's outputs.
        count: S.
        settings: number and seed of the samples, confidence, minimum effect.
        target: outputs for n samples -> float64 (n,), the values to fit.
        balanced: False for the lime package's own coin flips.
        batch: samples judged at once, if more than `BATCH`.
        cancel: called between batches; once it returns True, the iteration ends.
        stepwise: False to yield the last step only.
    """
    explainer = SampledExplainer(random_state=settings.seed)
    samples = explainer.draw(settings.n_samples, count, balanced=balanced)
    # coin flips stay the package's to the last digit; where every combination is run there is nothing to guess
    guessing = balanced and not samples.exhaustive
    fitted = UnseenFitter(explainer, count).fit if guessing else explainer.fit
    steps = judge_stepwise(judge, samples, batch=max(BATCH, batch or 0), cancel=cancel, stepwise=stepwise)
    for answers, distinct in steps:
        values = target(answers)
        fit = fitted(first_samples(samples, len(values)), values, confidence=settings.confidence)
        least = settings.least_share * abs(float(values[0]))
        named = (np.abs(fit.weights) > fit.error) & (np.abs(fit.weights) >= least)
        decisions = np.where(named, np.sign(fit.weights), 0).astype(np.int8)
        done = len(values) / len(samples)
        yield Weighed(answers, values, fit, decisions, least, distinct, done, settings.confidence)
