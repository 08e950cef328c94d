"""Does the detector lean on what Grad-CAM and LIME name? Deletion and insertion curves against controls.

Explanations are judged on a plain grid, which neither was made with, and with fills that LIME was not fitted with:
masking is itself an edit that this detector reacts to, so its direction depends on the fill and on the verdict.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.edits.masking import Fill
from core.explainers.agreement import segment_values
from core.explainers.controls import area_map, centre_map, edge_map
from core.explainers.deletion import deletion_curves
from core.explainers.lime.regions import LimeSettings
from core.explainers.lime.segmentation import segment
from core.studies.cells import Cells
from core.studies.study import Context, Study
from core.studies.trust.lime_pass import lime_pass
from core.studies.trust.summary import (
    CONTROLS,
    DIRECTIONS,
    EXPLANATIONS,
    FILLS,
    METHODS,
    STEPS,
    UNSEEN,
    curve_column,
)

COLUMNS: dict[str, str] = {
    "score_gradcam": "insertion less deletion area of Grad-CAM, mean over blur and texture fills, in margins",
    "score_lime": "the same of LIME",
    "score_best": "the same of the best control on this image, in margins",
    "start": "margin of the image signed toward its verdict",
    **{f"filled_{fill}": f"margin signed toward the verdict with everything filled ({fill})" for fill in FILLS},
    **{
        curve_column(direction, method, fill, step): (
            f"margin signed toward the verdict; {step} of {STEPS} parts "
            f"{'filled' if direction == 'deletion' else 'shown'}, {fill} fill, order: "
            f"{EXPLANATIONS.get(method) or CONTROLS[method][0]}"
        )
        for method in METHODS
        for fill in FILLS
        for direction in DIRECTIONS
        for step in range(1, STEPS)
    },
}


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """The curves of each image, of the methods and fills that are asked for."""
    cells, (methods, fills) = Cells(context.run), asked(context)
    found = [_one(context, cells, int(row), parameters, methods=methods, fills=fills) for row in rows]
    table = pd.DataFrame(found, columns=[name for name in COLUMNS if name in found[0]]).astype(np.float16)
    table.insert(0, "id", context.run.predictions["id"].to_numpy()[rows])
    return table


def asked(context: Context) -> tuple[list[str], list[Fill]]:
    """The methods and the fills whose curves the columns that are asked for are made of."""
    wanted: set[tuple[str, Fill]] = set()
    for method, fill in product(METHODS, FILLS):
        curves = [curve_column(way, method, fill, step) for way in DIRECTIONS for step in range(1, STEPS)]
        scores = [f"score_{method}" if method in EXPLANATIONS else "score_best"] if fill in UNSEEN else []
        if context.wants(*curves, *scores):
            wanted.add((method, fill))
        elif context.wants("start", f"filled_{fill}"):
            # the ends of all curves are the same
            wanted.add((METHODS[-1], fill))
    methods, fills = ({one[place] for one in wanted} for place in (0, 1))
    return [one for one in METHODS if one in methods], [one for one in FILLS if one in fills]


def _one(
    context: Context,
    cells: Cells,
    row: int,
    parameters: Mapping[str, Any],
    *,
    methods: Sequence[str],
    fills: Sequence[Fill],
) -> dict[str, float]:
    image = np.asarray(context.pixels[row])
    grid = segment(image, method="grid", n_segments=parameters["segments"])
    curves = deletion_curves(
        context.detector.margins,
        image,
        grid,
        values=_maps(context, cells, row, parameters, grid=grid, methods=methods),
        fills=fills,
        steps=STEPS,
        seed=parameters["seed"],
    )
    sign = cells.signs[row]
    record = {"start": sign * curves.deletion[0, 0, 0]}
    if set(UNSEEN) <= set(fills):
        unseen = [fills.index(fill) for fill in UNSEEN]
        score = dict(zip(methods, sign * curves.score[:, unseen].mean(axis=1), strict=True))
        record |= {f"score_{name}": score[name] for name in EXPLANATIONS if name in score}
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


def _maps(
    context: Context,
    cells: Cells,
    row: int,
    parameters: Mapping[str, Any],
    *,
    grid: NDArray[np.int32],
    methods: Sequence[str],
) -> NDArray[np.float64]:
    """float64 (M, S): what each method says of each cell of the grid, larger for what speaks for the verdict."""
    sign, image = cells.signs[row], np.asarray(context.pixels[row])
    other = cells.others(row, 1, seed=parameters["seed"])[0]
    coarse = segment_values(np.asarray(context.run.needed_maps[[row, other]], np.float32) * sign, grid)
    fine = {"edges": edge_map(image), "centre": centre_map(*grid.shape)}
    if {"lime", "area"} & set(methods):
        lime = lime_pass(context.detector, image, LimeSettings(seed=parameters["lime_seed"]))
        fine |= {"lime": sign * lime.values, "area": area_map(lime.segments)}
    named = dict(zip(fine, segment_values(np.stack(list(fine.values())), grid), strict=True))
    chance = np.random.default_rng((parameters["seed"], row)).random(coarse.shape[1])
    named |= {"gradcam": coarse[0], "other": coarse[1], "random": chance}
    return np.stack([named[method] for method in methods])


STUDY = Study(
    name="faithfulness",
    title="Faithfulness",
    question="Does the detector lean on what Grad-CAM and LIME name, more than on what a blind control names?",
    columns=COLUMNS,
    needs=("maps",),
    better="higher",
    control=(
        "Orders of the image's parts that know nothing of the detector: chance, edges, flat areas, middle, border, "
        "large and small segments, and the map of another image of the same cell."
    ),
    compute=compute,
    parameters={"segments": 64, "lime_seed": 0, "seed": 0},
    explore=("score_gradcam", "score_lime"),
    shard=32,
)
