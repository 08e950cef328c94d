"""Types of NumPy arrays, and of plain values by name, for all signatures; docstrings state shapes and keys."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# pictures, 0 to 255
Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
# of rows or of segments
Positions = NDArray[np.intp]
Integers = NDArray[np.integer]
# (height, width), the number of the segment of each pixel
Regions = NDArray[np.int32]
Int64 = NDArray[np.int64]
Floats = NDArray[np.floating]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Array = NDArray[Any]
# of a manifest, a configuration or settings, such as JSON holds
Record = Mapping[str, Any]
