"""How often does LIME show one colour only? The paper's first complaint, under its settings and under ours."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.lime.regions import LIME, LimeSettings
from core.studies.cells import Cells
from core.studies.study import Context, Study
from core.studies.trust.passes import Pass, explained

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
        paper = explained(context.detector, image, LIME, LimeSettings.paper(seed=parameters["lime_seed"]))
        ours = explained(context.detector, image, LIME, LimeSettings(seed=parameters["lime_seed"]))
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


def _one_sign(lime: Pass) -> bool:
    return len(set(np.sign(lime.weights).tolist()) - {0}) < 2


def _against(lime: Pass, sign: int) -> bool:
    return bool((sign * lime.weights < 0).all())


STUDY = Study(
    name="one_colour",
    title="One colour",
    question="How often does LIME show one colour only, under the paper's settings and under ours?",
    columns=COLUMNS,
    control="The paper's own settings (quickshift, 1,000 coin-flip samples, probability) on the same images.",
    compute=compute,
    parameters={"lime_seed": 0},
    explore=("paper_one_sign", "ours_shown_one", "ours_cause"),
    shard=32,
)
