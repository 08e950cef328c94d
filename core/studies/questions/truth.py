"""How near is each explanation to the exact map, where there is one: of detectors that add up scores of small patches?

Three truths are compared over the cells of a grid, since they answer different questions: the mean score of the patches
that see a cell, weighted by overlap; what the exact map sums up to in it, which is what the map shows; and how far the
margin falls when the cell is covered. Pixels near the border lie in fewer patches, so the middle alone is near the sum,
and so is the sum of any other image. Methods are tried under each fill, baseline or layer that they offer. The controls
were declared before looking: the truth of another image of the same cell of the confusion matrix, and a random order.
Edges and centre are baselines.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from core.arrays import Float32, Float64, Floats, Integers, Pixels
from core.explainers.cam import KEPT
from core.explainers.exact import EXACT, spread_scores
from core.explainers.explainer import AnyExplainer
from core.explainers.measures import centre_map, edge_map, rank_correlation, segment_values
from core.explainers.segmentation import grid
from core.explainers.settings import ExplainerSettings, describe
from core.findings.contrast import Contrast, Finding
from core.findings.intervals import weighted_mean
from core.findings.paired import compare_means, strongest_first
from core.perturbations.masking import FILLS, Fill, mask_batch
from core.runs.run import Run
from core.studies.questions.certainty import NOT_COUNTED
from core.studies.shared.explanations import explain_all, judged, means_in, methods_in, settings_of
from core.studies.shared.groups import Cells, groups
from core.studies.study import Context, Parameters, Rows, Study, StudyError

if TYPE_CHECKING:
    from core.detectors.detector import Detector

CONTROLS = {"other": "another image's exact map", "random": "random order"}
BASELINES = {"edges": "edges first", "centre": "middle first"}
# the first truth of a cell; the others are the effects of covering it with a fill
SCORES = "exact"
SUM = "sum"
# in the key of a finding: by the effect of covering with the method's own fill
COVERED = "covered"
TRUTHS: dict[str, str] = {
    SCORES: "mean score of the patches that see it",
    SUM: "sum of the exact map in it",
} | {fill: f"effect of covering it ({fill})" for fill in FILLS}
# setting that is varied -> kind of choice
KINDS = {"fill": "fill", "baseline": "baseline", "sigma": "baseline", "layer": "layer"}
# layers of a detector of patches whose Grad-CAM is the patches' scores by construction, "" for the detector's own
STRETCHED = ("", "scores")
NOTE = "the patches' scores, stretched"

NEAR = {
    SCORES: "Is the map nearer to the truth than its controls?",
    COVERED: "Is the map nearer to the true effect of covering than its controls?",
}


class Variant(NamedTuple):
    """An explainer with one of its fills, baselines or layers.

    Attributes:
        explainer: the method.
        key: begins its columns; the explainer's name for the default.
        kind, title: of the choice, "" where there is none.
        settings: of the explainer.
        fill: with which cells are covered where the truth is the effect of that.
    """

    explainer: AnyExplainer
    key: str
    kind: str
    title: str
    settings: ExplainerSettings
    fill: Fill

    @property
    def columns(self) -> dict[str, str]:
        """Column -> plain description, for each of the `TRUTHS` that its maps are compared with."""
        name = self.explainer.title
        if self.title:
            name += f", {self.kind} {self.title}"
        return _describe(self.key, name, (SCORES, SUM, self.fill))


def variants(explainer: AnyExplainer, *, layers: Iterable[str], seed: int = 0) -> list[Variant]:
    """List an explainer's fills, baselines or layers, its default first."""
    own = settings_of(explainer, seed)
    name = explainer.name
    listed: dict[str, Variant] = {}
    # what is listed last begins the titles of what it has in common with the default
    for setting in reversed(describe(explainer.settings)):
        if setting.name not in KINDS:
            continue
        kind = KINDS[setting.name]
        for value in dict.fromkeys((getattr(own, setting.name), *(setting.choices or setting.offers or layers))):
            settings = own.changed(**{setting.name: value})
            title = setting.display(value) or "last"
            if explainer is KEPT and value in STRETCHED:
                title += f" ({NOTE})"
            fill: Fill = getattr(settings, "fill", getattr(settings, "baseline", "mean"))
            key = f"{name}_{value}"
            if settings == own:
                key = name
            listed.setdefault(key, Variant(explainer, key, kind, title, settings, fill))
    return list(listed.values()) or [Variant(explainer, name, "", "", own, "mean")]


def _all_variants(layers: Iterable[str] = (), seed: int = 0) -> list[Variant]:
    tried = []
    for explainer in judged().values():
        tried += variants(explainer, layers=layers, seed=seed)
    return tried


def column_of(key: str, truth: str) -> str:
    """Name the column of the rank correlation of a variant, control or baseline with one of `TRUTHS`."""
    return f"{key}_cells_{truth}_rank"


def _describe(key: str, title: str, truths: Iterable[str]) -> dict[str, str]:
    over = "over the cells of a grid, -1 to 1"
    return {column_of(key, truth): f"rank correlation of {title} with the {TRUTHS[truth]}, {over}" for truth in truths}


def patch_means(exact: Floats, coverage: Floats, regions: Integers) -> Float64:
    """Compute the mean score of the patches that see each region, weighted by overlap; 0 where none does.

    Args:
        exact: float (side, side), the exact map.
        coverage: float (side, side), the exact map where every score is 1.
        regions: integers (side, side) from 0 to S - 1.

    Returns:
        float64 (S,).
    """
    own, covered = segment_values(np.stack([exact, coverage]), regions)
    return np.divide(own, covered, out=np.zeros_like(own), where=covered > 0)


def compute(context: Context, rows: Rows, parameters: Parameters) -> pd.DataFrame:
    """Compare each image's explanations, controls and baselines with every truth, over the cells of a grid."""
    detector = context.detector
    seed = parameters["seed"]
    if EXACT.unavailable(detector.about):
        raise StudyError(
            f"the study truth needs a detector that adds up small patches, not {detector.name}; name another"
        )
    cells = Cells(context.run)
    squares = grid(detector.side, detector.side, rows=parameters["cells"], columns=parameters["cells"])
    coverage = _coverage(detector)
    pixels = context.pixels[rows]
    others = context.pixels[[cells.others(int(row), 1, seed=seed)[0] for row in rows]]
    explanations = EXACT.explain_batch(detector, np.concatenate([pixels, others]), EXACT.settings())
    exact, others_exact = np.split(np.stack([explanation.values for explanation in explanations]), 2)
    layers = [layer for layer in detector.layers if layer != detector.target_layer]
    tried = _all_variants(layers, seed)
    explained = []
    for variant in tried:
        if not variant.explainer.unavailable(detector.about) and context.wants(*variant.columns):
            explained.append((variant, explain_all(detector, pixels, variant.explainer, variant.settings)))
    records = []
    # a variant has the columns of some truths only
    columns = list({**make_study().columns, **_columns(tried)})
    for number, row in enumerate(rows):
        truths = _truths(detector, pixels[number], exact[number], coverage, squares, seed=seed)
        # by what speaks for the verdict, whichever it is
        sign = cells.signs[row]
        values = {
            "edges": sign * means_in(squares, edge_map(pixels[number])),
            "centre": sign * means_in(squares, centre_map(*squares.shape)),
            "random": sign * np.random.default_rng((seed, row)).random(parameters["cells"] ** 2),
            "other": patch_means(others_exact[number], coverage, squares),
        }
        for variant, passes in explained:
            values[variant.key] = means_in(squares, passes[number].values)
        record = {}
        for key, truth in product(values, TRUTHS):
            column = column_of(key, truth)
            if column in columns:
                record[column] = rank_correlation(values[key], truths[truth])
        record[column_of("other", SUM)] = rank_correlation(means_in(squares, others_exact[number]), truths[SUM])
        records.append(record)
    table = pd.DataFrame(records).reindex(columns=columns).astype(np.float32)
    table.insert(0, "id", context.ids(rows))
    return table


def _coverage(detector: "Detector") -> Float32:
    """Compute the exact map of a detector of patches where every score is 1, float32 (side, side)."""
    network: Any = detector.network
    count = (detector.side - network.field) // network.stride + 1
    return spread_scores(np.ones((count, count)), side=detector.side, field=network.field, stride=network.stride)


def _truths(
    detector: "Detector", image: Pixels, exact: Floats, coverage: Floats, squares: Integers, *, seed: int
) -> dict[str, Float64]:
    """Measure how much each cell speaks for REAL by each of `TRUTHS`, float64 (S,).

    Args:
        detector: of patches.
        image: uint8 (side, side, 3).
        exact, coverage: as for `patch_means`.
        squares: integers (side, side), the cells from 0 to S - 1.
        seed: of fills that are random.
    """
    count = int(squares.max()) + 1
    # the image as it is, then with each cell covered
    keep = ~np.eye(count + 1, count, -1, dtype=bool)
    truths = {SCORES: patch_means(exact, coverage, squares), SUM: means_in(squares, exact)}
    for fill in FILLS:
        margins = detector.margins(mask_batch(image, squares, keep=keep, fill=fill, seed=seed))
        truths[fill] = margins[0] - margins[1:]
    return truths


def conclude(run: Run, table: pd.DataFrame, _parameters: Parameters) -> Iterator[Finding]:
    """`exact-<method>-<verdict>` and `covered-...`: the rank correlation over the grid's cells beside the controls'.

    Choices are the method's fills, baselines or layers, the controls, and for `exact` the sum in a cell in place of the
    mean; LIME's fill with black is shown and not counted.
    """
    for key, (group, part, weights) in product(NEAR, groups(table, run)):
        for name, title in methods_in(part, column_of("{}", SCORES)).items():
            tried = _variants_in(part, name)
            contrasts: list[Contrast] = []
            for variant in tried:
                contrasts += strongest_first(_against_controls(part, weights, variant, _truth_of(key, variant)))
            subject = title
            if key == COVERED:
                subject += ", by covering"
            elif column_of(name, SUM) in part:
                by_sum = strongest_first(_against_controls(part, weights, tried[0], SUM))[0]
                contrasts.append(replace(by_sum, kind="truth", value=TRUTHS[SUM]))
            beside = {}
            for baseline, text in BASELINES.items():
                beside[text] = weighted_mean(part[column_of(baseline, _truth_of(key, tried[0]))], weights)
            yield Finding(
                f"{key}-{name}-{group}", NEAR[key], "rank_correlation", tuple(contrasts), group=group,
                subject=subject, beside=beside,
            )  # fmt: skip


def _truth_of(key: str, variant: Variant) -> str:
    """Name the truth that a finding compares a variant with."""
    if key == COVERED:
        return variant.fill
    return SCORES


def _variants_in(table: pd.DataFrame, name: str) -> list[Variant]:
    """List a method's variants that a table holds; further layers are only in that of a detector that has them."""
    layers = [column.removeprefix(f"{name}_").partition("_cells_")[0] for column in table]
    return [own for own in variants(judged()[name], layers=layers) if column_of(own.key, SCORES) in table]


def _against_controls(part: pd.DataFrame, weights: Float64, variant: Variant, truth: str) -> list[Contrast]:
    """Compare one variant of a method with each control, by their correlation with one truth."""
    own = part[column_of(variant.key, truth)]
    kind = variant.kind or "control"
    if getattr(variant.settings, "fill", "") == NOT_COUNTED:
        return [Contrast(kind, variant.title, weighted_mean(own, weights))]
    contrasts = []
    for control, text in CONTROLS.items():
        value = text
        if variant.title:
            value = f"{variant.title}, {text}"
        contrasts.append(compare_means(kind, value, own, part[column_of(control, truth)], weights, control=text))
    return contrasts


def nearness(findings: Iterable[Finding]) -> pd.DataFrame:
    """Lay out how near maps are to the exact map, the nearest first.

    Args:
        findings: from `conclude`.

    Returns:
        Rank correlations: a row a method, a method and fill, or the control; a column a prediction. The index is `map`.
    """
    rows: dict[str, dict[str, float]] = {}
    for finding in findings:
        if not finding.key.startswith(f"{SCORES}-") or finding.control is None:
            continue
        column = f"{finding.group} verdicts"
        for contrast in finding.contrasts:
            if contrast.kind == "truth":
                continue
            name = finding.subject
            # of a fill and a control; black stands without one
            fill = contrast.value
            if contrast.control is not None:
                fill = fill.rpartition(", ")[0]
            if contrast.kind == "fill" and fill:
                name += f", {fill}"
            rows.setdefault(name, {}).setdefault(column, contrast.measure.value)
            if contrast.control is not None:
                rows.setdefault(f"control: {contrast.control.name}", {})[column] = contrast.control.measure.value
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("map")
    return table.loc[table.mean(axis=1).sort_values(ascending=False, kind="stable").index]


def _columns(tried: Iterable[Variant]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for variant in tried:
        columns |= variant.columns
    return columns


def make_study() -> Study:
    """Declare the study for the explainers that are registered."""
    columns: dict[str, str] = {}
    for key, title in (CONTROLS | BASELINES).items():
        columns |= _describe(key, title, TRUTHS)
    return Study(
        name="truth",
        title="Known truth",
        question="How near is each explanation to the exact map of a detector that adds up small patches?",
        columns=columns | _columns(_all_variants()),
        needs="maps",
        control="The truth of another image of the same cell, and a random order of the cells.",
        compute=compute,
        conclude=conclude,
        parameters={"cells": 4, "seed": 0},
        shard=16,
    )
