"""Does another fill confirm or contradict a sign that LIME calls certain?

LIME's own intervals are about the samples under one fill.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.explainer import AnyExplainer
from core.explainers.settings import ExplainerSettings
from core.findings.finding import Choice, Control, Finding, Measure
from core.findings.intervals import Values, weighted_ratio
from core.perturbations.masking import FILLS, Fill
from core.runs.run import Run
from core.studies.explanations import describe_all, explain_all, methods_in, settings_of, table_by_method
from core.studies.groups import groups
from core.studies.study import Context, Parameters, Rows, Study

# in columns: what the same fill says with another draw of the samples, the control
SEED = "seed"
# shown and not counted: nearly black pixels occur in no image, and alone would decide what holds
NOT_COUNTED: Fill = "black"

HEADLINES = {
    "confirmed-*": {
        "question": "Does another fill confirm LIME's certain signs?",
        "holds": "Other fills confirm more signs than new samples do.",
        "holds below": "Other fills confirm fewer signs than new samples do.",
        "not shown": "Not shown to confirm fewer signs than new samples do.",
    },
    "contradicted-*": {
        "question": "Does another fill contradict LIME's certain signs?",
        "holds": "Other fills contradict more signs than new samples do.",
        "holds below": "Other fills contradict fewer signs than new samples do.",
        "in part": "Some fills contradict more signs than new samples do, not all.",
        "depends": "Some fills contradict more signs than new samples do, not all.",
        "not shown": "Not shown to contradict more signs than new samples do.",
    },
}
# key of a finding -> its quantity
QUANTITIES = {"confirmed": "held_signs", "contradicted": "reversed_signs"}


def other_fills(explainer: AnyExplainer, settings: ExplainerSettings) -> dict[str, ExplainerSettings]:
    """Return the same settings with each other fill that an explainer can cover with."""
    return {fill: other for fill, other in explainer.under_fills(settings).items() if other != settings}


def columns_of(explainer: AnyExplainer) -> dict[str, str]:
    """Describe a method's columns: none where it covers no parts of the image."""
    settings, name, title = settings_of(explainer, 0), explainer.name, explainer.title
    others = other_fills(explainer, settings)
    columns = {}
    for fill in explainer.under_fills(settings).keys() - others:
        columns[f"{name}_certain"] = f"parts whose sign {title} calls certain with {fill} fill"
        for other in (*others, SEED):
            what = f"with {fill} fill and another draw of the samples" if other == SEED else f"with {fill} and {other}"
            columns[f"{name}_{other}_both"] = f"parts whose sign {title} calls certain both {what}"
            columns[f"{name}_{other}_reversed"] = "of these, those whose sign is the opposite"
    return columns


def compute(context: Context, rows: Rows, parameters: Parameters) -> pd.DataFrame:
    """Count the parts of each image that are certain, and those of the same and the opposite sign under other fills."""
    images, seed = context.pixels[rows], parameters["lime_seed"]

    def count(explainer: AnyExplainer) -> dict[str, list[float]]:
        def signs(settings: ExplainerSettings) -> list[NDArray[np.int8]]:
            return [computed.decisions for computed in explain_all(context.detector, images, explainer, settings)]

        name, own = explainer.name, settings_of(explainer, seed)
        before = signs(own)
        counts = {f"{name}_certain": [float((part != 0).sum()) for part in before]}
        others: dict[str, ExplainerSettings] = {**other_fills(explainer, own), SEED: settings_of(explainer, seed + 1)}
        for other, settings in others.items():
            products = [a * b for a, b in zip(before, signs(settings), strict=True)]
            counts[f"{name}_{other}_both"] = [float((product != 0).sum()) for product in products]
            counts[f"{name}_{other}_reversed"] = [float((product < 0).sum()) for product in products]
        return counts

    return table_by_method(context, rows, columns_of, count)


def conclude(run: Run, table: pd.DataFrame, _parameters: Parameters) -> Iterator[Finding]:
    """`confirmed-<method>-<verdict>` and `contradicted-...`: of the certain signs, those with the same and the opposite
    sign that is certain in one other fill: over the fills that are counted, and in each.
    """
    for (what, quantity), (group, part, weights) in product(QUANTITIES.items(), groups(table, run)):
        for method, title in methods_in(table, "{}_certain").items():
            counts = {name: part[name].to_numpy(np.float64) for name in part if name.startswith(f"{method}_")}
            certain = counts[f"{method}_certain"]
            hits: dict[Any, Values] = {
                other: reversed_ if what == "contradicted" else counts[f"{method}_{other}_both"] - reversed_
                for other in (*FILLS, SEED)
                if (reversed_ := counts.get(f"{method}_{other}_reversed")) is not None
            }
            again = hits.pop(SEED), certain
            counted = [number for fill, number in hits.items() if fill != NOT_COUNTED]
            pooled = _shares((np.sum(counted, axis=0), len(counted) * certain), again, weights)
            choices = []
            for fill, number in hits.items():
                shares = _shares((number, certain), again, weights)
                if fill == NOT_COUNTED:
                    shares |= {"control": None, "difference": None}
                choices.append(Choice("fill", FILLS[fill], **shares))
            yield Finding(
                f"{what}-{method}-{group}", "certainty", quantity, group=group, **pooled, choices=tuple(choices),
                subject=title,
            )  # fmt: skip


def _shares(own: tuple[Values, Values], again: tuple[Values, Values], weights: Values) -> dict[str, Any]:
    """Compare signs out of signs of the same images: under other fills, and under another draw of the samples."""
    return {
        "measure": Measure.of(weighted_ratio(*own, weights=weights)),
        "control": Control("another draw of the samples", Measure.of(weighted_ratio(*again, weights=weights))),
        "difference": Measure.of(weighted_ratio(*own, weights=weights, less=again)),
    }


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
        headlines=HEADLINES,
        parameters={"lime_seed": 0},
        shard=16,
    )
