"""Metrics of a run's rows: thresholds, calibration, error rates by group, beside the paper's. Needs no torch."""

from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from core.arrays import Float64, Floats, Int64, Integers, Mask
from core.images.labels import CLASSES

# numbers from the paper's Table 1 and Figure 1, `confusion` as [label][predicted], FAKE first
PAPER: dict[str, Any] = {
    "accuracy": 0.945,
    "per_class": {
        "FAKE": {"precision": 0.93, "recall": 0.96, "f1": 0.95},
        "REAL": {"precision": 0.96, "recall": 0.93, "f1": 0.94},
    },
    "confusion": [[9584, 416], [679, 9321]],
}


HALF = 0.5
# of a generator: whether its images were in the training
SEEN = ("seen", "unseen")
MAX_POINTS = 400
ECE_BINS = 15
# bins of the calibration curve: few, so that each holds enough images
CURVE_BINS = 10
# groups that can be compared at a glance
MOST_GROUPS = 24


def predicted_real(table: pd.DataFrame, threshold: float = HALF) -> Mask:
    """Predict REAL where p(REAL) is above a threshold, 0 to 1: bool (N,).

    At one half these are the stored predictions: float32 probabilities of tiny margins round to one half.
    """
    if threshold == HALF:
        return np.asarray(table["predicted"] == "REAL")
    return table["p_real"].to_numpy() > threshold


def confusion_at(table: pd.DataFrame, threshold: float = HALF) -> Int64:
    """Count int64 (2, 2) [true][called], FAKE first, at a threshold of p(REAL); images without a label in no cell."""
    is_real = (table["label"] == "REAL").to_numpy(np.int64)
    cells = (2 * is_real + predicted_real(table, threshold))[table["label"].notna().to_numpy()]
    return np.bincount(cells, minlength=4).reshape(2, 2)


def class_scores(confusion: Int64) -> pd.DataFrame:
    """Compute precision, recall and f1 by class (index FAKE, REAL), 0 to 1, from [true][called]; 0 if undefined.

    With TP, FP and FN of a class: TP / (TP + FP), TP / (TP + FN), and 2 TP / (2 TP + FP + FN)
    (https://en.wikipedia.org/wiki/Precision_and_recall).

    Example:
        >>> class_scores(np.array([[8, 2], [0, 10]])).round(3).loc["FAKE"].tolist()
        [1.0, 0.8, 0.889]
    """
    hits = np.diag(confusion).astype(np.float64)
    precision = hits / np.maximum(confusion.sum(axis=0), 1)
    recall = hits / np.maximum(confusion.sum(axis=1), 1)
    f1 = 2 * hits / np.maximum(confusion.sum(axis=0) + confusion.sum(axis=1), 1)
    return pd.DataFrame({"precision": precision, "recall": recall, "f1": f1}, index=list(CLASSES))


def sweep(table: pd.DataFrame) -> pd.DataFrame:
    """Compute the rates at about `MAX_POINTS` thresholds, spread evenly along the ROC curve; FAKE is positive.

    Returns:
        Float64 columns `thresholds`, ascending (an image is called REAL when p(REAL) is above); `true_positive_rate`,
        the share of FAKE images called FAKE (recall), and `false_positive_rate`, the share of REAL images called FAKE.
        All are 0 to 1.

    Raises:
        ValueError: the rows hold one class only.
    """
    p_real = table["p_real"].astype(np.float64)
    fake = np.sort(p_real[table["label"] != "REAL"])
    real = np.sort(p_real[table["label"] == "REAL"])
    if not len(fake) or not len(real):
        raise ValueError("a threshold curve needs both classes and these rows hold one")
    shares = np.linspace(0, 1, MAX_POINTS // 2)
    thresholds = np.unique(np.concatenate([[0.0], np.quantile(fake, shares), np.quantile(real, shares), [1.0]]))
    # below the threshold 0 nothing is called FAKE, where many probabilities are exactly 0 too
    hits = np.r_[0, np.searchsorted(fake, thresholds, side="right")]
    alarms = np.r_[0, np.searchsorted(real, thresholds, side="right")]
    return pd.DataFrame(
        {
            "thresholds": np.r_[thresholds[:1], thresholds],
            "true_positive_rate": hits / len(fake),
            "false_positive_rate": alarms / len(real),
        }
    )


def confidence_of(p_real: Floats) -> Floats:
    """Return the probability given to each verdict, 0.5 to 1, of the shape and type of `p_real`."""
    return np.maximum(p_real, 1 - p_real)


def is_right(table: pd.DataFrame) -> Mask:
    """Return bool (N,), True where the prediction equals the label."""
    return np.asarray((table["label"] == "REAL") == (table["predicted"] == "REAL"))


def calibration(table: pd.DataFrame, *, bins: int = CURVE_BINS) -> pd.DataFrame:
    """Compute the accuracy of verdicts by confidence, in equally wide bins; those without an image are left out.

    Returns:
        Columns `confidence` (mean of the bin), `accuracy`, `low`, `high` (its 95% interval), all 0 to 1, and `images`.
    """
    confidence = confidence_of(table["p_real"].to_numpy(np.float64))
    index = np.minimum(((confidence - HALF) * 2 * bins).astype(np.intp), bins - 1)
    index = np.unique(index, return_inverse=True)[1]
    images = np.bincount(index)
    hits = np.bincount(index, is_right(table)).astype(int)
    low, high = wilson_interval(hits, images)
    means = np.bincount(index, confidence) / images
    return pd.DataFrame({"confidence": means, "accuracy": hits / images, "low": low, "high": high, "images": images})


def beyond_confidence(bins: pd.DataFrame) -> tuple[int, int]:
    """Count the rows of `calibration` whose confidence lies above the interval of their accuracy, and those below."""
    above = bins["confidence"] > bins["high"]
    below = bins["confidence"] < bins["low"]
    return int(above.sum()), int(below.sum())


def largest(groups: pd.DataFrame, most: int = MOST_GROUPS) -> pd.DataFrame:
    """Keep the rows of `error_by` with the most images, at most `most`, in their order.

    Ties are broken by name; breaking them by rate would favour groups that are worst by chance.
    """
    by_name = groups.sort_values("value", key=lambda values: values.astype(str))
    return by_name.nlargest(most, "images").sort_index(ignore_index=True)


def error_by(table: pd.DataFrame, column: str, *, threshold: float = HALF) -> pd.DataFrame:
    """Compute the error rate of each value of a column, worst first.

    Returns:
        Columns `value`, `images`, `wrong`, `rate`, and `low`, `high`: the 95% interval of the rate, 0 to 1.
    """
    table = table[table["label"].notna()]
    wrong = (table["label"] == "REAL") != predicted_real(table, threshold)
    counts = wrong.groupby(table[column].astype(object)).agg(images="count", wrong="sum")
    counts = counts.rename_axis("value").reset_index()
    counts["rate"] = counts["wrong"] / counts["images"]
    counts["low"], counts["high"] = wilson_interval(counts["wrong"].to_numpy(int), counts["images"].to_numpy(int))
    return counts.sort_values("rate", ascending=False, kind="stable", ignore_index=True)


def means_by_source(table: pd.DataFrame, *, threshold: float = HALF) -> pd.DataFrame:
    """Average error rates over sources, so that each counts once, beside the rates of their images together.

    Args:
        table: of a run, with `source` and perhaps `seen`.
        threshold: of p(REAL), 0 to 1.

    Returns:
        A row for all sources, and for seen and unseen ones where that is known: `Sources` ("all", "seen", "unseen"),
        `Number`, `Images`, `Pooled error rate`, `Macro mean`, 0 to 1. Empty without a source.
    """
    groups = {"all": table} | {name: table[table["seen"] == name] for name in SEEN if "seen" in table}
    rows = []
    for name, part in groups.items():
        rates = error_by(part, "source", threshold=threshold)
        if len(rates):
            images = int(rates["images"].sum())
            rows.append((name, len(rates), images, rates["wrong"].sum() / images, rates["rate"].mean()))
    return pd.DataFrame(rows, columns=["Sources", "Number", "Images", "Pooled error rate", "Macro mean"])


def is_fresh(predictions: pd.DataFrame) -> Mask:
    """Return bool (N,), True for rows that are neither training images nor repeats of an earlier row."""
    return ~(predictions["in_train"] | predictions["is_repeat"]).to_numpy(bool)


def derived_of(predictions: pd.DataFrame) -> dict[str, Any]:
    """Compute the fields of a run's manifest that follow from its rows; readers take these, whatever it says."""
    return {
        "leaked": int(predictions["in_train"].sum()),
        "repeats": int(predictions["is_repeat"].sum()),
        "metrics": {"all": metrics(predictions), "clean": metrics(predictions[is_fresh(predictions)])},
    }


def metrics(predictions: pd.DataFrame) -> dict[str, Any]:
    """Compute accuracy, per-class precision/recall/f1/support, confusion [true][predicted], auroc and ece.

    The last, the expected calibration error, is the sum over 15 bins b of n_b / N * abs(accuracy_b - confidence_b)
    (Guo et al. 2017, https://arxiv.org/abs/1706.04599).

    If all rows have one label there is no accuracy, and auroc is None; rows without labels give only {"images": N}.
    """
    confusion = confusion_at(predictions)
    result: dict[str, Any] = {"images": len(predictions)}
    if not confusion.any():
        return result
    if confusion.any(axis=1).all():
        result["accuracy"] = float(np.trace(confusion) / len(predictions))
    bins = calibration(predictions, bins=ECE_BINS)
    gaps = (bins["accuracy"] - bins["confidence"]).abs()
    return result | {
        "per_class": class_scores(confusion).assign(support=confusion.sum(axis=1)).to_dict("index"),
        "confusion": confusion.tolist(),
        "auroc": area_under_roc((predictions["label"] == "REAL").to_numpy(bool), predictions["margin"].to_numpy()),
        "ece": float((gaps * bins["images"]).sum() / len(predictions)),
    }


def area_under_roc(is_real: Mask, margins: Floats) -> float | None:
    """Compute how often a REAL image has the higher margin of a pair, ties counting half; None without pairs.

    The Mann-Whitney statistic over n REAL and m FAKE images, divided by n m (Hanley and McNeil 1982,
    https://doi.org/10.1148/radiology.143.1.7063747), 0 to 1.

    Example:
        >>> area_under_roc(np.array([True, True, False, False]), np.array([2.0, 0.5, 0.5, -1.0]))
        0.875
    """
    real = int(is_real.sum())
    pairs = real * (len(is_real) - real)
    ranks = pd.Series(margins).rank().to_numpy()
    if not pairs:
        return None
    return float((ranks[is_real].sum() - real * (real + 1) / 2) / pairs)


class Interval(NamedTuple):
    """The ends of an interval, floats or arrays of them, 0 to 1."""

    low: Float64
    high: Float64


def wilson_interval(successes: Integers | float, trials: Integers | int, *, confidence: float = 0.95) -> Interval:
    """Compute the score interval of a share, accurate for few trials and for shares near 0 and 1.

    With the share p of n trials and the normal quantile z, its ends are
    (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)
    (Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953).

    Args:
        successes: counts, 0 to `trials`; fractional where one trial is a source of several images.
        trials: counts, or effective numbers, which may be fractional; where 0, the interval is 0 to 1.
        confidence: how often such intervals contain the true share, between 0 and 1.

    Returns:
        float64 ends of the broadcast shape of the counts.

    Example:
        >>> low, high = wilson_interval(9, 10)
        >>> round(float(low), 3), round(float(high), 3)
        (0.596, 0.982)
    """
    k, n = np.broadcast_arrays(np.asarray(successes, np.float64), np.asarray(trials, np.float64))
    z2 = NormalDist().inv_cdf(0.5 + confidence / 2) ** 2
    # an effective number of trials may be below 1
    some = np.where(n > 0, n, 1)
    middle = (k + z2 / 2) / (some + z2)
    half = np.sqrt(z2 * k * (some - k) / some + z2**2 / 4) / (some + z2)
    # the algebra gives exactly 0 and 1 at the ends; rounding does not
    low = np.where(k == 0, 0.0, np.clip(middle - half, 0, 1))
    high = np.where(k == n, 1.0, np.clip(middle + half, 0, 1))
    return Interval(low, high)
