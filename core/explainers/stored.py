"""The map that a run stores for each image, as an explanation that is available at once and without torch."""

import numpy as np
from numpy.typing import NDArray

from core.explainers.diagnostics import map_diagnostics
from core.explainers.explanation import Explanation, Provenance
from core.explainers.gradients.cams import GRADCAM
from core.runs.run import Run

# the explainer whose maps runs keep
KEPT = GRADCAM


def is_kept_kind(explanation: Explanation) -> bool:
    """Check whether an explanation is of the kind that runs keep: the same method and settings."""
    return (explanation.method, explanation.settings) == (KEPT.name, KEPT.settings())


def stored_map(run: Run, row: int, image: NDArray[np.uint8]) -> Explanation:
    """The margin map of one row: what Grad-CAM with its default settings gives, to float16.

    Args:
        run: with its maps.
        row: a position in its predictions.
        image: uint8 (side, side, 3), the row's picture.
    """
    found = run.predictions.iloc[row]
    values = np.asarray(run.needed_maps[row], np.float32)
    return Explanation(
        image=image,
        margin=float(found["margin"]),
        p_real=float(found["p_real"]),
        provenance=Provenance(run.manifest["detector"], run.manifest["detector_sha256"], 0.0, run.manifest["versions"]),
        method=KEPT.name,
        settings=KEPT.settings(),
        unit="margin",
        diagnostics=map_diagnostics(values),
        values=values,
    )
