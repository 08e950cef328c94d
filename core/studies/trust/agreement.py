"""Do Grad-CAM and LIME name the same places, more than maps of other images would?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.agreement import LEVEL, agreement, enough
from core.explainers.lime.regions import LimeSettings
from core.explainers.lime.segmentation import segment
from core.metrics.intervals import weighted_mean, weighted_share
from core.runs.run import Run
from core.studies.cells import Cells
from core.studies.groups import groups
from core.studies.registry import VERSIONS
from core.studies.shares import with_ends
from core.studies.study import Context, Finding, Study
from core.studies.trust.lime_pass import lime_pass
from core.studies.trust.summary import alone, between

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


def conclude(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> list[Finding]:
    """For each verdict: how far they agree, what chance gives, and on how many images the agreement is the image's."""
    cells, places = Cells(run), pd.Index(run.predictions["id"])
    findings = []
    for group, part, weights in groups(table, run):
        own, chance = (weighted_mean(part[name].to_numpy(float), weights) for name in ("rank", "others_rank"))
        more = weighted_mean((part["rank"] - part["others_rank"]).to_numpy(float), weights)
        verdict = "more than" if more.low > 0 else "less than" if more.high < 0 else "no more than"
        findings.append(
            Finding(
                f"rank-{group}",
                f"On {group} verdicts LIME and Grad-CAM agree {verdict} by chance: those of one image correlate by "
                f"{between(own)}, LIME with Grad-CAM of other images of the same cell by {alone(chance)}, a "
                f"difference of {between(more)} ({more.images:,} images).",
                *more,
            )
        )
        others = np.minimum(cells.sizes(places.get_indexer(part["id"])) - 1, parameters["others"])
        known = part["rank_share"].notna().to_numpy() & np.array([enough(count) for count in others], bool)
        if not known.any():
            continue
        beyond = weighted_share((part["rank_share"] <= LEVEL).to_numpy()[known], weights[known])
        findings.append(
            Finding(
                f"beyond-{group}",
                f"On {with_ends(*beyond[:3])} of {group} verdicts the two agree "
                f"better than 95 % of other images' maps would; chance gives 5 % ({beyond.images:,} images).",
                *beyond,
            )
        )
    return findings


STUDY = Study(
    name="agreement",
    title="Agreement",
    question="Do Grad-CAM and LIME name the same places, more than maps of other images would?",
    columns=COLUMNS,
    needs=("maps",),
    better="higher",
    control="Grad-CAM maps of other images of the same cell of the confusion matrix in the place of the image's own.",
    compute=compute,
    conclude=conclude,
    version=VERSIONS["agreement"],
    parameters={"others": 100, "segments": 64, "lime_seed": 0, "seed": 0},
    explore=("rank", "rank_share"),
    shard=32,
)
