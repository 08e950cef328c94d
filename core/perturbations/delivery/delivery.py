"""The Delivery type."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Delivery:
    """One kind of processing that a whole picture may undergo before someone sees it.

    Attributes:
        name: for tables and files, such as "jpeg_75".
        title: for readers, such as "JPEG 75".
        apply: uint8 (height, width, 3) in, uint8 (height', width', 3) out; the input is not changed.
        crops: it cuts off the border and leaves the rest as it was.
    """

    name: str
    title: str
    apply: Callable[[Picture], Picture]
    crops: bool = False
