"""Does the detector rely on what explanations name? Deletion and insertion curves beside those of two controls.

Explanations are judged on a plain grid, which none was made with, and with several fills: masking is itself a change
that this detector reacts to, so a result may depend on the fill, on the verdict and on the direction. The controls were
declared before looking: a random order as coarse as the map, and the map of another image of the same cell. Edges and
centre know something of images and are baselines, not controls: for a detector of fine detail, edges are nearly the
right answer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.agreement import segment_values
from core.explainers.deletion import areas, centre_map, deletion_curves, edge_map
from core.explainers.explainer import AnyExplainer
from core.explainers.lime.regions import LIME
from core.explainers.lime.segmentation import segment
from core.findings.contrast import Contrast, Finding
from core.findings.intervals import weighted_mean
from core.findings.paired import compare_means, mean_of, strongest_first
from core.perturbations.masking import FILLS as FILLINGS
from core.perturbations.masking import Fill
from core.runs.run import Run
from core.studies.shared.explanations import (
    Pass,
    can_explain,
    describe_all,
    explain_all,
    judged,
    methods_in,
    on_grid,
    settings_of,
)
from core.studies.shared.groups import By, Cells, groups
from core.studies.study import Context, Parameters, Rows, Study

# orders of the grid's cells: controls, also made as coarse as the judged map; and baselines
CONTROLS = {"random": "random order", "other": "another image's map"}
BASELINES = {"edges": "edges first", "centre": "middle first"}
ORDERS = CONTROLS | BASELINES
DIRECTIONS = ("deletion", "insertion")
FILLS: tuple[Fill, ...] = ("mean", "blur", "texture", "road")
STEPS = 8
# a method, control or baseline, and the method that it is as coarse as, "" where it is as fine as the grid
Order = tuple[str, str]

QUESTION = "Does the map show what the detector relies on?"


def curve_column(direction: str, method: str, fill: str, step: int) -> str:
    """Name the column that holds one point of one curve, step 1 to `STEPS` - 1."""
    return f"{direction}_{method}_{fill}_{step}"


def area_column(direction: str, control: str, method: str, fill: str) -> str:
    """Name the column that holds the area under the curve of a control as coarse as a method."""
    return f"{direction}_{control}_as_{method}_{fill}"


def _curves_of(method: str, title: str) -> dict[str, str]:
    return {
        curve_column(direction, method, fill, step): (
            f"margin signed toward the verdict; {step} of {STEPS} parts "
            f"{'filled' if direction == 'deletion' else 'shown'}, {fill} fill, order: {title}"
        )
        for fill, direction, step in product(FILLS, DIRECTIONS, range(1, STEPS))
    }


def columns_of(explainer: AnyExplainer) -> dict[str, str]:
    """Describe the curves of a method, and the areas of its controls."""
    return _curves_of(explainer.name, explainer.title) | {
        area_column(direction, control, explainer.name, fill): (
            f"area under the {direction} curve in margins, signed toward the verdict, {fill} fill, order: {name}, "
            f"as coarse as {explainer.title}"
        )
        for (control, name), fill, direction in product(CONTROLS.items(), FILLS, DIRECTIONS)
    }


def compute(context: Context, rows: Rows, parameters: Parameters) -> pd.DataFrame:
    """Compute the curves of each image, of the methods whose columns are wanted; NaN where one cannot explain."""
    cells = Cells(context.run)
    images = context.pixels[rows]
    passes = {}
    records = []
    stored = None if context.run.maps is None else context.run.maps[rows]
    for name, explainer in judged().items():
        if can_explain(explainer, context.detector) and context.wants(*columns_of(explainer)):
            settings = settings_of(explainer, parameters["lime_seed"])
            passes[name] = explain_all(context.detector, images, explainer, settings, stored=stored)
    # cells of 2 x 2 pixels at least: most fills give a single pixel back as it is
    count = min(parameters["segments"], (images.shape[1] // 2) ** 2)
    grid = segment(images[0], method="grid", n_segments=count)
    for at, (row, image) in enumerate(zip(rows.tolist(), images, strict=True)):
        own = {name: of[at] for name, of in passes.items()}
        scores = scores_of(context, cells, row, grid=grid, passes=own, seed=parameters["seed"])
        curves = deletion_curves(
            context.detector.margins, image, grid,
            values=np.stack(list(scores.values())), fills=FILLS, steps=STEPS, seed=parameters["seed"],
        )  # fmt: skip
        record = {"start": curves.deletion[0, 0, 0]}
        for number, fill in enumerate(FILLS):
            record[f"filled_{fill}"] = curves.deletion[0, number, -1]
            for direction, (at_order, (name, like)) in product(DIRECTIONS, enumerate(scores)):
                curve = getattr(curves, direction)[at_order, number]
                if like:
                    record[area_column(direction, name, like, fill)] = areas(curve)
                else:
                    record |= {curve_column(direction, name, fill, step): curve[step] for step in range(1, STEPS)}
        records.append({name: cells.signs[row] * value for name, value in record.items()})
    table = pd.DataFrame(records).reindex(columns=list(make_study().columns)).astype(np.float16)
    table.insert(0, "id", context.run.predictions["id"].to_numpy()[rows])
    return table


def scores_of(
    context: Context, cells: Cells, row: int, *, grid: NDArray[np.int32], passes: Mapping[str, Pass], seed: int
) -> dict[Order, NDArray[np.float64]]:
    """Score each cell of the grid under each order: float64 (S,); the cell with the highest score comes first."""
    sign = cells.signs[row]
    image = np.asarray(context.pixels[row])
    count = int(grid.max()) + 1
    at = cells.others(row, 1, seed=seed)[0]
    if context.run.maps is None:
        # of predictions only, the map that LIME gives
        other = explain_all(context.detector, context.pixels[[at]], LIME, settings_of(LIME, seed))[0].values * sign
    else:
        other = np.asarray(context.run.maps[at], np.float32) * sign
    maps = {"edges": edge_map(image), "centre": centre_map(*grid.shape), "other": other}
    scores: dict[Order, NDArray[np.float64]] = {
        (name, ""): segment_values(values[None], grid)[0] for name, values in maps.items()
    }
    scores["random", ""] = np.random.default_rng((seed, row)).random(count)
    for method, own in passes.items():
        scores[method, ""] = segment_values(sign * own.values[None], grid)[0]
        parts = int(own.regions.max()) + 1 if own.regions.size else own.values.size
        lots = np.random.default_rng((seed, row, parts)).random(parts)
        for control in CONTROLS:
            # what is as fine as the grid, or finer, has the plain controls
            scores[control, method] = scores[control, ""]
            if parts < count:
                coarse = lots if control == "random" else _coarsen(other, own, grid.shape)
                spread = coarse[own.regions] if own.regions.size else coarse.reshape(own.values.shape)
                scores[control, method] = segment_values(np.asarray(spread, np.float64)[None], grid)[0]
    return scores


def _coarsen(values: NDArray[np.floating], like: Pass, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """float64 (parts,): the means of a map over the regions, or over the positions, of an explanation."""
    whole = segment_values(values[None], np.arange(np.prod(shape)).reshape(shape)).reshape(shape)
    if like.regions.size:
        return np.asarray(segment_values(whole[None], like.regions)[0])
    return on_grid(whole, like.values.shape)


def fills_of(table: pd.DataFrame) -> list[Fill]:
    """Return those fills that a table has; an older file may lack some."""
    return [fill for fill in FILLS if f"filled_{fill}" in table]


def methods_of(table: pd.DataFrame) -> dict[str, str]:
    """Name -> title of the methods whose curves a table has."""
    return methods_in(table, curve_column("deletion", "{}", fills_of(table)[0], 1))


def curve_of(table: pd.DataFrame, direction: str, method: str, fill: str) -> NDArray[np.float64]:
    """float64 (N, STEPS + 1): one curve of each row, the margin signed toward the verdict, ends and all."""
    inner = [curve_column(direction, method, fill, step) for step in range(1, STEPS)]
    ends = ["start", f"filled_{fill}"]
    first, last = ends if direction == "deletion" else ends[::-1]
    return np.column_stack([table[name].to_numpy(np.float64) for name in (first, *inner, last)])


def area_of(table: pd.DataFrame, direction: str, method: str, fill: str, *, like: str = "") -> NDArray[np.float64]:
    """float64 (N,): the area under a curve in margins, negative under deletion, so that more is better.

    Args:
        table: rows of the study.
        direction, fill: of the curve.
        method: a method, control or baseline.
        like: the method that a control is as coarse as; an older file may only have the control as fine as the grid.
    """
    column = area_column(direction, method, like, fill)
    coarse = column in table and table[column].notna().any()
    area = table[column].to_numpy(np.float64) if coarse else areas(curve_of(table, direction, method, fill))
    return np.asarray(area if direction == "insertion" else -area)


def choice_value(direction: str, fill: Fill, control: str) -> str:
    """Name a choice of direction, fill and control."""
    return f"{direction}, {FILLINGS[fill]}, {CONTROLS[control]}"


def conclude(run: Run, table: pd.DataFrame, _parameters: Parameters) -> Iterator[Finding]:
    """`<method>-<verdict>`: the areas of a method beside those of its controls, and of the baselines.

    Fills, directions and controls are never pooled: the first fill under deletion gives the finding its number, beside
    its strongest control, and all are its choices.
    """
    fills = fills_of(table)
    for group, part, weights in groups(table, run):
        baselines = {
            title: mean_of(area_of(part, DIRECTIONS[0], baseline, fills[0]), weights)
            for baseline, title in BASELINES.items()
        }
        for method, name in methods_of(table).items():
            contrasts: list[Contrast] = []
            for direction, fill in product(DIRECTIONS, fills):
                against = _against_controls(part, weights, method, direction, fill)
                contrasts += strongest_first(against)
            yield Finding(
                f"{method}-{group}", QUESTION, "faithfulness", tuple(contrasts), group=group, subject=name,
                beside=baselines, details={"fills": {fill: FILLINGS[fill] for fill in fills}},
            )  # fmt: skip


def _against_controls(
    part: pd.DataFrame, weights: NDArray[np.floating], method: str, direction: str, fill: Fill
) -> list[Contrast]:
    """Compare a method with each control under one direction and fill."""
    own = area_of(part, direction, method, fill, like=method)
    kind = "fill" if direction == DIRECTIONS[0] else "direction"
    contrasts = []
    for control, title in CONTROLS.items():
        others = area_of(part, direction, control, fill, like=method)
        value = choice_value(direction, fill, control)
        contrasts.append(compare_means(kind, value, own, others, weights, control=title))
    return contrasts


def under_fill(finding: Finding, fill: Fill) -> Finding:
    """Return a finding under one fill only, with both directions and all controls."""
    values = {choice_value(direction, fill, control) for direction, control in product(DIRECTIONS, CONTROLS)}
    return replace(finding, contrasts=tuple(contrast for contrast in finding.contrasts if contrast.value in values))


def mean_curves(table: pd.DataFrame, run: Run, *, by: By = "verdict") -> pd.DataFrame:
    """Average the curves of all methods, controls and baselines, with intervals.

    Returns:
        `group`, `method`, `name` for a legend, `fill`, `direction`, `share` of the image that is filled (deletion) or
        shown (insertion), 0 to 1, and the mean margin signed toward the verdict with its interval.
    """
    rows = []
    named = methods_of(table) | ORDERS
    for group, part, weights in groups(table, run, by):
        for fill, (method, name), direction in product(fills_of(table), named.items(), DIRECTIONS):
            points = curve_of(part, direction, method, fill)
            key = {"group": group, "method": method, "name": name, "fill": fill, "direction": direction}
            for step in range(STEPS + 1):
                mean = weighted_mean(points[:, step], weights)
                rows.append({**key, "share": step / STEPS, **mean.as_columns()})
    return pd.DataFrame(rows)


def make_study() -> Study:
    """Declare the study for the explainers that are registered."""
    columns = {"start": "margin of the image signed toward its verdict"}
    columns |= {f"filled_{fill}": f"margin signed toward the verdict with everything filled ({fill})" for fill in FILLS}
    columns |= describe_all(columns_of)
    for order, title in ORDERS.items():
        columns |= _curves_of(order, title)
    return Study(
        name="faithfulness",
        title="Faithfulness",
        question="Does the detector rely on what an explanation marks, more than on what a blind control marks?",
        columns=columns,
        control=(
            "A random order as coarse as the map, and the map of another image of the same cell. Edges and centre are "
            "baselines, not controls: for a detector of fine detail, edges are nearly the right answer."
        ),
        compute=compute,
        conclude=conclude,
        parameters={"segments": 64, "lime_seed": 0, "seed": 0},
        shard=32,
    )
