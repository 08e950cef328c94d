"""Does the detector rely on what explanations name? Deletion and insertion curves beside those of controls.

Explanations are judged on a plain grid, which none was made with, and with several fills: masking is itself a change
that this detector reacts to, so a result may depend on the fill, on the verdict and on the direction.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.agreement import segment_values
from core.explainers.cam import KEPT
from core.explainers.deletion import area_map, areas, centre_map, deletion_curves, edge_map
from core.explainers.explainer import AnyExplainer
from core.explainers.lime.segmentation import segment
from core.perturbations.masking import Fill
from core.runs.run import Run
from core.storage import open_file, read_array
from core.studies.explanations import Columns, Pass, judged, passes_of
from core.studies.faithfulness_curves import (
    COARSE,
    CONTROLS,
    DIRECTIONS,
    FILLS,
    HEADLINES,
    OWN,
    OWN_TITLE,
    STEPS,
    area_column,
    conclude,
    curve_column,
)
from core.studies.groups import Cells
from core.studies.randomisation import on_grid
from core.studies.study import Context, Study, StudyError

__all__ = ["OWN_COLUMNS", "STUDY", "compute", "conclude", "with_maps"]

# as many as LIME asks for: the segments that the control of large and small ones goes by
SEGMENTS = 50
# most values along a side of a user's own map
MOST = 1024
FORM = "one map for each image of the run in its order, float (images, height, width), positive towards REAL"
# a method or control, and the method that it is as coarse as, "" where it is as fine as the grid
Order = tuple[str, str]


def columns_of(titles: Mapping[str, str]) -> dict[str, str]:
    """Column -> what it holds, of orders by methods (name -> title)."""
    curves = {
        curve_column(direction, method, fill, step): (
            f"margin signed toward the verdict; {step} of {STEPS} parts "
            f"{'filled' if direction == 'deletion' else 'shown'}, {fill} fill, order: {title}"
        )
        for method, title in titles.items()
        for fill in FILLS
        for direction in DIRECTIONS
        for step in range(1, STEPS)
    }
    coarse = {
        area_column(direction, control, method, fill): (
            f"area under the {direction} curve in margins, signed toward the verdict, {fill} fill, order: "
            f"{CONTROLS[control][0]}, as coarse as {title}"
        )
        for method, title in titles.items()
        if method not in CONTROLS
        for control, fill, direction in product(COARSE, FILLS, DIRECTIONS)
    }
    return curves | coarse


def _columns(explanations: Mapping[str, AnyExplainer]) -> dict[str, str]:
    ends = {"start": "margin of the image signed toward its verdict"} | {
        f"filled_{fill}": f"margin signed toward the verdict with everything filled ({fill})" for fill in FILLS
    }
    methods = {name: explainer.title for name, explainer in explanations.items()}
    return ends | columns_of(methods | {name: title for name, (title, _) in CONTROLS.items()})


COLUMNS = Columns(_columns)
OWN_COLUMNS = columns_of({OWN: OWN_TITLE})


def with_maps(study: Study, path: Path, run: Run) -> Study:
    """Return the study with the columns of a user's own maps, see `read_maps`.

    Raises:
        StudyError: another study, maps that do not fit the run, or a value that is not finite.
    """
    if "maps" not in study.parameters:
        raise StudyError(f"the study {study.name} judges no maps of your own; {STUDY.name} does")
    if not np.isfinite(read_maps(path, run)).all():
        raise StudyError(f"{path} has values that are not finite; replace them, for instance by 0")
    with open_file(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    changed = study.with_parameters({"maps": str(path.absolute()), "maps_sha256": digest})
    return replace(changed, columns={**study.columns, **OWN_COLUMNS})


def read_maps(path: Path | str, run: Run) -> NDArray[np.floating]:
    """Open a user's maps, memory-mapped: float (N, h, w), one map for each row of a run, positive towards REAL.

    Raises:
        StudyError: it cannot be opened, is no array of floats, or is of another shape.
    """
    try:
        maps = read_array(Path(path), mapped=True)
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({error.strerror or error}); name an .npy file with --maps") from None
    except (ValueError, EOFError, OverflowError, MemoryError, SyntaxError):
        raise StudyError(f"{path} holds no array of numbers; save one with numpy.save: {FORM}") from None
    if not np.issubdtype(maps.dtype, np.floating):
        raise StudyError(f"{path} holds {maps.dtype} and no floats; save {FORM}")
    if maps.ndim != 3 or len(maps) != len(run) or not 0 < min(maps.shape[1:]) <= max(maps.shape[1:]) <= MOST:
        raise StudyError(f"{path} has the shape {maps.shape}, and {run.name} has {len(run)} images; save {FORM}")
    return maps


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Compute the curves of each image, of the orders and fills whose columns are wanted."""
    cells, wanted = Cells(context.run), _wanted(context, own=bool(parameters["maps"]))
    needed = {name for orders in wanted.values() for order in orders for name in order}
    passes = {
        name: passes_of(context, rows, explainer, seed=parameters["lime_seed"])
        for name, explainer in judged().items()
        if name in needed and (explainer is KEPT or not explainer.unavailable(context.detector))
    }
    if OWN in needed:
        passes[OWN] = [Pass(values) for values in read_maps(parameters["maps"], context.run)[rows]]
    records = []
    for at, row in enumerate(rows):
        image = np.asarray(context.pixels[row])
        # cells of 2 x 2 pixels at least: most fills give a single pixel back as it is
        grid = segment(image, method="grid", n_segments=min(parameters["segments"], (len(image) // 2) ** 2))
        scores = _scores(
            context, cells, int(row), parameters, grid=grid, passes={name: of[at] for name, of in passes.items()}
        )
        records.append(_curves(context, image, grid, parameters, sign=cells.signs[row], scores=scores, wanted=wanted))
    # a method that cannot explain this detector has columns without values
    present = {column for fill, orders in wanted.items() for order in orders for column in _columns_with(order, fill)}
    present.update("start" if fill is None else f"filled_{fill}" for fill in (None, *wanted))
    columns = [name for name in (*COLUMNS, *OWN_COLUMNS) if name in present]
    table = pd.DataFrame(records).reindex(columns=columns).astype(np.float16)
    table.insert(0, "id", context.run.predictions["id"].to_numpy()[rows])
    return table


def _wanted(context: Context, *, own: bool = False) -> dict[Fill, list[Order]]:
    """Return, by fill, the orders that the wanted columns are computed from; with `own`, also the user's maps."""
    methods = (*judged(), *((OWN,) if own else ()))
    orders = [*((name, "") for name in (*methods, *CONTROLS)), *product(COARSE, methods)]
    wanted: dict[Fill, list[Order]] = {}
    for fill in FILLS:
        those = [order for order in orders if context.wants(*_columns_with(order, fill))]
        if not those and context.wants("start", f"filled_{fill}"):
            # the ends of all curves are the same
            those = [("random", "")]
        if those:
            wanted[fill] = those
    return wanted


def _columns_with(order: Order, fill: str) -> list[str]:
    """Name the columns of an order with a fill: points of its curves, or areas under those of a coarse control."""
    name, method = order
    if method:
        return [area_column(direction, name, method, fill) for direction in DIRECTIONS]
    return [curve_column(direction, name, fill, step) for direction in DIRECTIONS for step in range(1, STEPS)]


def _curves(
    context: Context,
    image: NDArray[np.uint8],
    grid: NDArray[np.int32],
    parameters: Mapping[str, Any],
    *,
    sign: int,
    scores: Mapping[Order, NDArray[np.float64]],
    wanted: Mapping[Fill, Sequence[Order]],
) -> dict[str, float]:
    """Column -> value of one image, from the `_scores` of its cells."""
    record: dict[str, float] = {}
    for fill, orders in wanted.items():
        available = [order for order in orders if order in scores]
        if not available:
            continue
        curves = deletion_curves(
            context.detector.margins,
            image,
            grid,
            values=np.stack([scores[order] for order in available]),
            fills=[fill],
            steps=STEPS,
            seed=parameters["seed"],
        )
        record |= {"start": sign * curves.deletion[0, 0, 0], f"filled_{fill}": sign * curves.deletion[0, 0, -1]}
        both = np.stack([curves.deletion[:, 0], curves.insertion[:, 0]], axis=1)
        for order, points in zip(available, sign * both, strict=True):
            values = areas(points) if order[1] else points[:, 1:-1].ravel()
            record |= dict(zip(_columns_with(order, fill), values.tolist(), strict=True))
    return record


def _scores(
    context: Context,
    cells: Cells,
    row: int,
    parameters: Mapping[str, Any],
    *,
    grid: NDArray[np.int32],
    passes: Mapping[str, Pass],
) -> dict[Order, NDArray[np.float64]]:
    """Score each cell of the grid under each order: float64 (S,); the cell with the highest score comes first."""
    sign, image = cells.signs[row], np.asarray(context.pixels[row])
    count = int(grid.max()) + 1
    other = np.asarray(context.run.needed_maps[cells.others(row, 1, seed=parameters["seed"])[0]], np.float32) * sign
    fine = {"edges": edge_map(image), "centre": centre_map(*grid.shape), "other": other}
    scores: dict[Order, NDArray[np.float64]] = {
        (name, ""): segment_values(values[None], grid)[0] for name, values in fine.items()
    }
    scores["area", ""] = segment_values(area_map(segment(image, method="slic", n_segments=SEGMENTS))[None], grid)[0]
    scores["random", ""] = np.random.default_rng((parameters["seed"], row)).random(count)
    for method, own in passes.items():
        scores[method, ""] = segment_values(sign * own.values[None], grid)[0]
        parts = int(own.regions.max()) + 1 if own.regions.size else own.values.size
        for control in COARSE:
            # what is as fine as the grid, or finer, has the plain controls
            scores[control, method] = scores[control, ""]
            if parts < count:
                values = (
                    np.random.default_rng((parameters["seed"], row, parts)).random(parts)
                    if control == "random"
                    else _coarsen(fine[control], own, grid.shape)
                )
                scores[control, method] = segment_values(_spread(values, own)[None], grid)[0]
    return scores


def _coarsen(values: NDArray[np.floating], like: Pass, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """float64 (parts,): the means of a map over the regions, or over the positions, of an explanation."""
    whole = values if values.shape == shape else segment_values(values[None], np.arange(np.prod(shape)).reshape(shape))
    if like.regions.size:
        return np.asarray(segment_values(whole.reshape(shape)[None], like.regions)[0])
    return on_grid(whole.reshape(shape), like.values.shape)


def _spread(values: NDArray[np.floating], like: Pass) -> NDArray[np.float64]:
    """Expand one value per region or position to a float64 map, the shape of the explanation's regions or map."""
    return np.asarray(values[like.regions] if like.regions.size else values.reshape(like.values.shape), np.float64)


STUDY = Study(
    name="faithfulness",
    title="Faithfulness",
    question="Does the detector rely on what an explanation marks, more than on what a blind control marks?",
    columns=COLUMNS,
    further=OWN_COLUMNS.get,
    needs=("maps",),
    control=(
        "Orders of the image's parts that know nothing of the detector: chance, edges, flat areas, middle, border, "
        "large and small segments, and the map of another image of the same cell, each also as coarse as the map."
    ),
    compute=compute,
    conclude=conclude,
    headlines=HEADLINES,
    parameters={"segments": 64, "lime_seed": 0, "seed": 0, "maps": "", "maps_sha256": ""},
    private=("maps", "maps_sha256"),
    shard=32,
)
