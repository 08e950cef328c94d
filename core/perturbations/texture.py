"""The fill "texture": each segment's own texture with shuffled phases."""

from collections.abc import Callable, Iterator
from functools import lru_cache, partial

import numpy as np
from scipy import ndimage

from core.arrays import Array, Float64, Integers, Pixels, Positions

# most entries in one stack of (segments, size, size) matrices, to bound memory; a larger segment is transformed instead
LARGEST = 2**22
# of the finer and the coarser blur, in pixels
SIGMAS = (0.7, 1.4)
# maps (segments, size, C), a value for each pixel of equally large segments, to the same
Mapping = Callable[[Float64], Float64]


def shuffled_texture(image: Pixels, segments: Integers, seed: int) -> Pixels:
    """Give each segment's deviation from its shading random Fourier phases, with the contrast of each octave restored.

    The three channels share the phases, which keeps the correlation of colours. Cutting along a segment's border smears
    its spectrum; restoring the contrast of each octave corrects that.

    Args:
        image: uint8 (height, width, 3).
        segments: integers (height, width) from 0 to S - 1 without gaps.
        seed: of the phases.
    """
    count = int(segments.max()) + 1
    shading = _shading(image, segments, count)
    deviation = image - shading
    flat = deviation.reshape(-1, image.shape[2])
    filled = np.zeros_like(flat)
    for pixels, shuffle, blurs in _groups(segments, seed):
        own = flat[pixels]
        shuffled = shuffle(own)
        shuffled -= shuffled.mean(axis=1, keepdims=True)
        for octave, new in zip(_octaves(own, blurs), _octaves(shuffled, blurs), strict=True):
            want, has = (np.sqrt((band**2).sum(axis=1, keepdims=True)) for band in (octave, new))
            filled[pixels] += new * np.divide(want, has, out=np.zeros_like(has), where=has > 1e-6)
    texture = filled.reshape(image.shape)
    # octaves overlap, so the contrast of their sum is restored as well
    want, has = (np.sqrt(segment_means(values**2, segments, count)) for values in (deviation, texture))
    texture *= np.divide(want, has, out=np.zeros_like(has), where=has > 1e-6)[segments]
    return np.clip(np.rint(shading + texture), 0, 255).astype(np.uint8)


def segment_means(values: Array, segments: Integers, count: int) -> Float64:
    """Average (height, width, C) over each segment: (S, C)."""
    flat = segments.ravel()
    sums = np.stack([np.bincount(flat, values[..., c].ravel(), count) for c in range(values.shape[-1])], axis=1)
    return sums / np.bincount(flat, minlength=count)[:, None]


def _groups(segments: Integers, seed: int) -> Iterator[tuple[Positions, Mapping, list[Mapping]]]:
    """Yield intp (segments, size), the flat pixel positions of equally large segments, with functions that shuffle
    their phases and blur within them.

    Both are sums over the pixels of one segment, so small matrices replace a whole-image transform per segment; only a
    segment too large for a matrix is transformed.
    """
    for pixels in _by_size(segments):
        at_once = LARGEST // pixels.shape[1] ** 2
        if at_once:
            for first in range(0, len(pixels), at_once):
                some = pixels[first : first + at_once]
                yield some, *_by_matrices(some, segments.shape, seed)
        else:
            for own in pixels:
                yield own[None], *_by_transform(own, segments.shape, seed)


def _by_size(segments: Integers) -> list[Positions]:
    """Group segments by size: intp (segments, size)."""
    order = np.argsort(segments.ravel(), kind="stable")
    sizes = np.bincount(segments.ravel())
    starts = np.cumsum(sizes) - sizes
    return [order[starts[sizes == size][:, None] + np.arange(size)] for size in np.unique(sizes)]


def _by_matrices(pixels: Positions, shape: tuple[int, ...], seed: int) -> tuple[Mapping, list[Mapping]]:
    """Shuffle and blur by float64 (segments, size, size): each pixel's weight in every other of its segment."""
    kernels = _kernels(*shape, seed)
    width = shape[1]
    places = pixels // width * (2 * width - 1) + pixels % width
    shuffle, *blurs = kernels[:, places[:, :, None] - places[:, None, :] + kernels.shape[1] // 2]
    return partial(np.matmul, shuffle), [partial(_averaged, blur) for blur in blurs]


def _averaged(weights: Float64, values: Float64) -> Float64:
    """Average values (segments, size, C) by weights (segments, size, size)."""
    return weights @ values / weights.sum(axis=2, keepdims=True)


def _by_transform(pixels: Positions, shape: tuple[int, ...], seed: int) -> tuple[Mapping, list[Mapping]]:
    """Shuffle and blur a single segment, intp (size,), by transforms and filters of the whole image."""
    phases = _phases(*shape, seed)[..., None]

    def alone(values: Float64) -> Float64:
        image = np.zeros((*shape, values.shape[2]))
        image.reshape(-1, values.shape[2])[pixels] = values[0]
        return image

    def of_segment(image: Float64) -> Float64:
        return image.reshape(1, -1, image.shape[2])[:, pixels]

    def shuffle(values: Float64) -> Float64:
        spectrum = np.fft.rfft2(alone(values), axes=(0, 1)) * phases
        return of_segment(np.fft.irfft2(spectrum, s=shape, axes=(0, 1)))

    def smoothed(values: Float64, bell: Float64) -> Float64:
        down = ndimage.correlate1d(alone(values), bell, 0, mode="constant")
        return of_segment(ndimage.correlate1d(down, bell, 1, mode="constant"))

    def blur(values: Float64, sigma: float) -> Float64:
        bell = _bell(np.arange(-_reach(sigma), _reach(sigma) + 1), sigma)
        weights = np.ones((*values.shape[:2], 1))
        return smoothed(values, bell) / smoothed(weights, bell)

    return shuffle, [partial(blur, sigma=sigma) for sigma in SIGMAS]


@lru_cache(maxsize=16)
def _phases(height: int, width: int, seed: int) -> Array:
    # phases of white noise keep the result real-valued; sharing them between segments softens the seams
    noise = np.fft.rfft2(np.random.default_rng(seed).standard_normal((height, width)))
    return np.divide(noise, np.abs(noise), out=np.ones_like(noise), where=np.abs(noise) > 0)


# of a picture of 224 pixels 5 MB each
@lru_cache(maxsize=4)
def _kernels(height: int, width: int, seed: int) -> Float64:
    """Compute a pixel's weight in another at each offset, float64 (3, (2 * height - 1) * (2 * width - 1)).

    The rows are for the phase shuffle, the finer and the coarser blur; offsets run from (1 - height, 1 - width) by row.
    """
    down = np.arange(1 - height, height)
    right = np.arange(1 - width, width)
    shuffle = np.fft.irfft2(_phases(height, width, seed), s=(height, width))
    kernels = [shuffle[np.ix_(down % height, right % width)]]
    kernels += [np.outer(_bell(down, sigma), _bell(right, sigma)) for sigma in SIGMAS]
    return np.stack(kernels).reshape(3, -1)


def _bell(away: Integers, sigma: float) -> Float64:
    return np.exp(-((away / sigma) ** 2) / 2) * (np.abs(away) <= _reach(sigma))


def _reach(sigma: float) -> int:
    return int(4 * sigma + 0.5)


def _octaves(values: Float64, blurs: list[Mapping]) -> list[Float64]:
    """Split (segments, size, C) into fine, middle and coarse detail, blurring within each segment only."""
    bands = []
    rest = values
    for blur in blurs:
        smooth = blur(rest)
        bands.append(rest - smooth)
        rest = smooth
    return [*bands, rest]


def _shading(image: Pixels, segments: Integers, count: int) -> Float64:
    """Fit a plane to each segment's colours by least squares."""
    places = np.moveaxis(np.indices(segments.shape).astype(np.float64), 0, -1)
    places -= segment_means(places, segments, count)[segments]
    means = segment_means(image, segments, count)[segments]
    moments = segment_means((places[..., :, None] * places[..., None, :]).reshape(*segments.shape, 4), segments, count)
    products = segment_means(
        (places[..., :, None] * (image - means)[..., None, :]).reshape(*segments.shape, 6), segments, count
    )
    slopes = np.linalg.pinv(moments.reshape(-1, 2, 2), hermitian=True) @ products.reshape(-1, 2, 3)
    return means + np.einsum("yxp,yxpc->yxc", places, slopes[segments])
