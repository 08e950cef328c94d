"""How often does LIME show one sign only? The paper's first complaint, under its settings and under ours."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.lime.regions import LIME, LimeSettings
from core.findings.claims import Headlines
from core.findings.finding import Control, Finding, Measure
from core.findings.intervals import weighted_lead
from core.runs.run import Run
from core.studies.explanations import Compared, Pass, explain_all, share_of
from core.studies.groups import Cells, groups
from core.studies.study import Context, Study

COLUMNS = {
    "paper_segments": "segments under the paper's settings",
    "paper_one_sign": "paper's settings: every weight has one sign, so the map has one colour",
    "paper_against": "paper's settings: every weight is against the verdict, the paper's 'uniformly red'",
    "ours_segments": "segments under our settings",
    "ours_one_sign": "our settings: every weight has one sign",
    "ours_against": "our settings: every weight is against the verdict",
    "ours_shown_one": "our settings: what is decided has one colour, or nothing is decided",
    "ours_cause": "our settings: why it shows one colour, empty where it shows both",
    "ours_decided": "our settings: share of the area that is decided, 0 to 1",
    "ours_r2": "our settings: share of what the detector does that the surrogate explains, up to 1",
}

HEADLINES: Headlines = {
    "paper-*": {
        "question": "How often is LIME one colour under the paper's settings?",
        "no control": "What the paper saw; the next rows compare other settings with it.",
    },
    "ours-*": {
        "question": "Do other settings show both colours more often?",
        "holds": "Maps of one colour become more frequent with our settings.",
        "holds below": "Maps of one colour become rarer with our settings.",
        "not shown": "Maps of one colour are not shown to become rarer.",
    },
}


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Count the signs of each image's LIME weights under both settings."""
    images = [np.asarray(context.pixels[row]) for row in rows]
    seed = parameters["lime_seed"]
    papers, ours = (
        [explain_all(context.detector, [image], LIME, settings)[0] for image in images]
        for settings in (LimeSettings.paper(seed=seed), LimeSettings(seed=seed))
    )
    signs = Cells(context.run).signs[rows]
    columns = {
        "paper_segments": np.array([len(lime.weights) for lime in papers], np.int16),
        "paper_one_sign": list(map(_has_one_sign, papers)),
        "paper_against": list(map(_is_against, papers, signs)),
        "ours_segments": np.array([len(lime.weights) for lime in ours], np.int16),
        "ours_one_sign": list(map(_has_one_sign, ours)),
        "ours_against": list(map(_is_against, ours, signs)),
        "ours_shown_one": [bool(lime.one_colour) for lime in ours],
        "ours_cause": [lime.one_colour for lime in ours],
        "ours_decided": np.array([lime.decided_share for lime in ours], np.float32),
        "ours_r2": np.array([lime.r2 for lime in ours], np.float32),
    }
    return pd.DataFrame({"id": context.run.predictions["id"].to_numpy()[rows], **columns})


def _has_one_sign(lime: Pass) -> bool:
    return len(set(np.sign(lime.weights).tolist()) - {0}) < 2


def _is_against(lime: Pass, sign: int) -> bool:
    return bool((sign * lime.weights < 0).all())


def conclude(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """`paper-<verdict>` and `ours-<verdict>`: single-sign maps under both settings, and those all against."""
    findings = []
    for group, part, weights in groups(table, run):
        paper, ours = (part[name].to_numpy(bool) for name in ("paper_one_sign", "ours_shown_one"))
        few = share_of((part["paper_segments"] <= 2).to_numpy(), weights)
        against = {name: share_of(part[f"{name}_against"].to_numpy(bool), weights) for name in ("paper", "ours")}
        alone = share_of(paper, weights)
        lead = Measure.of(weighted_lead(ours.astype(float) - paper, weights))
        both = Compared(share_of(ours, weights), Control("the paper's settings", alone), lead)
        details, beside = {"name": LIME.title}, {"against": against["ours"]}
        findings += [
            Finding(
                f"paper-{group}", "one_colour", "one_colour", alone, group,
                beside={"against": against["paper"], "few": few}, details=details,
            ),
            both.finding(f"ours-{group}", "one_colour", "one_colour", group, beside=beside, details=details),
        ]  # fmt: skip
    return findings


STUDY = Study(
    name="one_colour",
    title="Single-sign maps",
    question="How often does LIME show one sign only, under the paper's settings and under ours?",
    columns=COLUMNS,
    control="The paper's own settings (quickshift, 1,000 coin-flip samples, probability) on the same images.",
    compute=compute,
    conclude=conclude,
    headlines=HEADLINES,
    parameters={"lime_seed": 0},
    explore=("paper_one_sign", "ours_shown_one", "ours_cause"),
    shard=32,
)
