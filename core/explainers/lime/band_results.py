"""Which kinds of detail speak for which class in one image: plain values, made by bands.py. Needs no torch."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from core.explainers.results import MAX_SAMPLES, Explained, ExplanationError, check_choice

Channel = Literal["brightness", "colour"]
BandFill = Literal["removed", "shuffled"]
BAND_FILLS: dict[BandFill, str] = {
    "removed": "nothing",
    "shuffled": "noise with the same spectrum",
}
# rings of the spectrum in cycles an image of 32 pixels, with the length of their waves for a reader
RINGS: dict[tuple[float, float], str] = {
    (0, 2): "longer than 16 pixels",
    (2, 4): "of 8 to 16 pixels",
    (4, 8): "of 4 to 8 pixels",
    (8, 12): "of 2.7 to 4 pixels",
    (12, 16): "of 2 to 2.7 pixels",
    (16, 23): "shorter than 2 pixels",
}


class Band(NamedTuple):
    """One kind of detail.

    Attributes:
        channel: "brightness" (luma, alike in red, green and blue) or "colour" (what is left).
        low, high: its ring: above `low` and up to `high` cycles an image; both 0 for the mean colour.
    """

    channel: Channel
    low: float
    high: float

    @property
    def label(self) -> str:
        """For a bar of a chart."""
        if self.high == 0:
            return "Mean colour"
        return f"{self.channel.capitalize()} in waves {RINGS[self.low, self.high]}"


# the mean brightness is always kept: without it every other band would be cut off at black
BANDS: tuple[Band, ...] = (
    Band("colour", 0, 0),
    *(Band(channel, low, high) for channel in get_args(Channel) for low, high in RINGS),
)


@dataclass(frozen=True)
class BandSettings:
    """How the bands of one image are weighed; hashable, so that equal settings find a cached result.

    Attributes:
        n_samples: versions of the image to draw, from 2; see `LimeSettings`.
        seed: of the samples and of the noise.
        fill: what stands in for a band that is switched off, a key of `BAND_FILLS`.
        confidence: of the intervals, within 0.5 to 0.999.
        least_share: the least effect worth naming, as a share of the margin's own size on this image, 0 to 1.
    """

    n_samples: int = 256
    seed: int = 0
    fill: BandFill = "removed"
    confidence: float = 0.95
    least_share: float = 0.01

    def __post_init__(self) -> None:
        check_choice("fill", self.fill, tuple(BAND_FILLS))
        if not 2 <= self.n_samples <= MAX_SAMPLES:
            raise ExplanationError(f"n_samples must be from 2 to {MAX_SAMPLES}, not {self.n_samples}")
        if not 0 <= self.seed < 2**32:
            raise ExplanationError(f"seed must be from 0 to {2**32 - 1}, not {self.seed}")
        if not 0.5 <= self.confidence <= 0.999 or not 0 <= self.least_share <= 1:
            raise ExplanationError("confidence must be from 0.5 to 0.999 and least_share from 0 to 1")


@dataclass(frozen=True, eq=False)
class BandResult(Explained):
    """What each of S kinds of detail speaks for, from the samples judged so far; `BANDS` are the kinds.

    Attributes:
        settings: what was asked for.
        weights: float64 (S,), what having the band adds to the margin in the surrogate: above 0 it speaks for REAL.
        low, high: float64 (S,), its confidence interval over other draws of the samples: sampling error, not truth.
        decisions: int8 (S,), 1 where the weight is certainly positive and worth naming, -1 negative, 0 undecided.
        least_effect: the least size worth naming.
        intercept: of the surrogate.
        r2: weighted R squared of the surrogate on what was judged.
        samples: versions of the image drawn so far, `distinct` of them different.
        sentence: what it comes to.
        complete: no samples are to come.
    """

    settings: BandSettings
    weights: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    decisions: NDArray[np.int8]
    least_effect: float
    intercept: float
    r2: float
    samples: int
    distinct: int
    sentence: str
    complete: bool
