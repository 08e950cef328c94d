"""Does an explanation depend on what the detector has learned? Randomisation from the top down (Adebayo et al. 2018).

The weights of the classifier, then of layer4 too, and so on down to conv1, are drawn anew. A map that stays the same
shows the image and not the detector. Correlations are taken without their sign, as a random classifier may swap the
classes and leave the picture as it was; so chance is well above 0. The control says where: the same correlation with
what the random detector makes of other images, for LIME cut into this image's own segments.
"""

from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from core.detectors.detector import Detector, build_network
from core.explainers.agreement import rank_correlation
from core.explainers.controls import edge_map
from core.explainers.lime.regions import explain_lime_fully
from core.explainers.results import LimeSettings
from core.metrics.intervals import weighted_mean
from core.runs.run import Run
from core.studies.cells import Cells
from core.studies.groups import groups
from core.studies.registry import VERSIONS
from core.studies.study import Context, Finding, Study
from core.studies.trust.lime_pass import lime_pass
from core.studies.trust.robustness import mean_rank
from core.studies.trust.summary import EXPLANATIONS, LEVELS, LIME_LEVELS, alone, between, kept_by_the_picture

_PARTS = {level: (level,) for level in LEVELS} | {"conv1": ("conv1", "bn1")}

COLUMNS = {
    "network": "which of the random detectors it was compared with, counted from 0",
    **{
        f"gradcam_{level}": f"size of the rank correlation of Grad-CAM with that by the detector random to {level}"
        for level in LEVELS
    },
    "gradcam_other": "size of the rank correlation of Grad-CAM with that of other images of the cell by the detector "
    "random to conv1, mean, 0 to 1",
    "gradcam_edges": "size of the rank correlation of Grad-CAM with edges, 0 to 1",
    **{
        f"lime_{level}": f"size of the rank correlation of LIME with that by the detector random to {level}"
        for level in LIME_LEVELS
    },
    "lime_other": "size of the rank correlation of LIME with that of other images of the cell, cut alike, by the "
    "detector random to conv1, mean, 0 to 1",
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
    trained = [lime_pass(context.detector, np.asarray(context.pixels[row]), settings) for row in rows]
    own = [on_grid(one.values) for one in trained]
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
                    again = on_grid(lime_pass(odd, np.asarray(context.pixels[row]), settings).values)
                    table.loc[at, f"lime_{level}"] = abs(rank_correlation(own[at], again))
                if level == LEVELS[-1]:
                    others = cells.others(row, parameters["others"], seed=parameters["seed"])
                    strangers = list(odd.full_pass(np.asarray(context.pixels[others])).maps)
                    table.loc[at, "gradcam_other"] = mean_rank(before, strangers, signed=False)
                    strangers = [
                        _cut_alike(odd, np.asarray(context.pixels[other]), settings, trained[at].segments)
                        for other in others[: parameters["lime_others"]]
                    ]
                    table.loc[at, "lime_other"] = mean_rank(own[at], strangers, signed=False)
    for at, row in enumerate(rows):
        edges, before = edge_map(np.asarray(context.pixels[row])), np.asarray(context.run.maps[row], np.float32)
        table.loc[at, "gradcam_edges"] = abs(rank_correlation(before, on_grid(edges, 8).reshape(before.shape)))
        table.loc[at, "lime_edges"] = abs(rank_correlation(own[at], on_grid(edges)))
    table.insert(0, "id", context.run.predictions["id"].to_numpy()[rows])
    return table


def on_grid(values: NDArray[np.floating], size: int = 4) -> NDArray[np.float64]:
    """float64 (S,): the means of a map's square cells of `size` pixels, row by row."""
    count = len(values) // size
    cells: NDArray[np.float64] = np.asarray(values, np.float64).reshape(count, size, count, size).mean(axis=(1, 3))
    return cells.ravel()


def _cut_alike(
    detector: Detector, image: NDArray[np.uint8], settings: LimeSettings, segments: NDArray[np.integer]
) -> NDArray[np.float64]:
    """LIME of one image over the segments of another: two maps in the same few pieces correlate more by chance."""
    result = explain_lime_fully(detector, image, settings=settings, segments=segments)
    return on_grid(np.asarray(result.weights[result.segments]))


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
                    clusters=None if level == "edges" else part["network"].to_numpy(),
                )
                for level in (LEVELS[0], LEVELS[-1], "other", "edges")
            )
            kept = kept_by_the_picture(last, other)
            much = "depends only in part" if kept else "depends"
            findings.append(
                Finding(
                    f"{method}-{group}",
                    f"{name} on {group} verdicts {much} on what the detector "
                    f"has learned: once everything is random it correlates with what it was by {between(last)}, "
                    f"{'more' if kept else 'no more'} than what the same random detector makes of other images does "
                    f"({between(other)}); once the classifier alone is, by {between(first)}; with edges by "
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
    control="What the same random detector makes of other images of the cell, and the image's edges.",
    compute=compute,
    conclude=conclude,
    version=VERSIONS["sanity"],
    parameters={"networks": 10, "others": 20, "lime_others": 4, "lime_seed": 0, "seed": 0},
    shard=48,
)
