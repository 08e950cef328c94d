"""Is an explanation the same when it is made again? Under another seed, and under noise that nobody can see."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.agreement import rank_correlation, segment_values
from core.explainers.explainer import AnyExplainer
from core.explainers.lime.segmentation import segment
from core.explainers.settings import ExplainerSettings
from core.explainers.stored import KEPT
from core.studies.cells import Cells
from core.studies.study import Context, Study
from core.studies.trust.judged import Columns, has_seed, judged, owner_of, settings_of
from core.studies.trust.passes import Maps, explained_all, maps_of

# maps of more values are compared over the cells of a grid
FEW = 64


def _columns(explanations: Mapping[str, AnyExplainer]) -> dict[str, str]:
    found = {}
    for name, one in explanations.items():
        itself = f"rank correlation of {one.title} with itself"
        if has_seed(one):
            found[f"{name}_seed"] = f"{itself} under another seed, -1 to 1"
        found[f"{name}_noise"] = f"{itself} on the image with noise of -1, 0 or 1, -1 to 1"
        if one.cuts:
            found[f"{name}_kept"] = f"{itself} on that image cut as the one without noise is, -1 to 1"
        found[f"{name}_other"] = (
            f"rank correlation of {one.title} with that of other images of the same cell, mean, -1 to 1"
        )
    found["margin_change"] = "how far the noise moves the margin"
    found["noise_turns"] = "the noise flips the verdict"
    return found


COLUMNS = Columns(_columns)


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Each explanation of each image made again, and the same comparison with other images."""
    cells, detector = Cells(context.run), context.detector
    own = np.stack([np.asarray(context.pixels[row]) for row in rows])
    pixels = np.stack([noisy(context.pixels[row], seed=(parameters["seed"], int(row))) for row in rows])
    before, after = np.split(detector.margins(np.concatenate([own, pixels])), 2)
    table = pd.DataFrame(index=range(len(rows)))
    for name, one in judged().items():
        columns = [column for column in COLUMNS if owner_of(column, judged()) == name]
        if not context.wants(*columns):
            continue
        if one is KEPT or not one.unavailable(detector):
            found = _made_again(context, cells, rows, parameters, pixels=pixels, explainer=one)
            table = pd.concat([table, pd.DataFrame(found, dtype=np.float32)], axis=1)
        else:
            table[columns] = np.float32(np.nan)
    table["margin_change"] = np.abs(after - before)
    table["noise_turns"] = (after > 0) != (before > 0)
    table.insert(0, "id", context.run.predictions["id"].to_numpy()[rows])
    return table[["id", *(column for column in COLUMNS if column in table)]]


def _made_again(
    context: Context,
    cells: Cells,
    rows: NDArray[np.intp],
    parameters: Mapping[str, Any],
    *,
    pixels: NDArray[np.uint8],
    explainer: AnyExplainer,
) -> dict[str, list[float]]:
    """Column -> a value a row, of one explainer; `pixels` are the images with noise."""
    detector, name, seed = context.detector, explainer.name, parameters["lime_seed"]
    settings = settings_of(explainer, seed)
    own = [np.asarray(context.pixels[row]) for row in rows]
    first = maps_of(detector, own, explainer, settings)
    ways: dict[str, Callable[[], Maps]] = {"noise": lambda: maps_of(detector, list(pixels), explainer, settings)}
    if has_seed(explainer):
        ways["seed"] = lambda: maps_of(detector, own, explainer, settings_of(explainer, seed + 1))
    if explainer.cuts:
        ways["kept"] = lambda: [
            explainer.explain_on(detector, image, settings, before.regions).map
            for image, before in zip(pixels, explained_all(detector, own, explainer, settings), strict=True)
        ]
    grids = [segment(image, method="grid", n_segments=parameters["segments"]) for image in own]
    found: dict[str, list[float]] = {}
    for kind, make in ways.items():
        if context.wants(f"{name}_{kind}"):
            pairs = zip(first, make(), grids, strict=True)
            found[f"{name}_{kind}"] = [rank_correlation(*_places([one, other], grid)) for one, other, grid in pairs]
    if context.wants(f"{name}_other"):
        found[f"{name}_other"] = []
        for row, one, grid in zip(rows, first, grids, strict=True):
            others = _others(context, cells, int(row), parameters, explainer=explainer, settings=settings)
            mine, *rest = _places([one, *others], grid)
            found[f"{name}_other"].append(mean_rank(mine, rest))
    return found


def _others(
    context: Context,
    cells: Cells,
    row: int,
    parameters: Mapping[str, Any],
    *,
    explainer: AnyExplainer,
    settings: ExplainerSettings,
) -> Maps:
    """Maps of other images of the cell: many of the kind that the run has kept, and a few of the others."""
    if explainer is KEPT:
        others = cells.others(row, parameters["others"], seed=parameters["seed"])
        return list(np.asarray(context.run.needed_maps[others], np.float32))
    others = cells.references(row, parameters["lime_others"], seed=parameters["seed"])
    return maps_of(context.detector, [np.asarray(context.pixels[other]) for other in others], explainer, settings)


def _places(maps: Maps, grid: NDArray[np.integer]) -> list[NDArray[np.floating]]:
    """The values that are compared: the maps' own where these are few, else their means over the cells of a grid."""
    if maps[0].size <= FEW:
        return [one.ravel() for one in maps]
    return list(segment_values(np.stack(maps), grid))


def noisy(image: NDArray[np.uint8], *, seed: tuple[int, int]) -> NDArray[np.uint8]:
    """The image with -1, 0 or 1 added to every value by lot, kept within 0 to 255."""
    noise = np.random.default_rng(seed).integers(-1, 2, image.shape)
    return np.asarray(np.clip(np.asarray(image, np.int16) + noise, 0, 255), np.uint8)


def mean_rank(first: NDArray[np.floating], others: list[NDArray[np.floating]], *, signed: bool = True) -> float:
    """Average one map's rank correlations with several others, absolute unless `signed`; NaN if all are undefined."""
    ranks = np.array([rank_correlation(first, other) for other in others])
    ranks = ranks if signed else np.abs(ranks)
    return float(np.nanmean(ranks)) if np.isfinite(ranks).any() else float("nan")


STUDY = Study(
    name="stability",
    title="Stability",
    question="Is an explanation the same under another seed, and under noise that nobody can see?",
    columns=COLUMNS,
    needs=("maps",),
    control="The same comparison with explanations of other images of the same cell of the confusion matrix.",
    compute=compute,
    parameters={"others": 100, "lime_others": 20, "segments": 64, "lime_seed": 0, "seed": 0},
    explore=("lime_seed", "lime_noise", "gradcam_noise"),
    shard=32,
)
