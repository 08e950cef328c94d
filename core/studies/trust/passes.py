"""Explanations of a run's images, computed once: several studies ask for the same explanation of the same image.

What was computed is kept in the cache folder by detector, method, settings and the image's pixels, so that the next
study, or the same one after it was stopped, finds it there.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.detectors.detector import Detector
from core.explainers.explainer import AnyExplainer, versions_of
from core.explainers.explanation import Explanation
from core.explainers.settings import ExplainerSettings
from core.explainers.stored import KEPT
from core.images.decoding import pixels_sha256
from core.storage import cache_dir, open_file, write_bytes_atomically
from core.studies.study import Context
from core.studies.trust.judged import settings_of

# raised whenever an explainer gives other values than before
VERSION = 3
Maps = list[NDArray[np.float32]]


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
        r2: weighted R squared of the surrogate; NaN without.
        decided_share: share of the area that is decided, 0 to 1; NaN without.
        one_colour: why the map shows one colour only, "" where it shows both.
    """

    values: NDArray[np.float32]
    regions: NDArray[np.int16] = field(default_factory=_none)
    weights: NDArray[np.float32] = field(default_factory=_none)
    decisions: NDArray[np.int8] = field(default_factory=_none)
    r2: float = np.nan
    decided_share: float = np.nan
    one_colour: str = ""


def explained(
    detector: Detector, image: NDArray[np.uint8], explainer: AnyExplainer, settings: ExplainerSettings
) -> Pass:
    """The explanation of one image, from the cache where it was computed before.

    Args:
        detector: what is explained.
        image: uint8 (side, side, 3).
        explainer: by which method.
        settings: its own.
    """
    return explained_all(detector, [image], explainer, settings)[0]


def explained_all(
    detector: Detector, images: Sequence[NDArray[np.uint8]], explainer: AnyExplainer, settings: ExplainerSettings
) -> list[Pass]:
    """As `explained`, of several images; what the cache lacks is explained in batches."""
    paths = [_path(detector, image, explainer, settings) for image in images]
    found = [_read(path) for path in paths]
    lacking = [number for number, one in enumerate(found) if one is None]
    if lacking:
        pixels = np.stack([images[number] for number in lacking])
        made = explainer.explain_batch(detector, pixels, settings)
        for number, explanation in zip(lacking, made, strict=True):
            found[number] = one = _pass_of(explanation)
            # not durable: two fsyncs per image would cost more than recomputing what a power cut may damage
            write_bytes_atomically(paths[number], partial(_write, found=one), durable=False)
    return [one for one in found if one is not None]


def passes_of(context: Context, rows: NDArray[np.intp], explainer: AnyExplainer, *, seed: int) -> list[Pass]:
    """What an explainer says of some images of a run; of the kind that runs keep, what this run holds."""
    if explainer is KEPT:
        return [Pass(one) for one in np.asarray(context.run.needed_maps[rows], np.float32)]
    images = [np.asarray(context.pixels[row]) for row in rows]
    return explained_all(context.detector, images, explainer, settings_of(explainer, seed))


def maps_of(
    detector: Detector, images: Sequence[NDArray[np.uint8]], explainer: AnyExplainer, settings: ExplainerSettings
) -> Maps:
    """The maps of several images, float32 (h, w) each; those of the kind that runs keep cost one pass and no cache."""
    if explainer is KEPT:
        return list(detector.full_pass(np.stack(images)).needed_maps.astype(np.float32)) if len(images) else []
    return [one.values for one in explained_all(detector, images, explainer, settings)]


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


def _path(detector: Detector, image: NDArray[np.uint8], explainer: AnyExplainer, settings: ExplainerSettings) -> Path:
    libraries = sorted(versions_of(explainer.libraries).items())
    asked = repr((VERSION, detector.cache_key, explainer.name, libraries, sorted(asdict(settings).items())))
    folder = hashlib.sha256(asked.encode()).hexdigest()[:20]
    name = pixels_sha256(image)[:32]
    return cache_dir() / "explanations" / folder / name[:2] / f"{name}.npz"


def _write(file: Path, found: Pass) -> None:
    with file.open("wb") as opened:
        arrays: dict[str, Any] = {name: np.asarray(value) for name, value in vars(found).items()}
        np.savez(opened, **arrays)


def _read(path: Path) -> Pass | None:
    try:
        with open_file(path) as file, np.load(file, allow_pickle=False) as kept:
            return Pass(
                kept["values"],
                kept["regions"],
                kept["weights"],
                kept["decisions"],
                float(kept["r2"]),
                float(kept["decided_share"]),
                str(kept["one_colour"]),
            )
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is computed again
        return None
