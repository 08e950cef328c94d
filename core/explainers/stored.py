"""The map that a run has kept of each image, as an explanation: at hand at once, and without torch."""

import numpy as np
from numpy.typing import NDArray

from core.explainers.diagnostics import cam_health
from core.explainers.results import CamResult, CamSettings
from core.runs.run import Run


def stored_map(run: Run, row: int, image: NDArray[np.uint8]) -> CamResult:
    """The margin map of one row: what `gradcam.explain_margin_map` gives, to float16.

    Args:
        run: with its maps.
        row: a position in its predictions.
        image: uint8 (32, 32, 3), the row's picture.
    """
    found = run.predictions.iloc[row]
    values = np.asarray(run.needed_maps[row], np.float32)
    return CamResult(
        image=image,
        margin=float(found["margin"]),
        p_real=float(found["p_real"]),
        toward="REAL",
        detector=run.manifest["detector"],
        detector_sha256=run.manifest["detector_sha256"],
        seconds=0.0,
        settings=CamSettings(),
        values=values,
        signed=True,
        health=cam_health(values, signed=True, toward="REAL"),
    )
