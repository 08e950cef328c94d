"""What the studies of explanations conclude, for each verdict and method. Needs no torch."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.agreement import LEVEL, enough
from core.explainers.lime.regions import LIME
from core.explainers.registry import DEFAULT, find_explainer
from core.findings.finding import Choice, Control, Finding, Measure
from core.metrics.intervals import weighted_mean, weighted_share
from core.runs.run import Run
from core.studies.cells import Cells
from core.studies.groups import groups
from core.studies.trust.judged import found_in
from core.studies.trust.summary import (
    EDGES,
    OTHER,
    STEPS,
    UNSEEN,
    curve_of,
    explanations,
    fills_of,
    levels_of,
    scored,
)

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

    def finding(self, key: str, study: str, quantity: str, group: str, *choices: Choice, **more: Any) -> Finding:
        return Finding(key, study, quantity, self.measure, group, self.control, self.difference, choices, **more)


def faithfulness(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """`<method>-<verdict>`: its curves beside those of the best control; `flipped-<method>-<verdict>`: beside chance.

    The best control is the one with the largest mean score under that fill, reversed controls included; it is chosen
    with the same images, which favours the control a little.
    """
    findings, flipped, fills, unseen = [], [], fills_of(table), fills_of(table, UNSEEN)
    for group, part, weights in groups(table, run):
        best = {fill: _beside_best(part, fill, weights) for fill in ("unseen", *fills)}
        chance = {fill: _beside_chance(part, fill, weights) for fill in unseen}
        for method, name in explanations(part).items():
            details = {"method": method, "name": name, "pooled": list(unseen)}
            key = f"{method}-{group}"
            tried = (best[fill][method].choice("fill", fill) for fill in fills)
            pooled = best["unseen"][method]
            findings.append(pooled.finding(key, "faithfulness", "faithfulness", group, *tried, details=details))
            tried = (chance[fill][method].choice("fill", fill) for fill in unseen)
            gone, key = chance[unseen[0]][method], f"flipped-{key}"
            flipped.append(gone.finding(key, "faithfulness", "flip_rate", group, *tried, details=details))
    return findings + flipped


def _beside_best(part: pd.DataFrame, fill: str, weights: Weights) -> dict[str, _Compared]:
    found = scored(part, fill)
    told = explanations(part)
    bars = {key: one for key, one in found.items() if key not in told}
    name, best = bars[max(bars, key=lambda key: float(np.average(bars[key][1], weights=weights)))]
    control = Control(name, _mean(best, weights))
    return {
        method: _Compared(_mean(found[method][1], weights), control, _mean(found[method][1] - best, weights))
        for method in told
    }


def _beside_chance(part: pd.DataFrame, fill: str, weights: Weights, *, share: float = 0.25) -> dict[str, _Compared]:
    """Verdicts that flip when the first `share` of the image in each order is filled."""
    step = round(share * STEPS)
    methods = explanations(part)
    gone = {method: curve_of(part, "deletion", method, fill)[:, step] < 0 for method in (*methods, "random")}
    control = Control("chance", _share(gone["random"], weights))
    lead = {method: _mean(gone[method].astype(float) - gone["random"], weights) for method in methods}
    return {method: _Compared(_share(gone[method], weights), control, lead[method]) for method in methods}


def agreement(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> list[Finding]:
    """`rank-<verdict>`: how far the two methods agree; `beyond-<verdict>`: on how many images beyond chance."""
    cells, places = Cells(run), pd.Index(run.predictions["id"])
    details = {"names": [find_explainer(name).title for name in reversed(DEFAULT)]}
    findings = []
    for group, part, weights in groups(table, run):
        own, others = (part[name].to_numpy(float) for name in ("rank", "others_rank"))
        difference = _mean((part["rank"] - part["others_rank"]).to_numpy(float), weights)
        ranks = _Compared(_mean(own, weights), Control(OTHERS, _mean(others, weights)), difference)
        findings.append(ranks.finding(f"rank-{group}", "agreement", "rank_correlation", group, details=details))
        there = np.minimum(cells.sizes(places.get_indexer(part["id"])) - 1, parameters["others"])
        known = part["rank_share"].notna().to_numpy() & np.array([enough(count) for count in there], bool)
        if known.any():
            beyond = _share((part["rank_share"] <= LEVEL).to_numpy()[known], weights[known])
            about = (f"beyond-{group}", "agreement", "beyond_chance", beyond, group, Control("chance", Measure(LEVEL)))
            findings.append(Finding(*about, details=details))
    return findings


def stability(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """`<method>-<verdict>`: how alike an explanation is when made again; `flips-<verdict>`: what the noise does."""
    again = {"noise of 1 in 255": "noise", "another seed": "seed"}
    findings = []
    for group, part, weights in groups(table, run):
        for method, name in found_in(part, "{}_noise").items():
            other = part[f"{method}_other"].to_numpy(float)
            control = Control(OTHERS, _mean(other, weights))
            tried = {
                what: _Compared(_mean(own, weights), control, _mean(own - other, weights))
                for what, column in again.items()
                if f"{method}_{column}" in part
                for own in [part[f"{method}_{column}"].to_numpy(float)]
            }
            choices = [one.choice("repetition", what) for what, one in tried.items()]
            key, first = f"{method}-{group}", next(iter(tried.values()))
            details = {"method": method, "name": name}
            findings.append(first.finding(key, "stability", "rank_correlation", group, *choices, details=details))
        flips = _share(part["noise_turns"].to_numpy(bool), weights)
        findings.append(Finding(f"flips-{group}", "stability", "flip_rate", flips, group))
    return findings


def sanity(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """`<method>-<verdict>`: what is left of an explanation once the classifier, and once everything, is random."""
    findings = []
    for group, part, weights in groups(table, run):
        # images share a random detector, and with it its luck
        shared = part["network"].to_numpy()
        for method, name in found_in(part, f"{{}}_{OTHER}").items():
            levels = levels_of(table, method)
            columns = [f"{method}_{level}" for level in (levels[0], levels[-1], OTHER, EDGES)]
            first, last, other, edges = (part[column].to_numpy(float) for column in columns)
            control = Control("what the same random detector makes of other images", _mean(other, weights, shared))
            left = _Compared(_mean(last, weights, shared), control, _mean(last - other, weights, shared))
            beside = {"classifier": _mean(first, weights, shared), "edges": _mean(edges, weights)}
            key, about = f"{method}-{group}", {"beside": beside, "details": {"method": method, "name": name}}
            findings.append(left.finding(key, "sanity", "residual_correlation", group, **about))
    return findings


def one_colour(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """`paper-<verdict>` and `ours-<verdict>`: one-colour maps under both settings, and uniformly red ones."""
    details = {"name": LIME.title}
    findings = []
    for group, part, weights in groups(table, run):
        paper, ours = (part[name].to_numpy(bool) for name in ("paper_one_sign", "ours_shown_one"))
        control = Control("the paper's settings", _share(paper, weights))
        few = _share((part["paper_segments"] <= 2).to_numpy(), weights)
        against = {name: _share(part[f"{name}_against"].to_numpy(bool), weights) for name in ("paper", "ours")}
        both = _Compared(_share(ours, weights), control, _mean(ours.astype(float) - paper, weights))
        red = {name: {"against": measure} for name, measure in against.items()}
        beside = red["paper"] | {"few": few}
        findings += [
            Finding(
                f"paper-{group}", "one_colour", "one_colour", control.measure, group, beside=beside, details=details
            ),
            both.finding(f"ours-{group}", "one_colour", "one_colour", group, beside=red["ours"], details=details),
        ]
    return findings
