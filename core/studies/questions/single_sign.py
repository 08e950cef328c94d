"""How often does LIME show one sign only? The paper's first complaint, under its settings and under ours."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from core.explainers.lime import LIME, LimeSettings
from core.findings.contrast import Contrast, Finding
from core.findings.intervals import weighted_share
from core.findings.paired import compare_shares
from core.runs.run import Run
from core.studies.shared.explanations import explain_all
from core.studies.shared.groups import groups
from core.studies.study import Context, Parameters, Rows, Study

COLUMNS = {
    "paper_segments_count": "number of segments under the paper's settings",
    "is_paper_one_sign": "paper's settings: every weight has one sign, so the map has one colour",
    "is_paper_against": "paper's settings: every weight is against the verdict, the paper's 'uniformly red'",
    "is_ours_against": "our settings: every weight is against the verdict",
    "is_ours_one_sign": "our settings: what is decided has one colour, or nothing is decided",
    "ours_cause": "our settings: why it shows one colour, empty where it shows both",
}


def compute(context: Context, rows: Rows, parameters: Parameters) -> pd.DataFrame:
    """Count the signs of each image's LIME weights under both settings."""
    seed = parameters["lime_seed"]
    signs = np.where(context.run.predicted_real[rows], 1, -1)
    images = context.pixels[rows]
    paper = explain_all(context.detector, images, LIME, LimeSettings.paper(seed=seed))
    ours = explain_all(context.detector, images, LIME, LimeSettings(seed=seed))
    return pd.DataFrame(
        {
            "id": context.ids(rows),
            "paper_segments_count": np.array([len(lime.weights) for lime in paper], np.int16),
            "is_paper_one_sign": [not (lime.weights.min() < 0 < lime.weights.max()) for lime in paper],
            "is_paper_against": [(sign * lime.weights < 0).all() for sign, lime in zip(signs, paper, strict=True)],
            "is_ours_against": [(sign * lime.weights < 0).all() for sign, lime in zip(signs, ours, strict=True)],
            "is_ours_one_sign": [bool(lime.one_colour) for lime in ours],
            "ours_cause": [lime.one_colour for lime in ours],
        }
    )


def conclude(run: Run, table: pd.DataFrame, _parameters: Parameters) -> Iterator[Finding]:
    """`paper-<verdict>` and `ours-<verdict>`: single-sign maps under both settings, and those all against."""
    for group, part, weights in groups(table, run):
        paper = part["is_paper_one_sign"]
        beside = {
            "against": weighted_share(part["is_paper_against"], weights),
            "few": weighted_share(part["paper_segments_count"] <= 2, weights),
        }
        alone = Contrast("settings", "the paper's", weighted_share(paper, weights))
        yield Finding(
            f"paper-{group}",
            "How often is LIME one colour under the paper's settings?",
            "one_colour",
            (alone,),
            group=group,
            subject=LIME.title,
            beside=beside,
        )
        contrast = compare_shares(
            "control", "the paper's settings", part["is_ours_one_sign"], paper, weights, control="the paper's settings"
        )
        beside = {"against": weighted_share(part["is_ours_against"], weights)}
        yield Finding(
            f"ours-{group}",
            "Are one-colour maps rarer with other settings than with the paper's?",
            "one_colour",
            (contrast,),
            yes="below",
            group=group,
            subject=LIME.title,
            beside=beside,
        )


STUDY = Study(
    name="single_sign",
    title="Single-sign maps",
    question="How often does LIME show one sign only, under the paper's settings and under ours?",
    columns=COLUMNS,
    control="The paper's own settings (quickshift, 1,000 coin-flip samples, probability) on the same images.",
    compute=compute,
    conclude=conclude,
    parameters={"lime_seed": 0},
    explore=("is_paper_one_sign", "is_ours_one_sign", "ours_cause"),
    shard=32,
)
