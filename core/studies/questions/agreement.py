"""Do explanations name the same regions as the map that the run stores, more than maps of other images would?"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from core.explainers.cam import KEPT
from core.explainers.explainer import AnyExplainer
from core.explainers.measures import LEVEL, agreement, enough
from core.explainers.registry import DEFAULT
from core.explainers.segmentation import segment
from core.findings.contrast import Control, Finding, Measure
from core.findings.intervals import weighted_share
from core.findings.paired import compare_apart, compare_means
from core.runs.run import Run
from core.studies.shared.explanations import (
    ALIKE,
    OTHERS,
    SAME,
    describe_all,
    explain_all,
    judged,
    settings_of,
    table_by_method,
)
from core.studies.shared.groups import Cells, groups
from core.studies.study import Context, Parameters, Rows, Study

VALUES = {
    "rank": "rank correlation of {one} and {kept} over the cells of a grid, -1 to 1",
    "others_rank": "rank correlation of {one} with {kept} of other images of the same cell, mean, -1 to 1",
    "rank_share": "share of those that agree with {one} as well as this image's own {kept} does, 0 to 1",
}


def compared() -> dict[str, AnyExplainer]:
    """Return the explainers that are compared with the one whose maps runs store; the one of the default pair first."""
    methods = {name: explainer for name, explainer in judged().items() if name != KEPT.name}
    return dict(sorted(methods.items(), key=lambda item: item[0] not in DEFAULT))


def columns_of(explainer: AnyExplainer) -> dict[str, str]:
    """Describe a method's columns: none of the one whose maps runs store."""
    if explainer is KEPT:
        return {}
    titles = {"one": explainer.title, "kept": KEPT.title}
    return {f"{explainer.name}_{value}": text.format(**titles) for value, text in VALUES.items()}


def compute(context: Context, rows: Rows, parameters: Parameters) -> pd.DataFrame:
    """Compare each image's explanations with the map that the run stores, and with other images' maps."""
    cells = Cells(context.run)
    stored = context.run.needed_maps
    images = context.pixels[rows]
    segments = segment(images[0], method="grid", n_segments=parameters["segments"])

    def compute_columns(explainer: AnyExplainer) -> dict[str, list[float]]:
        settings = settings_of(explainer, parameters["lime_seed"])
        results = []
        explained = explain_all(context.detector, images, explainer, settings)
        for row, own in zip(rows, explained, strict=True):
            others = cells.others(int(row), parameters["others"], seed=parameters["seed"])
            # toward the verdict: what is put first is what speaks for it
            sign = np.float32(cells.signs[row])
            maps = sign * np.asarray(stored[others], np.float32)
            own_map = sign * np.asarray(stored[row], np.float32)
            results.append(agreement(sign * own.values, own_map, segments=segments, others=maps))
        return {f"{explainer.name}_{value}": [getattr(both, value) for both in results] for value in VALUES}

    return table_by_method(context, rows, columns_of, compute_columns)


def conclude(run: Run, table: pd.DataFrame, parameters: Parameters) -> Iterator[Finding]:
    """`rank-<verdict>`: how far LIME and Grad-CAM agree, and `rank-<method>-<verdict>` of other methods; then
    `beyond-<verdict>`: on how many images LIME does beyond chance.
    """
    cells = Cells(run)
    positions = pd.Index(run.predictions["id"])
    for group, part, weights in groups(table, run):
        for method, explainer in compared().items():
            own = f"{method}_rank"
            others = f"{method}_others_rank"
            if own not in part or others not in part or not part[own].notna().any():
                continue
            # what is one method with Grad-CAM agrees with it of necessity
            if method in ALIKE and part[own].mean() > SAME:
                continue
            key = f"rank-{method}-{group}"
            if method in DEFAULT:
                key = f"rank-{group}"
            contrast = compare_means("control", OTHERS, part[own], part[others], weights, control=OTHERS)
            yield Finding(
                key,
                "Does the map agree with Grad-CAM's of the same image?",
                "rank_correlation",
                (contrast,),
                group=group,
                subject=explainer.title,
            )
        compared_with = np.minimum(cells.sizes[positions.get_indexer(part["id"])] - 1, parameters["others"])
        decided = part["lime_rank_share"].notna().to_numpy() & enough(compared_with)
        if decided.any():
            beyond = weighted_share((part["lime_rank_share"] <= LEVEL).to_numpy()[decided], weights[decided])
            contrast = compare_apart("control", "luck", beyond, Control("luck", Measure(LEVEL)))
            subject = "better than 95% of other images' maps"
            yield Finding(
                f"beyond-{group}",
                "Do LIME and Grad-CAM agree beyond chance on more images than by luck?",
                "beyond_chance",
                (contrast,),
                group=group,
                subject=subject,
            )


def make_study() -> Study:
    """Declare the study for the explainers that are registered."""
    return Study(
        name="agreement",
        title="Agreement",
        question="Do Grad-CAM and LIME mark the same regions, more than maps of other images would?",
        columns=describe_all(columns_of),
        needs="maps",
        control="Grad-CAM maps of other images of the same cell of the confusion matrix in the place of the image's "
        "own.",
        compute=compute,
        conclude=conclude,
        parameters={"others": 100, "segments": 64, "lime_seed": 0, "seed": 0},
        explore=("lime_rank", "lime_rank_share"),
        shard=32,
    )
