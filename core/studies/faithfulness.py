"""Does the detector rely on what explanations name? Deletion and insertion curves beside those of two controls.

Explanations are judged on a plain grid, which none was made with, and with several fills: masking is itself a change
that this detector reacts to, so a result may depend on the fill, on the verdict and on the direction. The controls were
declared before looking: a random order as coarse as the map, and the map of another image of the same cell. Edges and
centre know something of images and are baselines, not controls: for a detector of fine detail, edges are nearly the
right answer.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.agreement import segment_values
from core.explainers.cam import KEPT
from core.explainers.deletion import areas, centre_map, deletion_curves, edge_map
from core.explainers.explainer import AnyExplainer
from core.explainers.lime.segmentation import segment
from core.findings.claims import Headlines
from core.findings.finding import Finding
from core.findings.intervals import weighted_mean
from core.perturbations.masking import FILLS as FILLINGS
from core.perturbations.masking import Fill
from core.runs.run import Run
from core.storage import open_file, read_array
from core.studies.explanations import ByMethod, Columns, Compared, Pass, judged, mean_of, methods_in, on_grid, passes_of
from core.studies.groups import By, Cells, groups
from core.studies.study import Context, Study, StudyError

# orders of the grid's cells: controls, also made as coarse as the judged map; and baselines
CONTROLS = {"random": "random order", "other": "another image's map"}
BASELINES = {"edges": "edges first", "centre": "middle first"}
ORDERS = CONTROLS | BASELINES
DIRECTIONS = ("deletion", "insertion")
FILLS: tuple[Fill, ...] = ("mean", "blur", "texture", "road")
STEPS = 8
# a user's own maps, judged as one more method
OWN, OWN_TITLE = "own", "Maps of your own"
# most values along a side of a user's own map
MOST = 1024
FORM = "one map for each image of the run in its order, float (images, height, width), positive towards REAL"
# a method, control or baseline, and the method that it is as coarse as, "" where it is as fine as the grid
Order = tuple[str, str]

HEADLINES: Headlines = {
    "*": {
        "question": "Does the map show what the detector relies on?",
        "holds": "Better than both controls, under every fill.",
        "holds below": "Worse than both controls, under every fill.",
        "in part": "Better than both controls under some fills, not shown under all.",
        "depends": "Fills and directions disagree on whether it is better than the controls.",
        "not shown": "Not shown to be better than the controls.",
    },
}


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
        for fill in FILLS
        for direction in DIRECTIONS
        for step in range(1, STEPS)
    }


def _columns_of(method: str, title: str) -> dict[str, str]:
    """Describe the curves of a method, and the areas of its controls."""
    return _curves_of(method, title) | {
        area_column(direction, control, method, fill): (
            f"area under the {direction} curve in margins, signed toward the verdict, {fill} fill, order: {name}, "
            f"as coarse as {title}"
        )
        for (control, name), fill, direction in product(CONTROLS.items(), FILLS, DIRECTIONS)
    }


def _columns(methods: Mapping[str, AnyExplainer]) -> ByMethod:
    ends = {"start": "margin of the image signed toward its verdict"} | {
        f"filled_{fill}": f"margin signed toward the verdict with everything filled ({fill})" for fill in FILLS
    }
    of_methods = {name: _columns_of(name, explainer.title) for name, explainer in methods.items()}
    return {"": ends, **of_methods, **{name: _curves_of(name, title) for name, title in ORDERS.items()}}


COLUMNS = Columns(_columns)
OWN_COLUMNS = _columns_of(OWN, OWN_TITLE)


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
    methods = (*judged(), *((OWN,) if parameters["maps"] else ()))
    orders = [*((name, "") for name in (*methods, *ORDERS)), *product(CONTROLS, methods)]
    # any order has the ends that all curves share
    wanted = {
        fill: [order for order in orders if context.wants(*_columns_with(order, fill))] or [("random", "")]
        for fill in FILLS
        if context.wants("start", f"filled_{fill}", *(name for order in orders for name in _columns_with(order, fill)))
    }
    needed = {name for those in wanted.values() for order in those for name in order}
    passes = {
        name: passes_of(context, rows, explainer, seed=parameters["lime_seed"])
        for name, explainer in judged().items()
        if name in needed and (explainer is KEPT or not explainer.unavailable(context.detector))
    }
    if OWN in needed:
        passes[OWN] = [Pass(values) for values in read_maps(parameters["maps"], context.run)[rows]]
    cells, records = Cells(context.run), []
    for at, row in enumerate(rows):
        image = np.asarray(context.pixels[row])
        # cells of 2 x 2 pixels at least: most fills give a single pixel back as it is
        grid = segment(image, method="grid", n_segments=min(parameters["segments"], (len(image) // 2) ** 2))
        own = {name: of[at] for name, of in passes.items()}
        scores = scores_of(context, cells, int(row), grid=grid, passes=own, seed=parameters["seed"])
        records.append(_curves(context, image, grid, cells.signs[row], scores, wanted, seed=parameters["seed"]))
    # a method that cannot explain this detector has columns without values
    present = {column for fill, those in wanted.items() for order in those for column in _columns_with(order, fill)}
    present.update("start" if fill is None else f"filled_{fill}" for fill in (None, *wanted))
    columns = [name for name in (*COLUMNS, *OWN_COLUMNS) if name in present]
    table = pd.DataFrame(records).reindex(columns=columns).astype(np.float16)
    table.insert(0, "id", context.run.predictions["id"].to_numpy()[rows])
    return table


def _columns_with(order: Order, fill: str) -> list[str]:
    """Name the columns of an order with a fill: points of its curves, or areas under those of a coarse control."""
    name, method = order
    if method:
        return [area_column(direction, name, method, fill) for direction in DIRECTIONS]
    return [curve_column(direction, name, fill, step) for direction in DIRECTIONS for step in range(1, STEPS)]


def _curves(  # noqa: PLR0917
    context: Context,
    image: NDArray[np.uint8],
    grid: NDArray[np.int32],
    sign: int,
    scores: Mapping[Order, NDArray[np.float64]],
    wanted: Mapping[Fill, Sequence[Order]],
    *,
    seed: int,
) -> dict[str, float]:
    """Column -> value of one image, from the scores of its cells."""
    record: dict[str, float] = {}
    for fill, orders in wanted.items():
        available = [order for order in orders if order in scores]
        if not available:
            continue
        values = np.stack([scores[order] for order in available])
        curves = deletion_curves(
            context.detector.margins, image, grid, values=values, fills=[fill], steps=STEPS, seed=seed
        )
        record |= {"start": sign * curves.deletion[0, 0, 0], f"filled_{fill}": sign * curves.deletion[0, 0, -1]}
        both = np.stack([curves.deletion[:, 0], curves.insertion[:, 0]], axis=1)
        for order, points in zip(available, sign * both, strict=True):
            numbers = areas(points) if order[1] else points[:, 1:-1].ravel()
            record |= dict(zip(_columns_with(order, fill), numbers.tolist(), strict=True))
    return record


def scores_of(
    context: Context, cells: Cells, row: int, *, grid: NDArray[np.int32], passes: Mapping[str, Pass], seed: int
) -> dict[Order, NDArray[np.float64]]:
    """Score each cell of the grid under each order: float64 (S,); the cell with the highest score comes first."""
    sign, image, count = cells.signs[row], np.asarray(context.pixels[row]), int(grid.max()) + 1
    other = np.asarray(context.run.needed_maps[cells.others(row, 1, seed=seed)[0]], np.float32) * sign
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
    whole = values if values.shape == shape else segment_values(values[None], np.arange(np.prod(shape)).reshape(shape))
    if like.regions.size:
        return np.asarray(segment_values(whole.reshape(shape)[None], like.regions)[0])
    return on_grid(whole.reshape(shape), like.values.shape)


def fills_of(table: pd.DataFrame) -> list[Fill]:
    """Return those fills that a table has; an older file may lack some."""
    return [fill for fill in FILLS if f"filled_{fill}" in table]


def methods_of(table: pd.DataFrame) -> dict[str, str]:
    """Name -> title of the methods whose curves a table has under every fill in it."""
    by_fill = [methods_in(table, curve_column("deletion", "{}", fill, 1), {OWN: OWN_TITLE}) for fill in fills_of(table)]
    first = by_fill[0] if by_fill else {}
    return {name: title for name, title in first.items() if all(name in other for other in by_fill)}


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


def choice_value(fill: str, control: str) -> str:
    """Name a choice of fill and control; the first control's has the fill's name alone."""
    return fill if control == next(iter(CONTROLS)) else f"{fill}, {CONTROLS[control]}"


def conclude(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """`<method>-<verdict>`: the areas of a method beside those of its controls, and of the baselines.

    Fills, directions and controls are never pooled: the first gives the finding its number, and all are its choices.
    """
    findings, fills = [], fills_of(table)
    for group, part, weights in groups(table, run):
        for method, name in methods_of(table).items():
            tried: dict[tuple[str, str], Compared] = {}
            for direction, fill, control in product(DIRECTIONS, fills, CONTROLS):
                own = area_of(part, direction, method, fill)
                beside = area_of(part, direction, control, fill, like=method)
                compared = Compared.means(CONTROLS[control], own, beside, weights)
                tried[direction, choice_value(fill, control)] = compared
            choices = [compared.choice(*choice) for choice, compared in tried.items()]
            baselines = {
                title: mean_of(area_of(part, DIRECTIONS[0], baseline, fills[0]), weights)
                for baseline, title in BASELINES.items()
            }
            details = {"name": name, "fills": {fill: FILLINGS[fill].title for fill in fills}}
            first = next(iter(tried.values()))
            findings.append(
                first.finding(
                    f"{method}-{group}", "faithfulness", "faithfulness", group, *choices,
                    beside=baselines, details=details,
                )
            )  # fmt: skip
    return findings


def mean_curves(table: pd.DataFrame, run: Run, *, by: By = "verdict") -> pd.DataFrame:
    """Average the curves of all methods, controls and baselines, with intervals.

    Returns:
        `group`, `method`, `name` for a legend, `fill`, `direction`, `share` of the image that is filled (deletion) or
        shown (insertion), 0 to 1, and the mean margin signed toward the verdict with its interval.
    """
    return pd.DataFrame([row for group in groups(table, run, by) for row in _mean_curves(table, *group)])


def _mean_curves(
    table: pd.DataFrame, group: str, part: pd.DataFrame, weights: NDArray[np.floating]
) -> Iterator[dict[str, Any]]:
    named = methods_of(table) | ORDERS
    for fill, (method, name), direction in product(fills_of(table), named.items(), DIRECTIONS):
        points = curve_of(part, direction, method, fill)
        key = {"group": group, "method": method, "name": name, "fill": fill, "direction": direction}
        for step in range(STEPS + 1):
            yield {**key, "share": step / STEPS, **weighted_mean(points[:, step], weights)._asdict()}


STUDY = Study(
    name="faithfulness",
    title="Faithfulness",
    question="Does the detector rely on what an explanation marks, more than on what a blind control marks?",
    columns=COLUMNS,
    further=OWN_COLUMNS.get,
    needs=("maps",),
    control=(
        "A random order as coarse as the map, and the map of another image of the same cell. Edges and centre are "
        "baselines, not controls: for a detector of fine detail, edges are nearly the right answer."
    ),
    compute=compute,
    conclude=conclude,
    headlines=HEADLINES,
    parameters={"segments": 64, "lime_seed": 0, "seed": 0, "maps": "", "maps_sha256": ""},
    private=("maps", "maps_sha256"),
    shard=32,
)
