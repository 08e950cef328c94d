"""Does an explanation depend on what the detector has learned? Randomisation from the top down (Adebayo et al. 2018).

The weights of the classifier, then of layer4 too, and so on down to conv1, are drawn anew. A map that stays the same
shows the image and not the detector. Correlations are taken without their sign, as a random classifier may swap the
classes and leave the picture as it was; so chance is well above 0, and the control says where.
"""

from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from core.detector import Detector, build_network
from core.explain.agreement import rank_correlation, segment_values
from core.explain.controls import edge_map
from core.explain.results import LimeSettings
from core.explain.segmentation import segment
from core.run import Run
from core.stats import weighted_mean
from core.studies.cells import Cells
from core.studies.groups import groups
from core.studies.lime_pass import lime_pass
from core.studies.stability import mean_rank
from core.studies.study import Context, Finding, Study
from core.studies.trust_summary import EXPLANATIONS, LEVELS, LIME_LEVELS, alone, between

_PARTS = {level: (level,) for level in LEVELS} | {"conv1": ("conv1", "bn1")}

COLUMNS = {
    "network": "which of the random detectors it was compared with, counted from 0",
    **{
        f"gradcam_{level}": f"size of the rank correlation of Grad-CAM with that by the detector random to {level}"
        for level in LEVELS
    },
    "gradcam_other": "size of the rank correlation of Grad-CAM with that of other images of the cell, mean, 0 to 1",
    "gradcam_edges": "size of the rank correlation of Grad-CAM with edges, 0 to 1",
    **{
        f"lime_{level}": f"size of the rank correlation of LIME with that by the detector random to {level}"
        for level in LIME_LEVELS
    },
    "lime_other": "size of the rank correlation of LIME with that of other images of the same cell, mean, 0 to 1",
    "lime_edges": "size of the rank correlation of LIME with edges, 0 to 1",
}


def randomised(detector: Detector, level: str, *, seed: int) -> Detector:
    """The detector with everything from the classifier down to `level` drawn anew.

    Args:
        detector: is not touched.
        level: one of `LEVELS`.
        seed: of the new weights.
    """
    fresh, network = _fresh(detector.width, seed), deepcopy(detector.network)
    for upper in LEVELS[: LEVELS.index(level) + 1]:
        for part in _PARTS[upper]:
            network.get_submodule(part).load_state_dict(fresh.get_submodule(part).state_dict())
    return Detector(
        network,
        detector.width,
        detector.mean,
        detector.std,
        manifest={"name": f"{detector.name} random to {level}"},
        device=detector.device,
        batch_size=detector.batch_size,
    )


@lru_cache(maxsize=1)
def _fresh(width: int, seed: int) -> nn.Module:
    """New weights, which the levels of one random detector share."""
    network: nn.Module = build_network(width, seed=seed)
    return network


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Each explanation of each image by the detector and by random ones; images take turns with the random networks."""
    cells, settings = Cells(context.run), LimeSettings(seed=parameters["lime_seed"])
    trained = [_grid_values(context, context.detector, int(row), settings) for row in rows]
    table = pd.DataFrame(np.nan, index=range(len(rows)), columns=list(COLUMNS), dtype=np.float32)
    table["network"] = np.asarray(rows % parameters["networks"], np.int16)
    for turn in range(parameters["networks"]):
        mine = np.flatnonzero(table["network"] == turn)
        for level in LEVELS if len(mine) else ():
            odd = randomised(context.detector, level, seed=parameters["seed"] + turn)
            maps = odd.full_pass(np.asarray(context.pixels[rows[mine]])).maps
            for at, after in zip(mine.tolist(), maps, strict=True):
                row = int(rows[at])
                before = np.asarray(context.run.maps[row], np.float32)
                table.loc[at, f"gradcam_{level}"] = abs(rank_correlation(before, after))
                if level in LIME_LEVELS:
                    again = _grid_values(context, odd, row, settings)
                    table.loc[at, f"lime_{level}"] = abs(rank_correlation(trained[at], again))
    for at, own in enumerate(rows):
        controls = _controls(context, cells, int(own), trained[at], settings=settings, parameters=parameters)
        table.loc[at, list(controls)] = list(controls.values())
    table.insert(0, "id", context.run.predictions["id"].to_numpy()[rows])
    return table


def _grid_values(context: Context, detector: Detector, row: int, settings: LimeSettings) -> NDArray[np.float64]:
    """float64 (S,): LIME's weights over the grid's cells."""
    image = np.asarray(context.pixels[row])
    grid = segment(image, method="grid", n_segments=64)
    return np.asarray(segment_values(lime_pass(detector, image, settings).values[None], grid)[0])


def _controls(
    context: Context,
    cells: Cells,
    row: int,
    lime: NDArray[np.float64],
    *,
    settings: LimeSettings,
    parameters: Mapping[str, Any],
) -> dict[str, float]:
    own = np.asarray(context.run.maps[row], np.float32)
    edges = edge_map(np.asarray(context.pixels[row]))
    others = cells.others(row, parameters["others"], seed=parameters["seed"])
    references = cells.references(row, parameters["lime_others"], seed=parameters["seed"])
    return {
        "gradcam_other": mean_rank(own, list(np.asarray(context.run.maps[others], np.float32)), signed=False),
        "gradcam_edges": abs(rank_correlation(own, edges.reshape(4, 8, 4, 8).mean(axis=(1, 3)))),
        "lime_other": mean_rank(
            lime, [_grid_values(context, context.detector, int(other), settings) for other in references], signed=False
        ),
        "lime_edges": abs(rank_correlation(lime, edges.reshape(8, 4, 8, 4).mean(axis=(1, 3)))),
    }


def conclude(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """For each verdict and explanation: what is left of it once the classifier, and once everything, is random."""
    findings = []
    for group, part, weights in groups(table, run):
        for method, name in EXPLANATIONS.items():
            first, last, other, edges = (
                weighted_mean(
                    np.asarray(part[f"{method}_{level}"], float),
                    weights,
                    # images share a random detector, and with it its luck
                    clusters=part["network"].to_numpy() if level in LEVELS else None,
                )
                for level in (LEVELS[0], LEVELS[-1], "other", "edges")
            )
            kept = last.low > other.high
            # an image's LIME maps share its segments, and two maps in the same few pieces correlate more by chance
            pieces = ", whose pieces are others, which alone makes for less" if kept and method == "lime" else ""
            much = ("depends, if not certainly in all," if pieces else "depends only in part") if kept else "depends"
            findings.append(
                Finding(
                    f"{method}-{group}",
                    f"{name} on {group} verdicts {much} on what the detector "
                    f"has learned: once everything is random it correlates with itself by {between(last)}, "
                    f"{'more' if kept else 'no more'} than with that of other images of the same cell "
                    f"({alone(other)}{pieces}); once the classifier alone is, by {between(first)}; with edges by "
                    f"{alone(edges)} ({last.images:,} images, whatever the sign).",
                    *last,
                )
            )
    return findings


STUDY = Study(
    name="sanity",
    title="Sanity",
    question="Does an explanation change when what the detector has learned is replaced by chance?",
    columns=COLUMNS,
    better="lower",
    control="Explanations of other images of the same cell, and the image's edges.",
    compute=compute,
    conclude=conclude,
    version=2,
    parameters={"networks": 10, "others": 100, "lime_others": 20, "lime_seed": 0, "seed": 0},
    shard=48,
)
