"""How often does LIME show one colour only? The paper's first complaint, under its settings and under ours."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.lime.regions import LimeSettings
from core.metrics.intervals import weighted_share
from core.runs.run import Run
from core.studies.cells import Cells
from core.studies.groups import groups
from core.studies.shares import percent, with_ends
from core.studies.study import Context, Finding, Study
from core.studies.trust.lime_pass import LimePass, lime_pass

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


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Colours of each image's LIME map under both settings."""
    cells = Cells(context.run)
    found = []
    for row in rows:
        image = np.asarray(context.pixels[row])
        paper = lime_pass(context.detector, image, LimeSettings.paper(seed=parameters["lime_seed"]))
        ours = lime_pass(context.detector, image, LimeSettings(seed=parameters["lime_seed"]))
        found.append(
            {
                "paper_segments": np.int16(len(paper.weights)),
                "paper_one_sign": _one_sign(paper),
                "paper_against": _against(paper, cells.signs[row]),
                "ours_segments": np.int16(len(ours.weights)),
                "ours_one_sign": _one_sign(ours),
                "ours_against": _against(ours, cells.signs[row]),
                "ours_shown_one": bool(ours.one_colour),
                "ours_cause": ours.one_colour,
                "ours_decided": np.float32(ours.decided_share),
                "ours_r2": np.float32(ours.r2),
            }
        )
    table = pd.DataFrame(found, columns=list(COLUMNS))
    table.insert(0, "id", context.run.predictions["id"].to_numpy()[rows])
    return table


def _one_sign(lime: LimePass) -> bool:
    return len(set(np.sign(lime.weights).tolist()) - {0}) < 2


def _against(lime: LimePass, sign: int) -> bool:
    return bool((sign * lime.weights < 0).all())


def conclude(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """For each verdict: the share of one-colour maps under both settings, and of uniformly red ones."""
    findings = []
    for group, part, weights in groups(table, run):
        paper, red, shown, ours_red = (
            weighted_share(part[name].to_numpy(bool), weights)
            for name in ("paper_one_sign", "paper_against", "ours_shown_one", "ours_against")
        )
        few = weighted_share((part["paper_segments"] <= 2).to_numpy(), weights)
        findings.append(
            Finding(
                f"paper-{group}",
                f"Under the paper's settings LIME shows one colour on {with_ends(*paper[:3])} of "
                f"{group} verdicts and is all against the verdict on {percent(red.value)}; it finds "
                f"one segment or two on {percent(few.value)} ({paper.images:,} images).",
                *paper,
            )
        )
        findings.append(
            Finding(
                f"ours-{group}",
                f"Under our settings LIME shows one colour or none on {with_ends(*shown[:3])} of "
                f"{group} verdicts and is all against the verdict on {percent(ours_red.value)} "
                f"({shown.images:,} images).",
                *shown,
            )
        )
    return findings


STUDY = Study(
    name="one_colour",
    title="One colour",
    question="How often does LIME show one colour only, under the paper's settings and under ours?",
    columns=COLUMNS,
    better="lower",
    control="The paper's own settings (quickshift, 1,000 coin-flip samples, probability) on the same images.",
    compute=compute,
    conclude=conclude,
    parameters={"lime_seed": 0},
    explore=("paper_one_sign", "ours_shown_one", "ours_cause"),
    shard=32,
)
