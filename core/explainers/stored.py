"""Explanations that a run already holds, read without its detector."""

import numpy as np
from numpy.typing import NDArray

from core.explainers.cam import KEPT
from core.explainers.explanation import Explanation, Provenance, map_diagnostics
from core.runs.run import Run


def stored_map(run: Run, row: int, image: NDArray[np.uint8]) -> Explanation:
    """Return the margin map of one row: what Grad-CAM with its default settings gives, to float16.

    Args:
        run: with its maps.
        row: a position in its predictions.
        image: uint8 (side, side, 3), the row's picture.
    """
    prediction = run.predictions.iloc[row]
    values = np.asarray(run.needed_maps[row], np.float32)
    made = run.manifest
    return Explanation(
        image=image,
        margin=float(prediction["margin"]),
        p_real=float(prediction["p_real"]),
        provenance=Provenance(made["detector"], made["detector_sha256"], 0.0, made["versions"]),
        method=KEPT.name,
        settings=KEPT.settings(),
        unit="margin",
        diagnostics=map_diagnostics(values),
        values=values,
    )
