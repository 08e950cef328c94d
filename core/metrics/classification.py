"""What a run says beyond its stored metrics: other thresholds, confidence, and where the errors are. Needs no torch."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.metrics.intervals import wilson_interval

HALF = 0.5
MAX_POINTS = 400
ECE_BINS = 15
# what can be looked at side by side, of values of which a set may have thousands
MOST_GROUPS = 24


@dataclass(frozen=True, eq=False)
class Sweep:
    """What each threshold gives when FAKE is what is looked for; K thresholds.

    Attributes:
        cuts: float64 (K,), ascending; an image is called REAL when p(REAL) is above the cut.
        caught: float64 (K,), share of the FAKE images called FAKE (recall), 0 to 1.
        accused: float64 (K,), share of the REAL images called FAKE, 0 to 1.
        precision: float64 (K,), share of FAKE among what is called FAKE; 1 where nothing is.
    """

    cuts: NDArray[np.float64]
    caught: NDArray[np.float64]
    accused: NDArray[np.float64]
    precision: NDArray[np.float64]


def predicted_real(table: pd.DataFrame, cut: float = HALF) -> NDArray[np.bool_]:
    """bool (N,), whether each image is called REAL when p(REAL) must be above `cut`, 0 to 1.

    At one half this is the run's own verdict: float32 probabilities round to one half where a margin is not quite 0.
    """
    if cut == HALF:
        return np.asarray(table["predicted"] == "REAL")
    return np.asarray(table["p_real"].to_numpy() > cut)


def confusion_at(table: pd.DataFrame, cut: float = HALF) -> NDArray[np.int64]:
    """int64 (2, 2) counts [true][called], FAKE first, when p(REAL) must be above `cut` to say REAL."""
    return count_cells((table["label"] == "REAL").to_numpy(bool), predicted_real(table, cut))


def count_cells(is_real: NDArray[np.bool_], called_real: NDArray[np.bool_]) -> NDArray[np.int64]:
    """int64 (2, 2) counts [true][called], FAKE first, of two bool (N,) arrays."""
    return np.bincount(2 * is_real.astype(np.int8) + called_real, minlength=4).reshape(2, 2)


def class_scores(confusion: NDArray[np.int64]) -> pd.DataFrame:
    """Precision, recall and f1 of each class (index FAKE, REAL), 0 to 1, from [true][called]; 0 where undefined."""
    hits = np.diag(confusion).astype(np.float64)
    precision = hits / np.maximum(confusion.sum(axis=0), 1)
    recall = hits / np.maximum(confusion.sum(axis=1), 1)
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(np.float64).tiny)
    return pd.DataFrame({"precision": precision, "recall": recall, "f1": f1}, index=["FAKE", "REAL"])


def sweep(table: pd.DataFrame, *, points: int = MAX_POINTS) -> Sweep:
    """Every threshold that matters, thinned to about `points` evenly along the ROC curve.

    Raises:
        ValueError: the rows hold one class only.
    """
    is_real = (table["label"] == "REAL").to_numpy(bool)
    p_real = table["p_real"].to_numpy(np.float64)
    fake, real = np.sort(p_real[~is_real]), np.sort(p_real[is_real])
    if not len(fake) or not len(real):
        raise ValueError("a threshold is judged on both classes and these rows hold one")
    shares = np.linspace(0, 1, points // 2)
    cuts = np.unique(np.concatenate([[0.0], np.quantile(fake, shares), np.quantile(real, shares), [1.0]]))
    hits, alarms = (np.searchsorted(values, cuts, side="right") for values in (fake, real))
    called = hits + alarms
    precision = np.where(called > 0, hits / np.maximum(called, 1), 1.0)
    return Sweep(cuts, hits / len(fake), alarms / len(real), precision)


def confidence_of(p_real: NDArray[np.floating]) -> NDArray[np.float32]:
    """float32 (N,), the probability given to the verdict, 0.5 to 1."""
    return np.asarray(np.maximum(p_real, 1 - p_real), np.float32)


def is_right(table: pd.DataFrame) -> NDArray[np.bool_]:
    """bool (N,), whether each image's verdict (`predicted`) is what it is (`label`)."""
    return np.asarray(table["label"].astype(str) == table["predicted"].astype(str))


def _bins_of(confidence: NDArray[np.floating], bins: int) -> NDArray[np.intp]:
    """intp (N,), the bin of each confidence: bins of one width between 0.5, the least of two classes, and 1."""
    return np.minimum(((confidence - HALF) * 2 * bins).astype(np.intp), bins - 1)


def expected_calibration_error(
    p_real: NDArray[np.floating], right: NDArray[np.bool_], *, bins: int = ECE_BINS
) -> float:
    """Mean gap between confidence and accuracy over equal-width bins of confidence (Guo et al. 2017).

    Args:
        p_real: (N,) probabilities of REAL.
        right: bool (N,), whether each verdict is right.
        bins: between 0.5 and 1.

    Returns:
        0..1, each bin weighted by its share of the images.
    """
    confidence = np.maximum(np.asarray(p_real, np.float64), 1 - np.asarray(p_real, np.float64))
    gap = np.bincount(_bins_of(confidence, bins), confidence - right, minlength=bins)
    return float(np.abs(gap).sum() / len(confidence))


def confidence_histogram(table: pd.DataFrame, *, bins: int = 20) -> pd.DataFrame:
    """Right and wrong verdicts by confidence: columns `low`, `high` (0.5 to 1), `right`, `wrong` (counts)."""
    confidence = confidence_of(table["p_real"].to_numpy())
    right, index = is_right(table), _bins_of(confidence, bins)
    edges = np.linspace(HALF, 1, bins + 1)
    counts = {
        name: np.bincount(index[chosen], minlength=bins) for name, chosen in (("right", right), ("wrong", ~right))
    }
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], **counts})


def calibration(table: pd.DataFrame, *, bins: int = 10) -> pd.DataFrame:
    """How often verdicts of each confidence are right; bins without an image are left out.

    Returns:
        Columns `confidence` (mean of the bin), `accuracy`, `low`, `high` (its 95 % interval), all 0 to 1, and `images`.
    """
    confidence = confidence_of(table["p_real"].to_numpy()).astype(np.float64)
    right, index = is_right(table), _bins_of(confidence, bins)
    images, hits = np.bincount(index, minlength=bins), np.bincount(index, right, minlength=bins).astype(int)
    some = images > 0
    low, high = wilson_interval(hits[some], images[some])
    return pd.DataFrame(
        {
            "confidence": np.bincount(index, confidence, minlength=bins)[some] / images[some],
            "accuracy": hits[some] / images[some],
            "low": low,
            "high": high,
            "images": images[some],
        }
    )


def largest(found: pd.DataFrame, most: int = MOST_GROUPS) -> pd.DataFrame:
    """Keep at most so many rows of `error_by`, those with the most images, in their order.

    Among as many images the first by name are kept: by rate, chance alone would choose the worst.
    """
    kept = found.assign(text=found["value"].astype(str)).sort_values(["images", "text"], ascending=[False, True])
    return found.loc[sorted(kept.index[:most])].reset_index(drop=True)


def error_by(table: pd.DataFrame, column: str, *, cut: float = HALF) -> pd.DataFrame:
    """Error rate of each value of a column, worst first.

    Returns:
        Columns `value`, `images`, `wrong`, `rate`, and `low`, `high`: the 95 % interval of the rate, 0 to 1.
    """
    wrong = predicted_real(table, cut) != (table["label"] == "REAL").to_numpy(bool)
    grouped = pd.Series(wrong).groupby(table[column].astype(object).to_numpy(), dropna=True)
    counts = grouped.agg(["size", "sum"]).rename(columns={"size": "images", "sum": "wrong"})
    counts["rate"] = counts["wrong"] / counts["images"]
    counts["low"], counts["high"] = wilson_interval(counts["wrong"].to_numpy(int), counts["images"].to_numpy(int))
    counts.index.name = "value"
    return counts.reset_index().sort_values("rate", ascending=False, kind="stable", ignore_index=True)
