"""Does a sign that LIME calls certain hold under another fill? Its intervals are about the samples under one fill."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.explainer import AnyExplainer
from core.studies.study import Context, Study
from core.studies.trust.judged import SEED, Columns, covering, judged, others_of, own_fill, owner_of, settings_of
from core.studies.trust.passes import explained_all


def _columns(_explanations: Mapping[str, AnyExplainer]) -> dict[str, str]:
    found = {}
    for name, one in covering().items():
        fill = own_fill(one)
        found[f"{name}_certain"] = f"parts whose sign {one.title} calls certain with {fill} fill"
        found[f"{name}_every"] = "of these, those that are certain with the same sign under every fill"
        for other in (*others_of(one), SEED):
            what = f"with {fill} fill and another draw of the samples" if other == SEED else f"with {fill} and {other}"
            found[f"{name}_{other}_both"] = f"parts whose sign {one.title} calls certain both {what}"
            found[f"{name}_{other}_reversed"] = "of these, those whose sign is the opposite"
    return found


COLUMNS = Columns(_columns)


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Counts of the parts of each image that are certain, and alike, under several fills."""
    images = [np.asarray(context.pixels[row]) for row in rows]
    table = pd.DataFrame({"id": context.run.predictions["id"].to_numpy()[rows]})
    for name, one in covering().items():
        columns = [column for column in COLUMNS if owner_of(column, judged()) == name]
        if not context.wants(*columns):
            continue
        if one.unavailable(context.detector):
            table[columns] = np.float32(np.nan)
            continue
        own = settings_of(one, parameters["lime_seed"])
        asked: dict[str, Any] = {
            fill: settings for fill, settings in one.under_fills(own).items() if fill != own_fill(one)
        }
        asked[SEED] = settings_of(one, parameters["lime_seed"] + 1)
        before = [found.decisions for found in explained_all(context.detector, images, one, own)]
        alike = [signs != 0 for signs in before]
        counts: dict[str, list[int]] = {f"{name}_certain": [int(signs.sum()) for signs in alike]}
        for other, settings in asked.items():
            after = [found.decisions for found in explained_all(context.detector, images, one, settings)]
            pairs = list(zip(before, after, strict=True))
            counts[f"{name}_{other}_both"] = [int(np.count_nonzero(a * b)) for a, b in pairs]
            counts[f"{name}_{other}_reversed"] = [int((a * b < 0).sum()) for a, b in pairs]
            if other != SEED:
                alike = [so_far & (a == b) for so_far, (a, b) in zip(alike, pairs, strict=True)]
        counts[f"{name}_every"] = [int(found.sum()) for found in alike]
        table = pd.concat([table, pd.DataFrame(counts, columns=columns).astype(np.float32)], axis=1)
    return table


STUDY = Study(
    name="certainty",
    title="Certainty",
    question="Does a sign that LIME calls certain hold under another fill?",
    columns=COLUMNS,
    better="neither",
    control="Another draw of the samples with the same fill, which is all that the intervals are about.",
    compute=compute,
    parameters={"lime_seed": 0},
    shard=16,
)
