"""The explanations that studies of explainers judge: which explainers, with which settings, and their cached results.

Judged are all registered explainers that give a map in at most `MOST_PASSES` forward passes per image; costlier ones
are meant for single images, not for thousands. Columns of studies are named after the explainer. Needs no torch.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from core.arrays import Float32, Float64, Floats, Integers, Pixels, Positions
from core.detectors.manifest import Capability
from core.explainers.cam import KEPT
from core.explainers.explainer import AnyExplainer, versions_of
from core.explainers.explanation import Explanation
from core.explainers.measures import rank_correlation, segment_values
from core.explainers.registry import explainers
from core.explainers.segmentation import grid
from core.explainers.settings import ExplainerSettings
from core.images.decoding import pixels_sha256
from core.storage.atomic import cache_dir, write_bytes_atomically
from core.storage.limits import digest_of, open_file
from core.studies.study import Context

if TYPE_CHECKING:
    from core.detectors.detector import Detector

# forward passes an image: of those that are judged, and of those that are cheap enough to be computed often
MOST_PASSES = 512
CHEAP_PASSES = 16
# raised whenever an explainer gives other values than before
VERSION = 3
# one method on the last layer of networks that average it: counted once where so many values differ by no more
ALIKE = {"gradcam", "layercam", "xgradcam"}
SAME = 0.95
CLOSE = 0.01
# the control of studies that compare maps of one image with maps of others
OTHERS = "maps of other images of the same cell"


def judged() -> dict[str, AnyExplainer]:
    """Name -> explainer, in the order of the registry; but for maps of few detectors: exact ones, of tokens."""
    rare = {Capability.PATCH_SCORES, Capability.PATCH_TOKENS}
    common = (explainer for explainer in explainers() if rare.isdisjoint(explainer.needs))
    return {explainer.name: explainer for explainer in common if cost_of(explainer) <= MOST_PASSES}


def cost_of(explainer: AnyExplainer) -> int:
    """Count the forward passes an image with the judged settings, for a detector of the usual size."""
    return explainer.cost(explainer.settings())


def settings_of(explainer: AnyExplainer, seed: int) -> ExplainerSettings:
    """Return an explainer's default settings, with a seed where it draws anything at random."""
    settings: ExplainerSettings = explainer.settings()
    if "seed" in explainer.settings.model_fields:
        settings = settings.changed(seed=seed)
    return settings


def methods_in(table: pd.DataFrame, column: str) -> dict[str, str]:
    """Name -> title of the explainers that a study's table has values of.

    `ALIKE` count as one method, under the first one's name, where nearly all of their values are the same.

    Args:
        table: of a study.
        column: the name of a column that has them, with {} for the explainer's name.
    """
    titles: dict[str, str] = {}
    for name, explainer in judged().items():
        own = table.get(column.format(name))
        if own is None or own.isna().all():
            continue
        first = next((other for other in titles if {name, other} <= ALIKE), None)
        if first and np.isclose(own, table[column.format(first)], atol=CLOSE, equal_nan=True).mean() >= SAME:
            titles[first] += f", {explainer.title}"
        else:
            titles[name] = explainer.title
    return titles


def method_of(column: str, names: Iterable[str]) -> str | None:
    """Return the explainer that a column's name begins with, the longest match ("lime_grid" before "lime"), or None."""
    return max((name for name in names if column.startswith(f"{name}_")), key=len, default=None)


def describe_all(describe: Callable[[AnyExplainer], Mapping[str, str]]) -> dict[str, str]:
    """Column -> plain description of all judged explainers, as they are registered now."""
    columns: dict[str, str] = {}
    for explainer in judged().values():
        columns |= describe(explainer)
    return columns


def means_in(regions: Integers, values: Floats) -> Float64:
    """float64 (S,): the means of a map, interpolated to their size, over regions (side, side) from 0 to S - 1."""
    return segment_values(values[None], regions)[0]


def on_grid(values: Floats, cells: tuple[int, ...]) -> Float64:
    """float64 (S,): the means of a map over so many cells down and across, row by row, as even as its size allows."""
    cell = grid(*values.shape, rows=cells[0], columns=cells[1]).ravel()
    return np.bincount(cell, np.ravel(values)) / np.bincount(cell)


def mean_rank(first: Floats, others: Sequence[Floats], *, signed: bool = True) -> float:
    """Average one map's rank correlations with several others, absolute unless `signed`; NaN if all are undefined."""
    ranks = np.array([rank_correlation(first, other) for other in others])
    if not signed:
        ranks = np.abs(ranks)
    if np.isnan(ranks).all():
        return float("nan")
    return float(np.nanmean(ranks))


def _none() -> Any:
    return np.zeros(0, np.float32)


@dataclass(frozen=True, eq=False)
class Pass:
    """What studies need of one explanation; S regions, where its method has such.

    Attributes:
        values: float32 (h, w), positive for REAL.
        regions: int16 (side, side), 0 to S - 1; empty without.
        weights: float32 (S,), positive for REAL.
        decisions: int8 (S,), 1, -1, or 0 where undecided.
        one_colour: why the map shows one sign only, "" where it shows both.
    """

    values: Float32
    regions: Integers = field(default_factory=_none)
    weights: Float32 = field(default_factory=_none)
    decisions: Integers = field(default_factory=_none)
    one_colour: str = ""

    @property
    def parts(self) -> int:
        """Number of its regions, or of the map's values where it has none."""
        if self.regions.size:
            return int(self.regions.max()) + 1
        return self.values.size


def explain_all(
    detector: "Detector",
    images: Pixels,
    explainer: AnyExplainer,
    settings: ExplainerSettings,
    *,
    stored: Floats | None = None,
) -> list[Pass]:
    """Explain images in batches, except those whose explanation the cache folder holds.

    Several studies need the same explanation of the same image, and so does one that was stopped. Maps of the kind that
    runs store cost one pass and are not cached.

    Args:
        detector: what to explain.
        images: uint8 (N, side, side, 3).
        explainer, settings: how.
        stored: float (N, h, w), the maps that a run stores of these images, taken where they are of that kind.
    """
    if explainer is KEPT and settings == KEPT.settings():
        if stored is None:
            stored = detector.full_pass(images).needed_maps
        return [Pass(values) for values in np.asarray(stored, np.float32)]
    libraries = sorted(versions_of(explainer.libraries).items())
    key = repr((VERSION, detector.cache_key, explainer.name, libraries, sorted(settings.model_dump().items())))
    folder = cache_dir() / "explanations" / digest_of(key)[:20]
    names = [pixels_sha256(image)[:32] for image in images]
    paths = [folder / name[:2] / f"{name}.npz" for name in names]
    passes = [_read(path) for path in paths]
    lacking = [number for number, cached in enumerate(passes) if cached is None]
    if lacking:
        made = explainer.explain_batch(detector, images[lacking], settings)
        for number, explanation in zip(lacking, made, strict=True):
            passes[number] = computed = _pass_of(explanation)
            # not durable: two fsyncs per image would cost more than recomputing what a power cut may damage
            write_bytes_atomically(paths[number], partial(_write, computed=computed), durable=False)
    return [computed for computed in passes if computed is not None]


def can_explain(explainer: AnyExplainer, detector: "Detector") -> bool:
    """Tell whether a study of maps has an explainer's: of the kind that runs store it has what a run stores."""
    return (explainer is KEPT and bool(detector.layers)) or not explainer.unavailable(detector.about)


def table_by_method(
    context: Context,
    rows: Positions,
    columns_of: Callable[[AnyExplainer], Collection[str]],
    compute: Callable[[AnyExplainer], Mapping[str, Iterable[float]]],
) -> pd.DataFrame:
    """Compute the wanted columns of each judged method as float32; NaN where it cannot explain the detector.

    Args:
        context: of the study.
        rows: of the run.
        columns_of: returns a method's columns, in order.
        compute: returns those of them that are wanted, a value a row.
    """
    table = {"id": context.ids(rows)}
    for explainer in judged().values():
        own = columns_of(explainer)
        if not own or not context.wants(*own):
            continue
        values: Mapping[str, Iterable[float]] = dict.fromkeys(own, np.full(len(rows), np.nan))
        if can_explain(explainer, context.detector):
            values = compute(explainer)
        table |= {column: np.asarray(values[column], np.float32) for column in own if column in values}
    return pd.DataFrame(table)


def _pass_of(explanation: Explanation) -> Pass:
    parts = explanation.parts
    values = explanation.values.astype(np.float32)
    why = explanation.diagnostics.one_colour
    if parts is None:
        return Pass(values, one_colour=why)
    return Pass(values, parts.regions.astype(np.int16), parts.weights.astype(np.float32), parts.decisions, why)


def _write(file: Path, computed: Pass) -> None:
    with file.open("wb") as opened:
        np.savez(opened, **vars(computed))


def _read(path: Path) -> Pass | None:
    try:
        with open_file(path) as file, np.load(file, allow_pickle=False) as stored:
            arrays: dict[str, Any] = dict(stored)
            return Pass(**arrays | {"one_colour": str(arrays["one_colour"])})
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is computed again
        return None
