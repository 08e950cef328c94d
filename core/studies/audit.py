"""What could be learned from an image set that is not the point, and does the detector lean on it?

Each nameable fact is given the best chance: a rule that may use it in any way, judged on images that it was not fitted
to. Beside it stand the same rule with shuffled labels, two regressions on a few numbers, and the network itself.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.facts import FACTS
from core.separation import auroc, best_rule, carried_rule, leaning, strata_of, within_strata
from core.stats import Estimate, weighted_share
from core.studies.audit_names import FACT_NAMES
from core.studies.audit_words import conclude
from core.studies.baselines import fit_and_ask, radial_spectrum
from core.studies.both_splits import Links, Part, links_of, own_part, training_part, with_compression
from core.studies.study import Context, Study

ENDS = ("", "_low", "_high")
COLUMNS = {
    "kind": "fact, baseline (a logistic regression), network (the detector), or copies",
    "name": "of the fact, baseline or count",
    "images": "how many images it rests on",
    "count": "of copies: how many images; of a baseline: how many it was fitted on; of a fact in words: its values",
    "other_class": "of copies: how many of them copy an image of the other class",
    "median_real": "median of the fact over REAL images",
    "median_fake": "median of the fact over FAKE images",
    "auroc": "how often a REAL image looks more REAL than a FAKE one by this alone, 0.5 (guessing) to 1",
    "shuffled": "the same after labels were shuffled: the control, about 0.5",
    "carried": "the same by a rule from the training images, missing where they are not at hand",
    "accuracy": "share of right verdicts by this alone, 0 to 1",
    "matched_auroc": "the detector's AUROC among images that are alike in the fact, 0 to 1",
    "matched_accuracy": "mean of the detector's recalls among images that are alike in the fact, 0 to 1",
    "lean": "rank correlation of the detector's margin with what the fact says, within a class, -1 to 1",
}
ESTIMATED = ("auroc", "shuffled", "carried", "accuracy", "matched_auroc", "matched_accuracy", "lean")
COLUMNS |= {f"{name}{end}": "an end of its 95 % interval" for name in ESTIMATED for end in ENDS[1:]}


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """A row a fact, baseline and count of copies, and one for the network."""
    own, training, seed = own_part(context), training_part(context), int(parameters["seed"])
    links = links_of(context, own, training)
    context.say(0.6, "files")
    facts = with_compression(context, own).iloc[rows].reset_index(drop=True)
    learned = None if training is None else with_compression(context, training)
    margins = context.run.predictions["margin"].to_numpy(np.float64)[rows]
    found = [_network(margins, facts["is_real"].to_numpy(bool))]
    for number, name in enumerate(FACT_NAMES):
        context.say(0.75 + 0.01 * number, name)
        if row := fact_row(name, facts, margins, learned=learned, seed=seed):
            found.append(row)
    context.say(0.85, "baselines")
    found += _baselines(own, rows, training, seed=seed)
    found += _copies(links, own, training)
    return pd.DataFrame(found).reindex(columns=list(COLUMNS))


def fact_row(
    name: str,
    facts: pd.DataFrame,
    margins: NDArray[np.float64],
    *,
    learned: pd.DataFrame | None = None,
    seed: int = 0,
) -> dict[str, Any] | None:
    """What a fact alone says of the class, and what the detector does where it says nothing.

    Args:
        name: a column of `facts`.
        facts: `is_real` and facts, a row an image; images that lack the fact are left out.
        margins: (N,) of the detector.
        learned: the same columns of the training images.
        seed: of folds and of shuffling.

    Returns:
        A row of the audit, None where fewer than ten images of a class have the fact.
    """
    known = facts[name].notna().to_numpy()
    values, is_real, margins = _values(facts[name][known]), facts["is_real"].to_numpy(bool)[known], margins[known]
    if min(is_real.sum(), (~is_real).sum()) < 10:
        return None
    rule = best_rule(values, is_real, seed=seed)
    shuffled = np.random.default_rng(seed).permutation(is_real)
    matched = within_strata(margins, is_real, strata_of(values))
    row: dict[str, Any] = {"kind": "fact", "name": name, "images": len(values)}
    if FACT_NAMES[name].is_number:
        row |= {"median_real": np.median(values[is_real]), "median_fake": np.median(values[~is_real])}
    else:
        row |= {"count": len(np.unique(values))}
    row |= _spread("auroc", auroc(rule.scores, is_real))
    row |= _spread("shuffled", auroc(best_rule(values, shuffled, seed=seed).scores, shuffled))
    row |= _spread("accuracy", weighted_share((rule.scores > 0) == is_real))
    row |= _spread("matched_auroc", matched.auroc) | _spread("matched_accuracy", matched.accuracy)
    row |= _spread("lean", leaning(rule.scores, margins, is_real))
    if learned is not None and (there := learned[learned[name].notna()])["is_real"].nunique() == 2:
        real = there["is_real"].to_numpy(bool)
        row |= _spread("carried", auroc(carried_rule(_values(there[name]), real, values), is_real))
    return row


def _values(column: pd.Series) -> NDArray[Any]:
    if pd.api.types.is_numeric_dtype(column):
        return np.asarray(column, np.float64)
    return np.asarray(column.astype(str), "U")


def _spread(name: str, estimate: Estimate) -> dict[str, float]:
    """An estimate as three columns."""
    return dict(zip([name + end for end in ENDS], estimate[:3], strict=True))


def _network(margins: NDArray[np.float64], is_real: NDArray[np.bool_]) -> dict[str, Any]:
    row = {"kind": "network", "name": "network", "images": len(margins)}
    return (
        row | _spread("auroc", auroc(margins, is_real)) | _spread("accuracy", weighted_share((margins > 0) == is_real))
    )


def _baselines(own: Part, rows: NDArray[np.intp], training: Part | None, *, seed: int) -> Iterator[dict[str, Any]]:
    """Regressions on the radial spectrum, and on all facts that are numbers."""
    real = own.is_real[rows]
    spectra = radial_spectrum(own.pixels[rows]), None if training is None else radial_spectrum(training.pixels)
    facts = (
        own.rows[list(FACTS)].to_numpy(float)[rows],
        None if training is None else training.rows[list(FACTS)].to_numpy(float),
    )
    for name, (asked, learned) in {"spectrum": spectra, "facts": facts}.items():
        learned_real = None if training is None else training.is_real
        fitted = fit_and_ask(asked, real, learned, learned_real, seed=seed)
        generator = np.random.default_rng(seed)
        shuffled = generator.permutation(real)
        learned_shuffled = None if learned_real is None else generator.permutation(learned_real)
        control = fit_and_ask(asked, shuffled, learned, learned_shuffled, seed=seed)
        yield (
            {"kind": "baseline", "name": name, "images": len(rows), "count": 0 if fitted.crossed else fitted.on}
            | _spread("auroc", auroc(fitted.scores, real))
            | _spread("accuracy", weighted_share((fitted.scores > 0) == real))
            | _spread("shuffled", auroc(control.scores, shuffled))
        )


def _copies(links: Links, own: Part, training: Part | None) -> Iterator[dict[str, Any]]:
    """Copies within the training set, which no row of a run stands for."""
    if training is None:
        return
    real = np.concatenate([own.is_real, training.is_real])
    there = np.arange(len(real)) >= links.own
    for name, group in (("training.file", links.file), ("training.pixels", links.shown)):
        counts = (
            pd.DataFrame({"group": group[there], "real": real[there]}).groupby("group")["real"].agg(["size", "sum"])
        )
        again = counts[counts["size"] > 1]
        mixed = again[(again["sum"] > 0) & (again["sum"] < again["size"])]
        yield {
            "kind": "copies", "name": name, "images": len(training),
            "count": int((again["size"] - 1).sum()), "other_class": int(mixed["size"].sum()),
        }  # fmt: skip
    pairs = links.pairs
    # a pair stands for all images with the pixels of either
    inside = np.isin(links.shown[pairs.left], links.shown[there]) & np.isin(
        links.shown[pairs.right], links.shown[there]
    )
    left, right = pairs.left[inside], pairs.right[inside]
    clash = real[left] != real[right]
    linked, clashing = (
        int(np.isin(links.shown[there], links.shown[np.concatenate([left[of], right[of]])]).sum())
        for of in (slice(None), clash)
    )
    yield {
        "kind": "copies", "name": "training.near", "images": len(training), "count": linked, "other_class": clashing,
    }  # fmt: skip


STUDY = Study(
    name="audit",
    title="Audit of the data",
    question="What could be learned from this data that is not the point, and does the detector lean on it?",
    columns=COLUMNS,
    better="lower",
    control="the same rules and regressions after the labels were shuffled",
    compute=compute,
    conclude=conclude,
    parameters={"seed": 0},
    whole=True,
)
