"""The study `audit`: which shortcuts the data offer, and whether the detector relies on them.

Each image statistic is given its best chance: a rule that may use it in any way, fitted to the training images (or,
where they are not available, cross-fitted on the run's own) and tested on the run's. It is compared with the same rule
after shuffling the labels, two logistic regressions on a few numbers, and the network itself.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from core.findings.claims import Headlines
from core.findings.finding import Choice, Control, Finding, Measure
from core.findings.intervals import Estimate, weighted_share
from core.findings.separation import RULE_BINS, auroc, best_rule, carried_rule, leaning, strata_of, within_strata
from core.images.labels import CLASSES
from core.images.statistics import LUMA, STATISTICS, frequency_radius
from core.runs.run import Run
from core.studies.audit_summary import STATISTIC_NAMES, worst_first
from core.studies.copies import Images, compressions, find_copies, nearest_copies, own_images, training_images
from core.studies.study import Context, Study, StudyError

Row: TypeAlias = dict[str, Any]
ENDS = ("", "_low", "_high")
SHUFFLED, EVERY = "shuffled labels", "all images"
# choices of the rule by which a number separates the classes
FITTED, RANK = f"{RULE_BINS} fitted bins", "rank"
# images of each class that a statistic needs
MIN_IN_CLASS = 10
RINGS, FOLDS = 16, 5

COLUMNS = {
    "kind": "fact; ring (of the radial power spectrum); leak (copies of training images); baseline (a logistic "
    "regression); or network (the detector)",
    "name": "of the fact, ring, baseline or count",
    "images": "how many images it rests on",
    "count": "of copies: how many images",
    "other_class": "of copies: how many of them copy an image of the other class",
    "fitted": "how many training images a rule or regression was fitted on; 0 where they were not at hand and each "
    "image was judged by the others of its set",
    "values": "of a fact in words: how many values there are",
    **{
        f"{part}_{name}": f"{words} of the fact over {name.upper()} images"
        for name in ("real", "fake")
        for part, words in (("lower", "lower quartile"), ("median", "median"), ("upper", "upper quartile"))
    },
    "direct": "of a number: how often a REAL image has the higher value than a FAKE one, 0 to 1",
    "auroc": "how often a REAL image looks more REAL than a FAKE one by this alone, used in the best way, "
    "0.5 (guessing) to 1",
    "shuffled": "the same after labels were shuffled: the control, about 0.5",
    "accuracy": "share of right verdicts by this alone, 0 to 1",
    "matched_auroc": "the detector's AUROC among images that are alike in the fact, or that have no copy, 0 to 1",
    "matched_accuracy": "mean of the detector's recalls among the same images, 0 to 1",
    "lean": "rank correlation of the detector's margin with what the fact says, within a class, -1 to 1",
}
ESTIMATED = ("direct", "auroc", "shuffled", "accuracy", "matched_auroc", "matched_accuracy", "lean")
COLUMNS |= {f"{name}{end}": "an end of its 95 % interval" for name in ESTIMATED for end in ENDS[1:]}

HEADLINES: Headlines = {
    "fact.*": {
        "question": "Does this image statistic alone tell REAL from FAKE?",
        "holds": "It says something about the class.",
        "not shown": "Not shown to say anything about the class.",
        "no control": "All images have the same value.",
    },
    "leak": {
        "question": "Does remembering the training images tell REAL from FAKE?",
        "subject": "copies in the training set",
        "holds": "Copies in the training set give the class of some images away.",
        "not shown": "Not shown that copies in the training set give classes away.",
    },
    "baseline.spectrum": {
        "question": "Does logistic regression tell REAL from FAKE?",
        "subject": "of the spectrum",
        "holds": "The strengths of frequencies alone tell the classes apart.",
    },
    "baseline.*": {
        "question": "Does logistic regression tell REAL from FAKE?",
        "subject": "of image statistics",
        "holds": "Simple image statistics tell the classes apart.",
    },
    "lean.*": {
        "question": "Does the detector need this image statistic?",
        "holds": "It does better where this statistic cannot help.",
        "holds below": "It does worse where this statistic cannot help.",
        "not shown": "Not shown that the detector needs this statistic.",
    },
    "ring": {
        "question": "Which ring of the spectrum differs most between the classes?",
        "no control": "Descriptive only: the ring that differs most.",
    },
}


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Measure a row a statistic, ring and baseline, one for copies of training images, and one for the network.

    Raises:
        StudyError: `rows` are not the whole run, or a class has fewer than two images to fit a regression to.
    """
    if len(rows) < len(context.run):
        raise StudyError("the audit is of a whole set, because a copy may be anywhere in it; leave --images out")
    own, training, seed = own_images(context), training_images(context), int(parameters["seed"])
    margins = context.run.predictions["margin"].to_numpy(np.float64)
    real = own.rows["is_real"].to_numpy(bool)
    network = _estimate("auroc", auroc(margins, real)) | _estimate("accuracy", weighted_share((margins > 0) == real))
    table: list[Row] = [{"kind": "network", "name": "network", "images": len(margins), **network}]
    if training is not None:
        table.append(_leak_row(context, own, training, margins, seed))
    context.report(0.6, "how files were compressed")
    statistics = own.rows.assign(compression=compressions(context, context.run.split, own.rows))
    learned = (
        None if training is None else training.rows.assign(compression=compressions(context, "train", training.rows))
    )
    for number, name in enumerate(STATISTIC_NAMES):
        context.report(0.75 + 0.01 * number, name)
        table += _statistic_rows(name, statistics, margins, learned, seed)
    context.report(0.85, "spectra")
    spectra = radial_spectrum(own.pixels)
    for ring, powers in enumerate(spectra.astype(np.float64).T, start=1):
        table.append({"kind": "ring", "name": str(ring), "images": len(powers), **_quartiles(powers, real)})
    for name in ("spectrum", "facts"):
        features, fitted_to = (
            None if part is None
            else radial_spectrum(part.pixels) if name == "spectrum"
            else part.rows[list(STATISTICS)].to_numpy(float)
            for part in (own, training)
        )  # fmt: skip
        labels = None if training is None else training.rows["is_real"].to_numpy(bool)
        table.append({"kind": "baseline", "name": name} | _baseline_row(features, real, fitted_to, labels, seed))
    return pd.DataFrame(table).reindex(columns=list(COLUMNS))


def _estimate(name: str, estimate: Estimate) -> dict[str, float]:
    """Spread an estimate over three columns."""
    return dict(zip([name + end for end in ENDS], estimate[:3], strict=True))


def _statistic_rows(
    name: str, images: pd.DataFrame, margins: NDArray[np.float64], training: pd.DataFrame | None, seed: int
) -> list[Row]:
    """Measure how well a statistic alone separates the classes, and the detector among images matched on it.

    The rule is fitted to the training images, or cross-fitted where those are not available.

    Args:
        name: a column of `images`.
        images: `is_real` and statistics, a row an image; images that lack the statistic are left out.
        margins: (N,) of the detector.
        training: the same columns of the training images; None where they are not available.
        seed: of folds and of shuffling.

    Returns:
        A row of the audit, none where fewer than ten images of a class have the statistic.
    """
    known = images[name].notna().to_numpy()
    values, real, margins = _values(images[name][known]), images["is_real"].to_numpy(bool)[known], margins[known]
    if min(real.sum(), (~real).sum()) < MIN_IN_CLASS:
        return []
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(real)
    fitted_to = pd.DataFrame() if training is None else training[[name, "is_real"]].dropna()
    if training is None or fitted_to["is_real"].nunique() < len(CLASSES):
        fitted = 0
        scores, control = (best_rule(values, labels, seed=seed) for labels in (real, shuffled))
    else:
        fitted, labels_there = len(fitted_to), fitted_to["is_real"].to_numpy(bool)
        values_there, by_chance = _values(fitted_to[name]), generator.permutation(labels_there)
        scores, control = (carried_rule(values_there, labels, values) for labels in (labels_there, by_chance))
    matched = within_strata(margins, real, strata_of(values))
    row: Row = {"kind": "fact", "name": name, "images": len(values), "fitted": fitted}
    row |= _quartiles(values, real) if STATISTIC_NAMES[name].is_number else {"values": len(np.unique(values))}
    row |= _estimate("auroc", auroc(scores, real)) | _estimate("shuffled", auroc(control, shuffled))
    row |= _estimate("accuracy", weighted_share((scores > 0) == real)) | _estimate("matched_auroc", matched.auroc)
    row |= _estimate("matched_accuracy", matched.accuracy) | _estimate("lean", leaning(scores, margins, real))
    return [row]


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


def _baseline_row(
    features: Any, real: NDArray[np.bool_], fitted_to: Any, labels: NDArray[np.bool_] | None, seed: int
) -> Row:
    """Measure a logistic regression, fitted to the features of the training images where there are any."""
    scores = regression_scores(features, real, fitted_to, labels, seed=seed)
    generator = np.random.default_rng(seed)
    shuffled, by_chance = generator.permutation(real), None if labels is None else generator.permutation(labels)
    control = regression_scores(features, shuffled, fitted_to, by_chance, seed=seed)
    return (
        {"images": len(real), "fitted": 0 if labels is None else len(labels)}
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


def _leak_row(context: Context, own: Images, training: Images, margins: NDArray[np.float64], seed: int) -> Row:
    """Measure how well remembering the training images, and nothing else, separates the classes of the run's images.

    An image with a copy or near copy there scores +1 (REAL) or -1 (FAKE) by the class of the nearest, or by the
    class that is not its own where it has equal copies of both; all others 0.
    """
    images, pairs = find_copies(own, training, context.report)
    classes, real = (
        nearest_copies(images, pairs, ~images["is_own"].to_numpy())["class"],
        own.rows["is_real"].to_numpy(bool),
    )
    is_copy, other = classes.notna().to_numpy(), (classes == "other").to_numpy()
    scores = np.where(is_copy, np.where(real != other, 1, -1), 0)
    fresh = within_strata(margins[~is_copy], real[~is_copy], np.zeros((~is_copy).sum(), np.intp))
    row: Row = {"kind": "leak", "name": "leak", "images": len(real)}
    row |= {"count": int(is_copy.sum()), "other_class": int(other.sum())}
    row |= _estimate("auroc", auroc(scores, real))
    row |= _estimate("shuffled", auroc(scores, np.random.default_rng(seed).permutation(real)))
    return row | _estimate("matched_auroc", fresh.auroc) | _estimate("matched_accuracy", fresh.accuracy)


def conclude(_run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """Findings `fact.<name>` and `leak`, worst first; `baseline.<name>`, `lean.<name>`, `ring`."""
    alone = worst_first(table).to_dict("records")
    network, rings, baselines = (
        table[table["kind"] == kind].to_dict("records") for kind in ("network", "ring", "baseline")
    )
    everything = Control(EVERY, _measure(network[0], "auroc"))
    strongest = max(rings, key=lambda row: abs(row["direct"] - 0.5))
    findings = [_cue(row) for row in alone]
    for row in baselines:
        control = Control(SHUFFLED, _measure(row, "shuffled"))
        findings.append(
            Finding(f"baseline.{row['name']}", "audit", "cue_auroc", _measure(row, "auroc"), control=control)
        )
    for row in alone:
        # how the detector does where a statistic, or a copy, cannot help it. Matched pairs are fewer than the images,
        # and the file does not say how many
        matched, details = replace(_measure(row, "matched_auroc"), n=0), _title(row)
        findings.append(
            Finding(f"lean.{row['name']}", "audit", "matched_auroc", matched, control=everything, details=details)
        )
    ring = _measure(strongest, "direct")
    return [*findings, Finding("ring", "audit", "ring_auroc", ring, details={"ring": int(strongest["name"])})]


def _measure(row: Row, name: str) -> Measure:
    value, low, high = (float(row[name + end]) for end in ENDS)
    return Measure(value, low, high, int(row["images"]))


def _title(row: Row) -> dict[str, Any]:
    """Return the details that name a statistic; none for a leak."""
    return {} if row["kind"] == "leak" else {"title": STATISTIC_NAMES[row["name"]].title}


def _cue(row: Row) -> Finding:
    """Conclude how well a statistic, or remembering the training images, separates the classes alone."""
    measure, control = _measure(row, "auroc"), Control(SHUFFLED, _measure(row, "shuffled"))
    if row["kind"] == "leak":
        details = {name: int(row[name]) for name in ("count", "other_class")}
        return Finding("leak", "audit", "cue_auroc", measure, control=control, details=details)
    key, choices = f"fact.{row['name']}", tuple[Choice, ...]()
    if row["values"] == 1:
        return Finding(key, "audit", "cue_auroc", Measure(0.5, 0.5, 0.5, measure.n), details=_title(row))
    if STATISTIC_NAMES[row["name"]].is_number:
        ranked = _measure(row, "direct")
        if ranked.value < 0.5:
            ranked = Measure(1 - ranked.value, 1 - ranked.high, 1 - ranked.low, ranked.n)
        guessing = Control("guessing", Measure(0.5))
        choices = (Choice("rule", FITTED, measure, control), Choice("rule", RANK, ranked, guessing))
    return Finding(key, "audit", "cue_auroc", measure, control=control, choices=choices, details=_title(row))


STUDY = Study(
    name="audit",
    title="Audit of the data",
    question="What could be learned from this data that is not the point, and does the detector lean on it?",
    columns=COLUMNS,
    control="the same rules and regressions after the labels were shuffled",
    compute=compute,
    conclude=conclude,
    headlines=HEADLINES,
    parameters={"seed": 0},
    whole=True,
    needs=(),
)
