"""Do Grad-CAM and LIME name the same places, more than maps of other images would?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.agreement import agreement
from core.explainers.lime.regions import LimeSettings
from core.explainers.lime.segmentation import segment
from core.studies.cells import Cells
from core.studies.study import Context, Study
from core.studies.trust.lime_pass import lime_pass

COLUMNS = {
    "rank": "rank correlation of LIME and Grad-CAM over the cells of a grid, -1 to 1",
    "others_rank": "rank correlation of LIME with Grad-CAM of other images of the same cell, mean, -1 to 1",
    "rank_share": "share of those that agree with LIME as well as this image's own Grad-CAM does, 0 to 1",
    "overlap": "share of the quarter of cells first for the verdict by LIME that is so by Grad-CAM; blind choice: 0.25",
    "others_overlap": "the same with Grad-CAM of other images, mean, 0 to 1",
    "overlap_share": "share of those that overlap as much as this image's own, 0 to 1",
}


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """The agreement of each image, and of its LIME with other images' Grad-CAM."""
    cells = Cells(context.run)
    found = []
    for row in rows:
        image = np.asarray(context.pixels[row])
        lime = lime_pass(context.detector, image, LimeSettings(seed=parameters["lime_seed"]))
        others = cells.others(int(row), parameters["others"], seed=parameters["seed"])
        # toward the verdict: what is put first is what speaks for it
        sign = cells.signs[row]
        compared = agreement(
            sign * lime.values,
            sign * np.asarray(context.run.needed_maps[row], np.float32),
            segments=segment(image, method="grid", n_segments=parameters["segments"]),
            others=sign * np.asarray(context.run.needed_maps[others], np.float32),
        )
        found.append([getattr(compared, name) for name in COLUMNS])
    table = pd.DataFrame(found, columns=list(COLUMNS), dtype=np.float32)
    table.insert(0, "id", context.run.predictions["id"].to_numpy()[rows])
    return table


STUDY = Study(
    name="agreement",
    title="Agreement",
    question="Do Grad-CAM and LIME name the same places, more than maps of other images would?",
    columns=COLUMNS,
    needs=("maps",),
    better="higher",
    control="Grad-CAM maps of other images of the same cell of the confusion matrix in the place of the image's own.",
    compute=compute,
    parameters={"others": 100, "segments": 64, "lime_seed": 0, "seed": 0},
    explore=("rank", "rank_share"),
    shard=32,
)
