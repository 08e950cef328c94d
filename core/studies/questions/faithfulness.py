"""Does the detector rely on what explanations name? Deletion and insertion curves beside those of two controls.

Explanations are judged on a plain grid, which none was made with, and with several fills: masking is itself a change
that this detector reacts to, so a result may depend on the fill, on the verdict and on the direction. The controls were
declared before looking: a random order as coarse as the map, and the map of another image of the same cell. Edges and
centre know something of images and are baselines, not controls: for a detector of fine detail, edges are nearly the
right answer.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd

from core.arrays import Float64, Floats, Integers
from core.explainers.lime import LIME
from core.explainers.measures import areas, centre_map, deletion_curves, edge_map
from core.explainers.segmentation import segment
from core.findings.contrast import Contrast, Finding
from core.findings.intervals import weighted_mean
from core.findings.paired import compare_means, strongest_first
from core.perturbations.masking import FILLS as FILLINGS
from core.perturbations.masking import Fill
from core.runs.run import Run
from core.studies.shared.explanations import (
    Pass,
    can_explain,
    explain_all,
    judged,
    means_in,
    methods_in,
    on_grid,
    settings_of,
)
from core.studies.shared.groups import Cells, groups
from core.studies.study import Context, Parameters, Rows, Study

# orders of the grid's cells: controls, also made as coarse as the judged map; and baselines
CONTROLS = {"random": "random order", "other": "another image's map"}
BASELINES = {"edges": "edges first", "centre": "middle first"}
ORDERS = CONTROLS | BASELINES
# in the column `method` of an order as fine as the grid, and in the column `control` of a method's own map
NONE = "none"
KEYS = ["method", "control", "fill", "direction"]
DIRECTIONS = ("deletion", "insertion")
FILLS: tuple[Fill, ...] = ("mean", "blur", "texture", "road")
STEPS = 8
MARGINS = [f"step_{step}_margin" for step in range(STEPS + 1)]
COLUMNS = {
    "method": "name of the explainer whose map orders the parts of the image; none for an order as fine as the grid",
    "control": "kind of order in its place, and as coarse as its map: random, other (another image's map), edges, or "
    "centre; none for the method's own map",
    "fill": "kind of fill: mean, blur, texture or road",
    "direction": "kind of curve: deletion (parts are filled) or insertion (parts are shown)",
    "area": "area under the curve, margins signed toward the verdict",
} | {
    name: f"margin signed toward the verdict with {step} of {STEPS} parts filled, or shown; missing for a control as "
    "coarse as a method, of which only the area is stored"
    for step, name in enumerate(MARGINS)
}
# a method, or none, and the control in its place, or none
Order = tuple[str, str]


def compute(context: Context, rows: Rows, parameters: Parameters) -> pd.DataFrame:
    """Compute the curves of each image under each order of the wanted methods; no values where one cannot explain."""
    cells = Cells(context.run)
    ids = context.ids(rows)
    images = context.pixels[rows]
    stored = context.run.maps
    if stored is not None:
        stored = stored[rows]
    passes = {}
    for name, explainer in judged().items():
        if can_explain(explainer, context.detector) and context.wants(name):
            settings = settings_of(explainer, parameters["lime_seed"])
            passes[name] = explain_all(context.detector, images, explainer, settings, stored=stored)
    # cells of 2 x 2 pixels at least: most fills give a single pixel back as it is
    count = min(parameters["segments"], (images.shape[1] // 2) ** 2)
    grid = segment(images[0], method="grid", n_segments=count)
    tables = []
    for at, row in enumerate(rows.tolist()):
        own = {name: explained[at] for name, explained in passes.items()}
        scores = scores_of(context, cells, row, grid=grid, passes=own, seed=parameters["seed"])
        curves = deletion_curves(
            context.detector.margins,
            images[at],
            grid,
            values=np.stack(list(scores.values())),
            fills=FILLS,
            steps=STEPS,
            seed=parameters["seed"],
        )
        keys = [(*order, fill, direction) for order, fill, direction in product(scores, FILLS, DIRECTIONS)]
        tables.append(tabulate(ids[at], keys, cells.signs[row] * curves.reshape(len(keys), -1)))
    # those that cannot explain have rows without values
    lacking = pd.DataFrame({"method": [name for name in judged() if name not in passes]})
    table = pd.concat([*tables, pd.DataFrame({"id": ids}).merge(lacking, how="cross")], ignore_index=True)
    wanted = [name for name in make_study().methods if context.wants(name)]
    return table[table["method"].isin(wanted)].reset_index(drop=True)


def tabulate(id_: str, keys: Sequence[tuple[str, ...]], curves: Floats) -> pd.DataFrame:
    """Lay out the curves of an image, a row each.

    Args:
        id_: of the image.
        keys: values of `KEYS`, of each row.
        curves: float (rows, `STEPS` + 1), margins signed toward the verdict.
    """
    table = pd.DataFrame(keys, columns=KEYS)
    table.insert(0, "id", id_)
    is_coarse = ((table["method"] != NONE) & (table["control"] != NONE)).to_numpy()
    short = np.asarray(curves, np.float16)
    # of what is stored
    table["area"] = np.where(is_coarse, areas(curves).astype(np.float16), areas(short))
    short[is_coarse] = np.nan
    return pd.concat([table, pd.DataFrame(short, columns=MARGINS)], axis=1)


def scores_of(
    context: Context, cells: Cells, row: int, *, grid: Integers, passes: Mapping[str, Pass], seed: int
) -> dict[Order, Float64]:
    """Score each cell of the grid under each order: float64 (S,); the cell with the highest score comes first."""
    sign = cells.signs[row]
    image = np.asarray(context.pixels[row])
    count = int(grid.max()) + 1
    at = cells.others(row, 1, seed=seed)[0]
    if context.run.maps is None:
        # of predictions only, the map that LIME gives
        other = explain_all(context.detector, context.pixels[[at]], LIME, settings_of(LIME, seed))[0].values
    else:
        other = np.asarray(context.run.maps[at], np.float32)
    other = sign * other
    scores = {}
    for name, values in {"edges": edge_map(image), "centre": centre_map(*grid.shape), "other": other}.items():
        scores[NONE, name] = means_in(grid, values)
    scores[NONE, "random"] = np.random.default_rng((seed, row)).random(count)
    for method, own in passes.items():
        scores[method, NONE] = means_in(grid, sign * own.values)
        # what is as fine as the grid, or finer, has the plain controls
        scores[method, "random"] = scores[NONE, "random"]
        scores[method, "other"] = scores[NONE, "other"]
        if own.parts < count:
            lots = np.random.default_rng((seed, row, own.parts)).random(own.parts)
            scores[method, "random"] = _spread(lots, own, grid)
            scores[method, "other"] = _spread(_coarsen(other, own, grid.shape), own, grid)
    return scores


def _spread(values: Float64, like: Pass, grid: Integers) -> Float64:
    """Score each cell of the grid by float64 (parts,), a value for each part of an explanation."""
    if like.regions.size:
        return means_in(grid, values[like.regions])
    return means_in(grid, values.reshape(like.values.shape))


def _coarsen(values: Floats, like: Pass, shape: tuple[int, ...]) -> Float64:
    """float64 (parts,): the means of a map over the regions, or over the positions, of an explanation."""
    whole = means_in(np.arange(np.prod(shape)).reshape(shape), values).reshape(shape)
    if like.regions.size:
        return means_in(like.regions, whole)
    return on_grid(whole, like.values.shape)


def fills_of(table: pd.DataFrame) -> list[Fill]:
    """Return those fills that a table has; an older file may lack some."""
    present = set(table["fill"].unique())
    return [fill for fill in FILLS if fill in present]


def methods_of(table: pd.DataFrame) -> dict[str, str]:
    """Name -> title of the methods whose curves a table has."""
    is_first = (table["direction"] == DIRECTIONS[0]) & (table["fill"] == fills_of(table)[0])
    own = table[is_first & (table["control"] == NONE)]
    return methods_in(own.pivot(index="id", columns="method", values=MARGINS[1]), "{}")


def area_table(table: pd.DataFrame) -> pd.DataFrame:
    """Lay out the areas under the curves, negative under deletion, so that more is better.

    Returns:
        A row an image, by id; a column for each value of `KEYS`.
    """
    areas_ = table["area"].where(table["direction"] == "insertion", -table["area"])
    wide = table.assign(area=areas_).dropna(subset=["area"]).pivot(index="id", columns=KEYS, values="area")
    return wide.reindex(table["id"].unique())


def choice_value(direction: str, fill: Fill, control: str) -> str:
    """Name a choice of direction, fill and control."""
    return f"{direction}, {FILLINGS[fill]}, {CONTROLS[control]}"


def conclude(run: Run, table: pd.DataFrame, _parameters: Parameters) -> Iterator[Finding]:
    """`<method>-<verdict>`: the areas of a method beside those of its controls, and of the baselines.

    Fills, directions and controls are never pooled: the first fill under deletion gives the finding its number, beside
    its strongest control, and all are its choices.
    """
    fills = fills_of(table)
    methods = methods_of(table)
    areas_ = area_table(table)
    for group, images, weights in groups(table.drop_duplicates("id"), run):
        part = areas_.loc[images["id"]]
        baselines = {}
        for baseline, title in BASELINES.items():
            baselines[title] = weighted_mean(part[NONE, baseline, fills[0], DIRECTIONS[0]], weights)
        for method, name in methods.items():
            contrasts: list[Contrast] = []
            for direction, fill in product(DIRECTIONS, fills):
                against = _against_controls(part, weights, method, direction, fill)
                contrasts += strongest_first(against)
            yield Finding(
                f"{method}-{group}",
                "Does the map show what the detector relies on?",
                "faithfulness",
                tuple(contrasts),
                group=group,
                subject=name,
                beside=baselines,
                details={"fills": {fill: FILLINGS[fill] for fill in fills}},
            )


def _against_controls(part: pd.DataFrame, weights: Floats, method: str, direction: str, fill: Fill) -> list[Contrast]:
    """Compare a method with each control under one direction and fill."""
    own = part[method, NONE, fill, direction].to_numpy()
    kind = "direction"
    if direction == DIRECTIONS[0]:
        kind = "fill"
    contrasts = []
    for control, title in CONTROLS.items():
        others = part[method, control, fill, direction].to_numpy()
        value = choice_value(direction, fill, control)
        contrasts.append(compare_means(kind, value, own, others, weights, control=title))
    return contrasts


def mean_curves(table: pd.DataFrame, run: Run) -> pd.DataFrame:
    """Average the curves of all methods, controls and baselines, with intervals.

    Returns:
        `group`, `method`, `name` for a legend, `fill`, `direction`, `share` of the image that is filled (deletion) or
        shown (insertion), 0 to 1, and the mean margin signed toward the verdict with its interval.
    """
    rows = []
    orders = {(method, NONE): name for method, name in methods_of(table).items()}
    orders |= {(NONE, order): name for order, name in ORDERS.items()}
    curves = {key: of.set_index("id")[MARGINS] for key, of in table.groupby(KEYS)}
    for group, images, weights in groups(table.drop_duplicates("id"), run):
        for fill, ((method, control), name), direction in product(fills_of(table), orders.items(), DIRECTIONS):
            points = curves[method, control, fill, direction].loc[images["id"]].to_numpy(np.float64)
            # one of both is none
            order = method if control == NONE else control
            key = {"group": group, "method": order, "name": name, "fill": fill, "direction": direction}
            for step in range(STEPS + 1):
                mean = weighted_mean(points[:, step], weights)
                rows.append({**key, "share": step / STEPS, **mean.as_columns()})
    return pd.DataFrame(rows)


def make_study() -> Study:
    """Declare the study for the explainers that are registered."""
    return Study(
        name="faithfulness",
        title="Faithfulness",
        question="Does the detector rely on what an explanation marks, more than on what a blind control marks?",
        columns=COLUMNS,
        methods=(NONE, *judged()),
        control="A random order as coarse as the map, and the map of another image of the same cell. Edges and centre "
        "are baselines, not controls: for a detector of fine detail, edges are nearly the right answer.",
        compute=compute,
        conclude=conclude,
        parameters={"segments": 64, "lime_seed": 0, "seed": 0},
        shard=32,
    )
