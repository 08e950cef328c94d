"""The study `audit`: which shortcuts the data offer, and whether the detector relies on them.

Each image statistic is given its best chance: a rule that may use it in any way, fitted to the training images (or,
where they are not available, cross-fitted on the run's own) and tested on the run's. It is compared with the same rule
after shuffling the labels, two logistic regressions on a few numbers, and the network itself.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from core.arrays import Array, Float32, Float64, Mask, Pixels
from core.findings.contrast import Contrast, Control, Finding, Measure
from core.findings.paired import compare_apart
from core.findings.separation import BINS, Classifier, auroc, bin_log_odds, cross_fit, strata_of, within_strata
from core.images.labels import CLASSES
from core.images.statistics import LUMA, STATISTICS, frequency_radius
from core.runs.run import Run
from core.storage.shards import Report
from core.studies.questions.duplicates import Images, find_copies, nearest_copies, own_images, training_images
from core.studies.questions.files import compressions
from core.studies.study import Context, Parameters, Rows, Study, StudyError

Row: TypeAlias = dict[str, Any]
# images of each class that a statistic needs
MIN_IN_CLASS = 10
RINGS = 16
# images of 32 x 32 pixels whose spectra are computed together
AT_ONCE = 4096
# of a histogram; what lies beyond the tails is counted in the outermost bins
HISTOGRAM_BINS = 28
TAILS = 0.005
SHUFFLED = "shuffled labels"
QUARTILES = {"lower": 0.25, "median": 0.5, "upper": 0.75}
# statistic -> title for a heading; numbers are those of `STATISTICS`
TITLES = {name: name.replace("_", " ").capitalize() for name in STATISTICS} | {
    "file_bytes": "File size",
    "compression": "Compression",
    "category": "What the image shows",
}
SUBJECTS = TITLES | {"leak": "copies in the training set"}
COLUMNS = {
    "kind": "kind of row: fact (image statistic), ring (of the radial spectrum), leak (copies of training images), "
    "baseline (logistic regression), or network (the detector)",
    "name": "name of the fact, ring or baseline",
    "images_count": "how many images it rests on",
    "copies_count": "of copies: how many images",
    "other_class_count": "of copies: how many of them copy an image of the other class",
    "values_count": "of a fact in words: how many values there are",
    "accuracy": "share of right verdicts by this alone, 0 to 1",
    **{
        f"{part}_{side}": "quartile of a ring's power over a class"
        for side, part in product(("real", "fake"), QUARTILES)
    },
    "direct_auroc": "of a number: how often a REAL image has the higher value than a FAKE one, 0 to 1",
    "auroc": "how often a REAL image looks more REAL than a FAKE one by this alone, used in the best way, 0 to 1",
    "shuffled_auroc": "the same after labels were shuffled: the control, about 0.5",
    "matched_auroc": "the detector's AUROC among images that are alike in the fact, or that have no copy, 0 to 1",
}
ESTIMATED = [name for name in COLUMNS if name.endswith("auroc")]
COLUMNS |= {name + end: "an end of its 95 % interval" for name, end in product(ESTIMATED, ("_low", "_high"))}

BASELINES = {"spectrum": "of the spectrum", "facts": "of image statistics"}


def compute(context: Context, rows: Rows, parameters: Parameters) -> pd.DataFrame:
    """Measure a row a statistic, ring and baseline, one for copies of training images, and one for the network.

    Where the run's images are of one class or have no labels, only how far the statistics tell its verdicts apart, for
    which nothing can be fitted elsewhere.

    Raises:
        StudyError: `rows` are not the whole run, or it has fewer than two images of a class, or of a verdict.
    """
    run = context.run
    if len(rows) < len(run):
        raise StudyError("the audit is of a whole set, because a copy may be anywhere in it; leave --images out")
    own = own_images(context)
    training = training_images(context)
    if not has_both(run):
        own = Images(own.rows.assign(is_real=run.predicted_real), own.pixels)
        training = training.empty()
    is_real = own.is_real
    real = int(is_real.sum())
    if min(real, len(is_real) - real) < 2:
        raise StudyError(f"{real} of {len(is_real)} images are REAL; ask the audit of a set with both classes")
    seed = int(parameters["seed"])
    margins = run.predictions["margin"].to_numpy(np.float64)
    accuracy = ((margins > 0) == is_real).mean()
    table: list[Row] = [
        {
            "kind": "network",
            "name": "network",
            "images_count": len(margins),
            "accuracy": accuracy,
            "auroc": auroc(margins, is_real),
        }
    ]
    if len(training.rows):
        table.append(_leak_row(own, training, margins, seed, context.report))
    table += _fact_rows(context, own, training, seed)
    if has_both(run):
        context.report(0.85, "spectra")
        spectra = [radial_spectrum(images.pixels) for images in (own, training)]
        facts = [images.rows[list(STATISTICS)].to_numpy(float) for images in (own, training)]
        table += _ring_rows(spectra[0], is_real)
        for name, (scored, fitted) in {"spectrum": spectra, "facts": facts}.items():
            separation = _separation(regression_scores, scored, is_real, fitted, training.is_real, seed=seed)
            table.append({"kind": "baseline", "name": name} | separation)
    return pd.DataFrame(map(_spread, table)).reindex(columns=list(COLUMNS))


def _leak_row(own: Images, training: Images, margins: Float64, seed: int, report: Report) -> Row:
    """Measure how well remembering the training images, and nothing else, separates the classes of the run's images.

    An image with a copy or near copy there scores +1 (REAL) or -1 (FAKE) by the class of the nearest, or by the
    class that is not its own where it has equal copies of both; all others 0.
    """
    images, pairs = find_copies(own, training, report)
    classes = nearest_copies(images, pairs, ~images["is_own"].to_numpy())["class"]
    real = own.is_real
    is_copy = classes.notna().to_numpy()
    is_other = (classes == "other").to_numpy()
    scores = np.where(real != is_other, 1, -1) * is_copy
    alike = np.zeros((~is_copy).sum(), np.intp)
    shuffled = np.random.default_rng(seed).permutation(real)
    return {
        "kind": "leak",
        "name": "leak",
        "images_count": len(real),
        "copies_count": is_copy.sum(),
        "other_class_count": is_other.sum(),
        "auroc": auroc(scores, real),
        "shuffled_auroc": auroc(scores, shuffled),
        "matched_auroc": within_strata(margins[~is_copy], real[~is_copy], alike),
    }


def _fact_rows(context: Context, own: Images, training: Images, seed: int) -> Iterator[Row]:
    """Yield a row for each statistic that ten images of each class have."""
    context.report(0.6, "how files were compressed")
    split = context.run.split
    images = own.rows.assign(margin=context.run.predictions["margin"].to_numpy(np.float64))
    images["compression"] = compressions(context, split, own.rows)
    fitted = training.rows.assign(compression=compressions(context, "train", training.rows))
    for number, name in enumerate(TITLES):
        context.report(0.75 + 0.01 * number, name)
        known = images[images[name].notna()]
        real = int(known["is_real"].sum())
        if min(real, len(known) - real) >= MIN_IN_CLASS:
            yield _fact_row(name, known, fitted[fitted[name].notna()], seed)


def _fact_row(name: str, images: pd.DataFrame, training: pd.DataFrame, seed: int) -> Row:
    """Measure how well a statistic alone separates the classes, and the detector among images matched on it.

    Args:
        name: a column of `images`.
        images: `is_real`, `margin` and statistics, a row an image.
        training: the same statistics of the training images, to which the rule is fitted.
        seed: of folds and of shuffling.
    """
    values = images[name]
    is_real = images["is_real"].to_numpy(bool)
    row: Row = {"kind": "fact", "name": name}
    if name in STATISTICS:
        row["direct_auroc"] = auroc(values.to_numpy(), is_real)
    else:
        row["values_count"] = values.nunique()
    scored, fitted = np.split(strata_of(pd.concat([values, training[name]])), [len(values)])
    row["matched_auroc"] = within_strata(images["margin"].to_numpy(), is_real, strata_of(values))
    return row | _separation(bin_log_odds, scored, is_real, fitted, training["is_real"].to_numpy(bool), seed=seed)


def _ring_rows(spectra: Float32, real: Mask) -> Iterator[Row]:
    """Yield a row for each ring of the radial spectrum, float32 (N, rings): its power in both classes."""
    for ring, powers in enumerate(spectra.astype(np.float64).T, start=1):
        row: Row = {"kind": "ring", "name": str(ring), "images_count": len(powers), "direct_auroc": auroc(powers, real)}
        for part, share in QUARTILES.items():
            row[f"{part}_real"] = np.quantile(powers[real], share)
            row[f"{part}_fake"] = np.quantile(powers[~real], share)
        yield row


def has_both(run: Run) -> bool:
    """Check whether a run's images are of both classes."""
    return len(run.classes) == len(CLASSES)


def _spread(row: Row) -> Row:
    """Spread each measure of a row over three columns."""
    spread = dict(row)
    for name, value in row.items():
        if isinstance(value, Measure):
            spread |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
    return spread


def _separation(
    classifier: Classifier, features: Array, is_real: Mask, training: Array, training_real: Mask, *, seed: int
) -> Row:
    """Measure how well a classifier separates the classes, see `cross_fit`, and the same after labels were shuffled."""
    scores = cross_fit(classifier, features, is_real, training, training_real, seed=seed)
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(is_real)
    fitted = training_real[generator.permutation(len(training_real))]
    by_chance = cross_fit(classifier, features, shuffled, training, fitted, seed=seed)
    return {
        "images_count": len(scores),
        "accuracy": ((scores > 0) == is_real).mean(),
        "auroc": auroc(scores, is_real),
        "shuffled_auroc": auroc(by_chance, shuffled),
    }


def radial_spectrum(pixels: Pixels) -> Float32:
    """Compute log10(1 + mean luma power) in 16 rings, at 1 to 16 cycles per 32 pixels; the last includes the corners.

    Args:
        pixels: uint8 (N, side, side, 3).

    Returns:
        float32 (N, 16).
    """
    side = pixels.shape[1]
    ring = np.clip(np.rint(frequency_radius(side) * 2 * RINGS / side), 0, RINGS).astype(int).ravel()
    share = np.zeros((side * side, RINGS + 1), np.float32)
    share[np.arange(side * side), ring] = 1
    share /= np.maximum(share.sum(axis=0), 1)
    spectra = np.zeros((len(pixels), RINGS), np.float32)
    chunk = max(1, AT_ONCE * 32**2 // side**2)
    for start in range(0, len(pixels), chunk):
        luma = np.asarray(pixels[start : start + chunk], np.float32) @ LUMA
        power = np.square(np.abs(np.fft.fft2(luma))).astype(np.float32).reshape(len(luma), -1)
        # a power of 1 is far below the rounding of pixels
        spectra[start : start + chunk] = np.log10(power @ share + 1)[:, 1:]
    return spectra


def regression_scores(training: Array, is_real: Mask, features: Array) -> Float64:
    """Score images by a logistic regression on standardised features.

    Args:
        training: (M, F), of the images that it is fitted to.
        is_real: bool (M,), both classes.
        features: (N, F), of the images to score.

    Returns:
        float64 (N,), log odds of REAL.
    """
    # imported here: pages read what is stored
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(training, is_real)
    return model.decision_function(features)


def conclude(run: Run, table: pd.DataFrame, _parameters: Parameters) -> Iterator[Finding]:
    """Findings `fact.<name>` and `leak`, worst first; `baseline.<name>`, `lean.<name>`, `ring`; or `follow.<name>`."""
    rows = {kind: part.to_dict("records") for kind, part in table.groupby("kind")}
    # those that certainly separate the classes best first
    alone = sorted(rows.get("leak", []) + rows.get("fact", []), key=itemgetter("auroc_low"), reverse=True)
    if not has_both(run):
        for row in alone:
            yield replace(
                _cue(row),
                key=f"follow.{row['name']}",
                question="Do REAL and FAKE verdicts differ in this image statistic?",
            )
        return
    for row in alone:
        yield _cue(row)
    for row in rows["baseline"]:
        name = str(row["name"])
        contrast = _beyond_shuffled(row, "control", SHUFFLED)
        yield Finding(
            f"baseline.{name}",
            "Does logistic regression tell REAL from FAKE?",
            "cue_auroc",
            (contrast,),
            subject=BASELINES.get(name, ""),
        )
    everything = Control("all images", _measure(rows["network"][0], "auroc"))
    for row in alone:
        # how the detector does where a statistic, or a copy, cannot help it. Matched pairs are fewer than the images,
        # and the file does not say how many
        matched = replace(_measure(row, "matched_auroc"), n=0)
        contrast = compare_apart("control", everything.name, matched, everything)
        subject = SUBJECTS[row["name"]]
        yield Finding(
            f"lean.{row['name']}",
            "Does the detector do worse where this statistic cannot help?",
            "matched_auroc",
            (contrast,),
            yes="below",
            subject=subject,
        )
    strongest = max(rows["ring"], key=lambda row: abs(row["direct_auroc"] - 0.5))
    measured = Contrast("ring", str(strongest["name"]), _measure(strongest, "direct_auroc"))
    yield Finding(
        "ring",
        "Which ring of the spectrum differs most between the classes?",
        "ring_auroc",
        (measured,),
        details={"ring": int(strongest["name"])},
    )


def _measure(row: Row, name: str) -> Measure:
    return Measure(row[name], row[f"{name}_low"], row[f"{name}_high"], int(row["images_count"]))


def _beyond_shuffled(row: Row, kind: str, value: str) -> Contrast:
    """Compare a separation with that after the labels were shuffled."""
    return compare_apart(kind, value, _measure(row, "auroc"), Control(SHUFFLED, _measure(row, "shuffled_auroc")))


def _cue(row: Row) -> Finding:
    """Conclude how well a statistic, or remembering the training images, separates the classes alone."""
    name = row["name"]
    contrasts = [_beyond_shuffled(row, "rule", f"{BINS} fitted bins")]
    if name == "leak":
        details = {"count": int(row["copies_count"]), "other_class": int(row["other_class_count"])}
        return Finding(
            name,
            "Does remembering the training images tell REAL from FAKE?",
            "cue_auroc",
            tuple(contrasts),
            subject=SUBJECTS[name],
            details=details,
        )
    if row["values_count"] == 1:
        contrasts = [Contrast("rule", "all images are alike", Measure(0.5, 0.5, 0.5, int(row["images_count"])))]
    elif name in STATISTICS:
        ranked = _measure(row, "direct_auroc")
        if ranked.value < 0.5:
            ranked = Measure(1 - ranked.value, 1 - ranked.high, 1 - ranked.low, ranked.n)
        contrasts.append(compare_apart("rule", "rank", ranked, Control("guessing", Measure(0.5))))
    return Finding(
        f"fact.{name}",
        "Does this image statistic alone tell REAL from FAKE?",
        "cue_auroc",
        tuple(contrasts),
        subject=SUBJECTS[name],
    )


def histogram(values: pd.Series, is_real: Mask) -> pd.DataFrame:
    """Compute the distribution of a statistic over each class.

    Args:
        values: (N,) numbers or names; images that lack one are left out.
        is_real: bool (N,).

    Returns:
        `real` and `fake`, the share of each class, 0 to 1, that lies in each bin; for numbers with the bin's ends `low`
        and `high`, for names with `value`, the commonest first.
    """
    sides = {"real": values[is_real].dropna(), "fake": values[~is_real].dropna()}
    if not pd.api.types.is_numeric_dtype(values):
        counted = {side: part.astype(str).value_counts(normalize=True) for side, part in sides.items()}
        shares = pd.DataFrame(counted).fillna(0.0).rename_axis("value")
        return shares.sort_values(["real", "fake"], key=lambda _: -shares.sum(axis=1), kind="stable").reset_index()
    low, high = values.quantile([TAILS, 1 - TAILS]).fillna(0.0)
    edges = np.linspace(low, high if high > low else low + 1, HISTOGRAM_BINS + 1)
    columns = {
        side: np.histogram(part.clip(edges[0], edges[-1]), edges)[0] / max(1, len(part)) for side, part in sides.items()
    }
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], **columns})


STUDY = Study(
    name="audit",
    title="Audit of the data",
    question="Which shortcuts does the data contain, and does the detector use them?",
    columns=COLUMNS,
    control="the same rules and regressions after the labels were shuffled",
    compute=compute,
    conclude=conclude,
    parameters={"seed": 0},
    whole=True,
    needs="",
)
