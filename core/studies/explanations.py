"""The explanations that studies of explainers judge: which explainers, with which settings, and their cached results.

Judged are all registered explainers that give a map in at most `MOST` forward passes per image; costlier ones are meant
for single images, not for thousands. Columns of studies are named after the explainer. Needs no torch.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.detectors.manifest import Capability
from core.explainers.agreement import rank_correlation
from core.explainers.cam import KEPT
from core.explainers.explainer import AnyExplainer, versions_of
from core.explainers.explanation import Explanation
from core.explainers.registry import explainers
from core.explainers.settings import ExplainerSettings
from core.findings.finding import Choice, Control, Finding, Measure
from core.findings.intervals import weighted_mean, weighted_share
from core.images.decoding import pixels_sha256
from core.runs.metrics import is_right
from core.runs.run import Run
from core.storage import cache_dir, open_file, write_bytes_atomically
from core.studies.store import StudyResult
from core.studies.study import Context

if TYPE_CHECKING:
    from core.detectors.detector import Detector

# forward passes an image: of those that are judged, and of those that are cheap enough to be computed often
MOST, CHEAP = 512, 16
# raised whenever an explainer gives other values than before
VERSION = 3
# one method on the last layer of networks that average it: counted once where so many values differ by no more
ALIKE = {"gradcam", "layercam", "xgradcam"}
SAME, CLOSE = 0.95, 0.01
Maps = list[NDArray[np.float32]]
Numbers = NDArray[np.floating]
# the control of studies that compare maps of one image with maps of others
OTHERS = "maps of other images of the same cell"


def judged() -> dict[str, AnyExplainer]:
    """Name -> explainer, in the order of the registry; but for exact maps, which others could be judged by."""
    fitting = (one for one in explainers(with_map=True) if Capability.PATCH_SCORES not in one.needs)
    return {explainer.name: explainer for explainer in fitting if cost_of(explainer) <= MOST}


def cost_of(explainer: AnyExplainer) -> int:
    """Count the forward passes an image with the judged settings, for a detector of the usual size."""
    return explainer.cost(explainer.settings())


def has_seed(explainer: AnyExplainer) -> bool:
    """Tell whether an explainer draws anything at random."""
    return "seed" in explainer.settings.model_fields


def settings_of(explainer: AnyExplainer, seed: int) -> ExplainerSettings:
    """Return an explainer's default settings, with a seed where it has one."""
    settings: ExplainerSettings = explainer.settings(**({"seed": seed} if has_seed(explainer) else {}))
    return settings


def methods_in(table: pd.DataFrame, column: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Name -> title of the explainers that a study's table has values of.

    `ALIKE` count as one method, under the first one's name, where nearly all of their values are the same.

    Args:
        table: of a study.
        column: the name of a column that has them, with {} for the explainer's name.
        more: name -> title of what is judged besides the registered explainers.
    """
    titles = {name: explainer.title for name, explainer in judged().items()} | dict(more or {})
    values = {name: table[column.format(name)] for name in titles if column.format(name) in table}
    found: dict[str, str] = {}
    for name, own in values.items():
        first = next((other for other in found if {name, other} <= ALIKE), name)
        if first != name and np.isclose(own, values[first], atol=CLOSE, equal_nan=True).mean() >= SAME:
            found[first] += f", {titles[name]}"
        elif own.notna().any():
            found[name] = titles[name]
    return found


def method_of(column: str, names: Iterable[str]) -> str | None:
    """Return the explainer that a column's name begins with, the longest match ("lime_grid" before "lime"), or None."""
    return max((name for name in names if column.startswith(f"{name}_")), key=len, default=None)


# explainer, "" for columns of none -> column -> plain description
ByMethod = dict[str, dict[str, str]]
Build = Callable[[dict[str, AnyExplainer]], ByMethod]


class Columns(Mapping[str, str]):
    """Columns of a study with plain descriptions, as the judged explainers are now.

    Args:
        build: a function of a module, from name -> explainer.
    """

    def __init__(self, build: Build) -> None:
        self._build = build

    @property
    def by_method(self) -> ByMethod:
        """The same by the explainer that they are of."""
        return _built(self._build, tuple(judged().items()))[0]

    def _current(self) -> dict[str, str]:
        return _built(self._build, tuple(judged().items()))[1]

    def __getitem__(self, column: str) -> str:
        return self._current()[column]

    def __iter__(self) -> Iterator[str]:
        return iter(self._current())

    def __len__(self) -> int:
        return len(self._current())


@lru_cache(maxsize=16)
def _built(build: Build, methods: tuple[tuple[str, AnyExplainer], ...]) -> tuple[ByMethod, dict[str, str]]:
    by_method = build(dict(methods))
    return by_method, {name: text for own in by_method.values() for name, text in own.items()}


def _none() -> Any:
    return np.zeros(0, np.float32)


def on_grid(values: NDArray[np.floating], cells: tuple[int, ...]) -> NDArray[np.float64]:
    """float64 (S,): the means of a map over so many cells down and across, row by row, as even as its size allows."""
    rows, columns = cells
    height, width = values.shape
    if height % rows == 0 and width % columns == 0:
        whole = np.asarray(values, np.float64).reshape(rows, height // rows, columns, width // columns)
        means: NDArray[np.float64] = whole.mean(axis=(1, 3))
        return means.ravel()
    cell = np.add.outer(np.arange(height) * rows // height * columns, np.arange(width) * columns // width).ravel()
    return np.bincount(cell, np.asarray(values, np.float64).ravel(), rows * columns) / np.bincount(cell)


def mean_rank(first: NDArray[np.floating], others: list[NDArray[np.floating]], *, signed: bool = True) -> float:
    """Average one map's rank correlations with several others, absolute unless `signed`; NaN if all are undefined."""
    ranks = np.array([rank_correlation(first, other) for other in others])
    ranks = ranks if signed else np.abs(ranks)
    return float(np.nanmean(ranks)) if np.isfinite(ranks).any() else float("nan")


@dataclass(frozen=True, eq=False)
class Pass:
    """What studies need of one explanation; S regions, where its method has such.

    Attributes:
        values: float32 (h, w), positive for REAL.
        regions: int16 (side, side), 0 to S - 1; empty without.
        weights: float32 (S,), positive for REAL.
        decisions: int8 (S,), 1, -1, or 0 where undecided.
        r2: weighted R squared of the surrogate; NaN without.
        decided_share: share of the area that is decided, 0 to 1; NaN without.
        one_colour: why the map shows one sign only, "" where it shows both.
    """

    values: NDArray[np.float32]
    regions: NDArray[np.int16] = field(default_factory=_none)
    weights: NDArray[np.float32] = field(default_factory=_none)
    decisions: NDArray[np.int8] = field(default_factory=_none)
    r2: float = np.nan
    decided_share: float = np.nan
    one_colour: str = ""


def explain_all(
    detector: "Detector", images: Sequence[NDArray[np.uint8]], explainer: AnyExplainer, settings: ExplainerSettings
) -> list[Pass]:
    """Explain images (uint8 (side, side, 3) each) in batches, except those whose explanation the cache folder holds.

    Several studies need the same explanation of the same image, and so does one that was stopped.
    """
    paths = [_path(detector, image, explainer, settings) for image in images]
    passes = [_read(path) for path in paths]
    lacking = [number for number, cached in enumerate(passes) if cached is None]
    if lacking:
        pixels = np.stack([images[number] for number in lacking])
        made = explainer.explain_batch(detector, pixels, settings)
        for number, explanation in zip(lacking, made, strict=True):
            passes[number] = computed = _pass_of(explanation)
            # not durable: two fsyncs per image would cost more than recomputing what a power cut may damage
            write_bytes_atomically(paths[number], partial(_write, computed=computed), durable=False)
    return [computed for computed in passes if computed is not None]


def passes_of(context: Context, rows: NDArray[np.intp], explainer: AnyExplainer, *, seed: int) -> list[Pass]:
    """Explain images of a run; maps of the kind that runs store are taken from the run."""
    if explainer is KEPT:
        return [Pass(values) for values in np.asarray(context.run.needed_maps[rows], np.float32)]
    images = [np.asarray(context.pixels[row]) for row in rows]
    return explain_all(context.detector, images, explainer, settings_of(explainer, seed))


def maps_of(
    detector: "Detector", images: Sequence[NDArray[np.uint8]], explainer: AnyExplainer, settings: ExplainerSettings
) -> Maps:
    """The maps of several images, float32 (h, w) each; those of the kind that runs store cost one pass and no cache."""
    if explainer is KEPT:
        return list(detector.full_pass(np.stack(images)).needed_maps.astype(np.float32)) if len(images) else []
    return [computed.values for computed in explain_all(detector, images, explainer, settings)]


def table_by_method(
    context: Context,
    rows: NDArray[np.intp],
    columns: Mapping[str, Collection[str]],
    compute: Callable[[AnyExplainer], Mapping[str, Sequence[float]]],
) -> pd.DataFrame:
    """Compute the wanted columns of each method as float32; NaN where it cannot explain the detector.

    Args:
        context: of the study.
        rows: of the run.
        columns: method -> its columns, in order; those of none are left out.
        compute: returns those of them that are wanted, a value a row.
    """
    table = pd.DataFrame({"id": context.run.predictions["id"].to_numpy()[rows]})
    for name, own in columns.items():
        if not name or not context.wants(*own):
            continue
        explainer = judged()[name]
        able = explainer is KEPT or not explainer.unavailable(context.detector)
        values: Mapping[str, Any] = compute(explainer) if able else dict.fromkeys(own, np.nan)
        ordered = {column: values[column] for column in own if column in values}
        table = pd.concat([table, pd.DataFrame(ordered, index=table.index).astype(np.float32)], axis=1)
    return table


def _pass_of(explanation: Explanation) -> Pass:
    parts, diagnostics = explanation.parts, explanation.diagnostics
    values = explanation.map.astype(np.float32)
    if parts is None or parts.regions is None:
        return Pass(values, one_colour=diagnostics.one_colour)
    return Pass(
        values,
        parts.regions.astype(np.int16),
        parts.weights.astype(np.float32),
        parts.decisions,
        float(diagnostics.numbers.get("r2", np.nan)),
        float(diagnostics.numbers.get("decided_share", np.nan)),
        diagnostics.one_colour,
    )


def _path(detector: "Detector", image: NDArray[np.uint8], explainer: AnyExplainer, settings: ExplainerSettings) -> Path:
    libraries = sorted(versions_of(explainer.libraries).items())
    key = repr((VERSION, detector.cache_key, explainer.name, libraries, sorted(settings.model_dump().items())))
    folder = hashlib.sha256(key.encode()).hexdigest()[:20]
    name = pixels_sha256(image)[:32]
    return cache_dir() / "explanations" / folder / name[:2] / f"{name}.npz"


def _write(file: Path, computed: Pass) -> None:
    with file.open("wb") as opened:
        np.savez(opened, **vars(computed))


def _read(path: Path) -> Pass | None:
    try:
        with open_file(path) as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in (attribute.name for attribute in fields(Pass))}
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is computed again
        return None
    return Pass(**{name: values if values.ndim else values.item() for name, values in arrays.items()})


def mean_of(values: Numbers, weights: Numbers, clusters: NDArray[np.integer] | None = None) -> Measure:
    """Measure a weighted mean; images of one cluster are not independent."""
    sources = None if clusters is None else len(np.unique(clusters))
    return Measure.of(weighted_mean(np.asarray(values, np.float64), weights, clusters=clusters), clusters=sources)


def share_of(hits: NDArray[np.bool_], weights: Numbers) -> Measure:
    """Measure a weighted share."""
    return Measure.of(weighted_share(np.asarray(hits, bool), weights))


class Compared(NamedTuple):
    """A measure, its control and their paired difference."""

    measure: Measure
    control: Control
    difference: Measure

    @classmethod
    def means(
        cls,
        name: str,
        values: Numbers,
        others: Numbers,
        weights: Numbers,
        clusters: NDArray[np.integer] | None = None,
    ) -> "Compared":
        """Compare two means of the same images, the second under a control's name."""
        control = Control(name, mean_of(others, weights, clusters))
        return cls(mean_of(values, weights, clusters), control, mean_of(values - others, weights, clusters))

    def choice(self, kind: str, value: str) -> Choice:
        """The same as one choice of a finding."""
        return Choice(kind, value, *self)

    def finding(self, key: str, study: str, quantity: str, group: str, *choices: Choice, **more: Any) -> Finding:
        """The same as a finding; `more` are its other fields."""
        return Finding(key, study, quantity, self.measure, group, self.control, self.difference, choices, **more)


def coverage(answers: Mapping[str, StudyResult], run: Run) -> pd.DataFrame:
    """Count how many of the run's images each study covers.

    Returns:
        `study`, `title`, `images`, `share` of the run, `errors` covered and `errors_of` in the run.
    """
    errors = set(run.predictions["id"][~is_right(run.predictions)])
    rows = [
        {
            "study": name,
            "title": answer.about["title"],
            "images": answer.about["images"],
            "share": answer.about["images"] / len(run),
            "errors": len(errors & set(answer.table["id"])) if "id" in answer.table else len(errors),
            "errors_of": len(errors),
        }
        for name, answer in answers.items()
    ]
    return pd.DataFrame(rows)
