"""Traces of an enlargement in the pixels themselves: repeated pixels, and periodic smoothness.

A pixel that was interpolated from its neighbours lies closer to their mean than one that a camera took, and after an
enlargement by f such pixels recur every f pixels. The second difference along rows, averaged over them, is then
periodic (Gallagher, "Detection of linear and cubic interpolation in JPEG compressed images", 2005).
"""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from core.images.provenance.claim import Claim, File
from core.images.statistics import LUMA

KIND = "Enlarged pixels"
# pixels along a side: below the first, a peak cannot be told from chance; above the second, it gets no clearer
SMALLEST, LARGEST = 192, 1024
# height of a peak over the median of the spectrum, on both axes at one frequency, from which it is taken for a trace;
# `tests/core/images/provenance/test_enlarged.py` measures its false alarms
CLEAR = 8.0
# cycles a pixel: below is the picture itself
LOWEST = 0.06
# peaks of the two axes this close, in cycles per pixel, count as one frequency
ALIKE = 0.006
# width of the median that takes the picture's own structure out
WIDTH = 33
MOST_REPEATS = 16
# squares along a column that are compared at once
STRIP = 16


class Peak(NamedTuple):
    """A peak of the spectrum: cycles a pixel, and its height over the median."""

    frequency: float
    height: float


def find(file: File) -> list[Claim]:
    """Say whether the pixels were enlarged, and when that cannot be known."""
    return [] if file.pixels is None else [_claim(judge(file.pixels))]


def _claim(says: str) -> Claim:
    return Claim(KIND, says, forgeable=False)


def judge(pixels: NDArray[np.uint8]) -> str:
    """Say in a sentence whether pixels were enlarged; uint8 (height, width, 3)."""
    height, width = pixels.shape[:2]
    if (repeats := repeated(pixels)) > 1:
        return (
            f"Every pixel stands {repeats} x {repeats} times: the picture was enlarged by {repeats} without smoothing."
        )
    if min(height, width) < SMALLEST:
        return f"With fewer than {SMALLEST} pixels along a side it cannot be known whether it was enlarged."
    grey = _middle(pixels).astype(np.float32) @ LUMA
    across, down = spectrum(grey), spectrum(grey.T)
    if across is None or down is None:
        return "It is too even to know whether it was enlarged."
    found = [best(across), best(down)]
    together = min(peak.height for peak in found)
    if together >= CLEAR and abs(found[0].frequency - found[1].frequency) <= ALIKE:
        return _resampled((found[0].frequency + found[1].frequency) / 2)
    return (
        "No trace of an enlargement was found, which does not rule one out: enlarging by 2 or 4 leaves none, and "
        "compression hides it."
    )


def _resampled(frequency: float) -> str:
    small, large = 1 / (1 - frequency), 1 / frequency
    return (
        f"Smoothness recurs every {large:.2f} pixels along both sides: it was resampled, for instance enlarged by "
        f"{small:.2f} or {large:.2f}."
    )


def repeated(pixels: NDArray[np.uint8]) -> int:
    """Return k where the picture consists of k x k squares of one colour, 1 where it does not."""
    height, width = pixels.shape[:2]
    for count in range(min(MOST_REPEATS, height // 4, width // 4), 1, -1):
        if height % count or width % count:
            continue
        # strip by strip: the first tells most pictures apart
        for top in range(0, height, STRIP * count):
            strip = pixels[top : top + STRIP * count]
            squares = strip.reshape(strip.shape[0] // count, count, width // count, count, -1)
            if not (squares == squares[:, :1, :, :1]).all():
                break
        else:
            # one colour alone consists of squares of any size
            return count if (pixels != pixels[:1, :1]).any() else 1
    return 1


def _middle(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    top, left = (max(0, (extent - LARGEST) // 2) for extent in pixels.shape[:2])
    return pixels[top : top + LARGEST, left : left + LARGEST]


def spectrum(grey: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return the spectrum of the rows' mean second difference, in units of its own median.

    Args:
        grey: float (height, width).

    Returns:
        float (width // 2,), from 0 to half a cycle a pixel; None where the picture has no detail.
    """
    second = np.abs(2 * grey[:, 1:-1] - grey[:, :-2] - grey[:, 2:])
    # edges would drown the rest
    second = np.minimum(second, np.percentile(second, 95))
    mean = second.mean(axis=0)
    if mean.max() < 1e-3:
        return None
    padded = np.pad(mean, WIDTH // 2, mode="reflect")
    own = np.median(sliding_window_view(padded, WIDTH), axis=1)
    around = mean / (own + 1e-3) - 1
    power = np.abs(np.fft.rfft((around - around.mean()) * np.hanning(len(around))))
    unit = float(np.median(power[frequencies(power) > LOWEST]))
    return np.asarray(power / unit, np.float32) if unit > 0 else None


def frequencies(power: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the frequency of each value of a spectrum, in cycles a pixel."""
    return np.linspace(0, 0.5, len(power))


def best(power: NDArray[np.float32]) -> Peak:
    """Return the highest peak that is neither the picture's own nor one of JPEG's blocks of eight pixels."""
    at = frequencies(power)
    near = 3 / len(power) / 2 + 0.002
    blocks = np.abs(at[:, None] - np.arange(5) / 8).min(axis=1) < near
    kept = np.where((at > LOWEST) & ~blocks, power, 0)
    highest = int(kept.argmax())
    return Peak(float(at[highest]), float(kept[highest]))
