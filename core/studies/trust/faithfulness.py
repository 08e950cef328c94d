"""Does the detector lean on what explanations name? Deletion and insertion curves against controls.

Explanations are judged on a plain grid, which none was made with, and with several fills: masking is itself an edit
that this detector reacts to, so what is found may depend on the fill, on the verdict and on the direction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.agreement import segment_values
from core.explainers.controls import area_map, centre_map, edge_map
from core.explainers.deletion import areas, deletion_curves
from core.explainers.explainer import AnyExplainer
from core.explainers.lime.segmentation import segment
from core.explainers.stored import KEPT
from core.perturbations.masking import Fill
from core.runs.run import Run
from core.studies.cells import Cells
from core.studies.study import Context, Study, StudyError
from core.studies.trust.curves import (
    COARSE,
    CONTROLS,
    DIRECTIONS,
    FILLS,
    OWN,
    OWN_TITLE,
    STEPS,
    area_column,
    curve_column,
)
from core.studies.trust.judged import Columns, judged
from core.studies.trust.own_maps import check_maps, read_maps
from core.studies.trust.passes import Pass, passes_of
from core.studies.trust.randomisation import on_grid

# as many as LIME asks for: the segments that the control of large and small ones goes by
SEGMENTS = 50
# a method or control, and the method that it is as coarse as, "" where it is as fine as the grid
Order = tuple[str, str]
Orders = dict[Order, NDArray[np.float64]]


def _columns(explanations: Mapping[str, AnyExplainer]) -> dict[str, str]:
    return columns_of({name: one.title for name, one in explanations.items()}, controls=True)


def columns_of(titles: Mapping[str, str], *, controls: bool = False) -> dict[str, str]:
    """Column -> what it holds, of some methods.

    Args:
        titles: of the methods, by name.
        controls: the columns that all methods share too.
    """
    shared = {"start": "margin of the image signed toward its verdict"} | {
        f"filled_{fill}": f"margin signed toward the verdict with everything filled ({fill})" for fill in FILLS
    }
    named = {**titles, **({name: one for name, (one, _) in CONTROLS.items()} if controls else {})}
    return {
        **(shared if controls else {}),
        **{
            curve_column(direction, method, fill, step): (
                f"margin signed toward the verdict; {step} of {STEPS} parts "
                f"{'filled' if direction == 'deletion' else 'shown'}, {fill} fill, order: {title}"
            )
            for method, title in named.items()
            for fill in FILLS
            for direction in DIRECTIONS
            for step in range(1, STEPS)
        },
        **{
            area_column(direction, control, method, fill): (
                f"area under the {direction} curve in margins, signed toward the verdict, {fill} fill, order: "
                f"{CONTROLS[control][0]}, as coarse as {title}"
            )
            for method, title in titles.items()
            for control, fill, direction in product(COARSE, FILLS, DIRECTIONS)
        },
    }


COLUMNS = Columns(_columns)
OWN_COLUMNS = columns_of({OWN: OWN_TITLE})


def with_maps(study: Study, path: Path, run: Run) -> Study:
    """The study with the columns of maps of one's own, see `read_maps`.

    Raises:
        StudyError: another study, or maps that do not fit the run.
    """
    if "maps" not in study.parameters:
        raise StudyError(f"the study {study.name} judges no maps of your own; {STUDY.name} does")
    told = study.with_parameters({"maps": str(path.absolute()), "maps_sha256": check_maps(path, run)})
    return replace(told, columns={**study.columns, **OWN_COLUMNS})


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """The curves of each image, of the orders and fills that are asked for."""
    cells, wanted = Cells(context.run), asked(context, own=bool(parameters["maps"]))
    needed = {name for orders in wanted.values() for order in orders for name in order}
    passes = {
        name: passes_of(context, rows, one, seed=parameters["lime_seed"])
        for name, one in judged().items()
        if name in needed and (one is KEPT or not one.unavailable(context.detector))
    }
    if OWN in needed:
        passes[OWN] = [Pass(one) for one in read_maps(parameters["maps"], context.run)[rows]]
    found = [
        _one(
            context, cells, int(row), parameters, passes={name: one[at] for name, one in passes.items()}, wanted=wanted
        )
        for at, row in enumerate(rows)
    ]
    # a method that cannot explain this detector has columns without values
    there = {column for fill, orders in wanted.items() for order in orders for column in _values_of(order, fill)}
    there.update("start" if fill is None else f"filled_{fill}" for fill in (None, *wanted))
    columns = [name for name in (*COLUMNS, *OWN_COLUMNS) if name in there]
    table = pd.DataFrame(found).reindex(columns=columns).astype(np.float16)
    table.insert(0, "id", context.run.predictions["id"].to_numpy()[rows])
    return table


def asked(context: Context, *, own: bool = False) -> dict[Fill, list[Order]]:
    """Return, by fill, the orders that the requested columns are computed from; with `own`, also the user's maps."""
    methods = (*judged(), *((OWN,) if own else ()))
    orders = [*((name, "") for name in (*methods, *CONTROLS)), *product(COARSE, methods)]
    wanted: dict[Fill, list[Order]] = {}
    for fill in FILLS:
        found = [order for order in orders if context.wants(*_values_of(order, fill))]
        if not found and context.wants("start", f"filled_{fill}"):
            # the ends of all curves are the same
            found = [("random", "")]
        if found:
            wanted[fill] = found
    return wanted


def _values_of(order: Order, fill: str) -> list[str]:
    """The columns of an order with a fill: the points of its curves, or the areas under those of a coarse control."""
    name, method = order
    if method:
        return [area_column(direction, name, method, fill) for direction in DIRECTIONS]
    return [curve_column(direction, name, fill, step) for direction in DIRECTIONS for step in range(1, STEPS)]


def _one(
    context: Context,
    cells: Cells,
    row: int,
    parameters: Mapping[str, Any],
    *,
    passes: Mapping[str, Pass],
    wanted: Mapping[Fill, Sequence[Order]],
) -> dict[str, float]:
    image, sign = np.asarray(context.pixels[row]), cells.signs[row]
    orders = _orders(context, cells, row, parameters, passes=passes)
    grid = _grid(image, parameters)
    record: dict[str, float] = {}
    for fill, names in wanted.items():
        known = [name for name in names if name in orders]
        if not known:
            continue
        curves = deletion_curves(
            context.detector.margins,
            image,
            grid,
            values=np.stack([orders[name] for name in known]),
            fills=[fill],
            steps=STEPS,
            seed=parameters["seed"],
        )
        record |= {"start": sign * curves.deletion[0, 0, 0], f"filled_{fill}": sign * curves.deletion[0, 0, -1]}
        both = np.stack([curves.deletion[:, 0], curves.insertion[:, 0]], axis=1)
        for order, points in zip(known, sign * both, strict=True):
            values = areas(points) if order[1] else points[:, 1:-1].ravel()
            record |= dict(zip(_values_of(order, fill), values.tolist(), strict=True))
    return record


def _grid(image: NDArray[np.uint8], parameters: Mapping[str, Any]) -> NDArray[np.int32]:
    """The cells that are filled, of 2 x 2 pixels at least: most fills give a single pixel back as it is."""
    return segment(image, method="grid", n_segments=min(parameters["segments"], (len(image) // 2) ** 2))


def _orders(
    context: Context, cells: Cells, row: int, parameters: Mapping[str, Any], *, passes: Mapping[str, Pass]
) -> Orders:
    """Score each cell of the grid under each order: float64 (S,); the cell with the highest score comes first."""
    sign, image = cells.signs[row], np.asarray(context.pixels[row])
    grid = _grid(image, parameters)
    count = int(grid.max()) + 1
    other = np.asarray(context.run.needed_maps[cells.others(row, 1, seed=parameters["seed"])[0]], np.float32) * sign
    fine = {"edges": edge_map(image), "centre": centre_map(*grid.shape), "other": other}
    found = {(name, ""): segment_values(one[None], grid)[0] for name, one in fine.items()}
    found["area", ""] = segment_values(area_map(segment(image, method="slic", n_segments=SEGMENTS))[None], grid)[0]
    found["random", ""] = np.random.default_rng((parameters["seed"], row)).random(count)
    for method, one in passes.items():
        found[method, ""] = segment_values(sign * one.values[None], grid)[0]
        places = int(one.regions.max()) + 1 if one.regions.size else one.values.size
        for control in COARSE:
            # what is as fine as the grid, or finer, has the plain controls
            found[control, method] = found[control, ""]
            if places < count:
                values = (
                    np.random.default_rng((parameters["seed"], row, places)).random(places)
                    if control == "random"
                    else _coarse(fine[control], one, grid.shape)
                )
                found[control, method] = segment_values(_spread(values, one)[None], grid)[0]
    return found


def _coarse(values: NDArray[np.floating], like: Pass, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """float64 (places,): the means of a map over the regions, or over the positions, of an explanation."""
    whole = values if values.shape == shape else segment_values(values[None], np.arange(np.prod(shape)).reshape(shape))
    if like.regions.size:
        return np.asarray(segment_values(whole.reshape(shape)[None], like.regions)[0])
    return on_grid(whole.reshape(shape), like.values.shape)


def _spread(values: NDArray[np.floating], like: Pass) -> NDArray[np.float64]:
    """Expand one value per region or position to a float64 map, the shape of the explanation's regions or map."""
    found = values[like.regions] if like.regions.size else values.reshape(like.values.shape)
    return np.asarray(found, np.float64)


def _further(column: str) -> str | None:
    return OWN_COLUMNS.get(column)


STUDY = Study(
    name="faithfulness",
    title="Faithfulness",
    question="Does the detector lean on what an explanation names, more than on what a blind control names?",
    columns=COLUMNS,
    further=_further,
    needs=("maps",),
    control=(
        "Orders of the image's parts that know nothing of the detector: chance, edges, flat areas, middle, border, "
        "large and small segments, and the map of another image of the same cell, each also as coarse as the map."
    ),
    compute=compute,
    parameters={"segments": 64, "lime_seed": 0, "seed": 0, "maps": "", "maps_sha256": ""},
    private=("maps", "maps_sha256"),
    shard=32,
)
