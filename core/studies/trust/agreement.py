"""Do explanations name the same places as the map that the run has kept, more than maps of other images would?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.agreement import agreement
from core.explainers.explainer import AnyExplainer
from core.explainers.lime.segmentation import segment
from core.explainers.stored import KEPT
from core.studies.cells import Cells
from core.studies.study import Context, Study
from core.studies.trust.judged import Columns, column_of, compared, settings_of
from core.studies.trust.passes import maps_of

VALUES = {
    "rank": "rank correlation of {one} and {kept} over the cells of a grid, -1 to 1",
    "others_rank": "rank correlation of {one} with {kept} of other images of the same cell, mean, -1 to 1",
    "rank_share": "share of those that agree with {one} as well as this image's own {kept} does, 0 to 1",
    "overlap": (
        "share of the quarter of cells first for the verdict by {one} that is so by {kept}; blind choice: 0.25"
    ),
    "others_overlap": "the same with {kept} of other images, mean, 0 to 1",
    "overlap_share": "share of those that overlap as much as this image's own, 0 to 1",
}


def _columns(_explanations: Mapping[str, AnyExplainer]) -> dict[str, str]:
    return {
        column_of(name, value): f"{text.format(one=one.title, kept=KEPT.title)}"
        for name, one in compared().items()
        for value, text in VALUES.items()
    }


COLUMNS = Columns(_columns)


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """The agreement of each image's explanations with the map that the run has kept, and with other images'."""
    cells, kept = Cells(context.run), context.run.needed_maps
    images = [np.asarray(context.pixels[row]) for row in rows]
    table = pd.DataFrame(index=range(len(rows)))
    for name, one in compared().items():
        columns = [column_of(name, value) for value in VALUES]
        if not context.wants(*columns):
            continue
        if one.unavailable(context.detector):
            table[columns] = np.float32(np.nan)
            continue
        found = []
        maps = maps_of(context.detector, images, one, settings_of(one, parameters["lime_seed"]))
        for row, image, values in zip(rows, images, maps, strict=True):
            others = cells.others(int(row), parameters["others"], seed=parameters["seed"])
            # toward the verdict: what is put first is what speaks for it
            sign = cells.signs[row]
            both = agreement(
                sign * values,
                sign * np.asarray(kept[row], np.float32),
                segments=segment(image, method="grid", n_segments=parameters["segments"]),
                others=sign * np.asarray(kept[others], np.float32),
            )
            found.append([getattr(both, value) for value in VALUES])
        table = pd.concat([table, pd.DataFrame(found, columns=columns, dtype=np.float32)], axis=1)
    table.insert(0, "id", context.run.predictions["id"].to_numpy()[rows])
    return table


STUDY = Study(
    name="agreement",
    title="Agreement",
    question="Do Grad-CAM and LIME name the same places, more than maps of other images would?",
    columns=COLUMNS,
    needs=("maps",),
    control="Grad-CAM maps of other images of the same cell of the confusion matrix in the place of the image's own.",
    compute=compute,
    parameters={"others": 100, "segments": 64, "lime_seed": 0, "seed": 0},
    explore=("rank", "rank_share"),
    shard=32,
)
