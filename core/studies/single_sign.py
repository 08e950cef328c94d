"""How often does LIME show one sign only? The paper's first complaint, under its settings and under ours."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.lime.regions import LIME, LimeSettings
from core.findings.claims import Headlines
from core.findings.finding import Control, Finding, Measure, share_of
from core.findings.intervals import weighted_lead
from core.runs.run import Run
from core.studies.explanations import explain_all
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
    columns: dict[str, Any] = {"id": context.run.predictions["id"].to_numpy()[rows]}
    signs, seed = Cells(context.run).signs[rows], parameters["lime_seed"]
    for name, settings in {"paper": LimeSettings.paper(seed=seed), "ours": LimeSettings(seed=seed)}.items():
        explained = [explain_all(context.detector, [context.pixels[row]], LIME, settings)[0] for row in rows]
        columns[f"{name}_segments"] = np.array([len(lime.weights) for lime in explained], np.int16)
        columns[f"{name}_one_sign"] = [not (lime.weights.min() < 0 < lime.weights.max()) for lime in explained]
        against = [(sign * lime.weights < 0).all() for lime, sign in zip(explained, signs, strict=True)]
        columns[f"{name}_against"] = np.array(against, bool)
    columns["ours_shown_one"] = [bool(lime.one_colour) for lime in explained]
    columns["ours_cause"] = [lime.one_colour for lime in explained]
    return pd.DataFrame(columns)


def conclude(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """`paper-<verdict>` and `ours-<verdict>`: single-sign maps under both settings, and those all against."""
    findings = []
    for group, part, weights in groups(table, run):
        paper, ours = (part[name].to_numpy(bool) for name in ("paper_one_sign", "ours_shown_one"))
        few = share_of((part["paper_segments"] <= 2).to_numpy(), weights)
        against = {name: share_of(part[f"{name}_against"].to_numpy(bool), weights) for name in ("paper", "ours")}
        alone, details = share_of(paper, weights), {"name": LIME.title}
        beside = {"against": against["paper"], "few": few}
        lead = Measure.of(weighted_lead(ours.astype(float) - paper, weights))
        findings += [
            Finding(f"paper-{group}", "one_colour", "one_colour", alone, group, beside=beside, details=details),
            Finding(
                f"ours-{group}", "one_colour", "one_colour", share_of(ours, weights), group,
                Control("the paper's settings", alone), lead, beside={"against": against["ours"]}, details=details,
            ),
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
