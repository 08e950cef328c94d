"""Does another fill confirm or contradict a sign that LIME calls certain?

LIME's own intervals are about the samples under one fill.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.explainer import AnyExplainer
from core.explainers.settings import ExplainerSettings
from core.findings.contrast import Contrast, Control, Finding, Side
from core.findings.intervals import Values, weighted_ratio
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
QUESTIONS: dict[str, tuple[str, str, Side]] = {
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
            what = f"with {fill} fill and another draw of the samples" if other == SEED else f"with {fill} and {other}"
            columns[f"{name}_{other}_both_count"] = f"number of parts whose sign {title} calls certain both {what}"
            columns[f"{name}_{other}_reversed_count"] = "of these, the number of those whose sign is the opposite"
    return columns


def compute(context: Context, rows: Rows, parameters: Parameters) -> pd.DataFrame:
    """Count the parts of each image that are certain, and those of the same and the opposite sign under other fills."""
    images = context.pixels[rows]
    seed = parameters["lime_seed"]

    def count(explainer: AnyExplainer) -> dict[str, list[float]]:
        def signs(settings: ExplainerSettings) -> list[NDArray[np.int8]]:
            return [computed.decisions for computed in explain_all(context.detector, images, explainer, settings)]

        name = explainer.name
        own = settings_of(explainer, seed)
        before = signs(own)
        counts = {f"{name}_certain_count": [float((part != 0).sum()) for part in before]}
        others: dict[str, ExplainerSettings] = {**other_fills(explainer, own), SEED: settings_of(explainer, seed + 1)}
        for other, settings in others.items():
            products = [a * b for a, b in zip(before, signs(settings), strict=True)]
            counts[f"{name}_{other}_both_count"] = [float((product != 0).sum()) for product in products]
            counts[f"{name}_{other}_reversed_count"] = [float((product < 0).sum()) for product in products]
        return counts

    return table_by_method(context, rows, columns_of, count)


def conclude(run: Run, table: pd.DataFrame, _parameters: Parameters) -> Iterator[Finding]:
    """`confirmed-<method>-<verdict>` and `contradicted-...`: of the certain signs, those with the same and the opposite
    sign that is certain in one other fill: over the fills that are counted, and in each.
    """
    for (what, (question, quantity, yes)), (group, part, weights) in product(QUESTIONS.items(), groups(table, run)):
        for method, title in methods_in(table, "{}_certain_count").items():
            counts = {name: part[name].to_numpy(np.float64) for name in part if name.startswith(f"{method}_")}
            certain = counts[f"{method}_certain_count"]
            hits: dict[str, Values] = {}
            for other in (*FILLS, SEED):
                reversed_signs = counts.get(f"{method}_{other}_reversed_count")
                if reversed_signs is not None:
                    held_signs = counts[f"{method}_{other}_both_count"] - reversed_signs
                    hits[other] = reversed_signs if what == "contradicted" else held_signs
            again = hits.pop(SEED), certain
            counted = {fill: number for fill, number in hits.items() if fill != NOT_COUNTED}
            pooled = np.sum(list(counted.values()), axis=0), len(counted) * certain
            contrasts = [_contrast(ALL_FILLS, pooled, again, weights)]
            contrasts += [
                _contrast(FILLS[fill], (counted[fill], certain), again, weights) for fill in FILLS if fill in counted
            ]
            if NOT_COUNTED in hits:
                alone = weighted_ratio(hits[NOT_COUNTED], certain, weights=weights)
                contrasts.append(Contrast("fill", FILLS[NOT_COUNTED], alone))
            yield Finding(
                f"{what}-{method}-{group}", question, quantity, tuple(contrasts), yes=yes, group=group, subject=title
            )


def _contrast(value: str, own: tuple[Values, Values], again: tuple[Values, Values], weights: Values) -> Contrast:
    """Compare signs out of signs of the same images: under other fills, and under another draw of the samples."""
    control = Control("another draw of the samples", weighted_ratio(*again, weights=weights))
    return Contrast(
        "fill", value, weighted_ratio(*own, weights=weights), control, weighted_ratio(*own, weights=weights, less=again)
    )


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
