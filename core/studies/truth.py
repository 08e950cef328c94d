"""How near is each explanation to the exact map, where there is one: of detectors that add up scores of small patches?

Two truths are compared, since they answer different questions: the mean score of the patches that see a region,
weighted by overlap, and how far the margin falls when the region is covered. What the exact map sums up to in a region
would be no truth: pixels near the border lie in fewer patches, so that the middle alone would be near it. Methods are
tried under each fill, baseline or layer that they offer. The controls were declared before looking: the truth of
another image of the same cell, and a random order of the same regions. Edges and centre are baselines, no controls.
"""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.agreement import agreement, segment_values
from core.explainers.cam import KEPT
from core.explainers.deletion import centre_map, edge_map
from core.explainers.exact import EXACT, spread_scores
from core.explainers.explainer import AnyExplainer
from core.explainers.lime.regions import LIME
from core.explainers.lime.segmentation import grid
from core.explainers.settings import ExplainerSettings, describe
from core.findings.claims import Headlines
from core.findings.finding import Choice, Finding, Measure
from core.findings.intervals import weighted_ratio
from core.perturbations.masking import FILLS, Fill, mask_batch
from core.runs.run import Run
from core.studies.certainty import NOT_COUNTED
from core.studies.explanations import (
    compare,
    describe_all,
    explain_all,
    finding_of,
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
# the first truth of a region; the others are the effects of covering it with a fill
SCORES = "exact"
TRUTHS = {SCORES: "mean score of the patches that see it"} | {fill: f"effect of covering it ({fill})" for fill in FILLS}
VALUES = {
    "rank": "rank correlation of {} with the {}, over {}, -1 to 1",
    "overlap": "share of the quarter of regions first for the verdict by {} that is so by the {}, over {}; blind: 0.25",
}
# setting that is varied -> kind of choice
KINDS = {"fill": "fill", "sigma": "baseline", "layer": "layer"}
# layers of a detector of patches whose Grad-CAM is the patches' scores by construction, "" for the detector's own
STRETCHED, NOTE = ("", "scores"), "the patches' scores, stretched"

_TEXTS = {
    "holds": "Nearer than both controls, under every choice.",
    "holds below": "Less near than both controls, under every choice.",
    "in part": "Nearer than both controls under some choices, not shown under all.",
    "not shown": "Not shown to be nearer than the controls.",
}
HEADLINES: Headlines = {
    "exact-*": {"question": "How near is the map to the truth?", **_TEXTS},
    "covered-*": {"question": "How near is the map to the true effect of covering?", **_TEXTS},
}


class Variant(NamedTuple):
    """An explainer with one of its fills, baselines or layers.

    Attributes:
        explainer: the method.
        key: begins its columns; the explainer's name for the default.
        kind, title: of the choice, "" where there is none.
        settings: of the explainer.
        fill: with which regions are covered where the truth is the effect of that.
    """

    explainer: AnyExplainer
    key: str
    kind: str
    title: str
    settings: ExplainerSettings
    fill: Fill

    @property
    def columns(self) -> dict[str, str]:
        """Column -> plain description."""
        name = f"{self.explainer.title}{self.title and f', {self.kind} {self.title}'}"
        columns = _describe(self.key, name, (SCORES, self.fill))
        if self.explainer.under_fills(self.settings):
            columns[f"{self.key}_certain"] = f"parts whose sign {name} calls certain"
            for truth in (SCORES, self.fill):
                columns[f"{self.key}_certain_{truth}"] = f"of these, those of the sign of the {TRUTHS[truth]}"
        return columns


def variants(explainer: AnyExplainer, *, layers: Iterable[str] = (), seed: int = 0) -> list[Variant]:
    """List an explainer's fills, baselines or layers, its default first."""
    own, name = settings_of(explainer, seed), explainer.name
    setting = next((setting for setting in describe(explainer.settings) if setting.name in KINDS), None)
    if setting is None:
        return [Variant(explainer, name, "", "", own, "mean")]
    listed, kind = [], KINDS[setting.name]
    for value in dict.fromkeys((getattr(own, setting.name), *(setting.choices or setting.offers or layers))):
        settings, title = own.changed(**{setting.name: value}), setting.told(value) or "last"
        if explainer is KEPT and value in STRETCHED:
            title += f" ({NOTE})"
        fill: Fill = getattr(settings, "fill", "blur" if kind == "baseline" else "mean")
        listed.append(Variant(explainer, name if settings == own else f"{name}_{value}", kind, title, settings, fill))
    return listed


def column_of(key: str, unit: str, truth: str, value: str) -> str:
    """Name the column of one of `VALUES` of a variant, control or baseline, over one of `UNITS`."""
    return f"{key}_{unit}_{truth}_{value}"


def _describe(key: str, title: str, truths: Iterable[str]) -> dict[str, str]:
    return {
        column_of(key, unit, truth, value): VALUES[value].format(title, TRUTHS[truth], UNITS[unit])
        for unit, truth, value in product(UNITS, truths, VALUES)
    }


def columns_of(explainer: AnyExplainer) -> dict[str, str]:
    """Describe a method's columns, of all of its variants but further layers."""
    return {column: text for variant in variants(explainer) for column, text in variant.columns.items()}


def describe_layer(column: str) -> str | None:
    """Describe the column of a method on another layer; None of any other column."""
    method = method_of(column, judged())
    return None if method is None else _variants_in([column], method)[-1].columns.get(column)


def _variants_in(columns: Iterable[str], method: str) -> list[Variant]:
    """List an explainer's variants, also on the further layers that columns are about."""
    heads = dict.fromkeys(name.rsplit("_", 3)[0] for name in columns)
    layers = [head.removeprefix(f"{method}_") for head in heads if head.startswith(f"{method}_")]
    return variants(judged()[method], layers=layers)


def patch_means(exact: NDArray[np.floating], coverage: NDArray[np.floating], regions: NDArray[np.integer]) -> Values:
    """Compute the mean score of the patches that see each region, weighted by overlap; 0 where none does.

    Args:
        exact: float (side, side), the exact map.
        coverage: float (side, side), the exact map where every score is 1.
        regions: integers (side, side) from 0 to S - 1.

    Returns:
        float64 (S,).
    """
    own, covered = segment_values(np.stack([exact, coverage]), regions)
    return np.asarray(np.divide(own, covered, out=np.zeros_like(own), where=covered > 0))


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Compare each image's explanations, controls and baselines with both truths, over each of `UNITS`."""
    detector, seed = context.detector, parameters["seed"]
    if EXACT.unavailable(detector):
        raise StudyError(
            f"the study truth needs a detector that adds up small patches, not {detector.name}; name another"
        )
    network: Any = detector.network
    count = (detector.side - network.field) // network.stride + 1
    ones = np.ones((count, count))
    coverage = spread_scores(ones, side=detector.side, field=network.field, stride=network.stride)
    cells, pixels = Cells(context.run), [np.asarray(context.pixels[row]) for row in rows]
    others = [np.asarray(context.pixels[cells.others(int(row), 1, seed=seed)[0]]) for row in rows]
    exact = [one.map for one in EXACT.explain_batch(detector, np.stack(pixels + others), EXACT.settings())]
    layers = [layer for layer in detector.layers if layer != detector.target_layer]
    named = [own for explainer in judged().values() for own in variants(explainer, layers=layers, seed=seed)]
    tried = [own for own in named if not own.explainer.unavailable(detector) and context.wants(*own.columns)]
    explained = [explain_all(detector, pixels, own.explainer, own.settings) for own in tried]
    square = grid(detector.side, detector.side, rows=parameters["cells"], columns=parameters["cells"])

    def truth_of(at: int, regions: NDArray[np.integer], truth: Any) -> Values:
        """Compute one of `TRUTHS` of each region of an image, towards its prediction: float64 (S,)."""
        if truth == SCORES:
            return np.asarray(cells.signs[rows[at]] * patch_means(exact[at], coverage, regions))
        # the image as it is, then with each region covered
        keep = ~np.eye(regions.max() + 2, regions.max() + 1, -1, dtype=bool)
        margins = detector.margins(mask_batch(pixels[at], regions, keep=keep, fill=truth, seed=seed))
        return np.asarray(cells.signs[rows[at]] * (margins[0] - margins[1:]), np.float64)

    records: list[dict[str, Any]] = [{} for _ in rows]
    for (at, row), record in zip(enumerate(rows), records, strict=True):
        sign, image, own = cells.signs[row], pixels[at], [passes[at] for passes in explained]
        for unit, regions in {"cells": square, "regions": LIME.cut(image, LIME.settings())}.items():
            maps = np.stack([edge_map(image), centre_map(*regions.shape)])
            orders = dict(zip(BASELINES, segment_values(maps, regions), strict=True))
            orders["other"] = sign * patch_means(exact[len(rows) + at], coverage, regions)
            orders["random"] = np.random.default_rng((seed, row, len(regions))).random(int(regions.max()) + 1)
            compared = [(key, values, tuple(TRUTHS)) for key, values in orders.items()]
            for variant, computed in zip(tried, own, strict=True):
                values = sign * segment_values(computed.values[None], regions)[0]
                compared.append((variant.key, values, (SCORES, variant.fill)))
            truths = {truth: truth_of(at, regions, truth)[None] for truth in TRUTHS}
            for key, values, against in compared:
                for truth in against:
                    both = agreement(values[None], truths[truth], segments=np.arange(len(values))[None])
                    record |= {column_of(key, unit, truth, value): getattr(both, value) for value in VALUES}
        for variant, computed in zip(tried, own, strict=True):
            if computed.regions.size:
                record[f"{variant.key}_certain"] = np.count_nonzero(computed.decisions)
                for truth in (SCORES, variant.fill):
                    agreeing = sign * computed.decisions * truth_of(at, computed.regions, truth) > 0
                    record[f"{variant.key}_certain_{truth}"] = np.count_nonzero(agreeing)
    columns = dict.fromkeys((*make_study().columns, *(column for own in named for column in own.columns)))
    table = pd.DataFrame(records).reindex(columns=list(columns)).astype(np.float32)
    table.insert(0, "id", context.run.predictions["id"].to_numpy()[rows])
    return table


def conclude(run: Run, table: pd.DataFrame, _parameters: Mapping[str, Any]) -> list[Finding]:
    """`exact-<method>-<verdict>` and `covered-...`: the rank correlation over the grid's cells beside the controls'.

    Choices are the method's fills, baselines or layers, and the controls; black is shown and not counted.
    """
    findings = []
    for is_exact, (group, part, weights) in product((True, False), groups(table, run)):
        for name, title in methods_in(part, column_of("{}", "cells", SCORES, "rank")).items():
            tried, choices = _variants_in(part, name), []
            for variant, (control, text) in product(tried, CONTROLS.items()):
                truth = SCORES if is_exact else variant.fill
                own, other = (part[column_of(key, "cells", truth, "rank")] for key in (variant.key, control))
                compared = compare(own.to_numpy(), other.to_numpy(), weights, control=text)
                if getattr(variant.settings, "fill", "") == NOT_COUNTED:
                    compared |= {"control": None, "difference": None}
                value = variant.title if control == "other" else f"{variant.title}, {text}"
                choices.append(Choice(variant.kind or "control", value, **compared))
            key, truth = tried[0].key, SCORES if is_exact else tried[0].fill
            named = {
                "overlap of the top quarter": column_of(key, "cells", truth, "overlap"),
                "rank correlation over LIME's regions": column_of(key, "regions", truth, "rank"),
            } | {text: column_of(baseline, "cells", truth, "rank") for baseline, text in BASELINES.items()}
            beside = {text: mean_of(part[column].to_numpy(), weights) for text, column in named.items()}
            if f"{key}_certain" in part:
                hits, trials = (part[f"{key}_certain{end}"].to_numpy(float) for end in (f"_{truth}", ""))
                beside["certain signs that agree"] = Measure.of(weighted_ratio(hits, trials, weights))
            key, more = (
                f"{SCORES if is_exact else 'covered'}-{name}-{group}",
                {"beside": beside, "details": {"name": title if is_exact else f"{title}, by covering"}},
            )
            findings.append(finding_of(key, "truth", "rank_correlation", group, choices, **more))
    return findings


def make_study() -> Study:
    """Declare the study for the explainers that are registered."""
    columns = [_describe(key, title, TRUTHS) for key, title in (CONTROLS | BASELINES).items()]
    return Study(
        name="truth",
        title="Known truth",
        question="How near is each explanation to the exact map of a detector that adds up small patches?",
        columns={name: text for own in columns for name, text in own.items()} | describe_all(columns_of),
        further=describe_layer,
        needs=("maps",),
        control="The truth of another image of the same cell, and a random order of the same regions.",
        compute=compute,
        conclude=conclude,
        headlines=HEADLINES,
        parameters={"cells": 4, "seed": 0},
        shard=16,
    )
