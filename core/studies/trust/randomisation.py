"""Does an explanation depend on what the detector has learned? Randomisation from the top down (Adebayo et al. 2018).

The classifier's weights are re-initialised at random, then also those of the part before it, and so on down to the
first. A map that stays the same shows the image and not the detector. Correlations are absolute values, since a random
classifier may swap the classes and otherwise leave the map as it was; chance is therefore well above 0. The control
measures it: the same correlation with the random detector's maps of other images, over this image's own regions where
the method has any.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.detectors.detector import Detector
from core.explainers.agreement import rank_correlation
from core.explainers.controls import edge_map
from core.explainers.explainer import AnyExplainer
from core.explainers.stored import KEPT
from core.studies.cells import Cells
from core.studies.study import Context, Study, StudyError
from core.studies.trust.judged import CHEAP, Columns, cost_of, judged, owner_of, settings_of
from core.studies.trust.passes import Pass, maps_of, passes_of
from core.studies.trust.robustness import mean_rank

# maps are compared on so many cells along a side, unless they have fewer values
CELLS = 8


def _columns(explanations: Mapping[str, AnyExplainer]) -> dict[str, str]:
    found = {"network": "which of the random detectors it was compared with, counted from 0"}
    for name, one in explanations.items():
        found[f"{name}_other"] = (
            f"size of the rank correlation of {one.title} with that of other images of the cell by the detector that "
            "is random throughout, over the same regions where it has such, mean, 0 to 1"
        )
        found[f"{name}_edges"] = f"size of the rank correlation of {one.title} with edges, 0 to 1"
    return found


COLUMNS = Columns(_columns)


def describe_level(column: str) -> str | None:
    """What the column of one level of a detector holds, None of any other column."""
    method = owner_of(column, judged())
    if method is None:
        return None
    level = column.removeprefix(f"{method}_")
    return f"size of the rank correlation of {judged()[method].title} with that by the detector random to {level}"


def columns_for(levels: tuple[str, ...]) -> list[str]:
    """The columns of a detector with these levels, from the output down."""
    found = ["network"]
    for name, one in judged().items():
        found += [f"{name}_{level}" for level in (*asked_levels(one, levels), "other", "edges")]
    return found


def asked_levels(explainer: AnyExplainer, levels: tuple[str, ...]) -> tuple[str, ...]:
    """The levels that an explainer is asked at: all, or the first two and the last of one that costs more."""
    return levels if cost_of(explainer) <= CHEAP else tuple(dict.fromkeys((*levels[:2], levels[-1])))


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Each explanation of each image by the detector and by random ones; images take turns with the random networks."""
    levels = context.detector.levels
    if not levels:
        raise StudyError(f"{context.detector.name} has no weights that can be randomised; use another detector")
    if parameters["networks"] < 1:
        raise StudyError(f"networks must be at least 1, not {parameters['networks']}")
    network = np.asarray(rows % parameters["networks"], np.int16)
    asked = [
        one
        for name, one in judged().items()
        if context.wants(*(f"{name}_{level}" for level in (*asked_levels(one, levels), "other", "edges")))
    ]
    wanted = [name for name in columns_for(levels) if name == "network" or owner_of(name, judged()) in names_of(asked)]
    table = pd.DataFrame(np.nan, index=range(len(rows)), columns=wanted, dtype=np.float32)
    table["network"] = network
    able = [one for one in asked if one is KEPT or not one.unavailable(context.detector)]
    own = {one.name: passes_of(context, rows, one, seed=parameters["lime_seed"]) for one in able}
    for turn in range(parameters["networks"]):
        mine = np.flatnonzero(network == turn)
        for level in levels if len(mine) and able else ():
            odd = context.detector.randomised(level, seed=parameters["seed"] + turn)
            for one in able:
                if level in asked_levels(one, levels):
                    settings = settings_of(one, parameters["lime_seed"])
                    images = [np.asarray(context.pixels[row]) for row in rows[mine]]
                    for at, after in zip(mine.tolist(), maps_of(odd, images, one, settings), strict=True):
                        before = own[one.name][at].values
                        table.loc[at, f"{one.name}_{level}"] = abs(rank_correlation(_places(before), _places(after)))
                if level == levels[-1]:
                    for at in mine.tolist():
                        found = _strangers(
                            context, odd, int(rows[at]), parameters, explainer=one, own=own[one.name][at]
                        )
                        before = _places(own[one.name][at].values)
                        table.loc[at, f"{one.name}_other"] = mean_rank(before, found, signed=False)
    for at, row in enumerate(rows):
        edges = edge_map(np.asarray(context.pixels[row]))
        for one in able:
            before = own[one.name][at].values
            cells = _cells(before)
            table.loc[at, f"{one.name}_edges"] = abs(rank_correlation(_places(before), on_grid(edges, cells)))
    table.insert(0, "id", context.run.predictions["id"].to_numpy()[rows])
    return table


def names_of(explanations: Sequence[AnyExplainer]) -> list[str]:
    """Their names."""
    return [one.name for one in explanations]


def _strangers(
    context: Context, odd: Detector, row: int, parameters: Mapping[str, Any], *, explainer: AnyExplainer, own: Pass
) -> list[NDArray[np.floating]]:
    """Compute the random detector's maps of other images of the cell, as the values that are compared.

    A costly method explains them over this image's regions: maps over the same few regions correlate more by chance.
    """
    others = Cells(context.run).others(row, parameters["others"], seed=parameters["seed"])
    settings = settings_of(explainer, parameters["lime_seed"])
    if cost_of(explainer) <= CHEAP:
        images = [np.asarray(context.pixels[other]) for other in others]
        return [_places(one) for one in maps_of(odd, images, explainer, settings)]
    regions = own.regions if own.regions.size else None
    few = others[: parameters["lime_others"]]
    return [
        _places(explainer.explain_on(odd, np.asarray(context.pixels[other]), settings, regions).map) for other in few
    ]


def _places(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """The values of a map that are compared: its own where these are few, else their means over a grid."""
    return on_grid(values, _cells(values))


def _cells(values: NDArray[np.floating]) -> tuple[int, ...]:
    """The cells that a map is compared over: its own positions where they are few, or a grid no finer than they are."""
    height, width = values.shape
    return values.shape if values.size <= CELLS**2 else (min(CELLS, height), min(CELLS, width))


def on_grid(values: NDArray[np.floating], cells: tuple[int, ...] = (CELLS, CELLS)) -> NDArray[np.float64]:
    """float64 (S,): the means of a map over so many cells down and across, row by row, as even as its size allows."""
    rows, columns = cells
    height, width = values.shape
    if height % rows == 0 and width % columns == 0:
        whole = np.asarray(values, np.float64).reshape(rows, height // rows, columns, width // columns)
        means: NDArray[np.float64] = whole.mean(axis=(1, 3))
        return means.ravel()
    places = np.add.outer(np.arange(height) * rows // height * columns, np.arange(width) * columns // width).ravel()
    return np.bincount(places, np.asarray(values, np.float64).ravel(), rows * columns) / np.bincount(places)


STUDY = Study(
    name="sanity",
    title="Sanity",
    question="Does an explanation change when what the detector has learned is replaced by chance?",
    columns=COLUMNS,
    further=describe_level,
    needs=("maps",),
    control="What the same random detector makes of other images of the cell, and the image's edges.",
    compute=compute,
    parameters={"networks": 10, "others": 20, "lime_others": 4, "lime_seed": 0, "seed": 0},
    shard=48,
)
