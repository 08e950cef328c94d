"""Does a sign that LIME calls certain hold under another fill? Its intervals are about the samples under one fill."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.explainer import AnyExplainer
from core.explainers.registry import find_explainer
from core.explainers.settings import ExplainerSettings
from core.findings.claims import Headlines
from core.findings.finding import Control, Finding, Measure
from core.findings.intervals import weighted_ratio
from core.perturbations.masking import FILLS, Fill
from core.runs.run import Run
from core.studies.explanations import (
    Columns,
    Compared,
    Numbers,
    columns_by_method,
    explain_all,
    judged,
    methods_in,
    settings_of,
    table_by_method,
)
from core.studies.groups import By, groups
from core.studies.study import Context, Study

# in columns: what the same fill says with another draw of the samples, the control
SEED = "seed"


HEADLINES: Headlines = {
    "holds-*": {
        "question": "Do LIME's certain signs hold under every fill?",
        "holds": "More hold under other fills than under new samples.",
        "holds below": "Fewer hold under other fills than under new samples.",
        "not shown": "Not shown to hold less often than under new samples.",
    },
    "reversed-*": {
        "question": "Does another fill reverse LIME's certain signs?",
        "holds": "Other fills reverse more signs than new samples do.",
        "holds below": "Other fills reverse fewer signs than new samples do.",
        "in part": "Some fills reverse more signs than new samples do, not all.",
        "depends": "Some fills reverse more signs than new samples do, not all.",
        "not shown": "Not shown to reverse more signs than new samples do.",
    },
}


def covering() -> dict[str, AnyExplainer]:
    """Name -> explainer, of those that are judged and cover parts of the image."""
    return {name: method for name, method in judged().items() if method.under_fills(settings_of(method, 0))}


def own_fill(explainer: AnyExplainer) -> Fill:
    """Return the fill of an explainer's default settings."""
    own = settings_of(explainer, 0)
    return next(fill for fill, settings in explainer.under_fills(own).items() if settings == own)


def other_fills(explainer: AnyExplainer) -> list[Fill]:
    """Return the other fills that an explainer can cover with."""
    return [fill for fill in explainer.under_fills(settings_of(explainer, 0)) if fill != own_fill(explainer)]


def _columns(_judged: Mapping[str, AnyExplainer]) -> dict[str, str]:
    columns = {}
    for name, explainer in covering().items():
        fill, title = own_fill(explainer), explainer.title
        columns[f"{name}_certain"] = f"parts whose sign {title} calls certain with {fill} fill"
        columns[f"{name}_every"] = "of these, those that are certain with the same sign under every fill"
        for other in (*other_fills(explainer), SEED):
            what = f"with {fill} fill and another draw of the samples" if other == SEED else f"with {fill} and {other}"
            columns[f"{name}_{other}_both"] = f"parts whose sign {title} calls certain both {what}"
            columns[f"{name}_{other}_reversed"] = "of these, those whose sign is the opposite"
        draws = f"as many further draws of the samples with {fill} fill as there are other fills"
        columns[f"{name}_{SEED}_every"] = f"parts that are certain with the same sign in {draws}"
    return columns


COLUMNS = Columns(_columns)


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Count the parts of each image that are certain, and alike, under several fills."""
    images = [np.asarray(context.pixels[row]) for row in rows]

    def count(explainer: AnyExplainer) -> dict[str, list[float]]:
        name, own = explainer.name, settings_of(explainer, parameters["lime_seed"])
        fills = {fill: settings for fill, settings in explainer.under_fills(own).items() if fill != own_fill(explainer)}
        draws = [settings_of(explainer, parameters["lime_seed"] + draw) for draw in range(1, len(fills) + 1)]
        signs = partial(_signs, context, images, explainer)
        before = signs(own)
        counts = {f"{name}_certain": _count([part != 0 for part in before])}
        redrawn = f"{name}_{SEED}_every"
        if context.wants(*(column for column in columns[name] if column != redrawn)):
            others: list[tuple[str, ExplainerSettings]] = [*fills.items(), (SEED, draws[0])]
            for other, settings in others:
                products = [a * b for a, b in zip(before, signs(settings), strict=True)]
                counts[f"{name}_{other}_both"] = _count([product != 0 for product in products])
                counts[f"{name}_{other}_reversed"] = _count([product < 0 for product in products])
            counts[f"{name}_every"] = _count(_alike(before, map(signs, fills.values())))
        if context.wants(redrawn):
            counts[redrawn] = _count(_alike(before, map(signs, draws)))
        return counts

    columns = {name: those for name, those in columns_by_method(COLUMNS).items() if name in covering()}
    return table_by_method(context, rows, columns, count)


def _signs(
    context: Context, images: Sequence[NDArray[np.uint8]], explainer: AnyExplainer, settings: ExplainerSettings
) -> list[NDArray[np.int8]]:
    """Return the signs of each image's parts, 0 where none is certain."""
    return [computed.decisions for computed in explain_all(context.detector, images, explainer, settings)]


def _alike(before: Sequence[NDArray[np.int8]], others: Iterable[Sequence[NDArray[np.int8]]]) -> list[NDArray[np.bool_]]:
    """Mark the certain signs of each image that all others agree with."""
    alike = [signs != 0 for signs in before]
    for after in others:
        alike = [so_far & (a == b) for so_far, a, b in zip(alike, before, after, strict=True)]
    return alike


def _count(images: Iterable[NDArray[np.bool_]]) -> list[float]:
    return [float(parts.sum()) for parts in images]


def conclude(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """`holds-<method>-<verdict>`: certain signs that every fill gives alike; `reversed-...`: that another reverses."""
    holds, reverses = [], []
    for group, part, weights in groups(table, run):
        for method, title in methods_in(part, "{}_certain").items():
            explainer, key = find_explainer(method), f"{method}-{group}"
            details = {"name": title}
            counts = {name: part[name].to_numpy(np.float64) for name in part if name.startswith(f"{method}_")}
            certain, every = counts[f"{method}_certain"], counts[f"{method}_every"]
            both, reversed_ = (counts[f"{method}_{SEED}_{what}"] for what in ("both", "reversed"))
            if f"{method}_{SEED}_every" in counts:
                redrawn = counts[f"{method}_{SEED}_every"], certain
                held = _ratios("as many further draws with the same fill", (every, certain), redrawn, weights)
                holds.append(held.finding(f"holds-{key}", "certainty", "held_signs", group, details=details))
            by_fill = {
                FILLS[fill].title: _ratios(
                    "another draw of the samples",
                    (counts[f"{method}_{fill}_reversed"], counts[f"{method}_{fill}_both"]),
                    (reversed_, both),
                    weights,
                )
                for fill in other_fills(explainer)
                if f"{method}_{fill}_both" in part
            }
            choices = [compared.choice("fill", fill) for fill, compared in by_fill.items()]
            first = next(iter(by_fill.values()))
            reverses.append(
                first.finding(f"reversed-{key}", "certainty", "reversed_signs", group, *choices, details=details)
            )
    return holds + reverses


def _ratios(name: str, own: tuple[Numbers, Numbers], again: tuple[Numbers, Numbers], weights: Numbers) -> Compared:
    """Compare signs out of signs of the same images: under other fills, and under other draws of the samples."""
    control = Control(name, Measure.of(weighted_ratio(*again, weights=weights)))
    difference = Measure.of(weighted_ratio(*own, weights=weights, less=again))
    return Compared(Measure.of(weighted_ratio(*own, weights=weights)), control, difference)


def certainty_summary(table: pd.DataFrame, run: Run, *, by: By = "verdict") -> pd.DataFrame:
    """Estimate the shares of the signs that each explainer calls certain.

    Returns:
        `group`, `name` (of the explainer and what is counted), and the share with an interval that resamples images.
    """
    rows = []
    for group, part, weights in groups(table, run, by):
        for method, title in methods_in(table, "{}_certain").items():
            counted = {"alike under every fill": (f"{method}_every", f"{method}_certain")}
            if f"{method}_{SEED}_every" in part:
                counted["alike in as many further draws"] = (f"{method}_{SEED}_every", f"{method}_certain")
            names = {SEED: "another draw"} | {fill: FILLS[fill].title for fill in FILLS}
            for other in (*other_fills(find_explainer(method)), SEED):
                counted[f"reversed by {names[other]}"] = (f"{method}_{other}_reversed", f"{method}_{other}_both")
            for what, columns in counted.items():
                hits, trials = (part[column].to_numpy(np.float64) for column in columns)
                rows.append(
                    {"group": group, "name": f"{title}: {what}", **weighted_ratio(hits, trials, weights)._asdict()}
                )
    return pd.DataFrame(rows)


STUDY = Study(
    name="certainty",
    title="Certainty",
    question="Does a sign that LIME calls certain hold under another fill?",
    columns=COLUMNS,
    control="Other draws of the samples with the same fill, which is all that the intervals are about.",
    compute=compute,
    conclude=conclude,
    headlines=HEADLINES,
    parameters={"lime_seed": 0},
    shard=16,
)
