"""Is an explanation the same when it is made again? Under another seed, and under noise that nobody can see."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.agreement import rank_correlation, segment_values
from core.explainers.lime.regions import LimeSettings
from core.explainers.lime.segmentation import segment
from core.studies.cells import Cells
from core.studies.study import Context, Study
from core.studies.trust.lime_pass import lime_pass

COLUMNS = {
    "lime_seed": "rank correlation of LIME with itself under another seed, over the cells of a grid, -1 to 1",
    "lime_noise": "rank correlation of LIME with itself on the image with noise of -1, 0 or 1, -1 to 1",
    "lime_other": "rank correlation of LIME with LIME of other images of the same cell, mean, -1 to 1",
    "gradcam_noise": "rank correlation of Grad-CAM with itself on the noisy image, -1 to 1; it has no seed",
    "gradcam_other": "rank correlation of Grad-CAM with Grad-CAM of other images of the same cell, mean, -1 to 1",
    "margin_change": "how far the noise moves the margin",
    "noise_turns": "the noise turns the verdict",
}


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Each explanation of each image made again, and the same comparison with other images."""
    cells = Cells(context.run)
    pixels = np.stack([noisy(context.pixels[row], seed=(parameters["seed"], int(row))) for row in rows])
    found = context.detector.full_pass(np.concatenate([context.pixels[rows], pixels]))
    before, after = np.split(found.margins, 2)
    own, again = np.split(found.needed_maps, 2)
    table = pd.DataFrame(
        [
            {
                **_lime(context, cells, int(row), image, parameters),
                "gradcam_noise": rank_correlation(maps[0], maps[1]),
                "gradcam_other": _gradcam_other(context, cells, int(row), maps[0], parameters),
            }
            for row, image, maps in zip(rows, pixels, zip(own, again, strict=True), strict=True)
        ],
        dtype=np.float32,
    )
    table["margin_change"] = np.abs(after - before)
    table["noise_turns"] = (after > 0) != (before > 0)
    table.insert(0, "id", context.run.predictions["id"].to_numpy()[rows])
    return table[["id", *COLUMNS]]


def noisy(image: NDArray[np.uint8], *, seed: tuple[int, int]) -> NDArray[np.uint8]:
    """The image with -1, 0 or 1 added to every value by lot, kept within 0 to 255."""
    noise = np.random.default_rng(seed).integers(-1, 2, image.shape)
    return np.asarray(np.clip(np.asarray(image, np.int16) + noise, 0, 255), np.uint8)


def _lime(
    context: Context, cells: Cells, row: int, image: NDArray[np.uint8], parameters: Mapping[str, Any]
) -> dict[str, float]:
    seed, detector = parameters["lime_seed"], context.detector
    own = np.asarray(context.pixels[row])
    grid = segment(own, method="grid", n_segments=parameters["segments"])
    others = cells.references(row, parameters["lime_others"], seed=parameters["seed"])
    made = [
        lime_pass(detector, own, LimeSettings(seed=seed)),
        lime_pass(detector, own, LimeSettings(seed=seed + 1)),
        lime_pass(detector, image, LimeSettings(seed=seed)),
        *(lime_pass(detector, np.asarray(context.pixels[other]), LimeSettings(seed=seed)) for other in others),
    ]
    first, again, noise, *rest = segment_values(np.stack([one.values for one in made]), grid)
    return {
        "lime_seed": rank_correlation(first, again),
        "lime_noise": rank_correlation(first, noise),
        "lime_other": mean_rank(first, rest),
    }


def _gradcam_other(
    context: Context, cells: Cells, row: int, own: NDArray[np.float32], parameters: Mapping[str, Any]
) -> float:
    others = cells.others(row, parameters["others"], seed=parameters["seed"])
    return mean_rank(own, list(np.asarray(context.run.needed_maps[others], np.float32)))


def mean_rank(first: NDArray[np.floating], others: list[NDArray[np.floating]], *, signed: bool = True) -> float:
    """The mean rank correlation of one map with several, or its size's; NaN where there is none."""
    ranks = np.array([rank_correlation(first, other) for other in others])
    ranks = ranks if signed else np.abs(ranks)
    return float(np.nanmean(ranks)) if np.isfinite(ranks).any() else float("nan")


STUDY = Study(
    name="stability",
    title="Stability",
    question="Is an explanation the same under another seed, and under noise that nobody can see?",
    columns=COLUMNS,
    needs=("maps",),
    better="higher",
    control="The same comparison with explanations of other images of the same cell of the confusion matrix.",
    compute=compute,
    parameters={"others": 100, "lime_others": 20, "segments": 64, "lime_seed": 0, "seed": 0},
    explore=("lime_seed", "lime_noise", "gradcam_noise"),
    shard=32,
)
