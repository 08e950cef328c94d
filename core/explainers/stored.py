"""Explanations in files: a run's stored maps, read without its detector, and one explanation as `.npz` for programs."""

import io
import json
from dataclasses import asdict
from typing import Any

import numpy as np

from core.arrays import Pixels
from core.explainers.cam import KEPT
from core.explainers.explanation import Explanation, Provenance, map_diagnostics
from core.explainers.registry import find_explainer
from core.runs.run import Run


def stored_map(run: Run, row: int, image: Pixels) -> Explanation:
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


def npz_of(explanation: Explanation) -> bytes:
    """Return every array of an explanation under its name, and the rest as JSON text under "about", as an .npz.

    Raises:
        ValueError: a number in it is not finite where JSON has to hold it.
    """
    arrays: dict[str, Any] = {key: getattr(explanation, key) for key in ("image", "values", "undecided")}
    parts = explanation.parts
    if parts is not None:
        arrays |= {key: getattr(parts, key) for key in ("weights", "low", "high", "decisions", "regions", "holds")}
        arrays["labels"] = np.array(parts.labels)
    names = ("method", "verdict", "margin", "p_real", "unit", "one_sided", "done")
    about = {key: getattr(explanation, key) for key in names} | {
        "title": find_explainer(explanation.method).title,
        "settings": explanation.settings.model_dump(),
        "diagnostics": asdict(explanation.diagnostics),
        "provenance": asdict(explanation.provenance),
    }
    arrays = {key: array for key, array in arrays.items() if array is not None}
    arrays["about"] = np.array(json.dumps(about, allow_nan=False))
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()
