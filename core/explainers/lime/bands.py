"""LIME on frequency bands: rings of the spectrum, separately for brightness and colour, instead of regions.

An image is the sum of its bands, and each sample leaves some of them out. Surrogate, kernel, sampling and intervals are
those of LIME on regions. Bands have no location, so an explanation has parts but no map.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from core.detectors.manifest import Offers
from core.explainers.explainer import Cancel, Explainer, Pixels, check_finite, check_pixels
from core.explainers.explanation import Diagnostics, Explanation, OneColour
from core.explainers.lime.regions import weigh
from core.explainers.lime.sampling import SampledSettings
from core.explainers.settings import setting
from core.images.statistics import LUMA
from core.perturbations.frequency import NYQUIST, Spectra, ring, scrambled, spectra_of, to_pixels, wave_length

if TYPE_CHECKING:
    from core.detectors.detector import Detector

BandFill = Literal["removed", "shuffled"]
# the radii at which rings meet: waves of 16, 8, 4, 2.7 and 2 pixels; and one beyond the corner of any spectrum
EDGES = (2.0, 4.0, 8.0, 12.0, float(NYQUIST))
CORNER = 23.0
# grey levels below which a band is rounding of the transform
NOTHING = 0.01


class Band(NamedTuple):
    """One frequency band.

    Attributes:
        channel: "brightness" (luma, alike in red, green and blue) or "colour" (what is left).
        low, high: its ring, above `low` and up to `high`, radii as in `core.perturbations.frequency`; both 0 for the
            mean colour.
        label: for a bar of a chart.
    """

    channel: str
    low: float
    high: float
    label: str


@cache
def bands(side: int) -> tuple[Band, ...]:
    """The bands of an image of `side` pixels; mean brightness is not one but always kept, or the rest would clip.

    Sides of 64 or more have additional rings of longer waves, each twice as long as the one before.
    """
    edges = list(EDGES)
    # two waves across the image at least, or a ring would hold next to nothing
    while side / wave_length(edges[0] / 2) >= 2:
        edges.insert(0, edges[0] / 2)
    lengths = [f"{round(wave_length(edge), 1):g}" for edge in edges]
    waves = [f"of {lengths[0]} pixels and more", *(f"of {b} to {a} pixels" for a, b in pairwise(lengths))]
    rings = list(zip(pairwise([0.0, *edges, CORNER]), [*waves, f"shorter than {lengths[-1]} pixels"], strict=True))
    return Band("colour", 0, 0, "Mean colour"), *(
        Band(channel, *ends, f"{channel.capitalize()} in waves {words}")
        for channel in ("brightness", "colour")
        for ends, words in rings
    )


class BandSettings(SampledSettings):
    """How the bands of one image are weighed.

    Attributes:
        fill: what stands in for a band that is left out.
    """

    fill: BandFill = setting("removed")


class Sum(NamedTuple):
    """An image as a sum; P values are side * side * 3.

    Attributes:
        rest: float32 (P,), the mean brightness, which is always kept.
        bands: float32 (S, P), one for each of `bands(side)`.
        fills: float32 (S, P), what stands in for each.
    """

    rest: NDArray[np.float32]
    bands: NDArray[np.float32]
    fills: NDArray[np.float32]

    def versions(self, keep: NDArray[np.bool_]) -> Pixels:
        """uint8 (n, side, side, 3): the bands that are kept, `keep` being bool (n, S), and the fills of the others."""
        total = keep.astype(np.float32) @ (self.bands - self.fills)
        total += self.rest + self.fills.sum(axis=0)
        side = round((self.rest.size / 3) ** 0.5)
        return to_pixels(total).reshape(-1, side, side, 3)


def split_image(image: Pixels, *, fill: BandFill = "removed", seed: int = 0) -> Sum:
    """An image as the sum of its bands.

    Args:
        image: uint8 (side, side, 3).
        fill: "removed", or "shuffled": the band's own spectrum with the phases of white noise.
        seed: of that noise.
    """
    side = len(image)
    wanted = bands(side)
    spectra = spectra_of(image[None])
    luma = np.repeat(spectra @ LUMA[:, None], 3, axis=3).astype(np.complex64)
    channels = {"brightness": luma, "colour": spectra - luma}
    mean = np.zeros(spectra.shape[1:3], bool)
    mean[0, 0] = True
    masks = [ring(band.low, band.high, side=side) if band.high else mean for band in wanted]
    parts = np.concatenate([channels[band.channel] * mask[..., None] for band, mask in zip(wanted, masks, strict=True)])
    fills = np.zeros((len(wanted), image.size), np.float32)
    if fill == "shuffled":
        noise = np.random.default_rng(seed).standard_normal((1, side, side), np.float32)
        fills = scrambled(parts, np.repeat(noise, len(wanted), axis=0)).reshape(len(wanted), -1)
        # a mean has no phase to shuffle
        fills[[band.high == 0 for band in wanted]] = 0
    return Sum(_flat(luma * mean[..., None], side)[0], _flat(parts, side), fills)


def _flat(spectra: Spectra, side: int) -> NDArray[np.float32]:
    pixels = fft.irfft2(spectra, s=(side, side), axes=(1, 2), workers=1)
    return np.asarray(pixels, np.float32).reshape(len(spectra), -1)


class BandLime(Explainer[BandSettings]):
    """The explainer; see the module."""

    name = "lime_bands"
    title = "LIME over frequency bands"
    sentence = "How the verdict changes when frequency bands are left out, from broad shading to the finest detail."
    settings = BandSettings
    libraries = ("lime", "scikit-learn")
    has_map = False

    def explain(
        self,
        detector: "Detector",
        image: Pixels,
        settings: BandSettings,
        *,
        cancel: Cancel | None = None,
        **_: Any,
    ) -> Iterator[Explanation]:
        """See `Explainer.explain`: the first after about 64 samples, then one each time they have doubled."""
        began = time.perf_counter()
        check_pixels(detector, image[None])
        whole = split_image(image, fill=settings.fill, seed=settings.seed)

        def judge(keep: NDArray[np.bool_]) -> NDArray[np.float64]:
            margins = detector.margins(whole.versions(keep))
            check_finite(detector, margins)
            return margins.astype(np.float64)

        labels = [band.label for band in bands(len(image))]
        # a band that the image has none of, and nothing stands in for, changes nothing, whatever the samples say
        there = np.abs(whole.bands - whole.fills).max(axis=1) > NOTHING
        total = int(there.sum())
        for step in weigh(judge, labels, settings, target=lambda margins: (margins, 1), cancel=cancel):
            weights, low, high = (
                np.where(there, part, 0) for part in (step.parts.weights, step.parts.low, step.parts.high)
            )
            decisions = np.where(there, step.parts.decisions, 0).astype(np.int8)
            signs = set(decisions[decisions != 0].tolist())
            cause: OneColour = "" if len(signs) == 2 else "one sign" if signs else "nothing decided"
            sentence = (
                f"{total - int((decisions != 0).sum())} of {total} frequency bands are undecided, and the sum of "
                f"the bars explains {max(step.numbers['r2'], 0):.0%} of the variance."
            )
            yield self.explanation(
                detector,
                image,
                settings,
                margin=float(step.answers[0]),
                seconds=time.perf_counter() - began,
                unit="margin",
                diagnostics=Diagnostics(sentence, cause, step.numbers),
                parts=replace(step.parts, weights=weights, low=low, high=high, decisions=decisions),
                done=step.done,
            )

    def cost(self, settings: BandSettings, offers: Offers | None = None) -> int:  # noqa: ARG002
        """See `Explainer.cost`."""
        return settings.n_samples

    def reading(self, explanation: Explanation) -> str:
        """See `Explainer.reading`."""
        return (
            "A picture is a sum of waves, from broad shading to detail as fine as two pixels. Bands of waves were left "
            f"out {explanation.diagnostics.numbers['samples']} times, and the detector was asked each time: the weight "
            "of a band is what having it adds to the score for REAL."
        )


LIME_BANDS = BandLime()
