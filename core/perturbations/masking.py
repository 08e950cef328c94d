"""Masking: a batch of versions of one image with some segments filled, the basis of every masking explanation.

The given image is never changed, values stay within 0..255, and equal seeds give equal results.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Literal

import numpy as np
from scipy import ndimage
from scipy.linalg import solveh_banded

from core.arrays import Array, Float64, Integers, Mask, Pixels, Positions

Fill = Literal["mean", "blur", "black", "texture", "road"]
# in pixels, for an image 32 pixels high; it grows with the height, or covered content would stay recognisable
BLUR_SIGMA = 2.0
# fill -> its title
FILLS: dict[Fill, str] = {
    "mean": "mean colour", "blur": "blur", "black": "black", "texture": "shuffled texture", "road": "ROAD",
}  # fmt: skip
Masker = Callable[[Mask], Pixels]
# of ROAD: weights of a pixel's neighbours
KERNEL = np.array([[1, 2, 1], [2, 0, 2], [1, 2, 1]]) / 12
# standard deviation of the noise, a hundredth of the range as the authors have it
NOISE = 2.55
# most entries in one stack of (segments, size, size) matrices, to bound memory; a larger segment is transformed instead
LARGEST = 2**22
# of the finer and the coarser blur, in pixels
SIGMAS = (0.7, 1.4)
# maps (segments, size, C), a value for each pixel of equally large segments, to the same
Change = Callable[[Float64], Float64]


def fill_image(image: Pixels, segments: Integers, *, fill: Fill, seed: int = 0) -> Pixels:
    """Fill every segment: the result is what `mask_batch` shows wherever a segment is not kept.

    Args:
        image: uint8 (height, width, 3).
        segments: integers (height, width) from 0 to S - 1 without gaps.
        fill: "mean" is the segment's mean colour, truncated as in the lime package; "blur" a Gaussian blur of the image
            with a sigma of 1/16 of its height; "black" zeros; "texture" the segment's own texture with shuffled phases,
            which keeps its shading, contrast and local spectrum and erases its content; "road" noisy linear imputation
            from the kept pixels, the only fill that depends on which segments are kept; here none are, which leaves
            the image's mean colour plus noise.
        seed: of the shuffled phases and of the noise; the other fills are not random.

    Returns:
        uint8 (height, width, 3).
    """
    if fill == "road":
        return impute(image, np.ones((1, *segments.shape), bool), seed=seed)[0]
    if fill == "texture":
        return shuffled_texture(image, segments, seed)
    if fill == "blur":
        return blurred(image, BLUR_SIGMA / 32)
    if fill == "black":
        return np.zeros_like(image)
    return segment_means(image, segments)[segments].astype(np.uint8)


def masker(image: Pixels, segments: Integers, *, fill: Fill, seed: int) -> Masker:
    """Return a function from `keep` to versions of one image, see `mask_batch`; all fills but "road" are made once."""
    if fill == "road":
        return lambda keep: impute(image, ~keep[:, segments], seed=seed)
    filled = fill_image(image, segments, fill=fill, seed=seed)
    difference = (image ^ filled).ravel()
    places = segments.repeat(3)

    def mask(keep: Mask) -> Pixels:
        # 255 where kept, per channel: "and" and "xor" on flat bytes are five times faster than where()
        kept = np.take(keep.view(np.uint8) * np.uint8(255), places, axis=1)
        np.bitwise_and(kept, difference, out=kept)
        np.bitwise_xor(kept, filled.ravel(), out=kept)
        return kept.reshape(-1, *image.shape)

    return mask


def mask_batch(image: Pixels, segments: Integers, *, keep: Mask, fill: Fill, seed: int = 0) -> Pixels:
    """Make N versions of one image, each with its own segments filled.

    Args:
        image: uint8 (height, width, 3).
        segments: integers (height, width) from 0 to S - 1 without gaps.
        keep: bool (N, S); where False, that version has that segment filled.
        fill: see `fill_image`.
        seed: of fills that are random.

    Returns:
        uint8 (N, height, width, 3).

    Example:
        >>> image = np.full((1, 2, 3), 7, np.uint8)
        >>> segments = np.array([[0, 1]])
        >>> mask_batch(image, segments, keep=np.array([[True, False]]), fill="black")[0, 0, :, 0]
        array([7, 0], dtype=uint8)
    """
    return masker(image, segments, fill=fill, seed=seed)(keep)


def blurred(image: Pixels, sigma: float) -> Pixels:
    """Apply a Gaussian blur to an image, in whole grey levels.

    Args:
        image: uint8 (height, width, 3).
        sigma: standard deviation as a share of the height.
    """
    pixels = sigma * len(image)
    return np.rint(ndimage.gaussian_filter(image.astype(np.float64), (pixels, pixels, 0))).astype(np.uint8)


def impute(image: Pixels, removed: Mask, *, seed: int = 0) -> Pixels:
    """Make N versions of one image, each with its own pixels removed and imputed from those that are left.

    Noisy linear imputation (ROAD: Rong et al. 2022, https://arxiv.org/abs/2202.00449): every removed pixel is the
    weighted mean of its eight neighbours, 1/6 for direct and 1/12 for diagonal ones, plus noise.

    Args:
        image: uint8 (height, width, 3).
        removed: bool (N, height, width). Where no pixel is left, all become the image's mean colour.
        seed: of the noise, which is the same for all versions.

    Returns:
        uint8 (N, height, width, 3).
    """
    degree = ndimage.convolve(np.ones(image.shape[:2]), KERNEL, mode="constant")
    noise = np.random.default_rng(seed).normal(0, NOISE, image.shape)
    versions = np.broadcast_to(image, (*removed.shape, 3)).copy()
    # one after another: as floating-point numbers all versions of a large image would take gigabytes
    for version, gone in zip(versions, removed, strict=True):
        left = np.where(gone[..., None], 0.0, image)
        pull = ndimage.convolve(left, KERNEL[:, :, None], mode="constant")
        if gone.all():
            smooth = image.mean(axis=(0, 1))
        else:
            smooth = _solved(gone, degree[gone], pull[gone])
        version[gone] = np.clip(np.rint(smooth + noise[gone]), 0, 255).astype(np.uint8)
    return versions


def _solved(gone: Mask, degree: Float64, right: Float64) -> Float64:
    """Solve for the n removed pixels, float64 (n, 3): in their order the system is a narrow band."""
    if not len(degree):
        return right
    first, second, weights = _pairs(*gone.shape)
    flat = gone.ravel()
    place = np.cumsum(gone) - 1
    both = flat[first] & flat[second]
    column = place[first[both]]
    row = place[second[both]]
    band = np.zeros((int((row - column).max(initial=0)) + 1, len(degree)))
    band[0] = degree
    band[row - column, column] = -weights[both]
    return solveh_banded(band, right, lower=True, overwrite_ab=True, check_finite=False)


@lru_cache(maxsize=8)
def _pairs(height: int, width: int) -> tuple[Positions, Positions, Float64]:
    """List each pair of neighbours once: flat positions intp (E,), intp (E,), earlier first; weights float64 (E,)."""
    number = np.arange(height * width).reshape(height, width)
    first = [number[:, :-1], number[:-1], number[:-1, :-1], number[:-1, 1:]]
    second = [number[:, 1:], number[1:], number[1:, 1:], number[1:, :-1]]
    weights = np.repeat([1 / 6, 1 / 6, 1 / 12, 1 / 12], [part.size for part in first])
    return np.concatenate(first, axis=None), np.concatenate(second, axis=None), weights


def shuffled_texture(image: Pixels, segments: Integers, seed: int) -> Pixels:
    """Give each segment's deviation from its shading random Fourier phases, with the contrast of each octave restored.

    The three channels share the phases, which keeps the correlation of colours. Cutting along a segment's border smears
    its spectrum; restoring the contrast of each octave corrects that.

    Args:
        image: uint8 (height, width, 3).
        segments: integers (height, width) from 0 to S - 1 without gaps.
        seed: of the phases.
    """
    shading = _shading(image, segments)
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
    want, has = (np.sqrt(segment_means(values**2, segments)) for values in (deviation, texture))
    texture *= np.divide(want, has, out=np.zeros_like(has), where=has > 1e-6)[segments]
    return np.clip(np.rint(shading + texture), 0, 255).astype(np.uint8)


def segment_means(values: Array, segments: Integers) -> Float64:
    """Average (height, width, ...) over each segment: (S, C), the last axes made one."""
    flat = segments.ravel()
    sums = np.stack([np.bincount(flat, channel) for channel in values.reshape(flat.size, -1).T], axis=1)
    return sums / np.bincount(flat)[:, None]


def _groups(segments: Integers, seed: int) -> Iterator[tuple[Positions, Change, list[Change]]]:
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


def _by_matrices(pixels: Positions, shape: tuple[int, ...], seed: int) -> tuple[Change, list[Change]]:
    """Shuffle and blur by float64 (segments, size, size): each pixel's weight in every other of its segment."""
    kernels = _kernels(*shape, seed)
    width = shape[1]
    places = pixels // width * (2 * width - 1) + pixels % width
    shuffle, *blurs = kernels[:, places[:, :, None] - places[:, None, :] + kernels.shape[1] // 2]
    return partial(np.matmul, shuffle), [partial(_averaged, blur) for blur in blurs]


def _averaged(weights: Float64, values: Float64) -> Float64:
    """Average values (segments, size, C) by weights (segments, size, size)."""
    return weights @ values / weights.sum(axis=2, keepdims=True)


def _by_transform(pixels: Positions, shape: tuple[int, ...], seed: int) -> tuple[Change, list[Change]]:
    """Shuffle and blur a single segment, intp (size,), by transforms and filters of the whole image."""

    def within(change: Change, values: Float64) -> Float64:
        """Change a whole image that holds the segment alone, and return the segment."""
        image = np.zeros((*shape, values.shape[2]))
        image.reshape(-1, values.shape[2])[pixels] = values[0]
        return change(image).reshape(1, -1, values.shape[2])[:, pixels]

    def shuffle(image: Float64) -> Float64:
        spectrum = np.fft.rfft2(image, axes=(0, 1)) * _phases(*shape, seed)[..., None]
        return np.fft.irfft2(spectrum, s=shape, axes=(0, 1))

    def blur(values: Float64, sigma: float) -> Float64:
        smooth = partial(ndimage.gaussian_filter, sigma=(sigma, sigma, 0), mode="constant")
        return within(smooth, values) / within(smooth, np.ones((*values.shape[:2], 1)))

    return partial(within, shuffle), [partial(blur, sigma=sigma) for sigma in SIGMAS]


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


def _octaves(values: Float64, blurs: list[Change]) -> list[Float64]:
    """Split (segments, size, C) into fine, middle and coarse detail, blurring within each segment only."""
    bands = []
    rest = values
    for blur in blurs:
        smooth = blur(rest)
        bands.append(rest - smooth)
        rest = smooth
    return [*bands, rest]


def _shading(image: Pixels, segments: Integers) -> Float64:
    """Fit a plane to each segment's colours by least squares."""
    places = np.moveaxis(np.indices(segments.shape).astype(np.float64), 0, -1)
    places -= segment_means(places, segments)[segments]
    means = segment_means(image, segments)[segments]
    moments = segment_means(places[..., :, None] * places[..., None, :], segments)
    products = segment_means(places[..., :, None] * (image - means)[..., None, :], segments)
    slopes = np.linalg.pinv(moments.reshape(-1, 2, 2), hermitian=True) @ products.reshape(-1, 2, 3)
    return means + np.einsum("yxp,yxpc->yxc", places, slopes[segments])
