"""Is an explanation the same when it is computed again? Under another seed, and under noise that nobody can see."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.agreement import rank_correlation, segment_values
from core.explainers.cam import KEPT
from core.explainers.explainer import AnyExplainer
from core.explainers.lime.segmentation import segment
from core.findings.claims import Headlines
from core.findings.finding import Finding
from core.runs.run import Run
from core.studies.explanations import (
    OTHERS,
    ByMethod,
    Columns,
    Compared,
    Maps,
    explain_all,
    has_seed,
    maps_of,
    mean_rank,
    methods_in,
    settings_of,
    share_of,
    table_by_method,
)
from core.studies.groups import Cells, groups
from core.studies.study import Context, Study

# maps of more values are compared over the cells of a grid
FEW = 64
# what is repeated -> the column of its correlation
REPETITIONS = {"noise of 1 in 255": "noise", "that noise with the same segments": "kept", "another seed": "seed"}

HEADLINES: Headlines = {
    "flips-*": {
        "question": "How many verdicts does noise that nobody can see flip?",
        "subject": "noise of 1 in 255",
        "no control": "The noise under which maps are computed again.",
    },
    "*": {
        "question": "Is the map the same when it is computed again?",
        "holds": "More alike than maps of different images are.",
        "holds below": "Less alike than maps of different images are.",
        "in part": "Not with every repetition more alike than maps of different images.",
        "depends": "Not with every repetition more alike than maps of different images.",
        "not shown": "Not shown to be more alike than maps of different images.",
    },
}


def _columns(explanations: Mapping[str, AnyExplainer]) -> ByMethod:
    columns: ByMethod = {}
    for name, explainer in explanations.items():
        itself = f"rank correlation of {explainer.title} with itself"
        columns[name] = {
            **({f"{name}_seed": f"{itself} under another seed, -1 to 1"} if has_seed(explainer) else {}),
            f"{name}_noise": f"{itself} on the image with noise of -1, 0 or 1, -1 to 1",
            **({f"{name}_kept": f"{itself} on that image cut as the one without noise is, -1 to 1"}
               if explainer.cuts else {}),
            f"{name}_other": f"rank correlation of {explainer.title} with that of other images of the same cell, mean, "
            "-1 to 1",
        }  # fmt: skip
    general = {"margin_change": "how far the noise moves the margin", "noise_turns": "the noise flips the verdict"}
    return {**columns, "": general}


COLUMNS = Columns(_columns)


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Compute each explanation of each image again, and compare it with itself and with those of other images."""
    cells = Cells(context.run)
    own = [np.asarray(context.pixels[row]) for row in rows]
    noisy = [add_noise(image, seed=(parameters["seed"], int(row))) for image, row in zip(own, rows, strict=True)]
    grids = [segment(image, method="grid", n_segments=parameters["segments"]) for image in own]
    before, after = np.split(context.detector.margins(np.stack([*own, *noisy])), 2)

    def repeat(explainer: AnyExplainer) -> dict[str, list[float]]:
        values, detector = {}, context.detector
        settings, redrawn = (settings_of(explainer, parameters["lime_seed"] + draw) for draw in (0, 1))
        first = maps_of(detector, own, explainer, settings)
        repetitions: dict[str, Callable[[], Maps]] = {
            "noise": lambda: maps_of(detector, noisy, explainer, settings),
            "seed": lambda: maps_of(detector, own, explainer, redrawn),
            "kept": lambda: [
                explainer.explain_fully(detector, image, settings, regions=once.regions).map
                for image, once in zip(noisy, explain_all(detector, own, explainer, settings), strict=True)
            ],
        }
        for kind, again in repetitions.items():
            column = f"{explainer.name}_{kind}"
            if column in COLUMNS and context.wants(column):
                triples = zip(first, again(), grids, strict=True)
                values[column] = [rank_correlation(*_compared_values([a, b], grid)) for a, b, grid in triples]
        other = f"{explainer.name}_other"
        if context.wants(other):
            values[other] = []
            for row, mine, grid in zip(rows.tolist(), first, grids, strict=True):
                # many of the maps that the run stores, and a few of the others
                if explainer is KEPT:
                    chosen = cells.others(row, parameters["others"], seed=parameters["seed"])
                    maps = list(np.asarray(context.run.needed_maps[chosen], np.float32))
                else:
                    chosen = cells.references(row, parameters["lime_others"], seed=parameters["seed"])
                    maps = maps_of(detector, [np.asarray(context.pixels[at]) for at in chosen], explainer, settings)
                ranked, *rest = _compared_values([mine, *maps], grid)
                values[other].append(mean_rank(ranked, rest))
        return values

    table = table_by_method(context, rows, COLUMNS.by_method, repeat)
    return table.assign(margin_change=np.abs(after - before), noise_turns=(after > 0) != (before > 0))


def _compared_values(maps: Maps, grid: NDArray[np.integer]) -> list[NDArray[np.floating]]:
    """Return the maps' own values where these are few, else their means over the cells of a grid."""
    if maps[0].size <= FEW:
        return [values.ravel() for values in maps]
    return list(segment_values(np.stack(maps), grid))


def add_noise(image: NDArray[np.uint8], *, seed: tuple[int, int]) -> NDArray[np.uint8]:
    """Add -1, 0 or 1 to every value at random, clipped to 0 to 255."""
    noise = np.random.default_rng(seed).integers(-1, 2, image.shape)
    return np.asarray(np.clip(np.asarray(image, np.int16) + noise, 0, 255), np.uint8)


def conclude(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """`<method>-<verdict>`: how alike a repeated explanation is; `flips-<verdict>`: verdicts that the noise flips."""
    findings = []
    for group, part, weights in groups(table, run):
        for method, title in methods_in(table, "{}_noise").items():
            other = part[f"{method}_other"].to_numpy(float)
            repeated = {
                what: Compared.means(OTHERS, part[f"{method}_{column}"].to_numpy(float), other, weights)
                for what, column in REPETITIONS.items()
                if f"{method}_{column}" in part
            }
            choices = [compared.choice("repetition", what) for what, compared in repeated.items()]
            key, first = f"{method}-{group}", next(iter(repeated.values()))
            details = {"name": title}
            findings.append(first.finding(key, "stability", "rank_correlation", group, *choices, details=details))
        flips = share_of(part["noise_turns"].to_numpy(bool), weights)
        findings.append(Finding(f"flips-{group}", "stability", "flip_rate", flips, group))
    return findings


STUDY = Study(
    name="stability",
    title="Stability",
    question="Is an explanation the same under another seed, and under noise that nobody can see?",
    columns=COLUMNS,
    needs=("maps",),
    control="The same comparison with explanations of other images of the same cell of the confusion matrix.",
    compute=compute,
    conclude=conclude,
    headlines=HEADLINES,
    parameters={"others": 100, "lime_others": 20, "segments": 64, "lime_seed": 0, "seed": 0},
    explore=("lime_seed", "lime_noise", "gradcam_noise"),
    shard=32,
)
