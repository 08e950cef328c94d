"""The metrics of a run's rows. Needs no torch."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.metrics.classification import class_scores, confusion_at, expected_calibration_error, is_right


def is_fresh(predictions: pd.DataFrame) -> NDArray[np.bool_]:
    """Return bool (N,), True for rows that are neither training images nor repeats of an earlier row."""
    return np.asarray(~predictions["in_train"].to_numpy(bool) & ~predictions["is_repeat"].to_numpy(bool))


def without_leaks_and_repeats(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that are neither training images nor repeats of an earlier row."""
    return predictions[is_fresh(predictions)]


def metrics(predictions: pd.DataFrame) -> dict[str, Any]:
    """Compute accuracy, per-class precision/recall/f1/support, confusion [true][predicted], auroc and ece.

    auroc is None if all rows have one label; an empty table gives only {"images": 0}.
    """
    if predictions.empty:
        return {"images": 0}
    confusion = confusion_at(predictions)
    return {
        "images": len(predictions),
        "accuracy": float(np.trace(confusion) / len(predictions)),
        "per_class": class_scores(confusion).assign(support=confusion.sum(axis=1)).to_dict("index"),
        "confusion": confusion.tolist(),
        "auroc": area_under_roc((predictions["label"] == "REAL").to_numpy(bool), predictions["margin"].to_numpy()),
        "ece": expected_calibration_error(predictions["p_real"].to_numpy(), is_right(predictions)),
    }


def area_under_roc(is_real: NDArray[np.bool_], margins: NDArray[np.floating]) -> float | None:
    """Compute how often a REAL image has the higher margin of a pair, ties counting half; None without pairs."""
    real = int(is_real.sum())
    pairs = real * (len(is_real) - real)
    ranks = pd.Series(margins).rank().to_numpy()
    return float((ranks[is_real].sum() - real * (real + 1) / 2) / pairs) if pairs else None
