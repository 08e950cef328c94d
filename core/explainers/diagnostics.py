"""Diagnostics of any map: does it point anywhere, and does it show both classes?"""

import numpy as np
from numpy.typing import NDArray

from core.explainers.explanation import Diagnostics, OneColour
from core.images.labels import ClassName

# a map whose values differ by less than this share of the largest points nowhere
FLAT = 0.1


def map_diagnostics(values: NDArray[np.floating], *, one_sided: ClassName | None = None) -> Diagnostics:
    """The diagnostics of a map of values: zero, flat, of one sign, or none of these.

    Args:
        values: float (h, w), positive for REAL.
        one_sided: the only class that the method can show, None where it can show both.
    """
    largest = float(np.abs(values).max(initial=0))
    if largest == 0:
        return Diagnostics("The map is zero everywhere: nothing in it speaks for the target.", "zero", {"spread": 0.0})
    spread = float(np.ptp(values)) / largest
    flat = spread < FLAT
    one_signed = bool((values >= 0).all() or (values <= 0).all())
    sentences = []
    if flat:
        sentences.append("The map is almost the same everywhere, so it points at no place.")
    if one_sided is not None:
        sentences.append(f"This method shows only what speaks for {one_sided}, never what speaks against it.")
    elif one_signed:
        side = "REAL" if values.max() > 0 else "FAKE"
        sentences.append(f"Every position speaks for {side}; the map shows only where it does so more.")
    cause: OneColour = "flat" if flat else "one-sided" if one_sided else "one sign" if one_signed else ""
    return Diagnostics(" ".join(sentences), cause, {"spread": spread})
