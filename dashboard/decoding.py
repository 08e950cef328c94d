"""Uploads are decoded one at a time, because each may take 225 MB meanwhile."""

import threading
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from core.images.decoding import decode
from core.storage import Bounded

# files of one visitor that are read at once, and their bytes together
MAX_FILES, MAX_OWN = 32, 64 * 2**20
Answer = TypeVar("Answer")
_one_at_a_time = threading.Lock()
# decoded uploads, up to 60 MB each, so that moving a slider decodes nothing
_decoded: Bounded[str, NDArray[np.uint8]] = Bounded(2)


def in_turn(work: Callable[[], Answer]) -> Answer:
    """Do work that decodes, once nobody else does; raises what it raises."""
    with _one_at_a_time:
        return work()


def with_pixels(file_id: str, data: bytes, work: Callable[[NDArray[np.uint8]], Answer]) -> Answer:
    """Call `work` with an upload's pixels, uint8 (height, width, 3), once nobody else decodes.

    Args:
        file_id: of the upload, by which the pixels of the last two are kept.
        data: its bytes.
        work: what to do with them.

    Raises:
        ImageError: it cannot be read as an image.
    """
    with _one_at_a_time:
        pixels = _decoded.get(file_id)
        if pixels is None:
            pixels = _decoded[file_id] = decode(data)
        return work(pixels)
