"""Types of NumPy arrays, named once for all signatures; docstrings state the shapes."""

import numpy as np
from numpy.typing import NDArray

# pictures, 0 to 255
Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
# of rows or of segments
Positions = NDArray[np.intp]
Integers = NDArray[np.integer]
Floats = NDArray[np.floating]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
