"""Deletion and insertion curves of the study `faithfulness`, and each method's lead over its controls. Needs no torch.

Every table has a row for each `group` (a verdict, or with `by="cell"` a cell of the confusion matrix) with `value`,
`low` and `high` (its 95 % interval) and `images`; samples are weighted up to the run.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.metrics.intervals import weighted_mean
from core.perturbations.masking import Fill
from core.runs.run import Run
from core.studies.groups import By, groups
from core.studies.trust.judged import found_in

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
# maps that somebody has brought, judged as one more method
OWN, OWN_TITLE = "own", "Maps of your own"


def curve_column(direction: str, method: str, fill: str, step: int) -> str:
    """The column of the study `faithfulness` that holds one point of one curve, step 1 to `STEPS` - 1."""
    return f"{direction}_{method}_{fill}_{step}"


def area_column(direction: str, control: str, method: str, fill: str) -> str:
    """The column of the study `faithfulness` that holds the area under the curve of a control as coarse as a method."""
    return f"{direction}_{control}_as_{method}_{fill}"


def fills_of(table: pd.DataFrame) -> list[Fill]:
    """Those fills that a table of the study `faithfulness` knows; an older file may lack some."""
    return [fill for fill in FILLS if f"filled_{fill}" in table]


def explanations(table: pd.DataFrame) -> dict[str, str]:
    """Name -> title of the explainers whose curves a table of the study `faithfulness` has under every fill in it."""
    found = [found_in(table, curve_column("deletion", "{}", fill, 1), {OWN: OWN_TITLE}) for fill in fills_of(table)]
    return {name: title for one in found[:1] for name, title in one.items() if all(name in other for other in found)}


def curve_of(table: pd.DataFrame, direction: str, method: str, fill: str) -> NDArray[np.float64]:
    """float64 (N, STEPS + 1): one curve of each row, the margin signed toward the verdict, ends and all."""
    inner = [curve_column(direction, method, fill, step) for step in range(1, STEPS)]
    ends = ["start", f"filled_{fill}"]
    first, last = ends if direction == "deletion" else ends[::-1]
    return np.column_stack([table[name].to_numpy(np.float64) for name in (first, *inner, last)])


def area_of(table: pd.DataFrame, direction: str, method: str, fill: str) -> NDArray[np.float64]:
    """float64 (N,): the area under a curve, in margins: less under deletion, and more under insertion, is better."""
    return np.asarray(np.trapezoid(curve_of(table, direction, method, fill), dx=1 / STEPS, axis=1))


class Beside(NamedTuple):
    """The area under one method's curve of each row, and the same of its best control, both larger where better."""

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
        self._known: dict[tuple[str, str, str], NDArray[np.float64]] = {}

    def of(self, direction: str, method: str, fill: str) -> NDArray[np.float64]:
        """Return `area_of` the rows."""
        key = direction, method, fill
        if key not in self._known:
            self._known[key] = area_of(self.part, *key)
        return self._known[key]

    def controls(self, direction: str, method: str, fill: str) -> dict[str, NDArray[np.float64]]:
        """Return the areas of a method's controls, reversed and equally coarse ones included: name -> float64 (N,).

        Filling from the end of an order retraces, backwards, showing from its beginning: a reversed order has the area
        of the other direction.
        """
        back = DIRECTIONS[1 - DIRECTIONS.index(direction)]
        found = {}
        for control, (name, opposite) in CONTROLS.items():
            found[name] = self.of(direction, control, fill)
            if opposite is not None:
                found[opposite] = self.of(back, control, fill)
            columns = [area_column(way, control, method, fill) for way in (direction, back)]
            if columns[0] in self.part and self.part[columns[0]].notna().any():
                found[f"{name}, as coarse as the map"] = self.part[columns[0]].to_numpy(np.float64)
                if opposite is not None:
                    found[f"{opposite}, as coarse as the map"] = self.part[columns[1]].to_numpy(np.float64)
        return found

    def beside_best(self, direction: str, method: str, fill: str) -> Beside:
        """Return a method's beside those of the control with the best mean, with this fill and in this direction.

        The control is chosen with the same images, which favours it a little.
        """
        sign = 1 if direction == "insertion" else -1
        bars = {name: sign * one for name, one in self.controls(direction, method, fill).items()}
        best = max(bars, key=lambda name: float(np.average(bars[name], weights=self.weights)))
        return Beside(sign * self.of(direction, method, fill), bars[best], best)


def leads(table: pd.DataFrame, run: Run, *, by: By = "verdict") -> pd.DataFrame:
    """How much better each explanation does than its best control: the result of the study `faithfulness`.

    Returns:
        `group`, `method`, `name`, `fill`, `direction`, `control` (the best one's name), and the mean paired difference
        of areas in margins, above 0 where the explanation is better, with its interval.
    """
    rows = []
    for group, part, weights in groups(table, run, by):
        areas = Areas(part, weights)
        for (method, name), fill, direction in product(explanations(part).items(), fills_of(part), DIRECTIONS):
            found = areas.beside_best(direction, method, fill)
            about = {"group": group, "method": method, "name": name, "fill": fill, "direction": direction}
            difference = weighted_mean(found.own - found.control, weights)
            rows.append({**about, "control": found.name, **difference._asdict()})
    return pd.DataFrame(rows)


def mean_curves(table: pd.DataFrame, run: Run, *, by: By = "verdict") -> pd.DataFrame:
    """Mean curves of the study `faithfulness` with intervals.

    Returns:
        `group`, `method` (reversed controls as "edges reversed"), `name` for a legend, `fill`, `direction`, `share` of
        the image that is filled (deletion) or shown (insertion), 0 to 1, and the mean margin signed toward the verdict
        with its interval.
    """
    rows = []
    for group, part, weights in groups(table, run, by):
        for fill in fills_of(table):
            for method, name, direction, found in _all_curves(part, fill):
                about = {"group": group, "method": method, "name": name, "fill": fill, "direction": direction}
                for step in range(STEPS + 1):
                    rows.append({**about, "share": step / STEPS, **weighted_mean(found[:, step], weights)._asdict()})
    return pd.DataFrame(rows)


def _all_curves(part: pd.DataFrame, fill: str) -> Iterator[tuple[str, str, str, NDArray[np.float64]]]:
    """Method, its name, direction and float64 (N, STEPS + 1), reversed controls included."""
    told = explanations(part)
    for method in (*told, *CONTROLS):
        found = {direction: curve_of(part, direction, method, fill) for direction in DIRECTIONS}
        name, opposite = (told[method], None) if method in told else CONTROLS[method]
        for direction in DIRECTIONS:
            yield method, name, direction, found[direction]
        if opposite is not None:
            # to fill from the end of an order is to show from its beginning, backwards
            yield f"{method} reversed", opposite, "deletion", found["insertion"][:, ::-1]
            yield f"{method} reversed", opposite, "insertion", found["deletion"][:, ::-1]
