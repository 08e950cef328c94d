"""Does another fill confirm or contradict a sign that LIME calls certain?

LIME's own intervals are about the samples under one fill.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import Floats
from core.explainers.explainer import AnyExplainer
from core.explainers.settings import ExplainerSettings
from core.findings.contrast import Contrast, Control, Finding
from core.findings.intervals import weighted_ratio
from core.perturbations.masking import FILLS, Fill
from core.runs.run import Run
from core.studies.shared.explanations import describe_all, explain_all, methods_in, settings_of, table_by_method
from core.studies.shared.groups import groups
from core.studies.study import Context, Parameters, Rows, Study

# in columns: what the same fill says with another draw of the samples, the control
SEED = "seed"
# shown and not counted: nearly black pixels occur in no image, and alone would decide what holds
NOT_COUNTED: Fill = "black"

# key of a finding -> its question, its quantity, and the side that means yes
QUESTIONS = {
    "confirmed": (
        "Does another fill confirm fewer of LIME's certain signs than new samples do?",
        "held_signs",
        "below",
    ),
    "contradicted": ("Does another fill contradict LIME's certain signs?", "reversed_signs", "above"),
}
ALL_FILLS = "all fills together"


def other_fills(explainer: AnyExplainer, settings: ExplainerSettings) -> dict[str, ExplainerSettings]:
    """Return the same settings with each other fill that an explainer can cover with."""
    return {fill: other for fill, other in explainer.under_fills(settings).items() if other != settings}


def columns_of(explainer: AnyExplainer) -> dict[str, str]:
    """Describe a method's columns: none where it covers no parts of the image."""
    settings = settings_of(explainer, 0)
    name = explainer.name
    title = explainer.title
    others = other_fills(explainer, settings)
    columns = {}
    for fill in explainer.under_fills(settings).keys() - others:
        columns[f"{name}_certain_count"] = f"number of parts whose sign {title} calls certain with {fill} fill"
        for other in (*others, SEED):
            what = f"with {fill} and {other}"
            if other == SEED:
                what = f"with {fill} fill and another draw of the samples"
            columns[f"{name}_{other}_both_count"] = f"number of parts whose sign {title} calls certain both {what}"
            columns[f"{name}_{other}_reversed_count"] = "of these, the number of those whose sign is the opposite"
    return columns


def compute(context: Context, rows: Rows, parameters: Parameters) -> pd.DataFrame:
    """Count the parts of each image that are certain, and those of the same and the opposite sign under other fills."""
    images = context.pixels[rows]
    seed = parameters["lime_seed"]

    def count(explainer: AnyExplainer) -> dict[str, list[Any]]:
        name = explainer.name
        own = settings_of(explainer, seed)
        before = explain_all(context.detector, images, explainer, own)
        counts = {f"{name}_certain_count": [np.count_nonzero(first.decisions) for first in before]}
        others = other_fills(explainer, own) | {SEED: settings_of(explainer, seed + 1)}
        for other, settings in others.items():
            after = explain_all(context.detector, images, explainer, settings)
            products = [first.decisions * again.decisions for first, again in zip(before, after, strict=True)]
            counts[f"{name}_{other}_both_count"] = [np.count_nonzero(signs) for signs in products]
            counts[f"{name}_{other}_reversed_count"] = [np.count_nonzero(signs < 0) for signs in products]
        return counts

    return table_by_method(context, rows, columns_of, count)


def conclude(run: Run, table: pd.DataFrame, _parameters: Parameters) -> Iterator[Finding]:
    """`confirmed-<method>-<verdict>` and `contradicted-...`: of the certain signs, those with the same and the opposite
    sign that is certain in one other fill: over the fills that are counted, and in each.
    """
    for (what, (question, quantity, yes)), (group, part, weights) in product(QUESTIONS.items(), groups(table, run)):
        for method, title in methods_in(table, "{}_certain_count").items():
            contrasts = tuple(_contrasts(part, weights, method, what))
            yield Finding(
                f"{what}-{method}-{group}", question, quantity, contrasts, yes=yes, group=group, subject=title
            )


def _contrasts(rows: pd.DataFrame, weights: Floats, method: str, what: str) -> Iterator[Contrast]:
    """Compare the certain signs that are "confirmed", or "contradicted", over all fills and in each."""
    certain = rows[f"{method}_certain_count"].to_numpy(np.float64)
    hits = {}
    for other in (*FILLS, SEED):
        column = f"{method}_{other}_reversed_count"
        if column in rows:
            hits[other] = rows[column].to_numpy(np.float64)
            if what == "confirmed":
                hits[other] = rows[f"{method}_{other}_both_count"].to_numpy(np.float64) - hits[other]
    again = (hits.pop(SEED), certain)
    alone = hits.pop(NOT_COUNTED, None)
    pooled = (np.sum(list(hits.values()), axis=0), len(hits) * certain)
    yield _contrast(ALL_FILLS, pooled, again, weights)
    for fill, title in FILLS.items():
        if fill in hits:
            yield _contrast(title, (hits[fill], certain), again, weights)
    if alone is not None:
        yield Contrast("fill", FILLS[NOT_COUNTED], weighted_ratio(alone, certain, weights=weights))


def _contrast(value: str, own: tuple[Floats, Floats], again: tuple[Floats, Floats], weights: Floats) -> Contrast:
    """Compare signs out of signs of the same images: under other fills, and under another draw of the samples."""
    control = Control("another draw of the samples", weighted_ratio(*again, weights=weights))
    share = weighted_ratio(*own, weights=weights)
    difference = weighted_ratio(*own, weights=weights, less=again)
    return Contrast("fill", value, share, control, difference)


def make_study() -> Study:
    """Declare the study for the explainers that are registered."""
    return Study(
        name="certainty",
        title="Certainty",
        question="Does another fill confirm or contradict a sign that LIME calls certain?",
        columns=describe_all(columns_of),
        control="Another draw of the samples with the same fill, which is all that the intervals are about.",
        compute=compute,
        conclude=conclude,
        parameters={"lime_seed": 0},
        shard=16,
    )
