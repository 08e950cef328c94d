"""An image cut into segments: what LIME switches on and off."""

from typing import Literal, get_args

import numpy as np

from core.arrays import Pixels, Regions

Segmentation = Literal["slic", "grid", "quickshift"]
SEGMENTATIONS = get_args(Segmentation)


def segment(image: Pixels, *, method: Segmentation = "slic", n_segments: int = 50) -> Regions:
    """Cut an image into segments.

    Args:
        image: uint8 (height, width, 3).
        method: "slic" follows edges and treats the number as a target; "grid" cuts rectangles;
            "quickshift" is lime's own default, which the paper used, and chooses their number itself: one or two on
            most images of 32 x 32 pixels.
        n_segments: how many to ask for; "quickshift" does not read it.

    Returns:
        int32 (height, width), numbered from 0 without gaps.

    Raises:
        ValueError: an unknown method, or fewer segments than 1 or more than the image has pixels.
    """
    height, width = image.shape[:2]
    if method not in SEGMENTATIONS:
        raise ValueError(f"segmentation must be one of {', '.join(SEGMENTATIONS)}, not {method!r}")
    if not 1 <= n_segments <= height * width:
        raise ValueError(f"n_segments must be from 1 to the image's {height * width} pixels, not {n_segments}")
    if method == "grid":
        rows = min(height, max(1, round(np.sqrt(n_segments * height / width))))
        columns = min(width, max(1, round(n_segments / rows)))
        return grid(height, width, rows=rows, columns=columns)
    # pages that read the names of the methods alone do not wait for the library
    from skimage.segmentation import quickshift, slic  # noqa: PLC0415

    if method == "slic":
        labels = slic(image, n_segments=n_segments, compactness=10, start_label=0)
    else:
        labels = quickshift(image, kernel_size=4, max_dist=200, ratio=0.2)  # type: ignore[no-untyped-call]
    # both may leave numbers out
    return np.unique(labels, return_inverse=True)[1].reshape(height, width).astype(np.int32)


def grid(height: int, width: int, *, rows: int, columns: int) -> Regions:
    """Cut into rectangles numbered row by row, int32 (height, width), as equal as whole pixels allow.

    Args:
        height, width: of the image.
        rows, columns: of rectangles, at most one for each pixel.
    """
    down = np.arange(height) * rows // height
    right = np.arange(width) * columns // width
    return np.add.outer(down * columns, right).astype(np.int32)
