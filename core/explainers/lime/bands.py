"""LIME on kinds of detail: rings of the spectrum, brightness and colour apart, in the place of segments.

An image is the sum of its bands. Versions of it lack some of them; the surrogate, its kernel, the draw of the samples
and the intervals are those of lime.py.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from core.edits.frequency import Spectra, ring, scrambled, spectra_of, to_pixels
from core.explainers.lime.band_results import BANDS, BandResult, BandSettings
from core.explainers.lime.imputation import UnseenFitter
from core.explainers.lime.sampling import Samples
from core.explainers.lime.stepwise import BATCH, first_samples, judge_stepwise
from core.explainers.lime.surrogate import Fit, SampledExplainer
from core.explainers.results import ExplanationError
from core.images.statistics import LUMA

if TYPE_CHECKING:
    from core.detectors.detector import Detector

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Parts:
    """An image as a sum.

    Attributes:
        rest: float32 (3072,), the mean brightness, which is always kept.
        bands: float32 (S, 3072), one for each of `BANDS`.
        fills: float32 (S, 3072), what stands in for each.
    """

    rest: NDArray[np.float32]
    bands: NDArray[np.float32]
    fills: NDArray[np.float32]

    def versions(self, keep: NDArray[np.bool_]) -> Pixels:
        """uint8 (n, 32, 32, 3): the sum of the kept bands and of the fills of the others, rounded and cut to 0..255.

        Args:
            keep: bool (n, S).
        """
        total = keep.astype(np.float32) @ (self.bands - self.fills)
        total += self.rest + self.fills.sum(axis=0)
        side = math.isqrt(total.shape[1] // 3)
        return to_pixels(total).reshape(-1, side, side, 3)


def split_image(image: Pixels, *, fill: str = "removed", seed: int = 0) -> Parts:
    """An image as the sum of its bands.

    Args:
        image: uint8 (32, 32, 3).
        fill: "removed", or "shuffled": the band's own spectrum with the phases of white noise.
        seed: of that noise.
    """
    spectra = spectra_of(image[None])
    luma = np.repeat(spectra @ LUMA[:, None], 3, axis=3).astype(np.complex64)
    channels = {"brightness": luma, "colour": spectra - luma}
    mean = np.zeros(spectra.shape[1:3], bool)
    mean[0, 0] = True
    masks = [mean if band.high == 0 else ring(band.low, band.high, side=len(image)) for band in BANDS]
    parts = np.concatenate([channels[band.channel] * mask[..., None] for band, mask in zip(BANDS, masks, strict=True)])
    fills = np.zeros((len(BANDS), image.size), np.float32)
    if fill == "shuffled":
        noise = np.random.default_rng(seed).standard_normal((1, *image.shape[:2]), np.float32)
        fills = scrambled(parts, np.repeat(noise, len(BANDS), axis=0)).reshape(len(BANDS), -1)
        # a mean has no phase to shuffle
        fills[[band.high == 0 for band in BANDS]] = 0
    return Parts(_flat(luma * mean[..., None])[0], _flat(parts), fills)


def _flat(spectra: Spectra) -> NDArray[np.float32]:
    side = spectra.shape[1]
    images = fft.irfft2(spectra, s=(side, side), axes=(1, 2), workers=1)
    return np.asarray(images, np.float32).reshape(len(spectra), -1)


@dataclass(frozen=True, eq=False)
class _Job:
    detector: "Detector"
    settings: BandSettings
    image: Pixels
    parts: Parts
    samples: Samples
    fit: Callable[..., Fit]
    started: float

    def judge(self, keep: NDArray[np.bool_]) -> NDArray[np.float64]:
        """float64 (n,), the margins of versions."""
        margins = self.detector.margins(self.parts.versions(keep))
        if not np.isfinite(margins).all():
            raise ExplanationError(
                f"the detector {self.detector.name} answers with numbers that are not finite on versions of this "
                "image; its weights are damaged, choose another detector"
            )
        return margins.astype(np.float64)


def explain_bands(
    detector: "Detector",
    image: Pixels,
    *,
    settings: BandSettings | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Iterator[BandResult]:
    """Weigh the bands of one image step by step: the first result after about 64 samples, then each time they double.

    Args:
        detector: what to explain.
        image: uint8 (32, 32, 3).
        settings: `BandSettings()` when None.
        cancel: asked between batches; once it answers True nothing further is run and the iteration ends.

    Yields:
        Results; `complete` marks the last.

    Raises:
        ExplanationError: an image of another shape, or a detector whose answer is no number.
    """
    job = _prepare(detector, image, settings or BandSettings())
    batch = max(BATCH, detector.batch_size or 0)
    for margins, distinct in judge_stepwise(job.judge, job.samples, batch=batch, cancel=cancel):
        yield _result(job, margins, distinct=distinct)


def _prepare(detector: "Detector", image: Pixels, settings: BandSettings) -> _Job:
    started = time.perf_counter()
    shape = (detector.side, detector.side, 3)
    if image.shape != shape or image.dtype != np.uint8:
        raise ExplanationError(f"image must be uint8 {shape}, not {image.dtype} {image.shape}; resize it first")
    explainer = SampledExplainer(random_state=settings.seed)
    samples = explainer.draw(settings.n_samples, len(BANDS), balanced=True)
    return _Job(
        detector,
        settings,
        image,
        split_image(image, fill=settings.fill, seed=settings.seed),
        samples,
        explainer.fit if samples.exhaustive else UnseenFitter(explainer, len(BANDS)).fit,
        started,
    )


def _result(job: _Job, margins: NDArray[np.float64], *, distinct: int) -> BandResult:
    settings, count = job.settings, len(margins)
    fit = job.fit(first_samples(job.samples, count), margins, confidence=settings.confidence)
    least = settings.least_share * abs(margins[0])
    named = (np.abs(fit.weights) > fit.error) & (np.abs(fit.weights) >= least)
    decisions = np.where(named, np.sign(fit.weights), 0).astype(np.int8)
    margin = float(margins[0])
    return BandResult(
        image=job.image,
        margin=margin,
        p_real=float(job.detector.p_real(np.array(margin, np.float32))),
        toward="REAL",
        detector=job.detector.name,
        detector_sha256=job.detector.sha256,
        seconds=time.perf_counter() - job.started,
        settings=settings,
        weights=fit.weights,
        low=fit.weights - fit.error,
        high=fit.weights + fit.error,
        decisions=decisions,
        least_effect=float(least),
        intercept=fit.intercept,
        r2=fit.r2,
        samples=count,
        distinct=distinct,
        sentence=_conclude(fit, decisions),
        complete=count == len(job.samples),
    )


def _conclude(fit: Fit, decisions: NDArray[np.int8]) -> str:
    """Which band speaks most for each class, and how far to lean on it."""
    said = []
    # the class that has more to say comes first
    for sign in (1, -1) if fit.weights.max() > -fit.weights.min() else (-1, 1):
        name, of_it = ("REAL", decisions == 1) if sign > 0 else ("FAKE", decisions == -1)
        if not of_it.any():
            said.append(f"nothing speaks clearly for {name}")
            continue
        best = int(np.where(of_it, sign * fit.weights, -np.inf).argmax())
        value, error = fit.weights[best], fit.error[best]
        label = BANDS[best].label
        said.append(
            f"{label[0].lower()}{label[1:]} speaks most for {name} "
            f"(margin {value:+.2g}, {value - error:+.2g} to {value + error:+.2g})"
        )
    undecided = int((decisions == 0).sum())
    text = (
        f"{'; '.join(said)}. {undecided} of {len(BANDS)} kinds of detail are undecided, and the sum of the bars "
        f"explains {max(fit.r2, 0):.0%} of what the detector did."
    )
    return text[0].upper() + text[1:]
