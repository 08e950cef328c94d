"""Image statistics: a few named numbers of each image, one row per image."""

import numpy as np
import pandas as pd

from core.arrays import Float32, Float64, Pixels

# Rec. 601 luma, what JPEG itself uses
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
# share of the Nyquist frequency above which detail counts as fine; it means waves shorter than four pixels
FINE_SHARE = 0.5
# pixels of the images whose statistics are computed at once
AT_ONCE = 4096 * 32 * 32

STATISTICS = {
    "brightness": "mean luma, 0 (black) to 255 (white)",
    "contrast": "standard deviation of luma, in grey levels",
    "greyness": "1 where red, green and blue are equal everywhere, lower the more colour there is",
    "red": "mean of the red channel, 0 to 255",
    "green": "mean of the green channel, 0 to 255",
    "blue": "mean of the blue channel, 0 to 255",
    "fine_detail": "share of the luma's variance in waves shorter than 4 pixels, 0 to 1",
    "file_bytes": "size of the file in bytes",
}
# of the original file, before it is resized; runs of earlier versions lack them
FILE_FACTS = {
    "format": "format of the original file",
    "width": "width of the original in pixels",
    "height": "height of the original in pixels",
    "quality": "quality of a JPEG by the tables of libjpeg that are nearest to its own, 1 to 100",
    "metadata": "kinds of metadata in the original file",
}


def image_statistics(pixels: Pixels) -> pd.DataFrame:
    """Compute the statistics of a stack of images, some at a time.

    Args:
        pixels: uint8 (N, side, side, 3).

    Returns:
        A float32 frame of N rows with the columns of `STATISTICS` except `file_bytes`, which pixels cannot tell.
    """
    columns = [name for name in STATISTICS if name != "file_bytes"]
    values = np.empty((len(pixels), len(columns)), np.float32)
    chunk = max(1, AT_ONCE // max(1, pixels.shape[1] ** 2))
    for start in range(0, len(pixels), chunk):
        values[start : start + chunk] = _chunk_statistics(pixels[start : start + chunk])
    return pd.DataFrame(values, columns=columns)


def _chunk_statistics(pixels: Pixels) -> Float32:
    values = pixels.astype(np.float32)
    luma = values @ LUMA
    spread = values.max(axis=3) - values.min(axis=3)
    # the sum over a large bright image has more digits than float32
    channels = values.mean(axis=(1, 2), dtype=np.float64)
    # in the order of `STATISTICS`
    columns = [
        luma.mean(axis=(1, 2)),
        luma.std(axis=(1, 2)),
        1 - spread.mean(axis=(1, 2)) / 255,
        *channels.T,
        fine_detail(luma),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def fine_detail(luma: Float32) -> Float32:
    """Return the share of each image's variance above half of the Nyquist frequency; 0 for a constant image."""
    power = np.abs(np.fft.fft2(luma)) ** 2
    power[:, 0, 0] = 0
    distance = frequency_radius(luma.shape[-1])
    radius = FINE_SHARE * luma.shape[-1] / 2
    total = power.sum(axis=(1, 2))
    fine = (power * (distance > radius)).sum(axis=(1, 2))
    # below 0.001 the image is constant and its "spectrum" is rounding error
    return np.where(total > 1e-3, fine / np.maximum(total, 1e-3), 0).astype(np.float32)


def frequency_radius(side: int) -> Float64:
    """Return the distance from zero frequency, in cycles per image, of each coefficient of a (side, side) FFT."""
    # whole cycles: of some sides 1 / (1 / side) is not the side again
    frequency = np.rint(np.fft.fftfreq(side, 1 / side))
    return np.hypot(frequency[:, None], frequency[None, :])
