"""Does an explanation depend on what the detector has learned? Randomisation from the top down (Adebayo et al. 2018).

The weights of the classifier, then of the part before it too, and so on down to the first, are drawn anew. A map that
stays the same shows the image and not the detector. Correlations are taken without their sign, as a random classifier
may swap the classes and leave the picture as it was; so chance is well above 0. The control says where: the same
correlation with what the random detector makes of other images, for LIME cut into this image's own segments.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.detectors.detector import Detector
from core.explainers.agreement import rank_correlation
from core.explainers.controls import edge_map
from core.explainers.lime.regions import LIME, LimeSettings
from core.studies.cells import Cells
from core.studies.study import Context, Study, StudyError
from core.studies.trust.lime_pass import lime_pass
from core.studies.trust.robustness import mean_rank
from core.studies.trust.summary import EXPLANATIONS

# LIME is compared on so many cells along a side
CELLS = 8
COLUMNS = {
    "network": "which of the random detectors it was compared with, counted from 0",
    "gradcam_other": "size of the rank correlation of Grad-CAM with that of other images of the cell by the detector "
    "that is random throughout, mean, 0 to 1",
    "gradcam_edges": "size of the rank correlation of Grad-CAM with edges, 0 to 1",
    "lime_other": "size of the rank correlation of LIME with that of other images of the cell, cut alike, by the "
    "detector that is random throughout, mean, 0 to 1",
    "lime_edges": "size of the rank correlation of LIME with edges, 0 to 1",
}


def describe_level(column: str) -> str | None:
    """What the column of one level of a detector holds, None of any other column."""
    for method, name in EXPLANATIONS.items():
        if column.startswith(f"{method}_"):
            level = column.removeprefix(f"{method}_")
            return f"size of the rank correlation of {name} with that by the detector random to {level}"
    return None


def columns_for(levels: tuple[str, ...]) -> list[str]:
    """The columns of a detector with these levels, from the output down."""
    return [
        "network",
        *(f"gradcam_{level}" for level in (*levels, "other", "edges")),
        *(f"lime_{level}" for level in (*lime_levels(levels), "other", "edges")),
    ]


def lime_levels(levels: tuple[str, ...]) -> tuple[str, ...]:
    """The levels that LIME, which costs more, is asked at: the first two and the last."""
    return tuple(dict.fromkeys((*levels[:2], levels[-1])))


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Each explanation of each image by the detector and by random ones; images take turns with the random networks."""
    cells, settings = Cells(context.run), LimeSettings(seed=parameters["lime_seed"])
    kept, levels = context.run.needed_maps, context.detector.levels
    if not levels:
        raise StudyError(f"{context.detector.name} has no weights that could be drawn anew; ask another detector")
    trained = [lime_pass(context.detector, np.asarray(context.pixels[row]), settings) for row in rows]
    own = [on_grid(one.values) for one in trained]
    table = pd.DataFrame(np.nan, index=range(len(rows)), columns=columns_for(levels), dtype=np.float32)
    table["network"] = np.asarray(rows % parameters["networks"], np.int16)
    for turn in range(parameters["networks"]):
        mine = np.flatnonzero(table["network"] == turn)
        for level in levels if len(mine) else ():
            odd = context.detector.randomised(level, seed=parameters["seed"] + turn)
            maps = odd.full_pass(np.asarray(context.pixels[rows[mine]])).needed_maps
            for at, after in zip(mine.tolist(), maps, strict=True):
                row = int(rows[at])
                before = np.asarray(kept[row], np.float32)
                table.loc[at, f"gradcam_{level}"] = abs(rank_correlation(before, after))
                if level in lime_levels(levels):
                    again = on_grid(lime_pass(odd, np.asarray(context.pixels[row]), settings).values)
                    table.loc[at, f"lime_{level}"] = abs(rank_correlation(own[at], again))
                if level == levels[-1]:
                    others = cells.others(row, parameters["others"], seed=parameters["seed"])
                    strangers = list(odd.full_pass(np.asarray(context.pixels[others])).needed_maps)
                    table.loc[at, "gradcam_other"] = mean_rank(before, strangers, signed=False)
                    strangers = [
                        _cut_alike(odd, np.asarray(context.pixels[other]), settings, trained[at].segments)
                        for other in others[: parameters["lime_others"]]
                    ]
                    table.loc[at, "lime_other"] = mean_rank(own[at], strangers, signed=False)
    for at, row in enumerate(rows):
        edges, before = edge_map(np.asarray(context.pixels[row])), np.asarray(kept[row], np.float32)
        table.loc[at, "gradcam_edges"] = abs(
            rank_correlation(before, on_grid(edges, before.shape).reshape(before.shape))
        )
        table.loc[at, "lime_edges"] = abs(rank_correlation(own[at], on_grid(edges)))
    table.insert(0, "id", context.run.predictions["id"].to_numpy()[rows])
    return table


def on_grid(values: NDArray[np.floating], cells: tuple[int, ...] = (CELLS, CELLS)) -> NDArray[np.float64]:
    """float64 (S,): the means of a map over so many cells down and across, row by row, as even as its size allows."""
    rows, columns = cells
    height, width = values.shape
    if height % rows == 0 and width % columns == 0:
        whole = np.asarray(values, np.float64).reshape(rows, height // rows, columns, width // columns)
        means: NDArray[np.float64] = whole.mean(axis=(1, 3))
        return means.ravel()
    places = np.add.outer(np.arange(height) * rows // height * columns, np.arange(width) * columns // width).ravel()
    return np.bincount(places, np.asarray(values, np.float64).ravel(), rows * columns) / np.bincount(places)


def _cut_alike(
    detector: Detector, image: NDArray[np.uint8], settings: LimeSettings, segments: NDArray[np.integer]
) -> NDArray[np.float64]:
    """LIME of one image over the segments of another: two maps in the same few pieces correlate more by chance."""
    return on_grid(LIME.explain_on(detector, image, settings, segments).map)


STUDY = Study(
    name="sanity",
    title="Sanity",
    question="Does an explanation change when what the detector has learned is replaced by chance?",
    columns=COLUMNS,
    further=describe_level,
    needs=("maps",),
    better="lower",
    control="What the same random detector makes of other images of the cell, and the image's edges.",
    compute=compute,
    parameters={"networks": 10, "others": 20, "lime_others": 4, "lime_seed": 0, "seed": 0},
    shard=48,
)
