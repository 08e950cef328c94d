"""Conclude from the curves of the study `faithfulness`: each explanation beside its controls. Needs no torch.

Every table has a row for each `group` (a verdict, or with `by="cell"` a cell of the confusion matrix) with `value`,
`low` and `high` (its 95 % interval) and `images`; samples are weighted up to the run.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.claims import Headlines, sign_of
from core.findings.finding import Choice, Finding, Measure
from core.findings.intervals import weighted_mean
from core.perturbations.masking import FILLS as FILLINGS
from core.perturbations.masking import Fill
from core.runs.run import Run
from core.studies.explanations import Compared, methods_in, share_of
from core.studies.groups import By, groups

# orders that ignore the reasons for this verdict: column -> (name, name of the reverse where that is a control too)
CONTROLS: Mapping[str, tuple[str, str | None]] = {
    "random": ("chance", None),
    "edges": ("edges first", "flat areas first"),
    "centre": ("middle first", "border first"),
    "area": ("large segments first", "small segments first"),
    "other": ("the map of another image of the same cell", None),
}
# controls that are also made as coarse as the judged map, so that coarseness alone is no advantage
COARSE = ("random", "edges", "centre", "other")
DIRECTIONS = ("deletion", "insertion")
FILLS: tuple[Fill, ...] = ("mean", "blur", "texture", "road")
STEPS = 8
# a user's own maps, judged as one more method
OWN, OWN_TITLE = "own", "Maps of your own"

NEVER_BETTER = "Never shown to be better than its best control: a picture, not a reason."
HEADLINES: Headlines = {
    "flipped-*": {
        "question": "How many verdicts flip when the map's first quarter is covered?",
        "no control": "A number alone: parts of another shape cannot be compared.",
    },
    "*": {
        "question": "Does the map show what the detector relies on?",
        "holds": "Better than every control, under every fill.",
        "in part": "Better than its best control under some fills, not under all.",
        "depends": "Better than its best control under some fills, not under all.",
    },
}


def curve_column(direction: str, method: str, fill: str, step: int) -> str:
    """Name the column that holds one point of one curve, step 1 to `STEPS` - 1."""
    return f"{direction}_{method}_{fill}_{step}"


def area_column(direction: str, control: str, method: str, fill: str) -> str:
    """Name the column that holds the area under the curve of a control as coarse as a method."""
    return f"{direction}_{control}_as_{method}_{fill}"


def fills_of(table: pd.DataFrame) -> list[Fill]:
    """Return those fills that a table has; an older file may lack some."""
    return [fill for fill in FILLS if f"filled_{fill}" in table]


def explanations(table: pd.DataFrame) -> dict[str, str]:
    """Name -> title of the explainers whose curves a table has under every fill in it."""
    by_fill = [methods_in(table, curve_column("deletion", "{}", fill, 1), {OWN: OWN_TITLE}) for fill in fills_of(table)]
    if not by_fill:
        return {}
    return {name: title for name, title in by_fill[0].items() if all(name in other for other in by_fill)}


def curve_of(table: pd.DataFrame, direction: str, method: str, fill: str) -> NDArray[np.float64]:
    """float64 (N, STEPS + 1): one curve of each row, the margin signed toward the verdict, ends and all."""
    inner = [curve_column(direction, method, fill, step) for step in range(1, STEPS)]
    ends = ["start", f"filled_{fill}"]
    first, last = ends if direction == "deletion" else ends[::-1]
    return np.column_stack([table[name].to_numpy(np.float64) for name in (first, *inner, last)])


def area_of(table: pd.DataFrame, direction: str, method: str, fill: str) -> NDArray[np.float64]:
    """float64 (N,): the area under a curve, in margins: less under deletion, and more under insertion, is better."""
    return np.asarray(np.trapezoid(curve_of(table, direction, method, fill), dx=1 / STEPS, axis=1))


class BestControl(NamedTuple):
    """The area under one method's curve of each row, and under that of its best control, both larger where better."""

    own: NDArray[np.float64]
    control: NDArray[np.float64]
    name: str


class Areas:
    """The areas under the curves of one group of images, each computed once: methods share most of their controls.

    Args:
        part: rows of the study `faithfulness`.
        weights: float (N,), how many images of the run each stands for.
    """

    def __init__(self, part: pd.DataFrame, weights: NDArray[np.floating]) -> None:
        self.part = part
        self.weights = weights
        self._computed: dict[tuple[str, str, str], NDArray[np.float64]] = {}

    def of(self, direction: str, method: str, fill: str) -> NDArray[np.float64]:
        """Return `area_of` the rows."""
        key = direction, method, fill
        if key not in self._computed:
            self._computed[key] = area_of(self.part, *key)
        return self._computed[key]

    def controls(self, direction: str, method: str, fill: str) -> dict[str, NDArray[np.float64]]:
        """Return the areas of a method's controls, reversed and equally coarse ones included: name -> float64 (N,).

        Filling from the end of an order retraces, backwards, showing from its beginning: a reversed order has the area
        of the other direction.
        """
        back = DIRECTIONS[1 - DIRECTIONS.index(direction)]
        areas = {}
        for control, (name, opposite) in CONTROLS.items():
            areas[name] = self.of(direction, control, fill)
            if opposite is not None:
                areas[opposite] = self.of(back, control, fill)
            columns = [area_column(way, control, method, fill) for way in (direction, back)]
            if columns[0] in self.part and self.part[columns[0]].notna().any():
                areas[f"{name}, as coarse as the map"] = self.part[columns[0]].to_numpy(np.float64)
                if opposite is not None:
                    areas[f"{opposite}, as coarse as the map"] = self.part[columns[1]].to_numpy(np.float64)
        return areas

    def beside_best(self, direction: str, method: str, fill: str) -> BestControl:
        """Return a method's areas beside those of the control with the best mean, with this fill and direction.

        The control is chosen with the same images, which favours it a little.
        """
        sign = 1 if direction == "insertion" else -1
        controls = {name: sign * areas for name, areas in self.controls(direction, method, fill).items()}
        best = max(controls, key=lambda name: float(np.average(controls[name], weights=self.weights)))
        return BestControl(sign * self.of(direction, method, fill), controls[best], best)


def leads(table: pd.DataFrame, run: Run, *, by: By = "verdict") -> pd.DataFrame:
    """Estimate how much better each explanation does than its best control.

    Returns:
        `group`, `method`, `name`, `fill`, `direction`, `control` (the best one's name), and the mean paired difference
        of areas in margins, above 0 where the explanation is better, with its interval.
    """
    rows = []
    for group, part, weights in groups(table, run, by):
        areas = Areas(part, weights)
        for (method, name), fill, direction in product(explanations(part).items(), fills_of(part), DIRECTIONS):
            beside = areas.beside_best(direction, method, fill)
            key = {"group": group, "method": method, "name": name, "fill": fill, "direction": direction}
            difference = weighted_mean(beside.own - beside.control, weights)
            rows.append({**key, "control": beside.name, **difference._asdict()})
    return pd.DataFrame(rows)


def mean_curves(table: pd.DataFrame, run: Run, *, by: By = "verdict") -> pd.DataFrame:
    """Average the curves, with intervals.

    Returns:
        `group`, `method` (reversed controls as "edges reversed"), `name` for a legend, `fill`, `direction`, `share` of
        the image that is filled (deletion) or shown (insertion), 0 to 1, and the mean margin signed toward the verdict
        with its interval.
    """
    rows = []
    for group, part, weights in groups(table, run, by):
        for fill in fills_of(table):
            for method, name, direction, points in _all_curves(part, fill):
                key = {"group": group, "method": method, "name": name, "fill": fill, "direction": direction}
                for step in range(STEPS + 1):
                    rows.append({**key, "share": step / STEPS, **weighted_mean(points[:, step], weights)._asdict()})
    return pd.DataFrame(rows)


def _all_curves(part: pd.DataFrame, fill: str) -> Iterator[tuple[str, str, str, NDArray[np.float64]]]:
    """Yield method, its name, direction and float64 (N, STEPS + 1), reversed controls included."""
    titles = explanations(part)
    for method in (*titles, *CONTROLS):
        curves = {direction: curve_of(part, direction, method, fill) for direction in DIRECTIONS}
        name, opposite = (titles[method], None) if method in titles else CONTROLS[method]
        for direction in DIRECTIONS:
            yield method, name, direction, curves[direction]
        if opposite is not None:
            # to fill from the end of an order is to show from its beginning, backwards
            yield f"{method} reversed", opposite, "deletion", curves["insertion"][:, ::-1]
            yield f"{method} reversed", opposite, "insertion", curves["deletion"][:, ::-1]


def conclude(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """`<method>-<verdict>`: its areas beside those of the best control; `flipped-<method>-<verdict>`: a number alone.

    Fills and directions are never pooled: the first pair gives the finding its number, and all pairs are its choices.
    """
    findings, flipped, fills = [], [], fills_of(table)
    for group, part, weights in groups(table, run):
        rates, areas = {fill: _flip_rates(part, fill, weights) for fill in fills}, Areas(part, weights)
        for method, name in explanations(part).items():
            details = {"name": name, "fills": {fill: FILLINGS[fill].title for fill in fills}}
            key = f"{method}-{group}"
            pairs = {}
            for direction, fill in product(DIRECTIONS, fills):
                own, control, control_name = areas.beside_best(direction, method, fill)
                pairs[direction, fill] = Compared.means(control_name, own, control, weights)
            choices = [compared.choice(direction, fill) for (direction, fill), compared in pairs.items()]
            first = next(iter(pairs.values()))
            headline = "" if any(sign_of(choice) == 1 for choice in choices) else NEVER_BETTER
            findings.append(
                first.finding(key, "faithfulness", "faithfulness", group, *choices, details=details, headline=headline)
            )
            flipped.append(
                Finding(
                    f"flipped-{key}", "faithfulness", "flip_rate", rates[fills[0]][method], group,
                    choices=tuple(Choice("fill", fill, rates[fill][method]) for fill in fills),
                    beside={fill: rates[fill]["random"] for fill in fills}, details=details,
                )
            )  # fmt: skip
    return findings + flipped


def _flip_rates(part: pd.DataFrame, fill: str, weights: NDArray[np.floating]) -> dict[str, Measure]:
    """Share of verdicts that flip when the first quarter of the image in each order is filled.

    The order "random" scatters single cells. It is no control: it has another shape than most maps' regions.
    """
    step = STEPS // 4
    return {
        name: share_of(curve_of(part, "deletion", name, fill)[:, step] < 0, weights)
        for name in (*explanations(part), "random")
    }
