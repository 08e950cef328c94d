"""How near is each explanation to the exact map, where there is one: of detectors that add up scores of small patches?

Two truths are compared, since they answer different questions: what the exact map sums up to within a region, and how
far the margin falls when the region is covered. Methods are tried under each fill, baseline or layer that they offer.
The controls were declared before looking: the exact map of another image of the same cell, and a random order of the
same regions. Edges and centre are baselines, no controls: pixels near the border lie in fewer patches, so that the
middle alone is near the truth.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.agreement import rank_correlation, segment_values
from core.explainers.cam import KEPT
from core.explainers.deletion import centre_map, edge_map
from core.explainers.exact import EXACT
from core.explainers.explainer import AnyExplainer
from core.explainers.lime.regions import LIME
from core.explainers.lime.segmentation import grid
from core.explainers.settings import ExplainerSettings, describe
from core.findings.claims import Headlines
from core.findings.finding import Finding, Measure
from core.findings.intervals import weighted_ratio
from core.perturbations.masking import FILLS, Fill, mask_batch
from core.runs.run import Run
from core.studies.certainty import NOT_COUNTED
from core.studies.explanations import (
    ByMethod,
    Columns,
    Compared,
    explain_all,
    judged,
    mean_of,
    method_of,
    methods_in,
    settings_of,
)
from core.studies.groups import Cells, groups
from core.studies.study import Context, Study, StudyError

Values = NDArray[np.float64]
CONTROLS = {"other": "another image's exact map", "random": "random order"}
BASELINES = {"edges": "edges first", "centre": "middle first"}
UNITS = {"cells": "the cells of a grid", "regions": "LIME's regions"}
# the truth of each region: its share of the exact map, or the effect of covering it with a fill
SUM = "sum"
VALUES = {
    "rank": "rank correlation of {} with the {} of each region, over {}, -1 to 1",
    "overlap": "share of the quarter first for the verdict by {} that is so by the {}, over {}; blind choice: 0.25",
}
# setting that is varied -> kind of choice
KINDS = {"fill": "fill", "sigma": "baseline", "layer": "layer"}
# layers of a detector of patches whose Grad-CAM is the patches' scores by construction, "" for the detector's own
SCORES, NOTE = ("", "scores"), "the patches' scores, stretched"

_TEXTS = {
    "holds": "Nearer than both controls, under every choice.",
    "holds below": "Less near than both controls, under every choice.",
    "in part": "Nearer than both controls under some choices, not shown under all.",
    "not shown": "Not shown to be nearer than the controls.",
}
HEADLINES: Headlines = {
    "sum-*": {"question": "How near is the map to the truth?", **_TEXTS},
    "covered-*": {"question": "How near is the map to the true effect of covering?", **_TEXTS},
}


class Variant(NamedTuple):
    """An explainer with one of its fills, baselines or layers.

    Attributes:
        key: begins its columns; the explainer's name for the default.
        kind: of the choice, "" where there is none.
        title: of the choice, "" where there is none.
        settings: of the explainer.
        fill: with which regions are covered where the truth is the effect of that.
    """

    key: str
    kind: str
    title: str
    settings: ExplainerSettings
    fill: Fill


def variants(explainer: AnyExplainer, *, layers: Iterable[str] = (), seed: int = 0) -> list[Variant]:
    """List an explainer's fills, baselines or layers, its default first."""
    own, name = settings_of(explainer, seed), explainer.name
    setting = next((one for one in describe(explainer.settings) if one.name in KINDS), None)
    if setting is None:
        return [Variant(name, "", "", own, "mean")]
    found, kind = [], KINDS[setting.name]
    for value in dict.fromkeys((getattr(own, setting.name), *(setting.choices or setting.offers or layers))):
        settings, title = own.changed(**{setting.name: value}), setting.told(value) or "last"
        if explainer is KEPT and value in SCORES:
            title += f" ({NOTE})"
        fill: Fill = getattr(settings, "fill", "blur" if kind == "baseline" else "mean")
        found.append(Variant(name if settings == own else f"{name}_{value}", kind, title, settings, fill))
    return found


def column_of(key: str, unit: str, truth: str, value: str) -> str:
    """Name the column of one of `VALUES` of a variant, control or baseline, over one of `UNITS`."""
    return f"{key}_{unit}_{truth}_{value}"


def _describe(key: str, title: str, truths: Iterable[str]) -> dict[str, str]:
    names = {truth: "sum of the exact map" if truth == SUM else f"effect of covering ({truth})" for truth in truths}
    return {
        column_of(key, unit, truth, value): VALUES[value].format(title, names[truth], UNITS[unit])
        for unit, truth, value in product(UNITS, names, VALUES)
    }


def _described(explainer: AnyExplainer, variant: Variant) -> dict[str, str]:
    title = f"{explainer.title}{variant.title and f', {variant.kind} {variant.title}'}"
    columns = _describe(variant.key, title, (SUM, variant.fill))
    if explainer.under_fills(variant.settings):
        columns[f"{variant.key}_certain"] = f"parts whose sign {title} calls certain"
        columns[f"{variant.key}_certain_{SUM}"] = "of these, those whose exact map has a sum of that sign"
        columns[f"{variant.key}_certain_{variant.fill}"] = "of these, those whose covering has an effect of that sign"
    return columns


def _columns(methods: Mapping[str, AnyExplainer]) -> ByMethod:
    orders = [_describe(key, title, (SUM, *FILLS)) for key, title in (CONTROLS | BASELINES).items()]
    columns: ByMethod = {"": {name: text for own in orders for name, text in own.items()}}
    for name, explainer in methods.items():
        own = [_described(explainer, variant) for variant in variants(explainer)]
        columns[name] = {column: text for described in own for column, text in described.items()}
    return columns


COLUMNS = Columns(_columns)


def describe_layer(column: str) -> str | None:
    """Describe the column of a method on another layer; None of any other column."""
    method = method_of(column, judged())
    if method is None:
        return None
    layer = variants(judged()[method], layers=_layers([column], method))[-1]
    return _described(judged()[method], layer).get(column)


def _layers(columns: Iterable[str], method: str) -> list[str]:
    """List the layers, other than its default, that columns of a method are about."""
    heads = dict.fromkeys(name.rsplit("_", 3)[0] for name in columns)
    return [head.removeprefix(f"{method}_") for head in heads if head.startswith(f"{method}_")]


class _Image:
    """One image and the truths of its regions."""

    def __init__(self, context: Context, image: NDArray[np.uint8], exact: NDArray[np.floating], seed: int) -> None:
        self.margins, self.image, self.exact, self.seed = context.detector.margins, image, exact, seed
        self._effects: dict[tuple[bytes, str], Values] = {}

    def effects(self, regions: NDArray[np.integer], truth: Any) -> Values:
        """Compute the truth of each region towards REAL, in margins: float64 (S,)."""
        key = regions.astype(np.int32).tobytes(), truth
        if key not in self._effects and truth == SUM:
            self._effects[key] = sums(self.exact, regions)
        elif key not in self._effects:
            # the image as it is, then with each region covered
            keep = ~np.eye(regions.max() + 2, regions.max() + 1, -1, dtype=bool)
            margins = self.margins(mask_batch(self.image, regions, keep=keep, fill=truth, seed=self.seed))
            self._effects[key] = np.asarray(margins[0] - margins[1:], np.float64)
        return self._effects[key]


def sums(values: NDArray[np.floating], regions: NDArray[np.integer]) -> Values:
    """Add up a map within each region: float64 (S,); a map of another size is interpolated first."""
    return np.asarray(segment_values(values[None], regions)[0] * np.bincount(regions.ravel()))


def overlap(first: Values, second: Values) -> float:
    """Compute the share of the quarter of regions with the highest values by one map that is so by another."""
    top = max(1, round(len(first) / 4))
    return len({*np.argsort(-first, kind="stable")[:top]} & {*np.argsort(-second, kind="stable")[:top]}) / top


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Compare each image's explanations, controls and baselines with its exact map, over each of `UNITS`."""
    detector, seed = context.detector, parameters["seed"]
    if EXACT.unavailable(detector):
        raise StudyError(
            f"the study truth needs a detector that adds up small patches, not {detector.name}; name another"
        )
    cells, pixels = Cells(context.run), [np.asarray(context.pixels[row]) for row in rows]
    others = [np.asarray(context.pixels[cells.others(int(row), 1, seed=seed)[0]]) for row in rows]
    exact = [one.map for one in EXACT.explain_batch(detector, np.stack(pixels + others), EXACT.settings())]
    images = [_Image(context, *pair, seed) for pair in zip(pixels, exact[: len(rows)], strict=True)]
    square = grid(detector.side, detector.side, rows=parameters["cells"], columns=parameters["cells"])
    units = [{"cells": square, "regions": LIME.cut(image, LIME.settings())} for image in pixels]
    records: list[dict[str, Any]] = [{} for _ in rows]

    def compare(at: int, key: str, unit: str, values: Values, truths: Iterable[str]) -> None:
        """Compare one order of regions, already towards the prediction."""
        for truth in truths:
            effects = cells.signs[rows[at]] * images[at].effects(units[at][unit], truth)
            records[at][column_of(key, unit, truth, "rank")] = rank_correlation(values, effects)
            records[at][column_of(key, unit, truth, "overlap")] = overlap(values, effects)

    for (at, row), unit in product(enumerate(rows), UNITS):
        regions = units[at][unit]
        for key, values in {
            "other": cells.signs[row] * sums(exact[len(rows) + at], regions),
            "random": np.random.default_rng((seed, row, len(regions))).random(int(regions.max()) + 1),
            "edges": sums(edge_map(pixels[at]), regions),
            "centre": sums(centre_map(*regions.shape), regions),
        }.items():
            compare(at, key, unit, values, (SUM, *FILLS))
    layers = [layer for layer in detector.layers if layer != detector.target_layer]
    columns = list(COLUMNS)
    for explainer in judged().values():
        for variant in variants(explainer, layers=layers, seed=seed):
            own = _described(explainer, variant)
            columns += [column for column in own if column not in COLUMNS]
            if explainer.unavailable(detector) or not context.wants(*own):
                continue
            for at, explained in enumerate(explain_all(detector, pixels, explainer, variant.settings)):
                for unit in UNITS:
                    regions = units[at][unit]
                    # LIME's own regions have weights; what lies in others is summed
                    weighed = np.array_equal(explained.regions, regions)
                    values = explained.weights.astype(np.float64) if weighed else sums(explained.values, regions)
                    compare(at, variant.key, unit, cells.signs[rows[at]] * values, (SUM, variant.fill))
                if explained.regions.size:
                    records[at][f"{variant.key}_certain"] = np.count_nonzero(explained.decisions)
                    for truth in (SUM, variant.fill):
                        agreeing = explained.decisions * images[at].effects(explained.regions, truth) > 0
                        records[at][f"{variant.key}_certain_{truth}"] = np.count_nonzero(agreeing)
    table = pd.DataFrame(records).reindex(columns=columns).astype(np.float32)
    table.insert(0, "id", context.run.predictions["id"].to_numpy()[rows])
    return table


def conclude(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """`sum-<method>-<verdict>` and `covered-...`: the rank correlation over the grid's cells beside the controls'.

    Choices are the method's fills, baselines or layers, and the controls; black is shown and not counted.
    """
    findings = []
    for truth, (group, part, weights) in product((SUM, "covered"), groups(table, run)):
        for name, title in methods_in(part, column_of("{}", "cells", SUM, "rank")).items():
            tried = variants(judged()[name], layers=_layers(part, name))
            compared, choices = [], []
            for variant, (control, text) in product(tried, CONTROLS.items()):
                what = SUM if truth == SUM else variant.fill
                columns = [column_of(key, "cells", what, "rank") for key in (variant.key, control)]
                own, beside = (part[column].to_numpy(np.float64) for column in columns)
                compared.append(Compared.means(text, own, beside, weights))
                value = variant.title if control == "other" else f"{variant.title}, {text}"
                choice = compared[-1].choice(variant.kind or "control", value)
                counted = getattr(variant.settings, "fill", "") != NOT_COUNTED
                choices.append(choice if counted else replace(choice, control=None, difference=None))
            key, more = f"{truth}-{name}-{group}", {"beside": _beside(part, tried[0], truth, weights)}
            findings.append(
                compared[0].finding(key, "truth", "rank_correlation", group, *choices, details={"name": title}, **more)
            )
    return findings


def _beside(part: pd.DataFrame, variant: Variant, truth: str, weights: NDArray[np.floating]) -> dict[str, Measure]:
    """Measure what belongs to a finding of the default variant: overlap, ranks over regions, signs, edges."""
    what = SUM if truth == SUM else variant.fill
    columns = {
        "overlap of the top quarter": column_of(variant.key, "cells", what, "overlap"),
        "rank correlation over LIME's regions": column_of(variant.key, "regions", what, "rank"),
    } | {title: column_of(key, "cells", what, "rank") for key, title in BASELINES.items()}
    found = {title: mean_of(part[column].to_numpy(np.float64), weights) for title, column in columns.items()}
    if (certain := f"{variant.key}_certain") in part:
        hits, trials = (part[name].to_numpy(np.float64) for name in (f"{certain}_{what}", certain))
        found["certain signs that agree"] = Measure.of(weighted_ratio(hits, trials, weights))
    return found


STUDY = Study(
    name="truth",
    title="Known truth",
    question="How near is each explanation to the exact map of a detector that adds up small patches?",
    columns=COLUMNS,
    further=describe_layer,
    needs=("maps",),
    control="The exact map of another image of the same cell, and a random order of the same regions.",
    compute=compute,
    conclude=conclude,
    headlines=HEADLINES,
    parameters={"cells": 4, "seed": 0},
    shard=16,
)
