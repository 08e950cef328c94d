"""Does an explanation depend on what the detector has learned? Randomisation from the top down (Adebayo et al. 2018).

The classifier's weights are re-initialised at random, then also those of the part before it, and so on down to the
first (https://arxiv.org/abs/1810.03292). A map that stays the same shows the image and not the detector. Correlations
are absolute values, since a random classifier may swap the classes and otherwise leave the map as it was; chance is
therefore well above 0. The control measures it: the same correlation with the random detector's maps of other images,
over this image's own regions where the method has any.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd

from core.arrays import Float64, Floats
from core.explainers.explainer import AnyExplainer
from core.explainers.measures import edge_map
from core.findings.contrast import Finding
from core.findings.intervals import weighted_mean
from core.findings.paired import compare_means
from core.runs.run import Run
from core.studies.shared.explanations import (
    CHEAP_PASSES,
    cost_of,
    describe_all,
    explain_all,
    mean_rank,
    method_of,
    methods_in,
    on_grid,
    settings_of,
    table_by_method,
)
from core.studies.shared.groups import Cells, groups
from core.studies.study import Context, Parameters, Rows, Study, StudyError

# maps are compared on so many cells along a side, unless they have fewer values
CELLS = 8
# columns of every method besides those of the detector's levels
OTHER = "other"
EDGES = "edges"
CONTROL = "what the same random detector makes of other images"

# signs are lost with the classifier's weights
rank_size = partial(mean_rank, signed=False)


def column_of(method: str, compared: str) -> str:
    """Name the column of a method's correlation with a level of the detector, with other images, or with edges."""
    return f"{method}_{compared}_rank"


def _describe(explainer: AnyExplainer) -> dict[str, str]:
    name = explainer.name
    itself = f"size of the rank correlation of {explainer.title} with"
    by_chance = "by the detector that is random throughout, over the same regions where it has such, mean, 0 to 1"
    return {
        column_of(name, OTHER): f"{itself} that of other images of the cell {by_chance}",
        column_of(name, EDGES): f"{itself} edges, 0 to 1",
    }


def columns_of(explainer: AnyExplainer, levels: tuple[str, ...]) -> list[str]:
    """Return a method's columns for a detector with these levels, from the output down."""
    return [column_of(explainer.name, level) for level in (*levels_for(explainer, levels), OTHER, EDGES)]


def levels_for(explainer: AnyExplainer, levels: tuple[str, ...]) -> tuple[str, ...]:
    """Return the levels that an explainer is computed at: all, or the first two and the last of a costly one."""
    if cost_of(explainer) <= CHEAP_PASSES:
        return levels
    return tuple(dict.fromkeys((*levels[:2], levels[-1])))


def compute(context: Context, rows: Rows, parameters: Parameters) -> pd.DataFrame:
    """Correlate each explanation of each image with that by random detectors, which images take in turn."""
    detector = context.detector
    levels = context.detector.levels
    cells = Cells(context.run)
    if not levels:
        raise StudyError(f"{detector.name} has no weights that can be randomised; use another detector")
    if parameters["networks"] < 1:
        raise StudyError(f"networks must be at least 1, not {parameters['networks']}")
    network = np.asarray(rows % parameters["networks"], np.int16)
    images = context.pixels[rows]

    def correlate(explainer: AnyExplainer) -> dict[str, Float64]:
        name = explainer.name
        settings = settings_of(explainer, parameters["lime_seed"])
        explained = explain_all(detector, images, explainer, settings, stored=context.run.needed_maps[rows])
        own = [_compared_values(once.values) for once in explained]
        values = {column: np.full(len(rows), np.nan) for column in columns_of(explainer, levels)}
        for number in np.unique(network).tolist():
            mine = np.flatnonzero(network == number)
            for level in levels_for(explainer, levels):
                random = detector.randomised(level, seed=parameters["seed"] + number)
                for at, after in zip(mine, explain_all(random, images[mine], explainer, settings), strict=True):
                    values[column_of(name, level)][at] = rank_size(own[at], [_compared_values(after.values)])
            # the last level is random throughout
            for at in mine:
                others = context.pixels[cells.others(int(rows[at]), parameters["others"], seed=parameters["seed"])]
                if cost_of(explainer) <= CHEAP_PASSES:
                    maps = [after.values for after in explain_all(random, others, explainer, settings)]
                else:
                    # over this image's regions: maps over the same few regions correlate more by chance
                    regions = explained[at].regions if explained[at].regions.size else None
                    few = others[: parameters["lime_others"]]
                    maps = [explainer.explain_fully(random, image, settings, regions=regions).values for image in few]
                values[column_of(name, OTHER)][at] = rank_size(own[at], list(map(_compared_values, maps)))
        for number, image in enumerate(images):
            edges = on_grid(edge_map(image), _cells(explained[number].values))
            values[column_of(name, EDGES)][number] = rank_size(own[number], [edges])
        return values

    table = table_by_method(context, rows, partial(columns_of, levels=levels), correlate)
    table.insert(1, "network", network)
    return table


def _compared_values(values: Floats) -> Floats:
    """Return a map's own values where these are few, else their means over a grid."""
    return on_grid(values, _cells(values))


def _cells(values: Floats) -> tuple[int, ...]:
    """Return the cells that a map is compared over: its own where they are few, or a grid no finer than they are."""
    if values.size <= CELLS**2:
        return values.shape
    return tuple(min(CELLS, side) for side in values.shape)


def levels_of(table: pd.DataFrame, method: str) -> list[str]:
    """Return the parts of the detector that were made random for a method, from the output down."""
    # also of those that are no longer registered
    names = [name.removesuffix(f"_{OTHER}_rank") for name in table if name.endswith(f"_{OTHER}_rank")]
    own = (name for name in table.columns if method_of(name, names) == method)
    levels = [name.removeprefix(f"{method}_").removesuffix("_rank") for name in own]
    return [level for level in levels if level not in (OTHER, EDGES)]


def conclude(run: Run, table: pd.DataFrame, _parameters: Parameters) -> Iterator[Finding]:
    """`<method>-<verdict>`: what is left of an explanation once the classifier, and once everything, is random."""
    for group, part, weights in groups(table, run):
        # images share a random detector, and with it its luck
        shared = part["network"].to_numpy()
        for method, title in methods_in(table, column_of("{}", OTHER)).items():
            levels = levels_of(table, method)
            last = part[column_of(method, levels[-1])]
            other = part[column_of(method, OTHER)]
            contrast = compare_means("control", CONTROL, last, other, weights, control=CONTROL, clusters=shared)
            beside = {
                "classifier": weighted_mean(part[column_of(method, levels[0])], weights, clusters=shared),
                "edges": weighted_mean(part[column_of(method, EDGES)], weights, clusters=shared),
            }
            yield Finding(
                f"{method}-{group}",
                "Does anything of the map remain when the weights are random?",
                "residual_correlation",
                (contrast,),
                group=group,
                subject=title,
                beside=beside,
            )


def make_study() -> Study:
    """Declare the study for the explainers that are registered."""
    return Study(
        name="randomisation",
        title="Randomisation test",
        question="Does an explanation change when what the detector has learned is replaced by chance?",
        columns={"network": "which of the random detectors it was compared with, counted from 0"}
        | describe_all(_describe),
        needs="maps",
        control="What the same random detector makes of other images of the cell, and the image's edges.",
        compute=compute,
        conclude=conclude,
        parameters={"networks": 10, "others": 20, "lime_others": 4, "lime_seed": 0, "seed": 0},
        shard=48,
    )
