"""What the studies of explanations conclude, for each verdict and method. Needs no torch."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.agreement import LEVEL, enough
from core.findings.finding import Choice, Control, Finding, Measure
from core.metrics.intervals import weighted_mean, weighted_share
from core.runs.run import Run
from core.studies.cells import Cells
from core.studies.groups import groups
from core.studies.trust.summary import EDGES, EXPLANATIONS, FILLS, OTHER, STEPS, UNSEEN, curve_of, levels_of, scored

Weights = NDArray[np.floating]
OTHERS = "maps of other images of the same cell"


def _mean(values: NDArray[np.floating], weights: Weights, clusters: NDArray[np.integer] | None = None) -> Measure:
    sources = None if clusters is None else len(np.unique(clusters))
    return Measure.of(weighted_mean(np.asarray(values, np.float64), weights, clusters=clusters), clusters=sources)


def _share(hits: NDArray[np.bool_], weights: Weights) -> Measure:
    return Measure.of(weighted_share(np.asarray(hits, bool), weights))


class _Compared(NamedTuple):
    """A measure, its control and their paired difference."""

    measure: Measure
    control: Control
    difference: Measure

    def choice(self, kind: str, value: str) -> Choice:
        return Choice(kind, value, *self)


def faithfulness(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """`<method>-<verdict>`: its curves beside those of the best control; `flipped-<method>-<verdict>`: beside chance.

    The best control is the one with the largest mean score under that fill, reversed controls included; it is chosen
    with the same images, which favours the control a little.
    """
    findings, flipped = [], []
    for group, part, weights in groups(table, run):
        by_fill = {fill: _beside_best(part, fill, weights) for fill in ("unseen", *FILLS)}
        gone = {fill: _beside_chance(part, fill, weights) for fill in UNSEEN}
        for method, name in EXPLANATIONS.items():
            details = {"method": method, "name": name, "pooled": list(UNSEEN)}
            choices = tuple(by_fill[fill][method].choice("fill", fill) for fill in FILLS)
            findings.append(
                Finding(
                    f"{method}-{group}",
                    "faithfulness",
                    "faithfulness",
                    by_fill["unseen"][method].measure,
                    group,
                    *by_fill["unseen"][method][1:],
                    choices,
                    details=details,
                )
            )
            first = gone[UNSEEN[0]][method]
            choices = tuple(gone[fill][method].choice("fill", fill) for fill in UNSEEN)
            key = f"flipped-{method}-{group}"
            flipped.append(
                Finding(key, "faithfulness", "flip_rate", first.measure, group, *first[1:], choices, details=details)
            )
    return findings + flipped


def _beside_best(part: pd.DataFrame, fill: str, weights: Weights) -> dict[str, _Compared]:
    found = scored(part, fill)
    bars = {key: one for key, one in found.items() if key not in EXPLANATIONS}
    name, best = bars[max(bars, key=lambda key: float(np.average(bars[key][1], weights=weights)))]
    control = Control(name, _mean(best, weights))
    return {
        method: _Compared(_mean(found[method][1], weights), control, _mean(found[method][1] - best, weights))
        for method in EXPLANATIONS
    }


def _beside_chance(part: pd.DataFrame, fill: str, weights: Weights, *, share: float = 0.25) -> dict[str, _Compared]:
    """Verdicts that flip when the first `share` of the image in each order is filled."""
    step = round(share * STEPS)
    gone = {method: curve_of(part, "deletion", method, fill)[:, step] < 0 for method in (*EXPLANATIONS, "random")}
    control = Control("chance", _share(gone["random"], weights))
    return {
        method: _Compared(
            _share(gone[method], weights), control, _mean(gone[method].astype(float) - gone["random"], weights)
        )
        for method in EXPLANATIONS
    }


def agreement(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> list[Finding]:
    """`rank-<verdict>`: how far the two methods agree; `beyond-<verdict>`: on how many images beyond chance."""
    cells, places = Cells(run), pd.Index(run.predictions["id"])
    details = {"names": [EXPLANATIONS["lime"], EXPLANATIONS["gradcam"]]}
    findings = []
    for group, part, weights in groups(table, run):
        own, others = (part[name].to_numpy(float) for name in ("rank", "others_rank"))
        control = Control(OTHERS, _mean(others, weights))
        difference = _mean((part["rank"] - part["others_rank"]).to_numpy(float), weights)
        findings.append(
            Finding(
                f"rank-{group}",
                "agreement",
                "rank_correlation",
                _mean(own, weights),
                group,
                control,
                difference,
                details=details,
            )
        )
        there = np.minimum(cells.sizes(places.get_indexer(part["id"])) - 1, parameters["others"])
        known = part["rank_share"].notna().to_numpy() & np.array([enough(count) for count in there], bool)
        if known.any():
            beyond = _share((part["rank_share"] <= LEVEL).to_numpy()[known], weights[known])
            chance = Control("chance", Measure(LEVEL))
            findings.append(
                Finding(f"beyond-{group}", "agreement", "beyond_chance", beyond, group, chance, details=details)
            )
    return findings


def stability(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """`<method>-<verdict>`: how alike an explanation is when made again; `flips-<verdict>`: what the noise does."""
    findings = []
    for group, part, weights in groups(table, run):
        for method, name in EXPLANATIONS.items():
            other = part[f"{method}_other"].to_numpy(float)
            control = Control(OTHERS, _mean(other, weights))
            again = {"noise of 1 in 255": "noise", "another seed": "seed"}
            tried = [
                Choice("repetition", what, _mean(own, weights), control, _mean(own - other, weights))
                for what, column in again.items()
                if f"{method}_{column}" in part
                for own in [part[f"{method}_{column}"].to_numpy(float)]
            ]
            first = tried[0]
            findings.append(
                Finding(
                    f"{method}-{group}",
                    "stability",
                    "rank_correlation",
                    first.measure,
                    group,
                    control,
                    first.difference,
                    tuple(tried),
                    details={"method": method, "name": name},
                )
            )
        flips = _share(part["noise_turns"].to_numpy(bool), weights)
        findings.append(Finding(f"flips-{group}", "stability", "flip_rate", flips, group))
    return findings


def sanity(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """`<method>-<verdict>`: what is left of an explanation once the classifier, and once everything, is random."""
    findings = []
    for group, part, weights in groups(table, run):
        # images share a random detector, and with it its luck
        shared = part["network"].to_numpy()
        for method, name in EXPLANATIONS.items():
            levels = levels_of(table, method)
            first, last, other, edges = (
                part[f"{method}_{level}"].to_numpy(float) for level in (levels[0], levels[-1], OTHER, EDGES)
            )
            findings.append(
                Finding(
                    f"{method}-{group}",
                    "sanity",
                    "residual_correlation",
                    _mean(last, weights, shared),
                    group,
                    Control("what the same random detector makes of other images", _mean(other, weights, shared)),
                    _mean(last - other, weights, shared),
                    beside={"classifier": _mean(first, weights, shared), "edges": _mean(edges, weights)},
                    details={"method": method, "name": name},
                )
            )
    return findings


def one_colour(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """`paper-<verdict>` and `ours-<verdict>`: one-colour maps under both settings, and uniformly red ones."""
    details = {"name": EXPLANATIONS["lime"]}
    findings = []
    for group, part, weights in groups(table, run):
        paper, ours = (part[name].to_numpy(bool) for name in ("paper_one_sign", "ours_shown_one"))
        control = Control("the paper's settings", _share(paper, weights))
        few = _share((part["paper_segments"] <= 2).to_numpy(), weights)
        against = {name: _share(part[f"{name}_against"].to_numpy(bool), weights) for name in ("paper", "ours")}
        findings += [
            Finding(
                f"paper-{group}", "one_colour", "one_colour", control.measure, group,
                beside={"against": against["paper"], "few": few}, details=details,
            ),
            Finding(
                f"ours-{group}", "one_colour", "one_colour", _share(ours, weights), group, control,
                _mean(ours.astype(float) - paper, weights), beside={"against": against["ours"]},
                details=details,
            ),
        ]  # fmt: skip
    return findings
