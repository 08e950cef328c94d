"""Pictures of the training images that an audit found copies of: read from the set, checked by their hash."""

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from core.images.decoding import ImageError, decode
from core.images.image_set import DatasetError
from core.images.loading import read_files


def training_pictures(data: str, wanted: Mapping[str, str]) -> dict[str, NDArray[np.uint8]]:
    """The pixels of training images.

    Args:
        data: as for `core.images.image_set.load_image_set`.
        wanted: identity (`train-` and the beginning of the file's sha256) -> name of its file.

    Returns:
        identity -> uint8 (height, width, 3), without those that are not there or whose file is another.
    """
    found = {}
    try:
        for identity, content in zip(wanted, read_files(data, "train", wanted.values()), strict=True):
            # a repeated file has its number behind the hash
            if f"train-{hashlib.sha256(content).hexdigest()[:16]}" == identity.partition("~")[0]:
                found[identity] = decode(content)
    except (DatasetError, ImageError, OSError):
        # what could be read is shown
        return found
    return found
