"""Control maps that do not use the detector; a faithful explanation has to beat them."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.images.statistics import LUMA


def edge_map(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """float64 (height, width): Sobel energy of the luma, large on edges and texture whatever the detector looks at."""
    luma = image.astype(np.float64) @ LUMA.astype(np.float64)
    return np.asarray(ndimage.sobel(luma, axis=0) ** 2 + ndimage.sobel(luma, axis=1) ** 2)


def centre_map(height: int, width: int) -> NDArray[np.float64]:
    """float64 (height, width): a blob in the middle, 1 at its top."""
    places = [(np.arange(size) - (size - 1) / 2) / size for size in (height, width)]
    return np.asarray(np.exp(-4 * np.add.outer(places[0] ** 2, places[1] ** 2)))


def area_map(segments: NDArray[np.integer]) -> NDArray[np.float64]:
    """float64 like `segments`: the area in pixels of each pixel's segment; a larger piece moves more when filled."""
    return np.asarray(np.bincount(segments.ravel())[segments], np.float64)
