"""Does the detector lean on what explanations name? Deletion and insertion curves against controls.

Explanations are judged on a plain grid, which none was made with, and with fills that none was fitted with:
masking is itself an edit that this detector reacts to, so its direction depends on the fill and on the verdict.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.edits.masking import Fill
from core.explainers.agreement import segment_values
from core.explainers.controls import area_map, centre_map, edge_map
from core.explainers.deletion import deletion_curves
from core.explainers.explainer import AnyExplainer
from core.explainers.lime.segmentation import segment
from core.explainers.registry import DEFAULT
from core.explainers.stored import KEPT
from core.studies.cells import Cells
from core.studies.study import Context, Study
from core.studies.trust.judged import Columns, judged, settings_of
from core.studies.trust.passes import Maps, maps_of
from core.studies.trust.summary import (
    CONTROLS,
    DIRECTIONS,
    FILLS,
    STEPS,
    UNSEEN,
    curve_column,
)

# as many as LIME asks for: the segments that the control of large and small ones goes by
SEGMENTS = 50


def _columns(explanations: Mapping[str, AnyExplainer]) -> dict[str, str]:
    named = {name: one.title for name, one in explanations.items()} | {name: one for name, (one, _) in CONTROLS.items()}
    return {
        **{
            f"score_{name}": (
                f"insertion less deletion area of {one.title}, mean over blur and texture fills, in margins"
            )
            for name, one in explanations.items()
        },
        "score_best": "the same of the best control on this image, in margins",
        "start": "margin of the image signed toward its verdict",
        **{f"filled_{fill}": f"margin signed toward the verdict with everything filled ({fill})" for fill in FILLS},
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
    }


COLUMNS = Columns(_columns)


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """The curves of each image, of the methods and fills that are asked for."""
    cells, (methods, fills) = Cells(context.run), asked(context)
    images = [np.asarray(context.pixels[row]) for row in rows]
    explainers = {name: one for name, one in judged().items() if name in methods}
    maps = {
        name: _explained(context, rows, images, one, seed=parameters["lime_seed"])
        for name, one in explainers.items()
        if one is KEPT or not one.unavailable(context.detector)
    }
    found = [
        _one(
            context,
            cells,
            int(row),
            parameters,
            maps={name: one[number] for name, one in maps.items()},
            controls=[one for one in methods if one in CONTROLS],
            fills=fills,
        )
        for number, row in enumerate(rows)
    ]
    table = pd.DataFrame(found)
    # a method that cannot explain this detector has columns without values
    there = [*table, *(name for name in _asked_columns(explainers, fills) if name not in table)]
    table = table.reindex(columns=[name for name in COLUMNS if name in there]).astype(np.float16)
    table.insert(0, "id", context.run.predictions["id"].to_numpy()[rows])
    return table


def _asked_columns(explainers: Iterable[str], fills: Sequence[Fill]) -> list[str]:
    curves = product(DIRECTIONS, explainers, fills, range(1, STEPS))
    scores = [f"score_{name}" for name in explainers] if set(UNSEEN) <= set(fills) else []
    return [*scores, *(curve_column(*one) for one in curves)]


def asked(context: Context) -> tuple[list[str], list[Fill]]:
    """The methods and the fills whose curves the columns that are asked for are made of."""
    wanted: set[tuple[str, Fill]] = set()
    everything = (*judged(), *CONTROLS)
    for method, fill in product(everything, FILLS):
        curves = [curve_column(way, method, fill, step) for way in DIRECTIONS for step in range(1, STEPS)]
        scores = [f"score_{method}" if method not in CONTROLS else "score_best"] if fill in UNSEEN else []
        if context.wants(*curves, *scores):
            wanted.add((method, fill))
        elif context.wants("start", f"filled_{fill}"):
            # the ends of all curves are the same
            wanted.add((everything[-1], fill))
    methods, fills = ({one[place] for one in wanted} for place in (0, 1))
    return [one for one in everything if one in methods], [one for one in FILLS if one in fills]


def _explained(
    context: Context, rows: NDArray[np.intp], images: Sequence[NDArray[np.uint8]], explainer: AnyExplainer, *, seed: int
) -> Maps:
    """The map of each image."""
    if explainer is KEPT:
        return list(np.asarray(context.run.needed_maps[rows], np.float32))
    return maps_of(context.detector, images, explainer, settings_of(explainer, seed))


def _one(
    context: Context,
    cells: Cells,
    row: int,
    parameters: Mapping[str, Any],
    *,
    maps: Mapping[str, NDArray[np.floating]],
    controls: Sequence[str],
    fills: Sequence[Fill],
) -> dict[str, float]:
    image, sign = np.asarray(context.pixels[row]), cells.signs[row]
    grid = segment(image, method="grid", n_segments=parameters["segments"])
    named = {name: segment_values(sign * one[None], grid)[0] for name, one in maps.items()}
    named |= _controls(context, cells, row, parameters, grid=grid, names=controls)
    if not named:
        return {}
    methods = list(named)
    curves = deletion_curves(
        context.detector.margins,
        image,
        grid,
        values=np.stack(list(named.values())),
        fills=fills,
        steps=STEPS,
        seed=parameters["seed"],
    )
    record = {"start": sign * curves.deletion[0, 0, 0]}
    if set(UNSEEN) <= set(fills):
        unseen = [fills.index(fill) for fill in UNSEEN]
        score = dict(zip(methods, sign * curves.score[:, unseen].mean(axis=1), strict=True))
        record |= {f"score_{name}": score[name] for name in maps}
        if set(CONTROLS) <= set(score):
            ways = ((name, way) for name, (_, back) in CONTROLS.items() for way in ((1, -1) if back else (1,)))
            record["score_best"] = max(score[name] * way for name, way in ways)
    for number, fill in enumerate(fills):
        record[f"filled_{fill}"] = sign * curves.deletion[0, number, -1]
        for direction, values in zip(DIRECTIONS, (curves.deletion, curves.insertion), strict=True):
            for method, points in zip(methods, values[:, number], strict=True):
                for step in range(1, STEPS):
                    record[curve_column(direction, method, fill, step)] = sign * points[step]
    return record


def _controls(
    context: Context,
    cells: Cells,
    row: int,
    parameters: Mapping[str, Any],
    *,
    grid: NDArray[np.int32],
    names: Sequence[str],
) -> dict[str, NDArray[np.float64]]:
    """Control -> float64 (S,): what it says of each cell of the grid, larger for what comes first."""
    sign, image = cells.signs[row], np.asarray(context.pixels[row])
    other = cells.others(row, 1, seed=parameters["seed"])[0]
    fine = {"edges": edge_map(image), "centre": centre_map(*grid.shape)}
    fine["area"] = area_map(segment(image, method="slic", n_segments=SEGMENTS))
    named = dict(zip(fine, segment_values(np.stack(list(fine.values())), grid), strict=True))
    named["random"] = np.random.default_rng((parameters["seed"], row)).random(int(grid.max()) + 1)
    named["other"] = segment_values(np.asarray(context.run.needed_maps[[other]], np.float32) * sign, grid)[0]
    return {name: named[name] for name in names}


STUDY = Study(
    name="faithfulness",
    title="Faithfulness",
    question="Does the detector lean on what an explanation names, more than on what a blind control names?",
    columns=COLUMNS,
    needs=("maps",),
    better="higher",
    control=(
        "Orders of the image's parts that know nothing of the detector: chance, edges, flat areas, middle, border, "
        "large and small segments, and the map of another image of the same cell."
    ),
    compute=compute,
    parameters={"segments": 64, "lime_seed": 0, "seed": 0},
    explore=tuple(f"score_{name}" for name in DEFAULT),
    shard=32,
)
