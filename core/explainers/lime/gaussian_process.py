"""A Gaussian process over samples: it predicts the detector's output from the segments that a sample keeps.

Balanced samples come in complement pairs, and two samples covary exactly as their complements do, so each problem is
split, where possible, into two with half as many rows (see `in_pairs`).
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

# the samples that the process is tuned on, at least
TUNED_ON = 128
REACHES = (0.06, 0.25, 1.0)
PAIRS = (0.0, 0.5, 0.9)
NOISES = (0.01, 0.03, 0.1, 0.3, 1.0)
# prior variance of a segment's own effect, in units of the interactions': wide enough not to shrink it
MAIN_EFFECT = 10.0


@dataclass(frozen=True)
class Process:
    """A Gaussian process over samples: every segment's own effect, and interactions of two and of more segments.

    Attributes:
        reach: length scale, as a share of all segments: the covariance of the interactions falls by a factor of e for
            each such share in which two samples differ. Smaller values allow interactions of more segments.
        pairs: share of the interactions' variance that comes from pairs of segments alone, 0 to 1.
        noise: variance that the process cannot explain, in units of the interactions' variance.
    """

    reach: float
    pairs: float
    noise: float

    def kernel(self, count: int) -> NDArray[np.float64]:
        """float (S + 1,), the covariance of two samples that differ in 0, 1, ... S segments, without the noise."""
        alike = count - 2.0 * np.arange(count + 1)
        interactions = (1 - self.pairs) * np.exp((alike - count) / (2 * self.reach * count))
        return np.asarray(MAIN_EFFECT * (1 + alike) + self.pairs * (alike / count) ** 2 + interactions)


def in_pairs(keep: NDArray[np.bool_]) -> bool:
    """Check whether every second of n samples is the complement of the one before it.

    A function of such samples is the sum of an even part, equal for a sample and its complement, and an odd part, which
    changes sign. The process treats the two as independent, so its n by n matrix splits into two of half the size: a
    quarter of the work for the same numbers.
    """
    return len(keep) % 2 == 0 and bool((keep[::2] != keep[1::2]).all())


def fold(values: NDArray[np.float64], *, paired: bool) -> list[NDArray[np.float64]]:
    """Split the values (..., n) of paired samples into even and odd parts (..., n / 2); others stay whole."""
    if not paired:
        return [values]
    one, other = values[..., ::2] * np.sqrt(0.5), values[..., 1::2] * np.sqrt(0.5)
    return [one + other, one - other]


def unfold(parts: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Invert `fold`."""
    if len(parts) == 1:
        return parts[0]
    even, odd = parts
    return np.asarray(np.stack([even + odd, even - odd], axis=-1).reshape(*even.shape[:-1], -1) * np.sqrt(0.5))


class Differences:
    """The number of segments in which samples differ, which alone sets their covariance.

    Args:
        first: bool (n, S).
        second: bool (m, S).
        paired: True if both are `in_pairs` and even and odd parts are wanted.
    """

    def __init__(self, first: NDArray[np.bool_], second: NDArray[np.bool_], *, paired: bool) -> None:
        step = 2 if paired else 1
        self._segments, self._paired = first.shape[1], paired
        # sums of so few ones are exact in float32
        one, other = (2 * keep[::step].astype(np.float32) - 1 for keep in (first, second))
        self._differing = ((self._segments - one @ other.T) / 2).astype(np.intp)

    def covariances(self, process: Process) -> list[NDArray[np.float64]]:
        """The covariance (n, m), without the noise, or its even and its odd part, (n / 2, m / 2) each."""
        kernel = process.kernel(self._segments)
        kernels = [kernel + kernel[::-1], kernel - kernel[::-1]] if self._paired else [kernel]
        return [one[self._differing] for one in kernels]


@dataclass(frozen=True, eq=False)
class Spectra:
    """Eigenvalues and eigenvectors of some samples' covariance for each reach and share of pairs.

    Attributes:
        choices: those reaches and shares; P of them.
        values: for each part of `fold`, float (P, m).
        axes: for each part, float (P, m, m).
    """

    choices: list[tuple[float, float]]
    values: list[NDArray[np.float64]]
    axes: list[NDArray[np.float64]]


def spectra_of(keep: NDArray[np.bool_]) -> Spectra:
    """The spectra of n samples; few samples that many images share are decomposed once."""
    if len(keep) > TUNED_ON:
        return _decompose(keep)
    return _kept_spectra(np.packbits(keep).tobytes(), keep.shape)


@lru_cache(maxsize=64)
def _kept_spectra(packed: bytes, shape: tuple[int, int]) -> Spectra:
    flat = np.unpackbits(np.frombuffer(packed, np.uint8), count=shape[0] * shape[1])
    return _decompose(flat.reshape(shape).astype(bool))


def _decompose(keep: NDArray[np.bool_]) -> Spectra:
    choices = list(product(REACHES, PAIRS))
    differences = Differences(keep, keep, paired=in_pairs(keep))
    parts = zip(*(differences.covariances(Process(reach, pairs, 0)) for reach, pairs in choices), strict=True)
    values, axes = zip(*(np.linalg.eigh(np.stack(part)) for part in parts), strict=True)
    return Spectra(choices, list(values), list(axes))


def tune(keep: NDArray[np.bool_], values: NDArray[np.float64]) -> Process:
    """The process under which the values of n samples, with a mean of 0, are likeliest."""
    spectra = spectra_of(keep)
    folded = fold(values, paired=len(spectra.values) > 1)
    spectrum = np.maximum(np.concatenate(spectra.values, axis=1), 0)
    turned = np.concatenate([part @ axes for part, axes in zip(folded, spectra.axes, strict=True)], axis=1) ** 2
    variances = spectrum[:, None] + np.array(NOISES)[:, None]
    scale = np.mean(turned[:, None] / variances, axis=2)
    if not scale.all():
        # nothing moves: any process will do
        return Process(REACHES[-1], PAIRS[-1], NOISES[-1])
    likelihood = -np.log(scale) - np.mean(np.log(variances), axis=2)
    choice, noise = np.unravel_index(np.argmax(likelihood), likelihood.shape)
    return Process(*spectra.choices[choice], NOISES[noise])
