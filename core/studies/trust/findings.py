"""What the studies of explanations conclude, for each verdict and method. Needs no torch."""

from collections.abc import Mapping
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.agreement import LEVEL, enough
from core.explainers.lime.regions import LIME
from core.explainers.registry import DEFAULT, find_explainer
from core.findings.finding import Choice, Control, Finding, Measure
from core.metrics.intervals import weighted_lead, weighted_mean, weighted_ratio, weighted_share
from core.perturbations.masking import FILLS
from core.runs.run import Run
from core.studies.cells import Cells
from core.studies.groups import groups
from core.studies.trust.curves import (
    DIRECTIONS,
    STEPS,
    Areas,
    Beside,
    curve_of,
    explanations,
    fills_of,
)
from core.studies.trust.judged import SEED, found_in, others_of, own_fill
from core.studies.trust.summary import EDGES, OTHER, levels_of

Weights = NDArray[np.floating]
Counts = NDArray[np.floating]
OTHERS = "maps of other images of the same cell"


def _mean(values: NDArray[np.floating], weights: Weights, clusters: NDArray[np.integer] | None = None) -> Measure:
    sources = None if clusters is None else len(np.unique(clusters))
    return Measure.of(weighted_mean(np.asarray(values, np.float64), weights, clusters=clusters), clusters=sources)


def _lead(leads: NDArray[np.floating], weights: Weights) -> Measure:
    return Measure.of(weighted_lead(np.asarray(leads, np.float64), weights))


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
    """`<method>-<verdict>`: its curves beside those of the best control; `flipped-<method>-<verdict>`: a number alone.

    Fills and directions are never pooled: the first pair gives the finding its number, and all pairs are its choices.
    """
    findings, flipped, fills = [], [], fills_of(table)
    for group, part, weights in groups(table, run):
        gone, areas = {fill: _gone(part, fill, weights) for fill in fills}, Areas(part, weights)
        for method, name in explanations(part).items():
            details = {"method": method, "name": name, "fills": {fill: FILLS[fill].title for fill in fills}}
            key = f"{method}-{group}"
            tried = {
                (direction, fill): _compared_areas(areas.beside_best(direction, method, fill), weights)
                for direction, fill in product(DIRECTIONS, fills)
            }
            choices = [one.choice(direction, fill) for (direction, fill), one in tried.items()]
            first = next(iter(tried.values()))
            findings.append(first.finding(key, "faithfulness", "faithfulness", group, *choices, details=details))
            flipped.append(
                Finding(
                    f"flipped-{key}", "faithfulness", "flip_rate", gone[fills[0]][method], group,
                    choices=tuple(Choice("fill", fill, gone[fill][method]) for fill in fills),
                    beside={fill: gone[fill]["random"] for fill in fills}, details=details,
                )
            )  # fmt: skip
    return findings + flipped


def _compared_areas(found: Beside, weights: Weights) -> _Compared:
    control = Control(found.name, _mean(found.control, weights))
    return _Compared(_mean(found.own, weights), control, _mean(found.own - found.control, weights))


def _gone(part: pd.DataFrame, fill: str, weights: Weights) -> dict[str, Measure]:
    """Verdicts that flip when the first quarter of the image in each order is filled.

    The order "random" scatters single cells. It is no control: it has another shape than the places of most maps.
    """
    step = STEPS // 4
    return {
        name: _share(curve_of(part, "deletion", name, fill)[:, step] < 0, weights)
        for name in (*explanations(part), "random")
    }


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
    again = {"noise of 1 in 255": "noise", "that noise with the same segments": "kept", "another seed": "seed"}
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
        both = _Compared(_share(ours, weights), control, _lead(ours.astype(float) - paper, weights))
        red = {name: {"against": measure} for name, measure in against.items()}
        beside = red["paper"] | {"few": few}
        findings += [
            Finding(
                f"paper-{group}", "one_colour", "one_colour", control.measure, group, beside=beside, details=details
            ),
            both.finding(f"ours-{group}", "one_colour", "one_colour", group, beside=red["ours"], details=details),
        ]
    return findings


def certainty(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """`holds-<method>-<verdict>`: certain signs that every fill gives alike; `reversed-...`: that another reverses."""
    holds, reverses = [], []
    for group, part, weights in groups(table, run):
        for method, name in found_in(part, "{}_certain").items():
            explainer, key = find_explainer(method), f"{method}-{group}"
            details = {"name": name, "fill": FILLS[own_fill(explainer)].title}
            counts = {name: part[name].to_numpy(np.float64) for name in part if name.startswith(f"{method}_")}
            certain, every = counts[f"{method}_certain"], counts[f"{method}_every"]
            both, reversed_ = (counts[f"{method}_{SEED}_{what}"] for what in ("both", "reversed"))
            if f"{method}_{SEED}_every" in counts:
                drawn = "as many further draws with the same fill"
                held = _compared_ratios(weights, (every, certain), (counts[f"{method}_{SEED}_every"], certain), drawn)
                holds.append(held.finding(f"holds-{key}", "certainty", "held_signs", group, details=details))
            tried = {
                FILLS[fill].title: _compared_ratios(
                    weights, (counts[f"{method}_{fill}_reversed"], counts[f"{method}_{fill}_both"]), (reversed_, both)
                )
                for fill in others_of(explainer)
                if f"{method}_{fill}_both" in part
            }
            choices = [one.choice("fill", fill) for fill, one in tried.items()]
            first, key = next(iter(tried.values())), f"reversed-{key}"
            reverses.append(first.finding(key, "certainty", "reversed_signs", group, *choices, details=details))
    return holds + reverses


def _compared_ratios(
    weights: Weights,
    own: tuple[Counts, Counts],
    again: tuple[Counts, Counts],
    name: str = "another draw of the samples",
) -> _Compared:
    """Signs out of signs, of the same images under other fills and under other draws of the samples."""
    control = Control(name, Measure.of(weighted_ratio(*again, weights=weights)))
    difference = Measure.of(weighted_ratio(*own, weights=weights, less=again))
    return _Compared(Measure.of(weighted_ratio(*own, weights=weights)), control, difference)
