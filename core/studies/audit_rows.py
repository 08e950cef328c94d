"""Rows of the audit's table: how well image statistics, regressions and copies separate the classes."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from core.findings.intervals import Estimate, weighted_share
from core.findings.separation import auroc, best_rule, carried_rule, leaning, strata_of, within_strata
from core.images.labels import CLASSES
from core.images.statistics import LUMA, STATISTICS, frequency_radius
from core.studies.audit_summary import STATISTIC_NAMES
from core.studies.copies import nearest_copies
from core.studies.splits import Links, Part
from core.studies.study import StudyError

ENDS = ("", "_low", "_high")
MIN_IN_CLASS = 10
RINGS = 16
FOLDS = 5
Row = dict[str, Any]


def _estimate(name: str, estimate: Estimate) -> dict[str, float]:
    """An estimate as three columns."""
    return dict(zip([name + end for end in ENDS], estimate[:3], strict=True))


def statistic_row(
    name: str,
    images: pd.DataFrame,
    margins: NDArray[np.float64],
    *,
    training: pd.DataFrame | None = None,
    seed: int = 0,
) -> Row | None:
    """Measure how well a statistic alone separates the classes, and the detector among images matched on it.

    The rule is fitted to the training images, or cross-fitted where those are not available.

    Args:
        name: a column of `images`.
        images: `is_real` and statistics, a row an image; images that lack the statistic are left out.
        margins: (N,) of the detector.
        training: the same columns of the training images; None where they are not available.
        seed: of folds and of shuffling.

    Returns:
        A row of the audit, None where fewer than ten images of a class have the statistic.
    """
    known = images[name].notna().to_numpy()
    values, is_real, margins = _values(images[name][known]), images["is_real"].to_numpy(bool)[known], margins[known]
    if min(is_real.sum(), (~is_real).sum()) < MIN_IN_CLASS:
        return None
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(is_real)
    fitted_to = pd.DataFrame() if training is None else training[[name, "is_real"]].dropna()
    if training is None or fitted_to["is_real"].nunique() < len(CLASSES):
        fitted = 0
        scores, control = (best_rule(values, labels, seed=seed) for labels in (is_real, shuffled))
    else:
        fitted, real = len(fitted_to), fitted_to["is_real"].to_numpy(bool)
        values_there, by_chance = _values(fitted_to[name]), generator.permutation(real)
        scores, control = (carried_rule(values_there, labels, values) for labels in (real, by_chance))
    matched = within_strata(margins, is_real, strata_of(values))
    row: Row = {"kind": "fact", "name": name, "images": len(values), "fitted": fitted}
    row |= _quartiles(values, is_real) if STATISTIC_NAMES[name].is_number else {"values": len(np.unique(values))}
    row |= _estimate("auroc", auroc(scores, is_real))
    row |= _estimate("shuffled", auroc(control, shuffled))
    row |= _estimate("accuracy", weighted_share((scores > 0) == is_real))
    row |= _estimate("matched_auroc", matched.auroc) | _estimate("matched_accuracy", matched.accuracy)
    return row | _estimate("lean", leaning(scores, margins, is_real))


def _values(column: pd.Series) -> NDArray[Any]:
    if pd.api.types.is_numeric_dtype(column):
        return np.asarray(column, np.float64)
    return np.asarray(column.astype(str), "U")


def _quartiles(values: NDArray[Any], is_real: NDArray[np.bool_]) -> Row:
    """Quartiles of both classes, and which of them has the higher values."""
    row: Row = _estimate("direct", auroc(values, is_real))
    for name, chosen in (("real", is_real), ("fake", ~is_real)):
        ends = np.quantile(values[chosen], [0.25, 0.5, 0.75])
        row |= {f"{part}_{name}": end for part, end in zip(("lower", "median", "upper"), ends, strict=True)}
    return row


def radial_spectrum(pixels: NDArray[np.uint8], *, chunk: int = 4096) -> NDArray[np.float32]:
    """Compute log10(1 + mean luma power) in 16 rings, at 1 to 16 cycles per 32 pixels; the last includes the corners.

    Args:
        pixels: uint8 (N, side, side, 3).
        chunk: images of 32 x 32 pixels at a time, of larger ones fewer; bounds the memory.

    Returns:
        float32 (N, 16).
    """
    side = pixels.shape[1]
    ring = np.clip(np.rint(frequency_radius(side) * 2 * RINGS / side), 0, RINGS).astype(int).ravel()
    share = np.zeros((side * side, RINGS + 1), np.float32)
    share[np.arange(side * side), ring] = 1
    share /= np.maximum(share.sum(axis=0), 1)
    spectra = np.zeros((len(pixels), RINGS), np.float32)
    chunk = max(1, min(chunk, chunk * 32**2 // side**2))
    for start in range(0, len(pixels), chunk):
        luma = np.asarray(pixels[start : start + chunk], np.float32) @ LUMA
        power = np.square(np.abs(np.fft.fft2(luma))).astype(np.float32).reshape(len(luma), -1)
        # a power of 1 is far below the rounding of pixels
        spectra[start : start + chunk] = np.log10(power @ share + 1)[:, 1:]
    return spectra


def ring_rows(spectra: NDArray[np.float32], is_real: NDArray[np.bool_]) -> Iterator[Row]:
    """Yield the power of each ring by class.

    Args:
        spectra: (N, 16) from `radial_spectrum`.
        is_real: bool (N,), both classes.
    """
    for ring, powers in enumerate(spectra.astype(np.float64).T, start=1):
        yield {"kind": "ring", "name": str(ring), "images": len(powers), **_quartiles(powers, is_real)}


def network_row(margins: NDArray[np.float64], is_real: NDArray[np.bool_]) -> Row:
    """Measure the detector itself."""
    accuracy = weighted_share((margins > 0) == is_real)
    row = {"kind": "network", "name": "network", "images": len(margins)}
    return row | _estimate("auroc", auroc(margins, is_real)) | _estimate("accuracy", accuracy)


def baseline_rows(own: Part, training: Part | None, spectra: NDArray[np.float32], *, seed: int) -> Iterator[Row]:
    """Yield logistic regressions on the radial spectrum, and on all statistics that are numbers.

    Args:
        own: the run's images, which are classified.
        training: what the regressions are fitted to; without it each image is classified by a fit to others of the run.
        spectra: (N, 16) of the run's images, from `radial_spectrum`.
        seed: of folds and of shuffling.
    """
    real, training_real = own.is_real, None if training is None else training.is_real
    statistics = own.rows[list(STATISTICS)].to_numpy(float)
    for name, features in (("spectrum", spectra), ("facts", statistics)):
        there = None
        if training is not None:
            statistics = training.rows[list(STATISTICS)].to_numpy(float)
            there = radial_spectrum(training.pixels) if name == "spectrum" else statistics
        scores = regression_scores(features, real, there, training_real, seed=seed)
        generator = np.random.default_rng(seed)
        shuffled = generator.permutation(real)
        training_shuffled = None if training_real is None else generator.permutation(training_real)
        control = regression_scores(features, shuffled, there, training_shuffled, seed=seed)
        yield (
            {"kind": "baseline", "name": name, "images": len(real), "fitted": 0 if training is None else len(training)}
            | _estimate("auroc", auroc(scores, real))
            | _estimate("accuracy", weighted_share((scores > 0) == real))
            | _estimate("shuffled", auroc(control, shuffled))
        )


def regression_scores(
    features: NDArray[Any],
    labels: NDArray[np.bool_],
    training: NDArray[Any] | None = None,
    training_labels: NDArray[np.bool_] | None = None,
    *,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Score images by a logistic regression on standardised features.

    Args:
        features: (N, F), of the images to score.
        labels: bool (N,), True where they are REAL.
        training: (M, F), of training images; None to cross-validate within `features`.
        training_labels: bool (M,), the same for the training images.
        seed: of the folds.

    Returns:
        float64 (N,), log odds of REAL.

    Raises:
        StudyError: fewer than two images of a class to fit to.
    """
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    targets = labels if training_labels is None else training_labels
    smaller = int(min(targets.sum(), (~targets).sum()))
    if smaller < 2:
        raise StudyError(
            f"a regression needs two images of each class, and of {len(targets)} images {targets.sum()} are REAL; ask "
            "it of a set with both"
        )
    if training is not None:
        return np.asarray(model.fit(training, targets).decision_function(features))
    folds = StratifiedKFold(min(FOLDS, smaller), shuffle=True, random_state=seed)
    return np.asarray(cross_val_predict(model, features, labels, cv=folds, method="decision_function"))


def leak_row(links: Links, own: Part, training: Part, margins: NDArray[np.float64], *, seed: int = 0) -> Row:
    """Measure how well remembering the training images, and nothing else, separates the classes of the run's images.

    An image with a copy or near copy there scores +1 (REAL) or -1 (FAKE) by the class of the nearest, or by the
    class that is not its own where it has equal copies of both; all others 0.

    Args:
        links: of both parts.
        own: the run's images.
        training: the training images.
        margins: (N,) of the detector.
        seed: of the shuffling of labels.
    """
    images = pd.concat([part.rows[["id", "name", "is_real"]] for part in (own, training)], ignore_index=True)
    classes = nearest_copies(links, images, np.arange(len(images)) >= links.own)["class"]
    is_copy, other = classes.notna().to_numpy(), (classes == "other").to_numpy()
    scores = np.where(is_copy, np.where(own.is_real != other, 1, -1), 0)
    fresh = within_strata(margins[~is_copy], own.is_real[~is_copy], np.zeros((~is_copy).sum(), np.intp))
    row: Row = {"kind": "leak", "name": "leak", "images": len(own)}
    row |= {"count": int(is_copy.sum()), "other_class": int(other.sum())}
    row |= _estimate("auroc", auroc(scores, own.is_real))
    row |= _estimate("shuffled", auroc(scores, np.random.default_rng(seed).permutation(own.is_real)))
    return row | _estimate("matched_auroc", fresh.auroc) | _estimate("matched_accuracy", fresh.accuracy)


def training_copies(links: Links, training: Part) -> Iterator[Row]:
    """Yield rows on copies within the training set, whose images are not among the run's rows.

    `count` is the number of images that repeat an earlier one or, for near copies, that have one; `other_class` is the
    number in a group or pair with both classes.
    """
    real, shown = training.is_real, links.shown[links.own :]
    row = {"kind": "copies", "images": len(training)}
    for name, group in (("training.file", links.file[links.own :]), ("training.pixels", shown)):
        counts = pd.Series(real).groupby(group).agg(["size", "sum"])
        mixed = counts[(counts["sum"] > 0) & (counts["sum"] < counts["size"])]
        yield row | {"name": name, "count": len(real) - len(counts), "other_class": int(mixed["size"].sum())}
    # of images with equal pixels one is in the pairs for all
    groups = int(links.shown.max()) + 1
    reals, fakes = (np.bincount(shown[chosen], minlength=groups) for chosen in (real, ~real))
    left, right = links.shown[links.pairs.left], links.shown[links.pairs.right]
    inside = (reals + fakes)[left] * (reals + fakes)[right] > 0
    clash = reals[left] * fakes[right] + fakes[left] * reals[right] > 0
    near, other = (int(np.isin(shown, [left[chosen], right[chosen]]).sum()) for chosen in (inside, clash))
    yield row | {"name": "training.near", "count": near, "other_class": other}
