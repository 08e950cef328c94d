"""Does a sign that LIME calls certain hold under another fill? Its intervals are about the samples under one fill."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.explainer import AnyExplainer
from core.explainers.settings import ExplainerSettings
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
        draws = f"as many further draws of the samples with {fill} fill as there are other fills"
        found[f"{name}_{SEED}_every"] = f"parts that are certain with the same sign in {draws}"
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
        fills = {fill: settings for fill, settings in one.under_fills(own).items() if fill != own_fill(one)}
        draws = [settings_of(one, parameters["lime_seed"] + draw) for draw in range(1, len(fills) + 1)]
        signs = partial(_signs, context, images, one)
        before = signs(own)
        counts = {f"{name}_certain": _count([part != 0 for part in before])}
        if context.wants(*(column for column in columns if column != f"{name}_{SEED}_every")):
            asked: list[tuple[str, ExplainerSettings]] = [*fills.items(), (SEED, draws[0])]
            for other, settings in asked:
                products = [a * b for a, b in zip(before, signs(settings), strict=True)]
                counts[f"{name}_{other}_both"] = _count([found != 0 for found in products])
                counts[f"{name}_{other}_reversed"] = _count([found < 0 for found in products])
            counts[f"{name}_every"] = _count(_alike(before, map(signs, fills.values())))
        if context.wants(f"{name}_{SEED}_every"):
            counts[f"{name}_{SEED}_every"] = _count(_alike(before, map(signs, draws)))
        given = [column for column in columns if column in counts]
        table = pd.concat([table, pd.DataFrame(counts, columns=given).astype(np.float32)], axis=1)
    return table


def _signs(
    context: Context, images: Sequence[NDArray[np.uint8]], explainer: AnyExplainer, settings: ExplainerSettings
) -> list[NDArray[np.int8]]:
    """Of each image the signs of its parts, 0 where none is certain."""
    return [found.decisions for found in explained_all(context.detector, images, explainer, settings)]


def _alike(before: Sequence[NDArray[np.int8]], others: Iterable[Sequence[NDArray[np.int8]]]) -> list[NDArray[np.bool_]]:
    """Which certain signs of each image all others give too."""
    found = [signs != 0 for signs in before]
    for after in others:
        found = [so_far & (a == b) for so_far, a, b in zip(found, before, after, strict=True)]
    return found


def _count(each: Iterable[NDArray[np.bool_]]) -> list[int]:
    return [int(found.sum()) for found in each]


STUDY = Study(
    name="certainty",
    title="Certainty",
    question="Does a sign that LIME calls certain hold under another fill?",
    columns=COLUMNS,
    control="Other draws of the samples with the same fill, which is all that the intervals are about.",
    compute=compute,
    parameters={"lime_seed": 0},
    shard=16,
)
