"""Judging samples step by step: none twice, with an early first result, and none after cancellation."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from core.explainers.lime.sampling import Samples, distinct_rows

FIRST_SAMPLES = 64
# between two looks at `cancel`
BATCH = 128
Judge = Callable[[NDArray[np.bool_]], NDArray[np.float64]]


def judge_stepwise(
    judge: Judge,
    samples: Samples,
    *,
    batch: int = BATCH,
    cancel: Callable[[], bool] | None = None,
    stepwise: bool = True,
) -> Iterator[tuple[NDArray[np.float64], int]]:
    """Yield the detector's outputs for the first 64, 128, ... samples and finally for all of them.

    Args:
        judge: bool (m, S), distinct rows of `samples.keep`, -> float64 (m, ...), the detector's outputs for them.
        samples: the samples to run.
        batch: rows judged between two checks of `cancel`.
        cancel: once it returns True, nothing more is judged and the iteration ends.
        stepwise: False to yield the last step only.

    Yields:
        float64 (k, ...), the outputs for the first k samples, and the number of distinct samples among them.
    """
    first, inverse = distinct_rows(samples.keep)
    answers: NDArray[np.float64] | None = None
    for stop in _steps(len(samples), first) if stepwise else [len(samples)]:
        needed = int(np.searchsorted(first, stop))
        while answers is None or len(answers) < needed:
            if cancel is not None and cancel():
                return
            done = 0 if answers is None else len(answers)
            more = judge(samples.keep[first[done : min(done + batch, needed)]])
            answers = more if answers is None else np.concatenate([answers, more])
        yield answers[inverse[:stop]], needed


def _steps(n_samples: int, first: NDArray[np.int64]) -> list[int]:
    """Numbers of samples to show a result for: 64, 128, ... as long as each brings samples that were not run before."""
    steps, stop = [], FIRST_SAMPLES
    while stop < n_samples and first[-1] >= stop:
        steps.append(stop)
        stop *= 2
    return [*steps, n_samples]


def first_samples(samples: Samples, count: int) -> Samples:
    """The first `count` of some samples; they are exhaustive where they are all of an exhaustive set."""
    return Samples(samples.keep[:count], samples.clusters[:count], samples.exhaustive and count == len(samples))
