"""LIME on one image: lime's kernel and surrogate on samples that are drawn better and never run twice."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from core.detectors.detector import Detector
from core.edits.masking import Fill, fill_image, mask_batch
from core.explainers.diagnostics import lime_health, movement
from core.explainers.lime.imputation import UnseenFitter
from core.explainers.lime.sampling import Samples
from core.explainers.lime.segmentation import segment
from core.explainers.lime.stepwise import BATCH, first_samples, judge_stepwise
from core.explainers.lime.surrogate import Fit, SampledExplainer
from core.explainers.results import CLASSES, ClassName, ExplanationError, LimeResult, LimeSettings, LimeTarget
from core.images.labels import FAKE, REAL


@dataclass(frozen=True, eq=False)
class _Job:
    """One image under one setting, before any sample was run."""

    detector: Detector
    settings: LimeSettings
    image: NDArray[np.uint8]
    segments: NDArray[np.int32]
    filled: NDArray[np.uint8]
    samples: Samples
    fit: Callable[..., Fit]
    started: float


def explain_lime(
    detector: Detector,
    image: NDArray[np.uint8],
    *,
    settings: LimeSettings | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Iterator[LimeResult]:
    """Explain one image step by step: the first result after about 64 samples, then one each time they have doubled.

    Args:
        detector: what to explain.
        image: uint8 (32, 32, 3).
        settings: `LimeSettings()` when None.
        cancel: asked between batches; once it answers True no further sample is run and the iteration ends.

    Yields:
        Results on 64, 128, ... samples; `complete` marks the last. Fewer where repeated samples make steps pointless.

    Raises:
        ExplanationError: an image of another shape, more segments than pixels, or a detector whose answer is no number.
    """
    yield from _explain(detector, image, settings or LimeSettings(), cancel=cancel, stepwise=True)


def explain_lime_fully(
    detector: Detector,
    image: NDArray[np.uint8],
    *,
    settings: LimeSettings | None = None,
    segments: NDArray[np.integer] | None = None,
) -> LimeResult:
    """The last result of `explain_lime`, without the cost of those before it.

    Args:
        detector, image, settings: see there.
        segments: integers (32, 32) from 0 without gaps, where the image is not to be cut by its own lines.
    """
    return next(_explain(detector, image, settings or LimeSettings(), cancel=None, stepwise=False, segments=segments))


def _explain(
    detector: Detector,
    image: NDArray[np.uint8],
    settings: LimeSettings,
    *,
    cancel: Callable[[], bool] | None,
    stepwise: bool,
    segments: NDArray[np.integer] | None = None,
) -> Iterator[LimeResult]:
    job = _prepare(detector, image, settings, segments)
    batch = max(BATCH, detector.batch_size or 0)
    for logits, distinct in judge_stepwise(
        partial(_run, job), job.samples, batch=batch, cancel=cancel, stepwise=stepwise
    ):
        yield _result(job, logits, distinct=distinct)


def target_values(logits: NDArray[np.float64], target: LimeTarget) -> tuple[NDArray[np.float64], ClassName]:
    """The target in each of n samples, the image itself first, and the class that it speaks for.

    Args:
        logits: float (n, 2), columns FAKE and REAL.
        target: see `LimeSettings`.
    """
    margins = logits[:, REAL] - logits[:, FAKE]
    if target == "margin":
        return margins, "REAL"
    if target == "probability":
        predicted = REAL if margins[0] > 0 else FAKE
        return 0.5 * (1 + np.tanh(margins / 2 * (1 if predicted == REAL else -1))), CLASSES[predicted]
    return logits[:, CLASSES.index(target)], target


def _prepare(
    detector: Detector, image: NDArray[np.uint8], settings: LimeSettings, given: NDArray[np.integer] | None
) -> _Job:
    started = time.perf_counter()
    shape = (detector.side, detector.side, 3)
    if image.shape != shape or image.dtype != np.uint8:
        raise ExplanationError(f"image must be uint8 {shape}, not {image.dtype} {image.shape}; resize it first")
    try:
        cut = segment(image, method=settings.segmentation, n_segments=settings.n_segments) if given is None else given
    except ValueError as error:
        raise ExplanationError(str(error)) from None
    segments = np.asarray(cut, np.int32)
    count, balanced = int(segments.max()) + 1, settings.sampling == "balanced"
    explainer = SampledExplainer(random_state=settings.seed)
    samples = explainer.draw(settings.n_samples, count, balanced=balanced)
    # coin flips stay the package's to the last digit; where every combination is run there is nothing to guess
    guessing = balanced and not samples.exhaustive
    return _Job(
        detector,
        settings,
        image,
        segments,
        fill_image(image, segments, fill=settings.fill, seed=settings.seed),
        samples,
        UnseenFitter(explainer, count).fit if guessing else explainer.fit,
        started,
    )


def _run(job: _Job, keep: NDArray[np.bool_]) -> NDArray[np.float64]:
    logits = job.detector.logits(mask_batch(job.image, job.segments, keep=keep, fill=job.filled))
    if not np.isfinite(logits).all():
        raise ExplanationError(
            f"the detector {job.detector.name} answers with numbers that are not finite on versions of this image; "
            "its weights are damaged, choose another detector"
        )
    return logits.astype(np.float64)


def _result(job: _Job, logits: NDArray[np.float64], *, distinct: int) -> LimeResult:
    settings, count = job.settings, len(logits)
    complete = count == len(job.samples)
    samples = first_samples(job.samples, count)
    values, toward = target_values(logits, settings.target)
    fit = job.fit(samples, values, confidence=settings.confidence)
    least = settings.least_share * abs(values[0])
    named = (np.abs(fit.weights) > fit.error) & (np.abs(fit.weights) >= least)
    decisions = np.where(named, np.sign(fit.weights), 0).astype(np.int8)
    margin = float(logits[0, REAL] - logits[0, FAKE])
    health = lime_health(
        settings=settings,
        segments=job.segments,
        decisions=decisions,
        samples=count,
        distinct=distinct,
        r2=fit.r2,
        # the steps before the last are looked at for a moment: not worth two more passes over the segments
        filled_alone=partial(_filled_alone, job) if complete else None,
    )
    return LimeResult(
        image=job.image,
        margin=margin,
        p_real=float(job.detector.p_real(np.array(margin, np.float32))),
        toward=toward,
        detector=job.detector.name,
        detector_sha256=job.detector.sha256,
        seconds=time.perf_counter() - job.started,
        settings=settings,
        segments=job.segments,
        weights=fit.weights,
        low=fit.weights - fit.error,
        high=fit.weights + fit.error,
        decisions=decisions,
        least_effect=float(least),
        value=float(values[0]),
        intercept=fit.intercept,
        health=health,
        complete=complete,
    )


def _filled_alone(job: _Job, one: Fill, other: Fill) -> tuple[float, float]:
    return movement(job.detector.margins, job.image, job.segments, fills=(one, other), seed=job.settings.seed)
