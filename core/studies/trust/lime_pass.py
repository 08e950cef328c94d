"""LIME of a run's images, computed once: several studies ask for the same explanation of the same image.

What was computed is kept in the cache folder by detector, settings and the image's pixels, so that the next study, or
the same one after it was stopped, finds it there.
"""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.detectors.detector import Detector
from core.explainers.lime.regions import LIME, LimeSettings
from core.images.decoding import pixels_sha256
from core.system.atomic import cache_dir, write_bytes_atomically
from core.system.files import open_file

# raised whenever LIME gives other weights than before
VERSION = 2


@dataclass(frozen=True, eq=False)
class LimePass:
    """What studies need of LIME on one image; S segments.

    Attributes:
        segments: int16 (side, side), 0 to S - 1.
        weights: float32 (S,), positive for REAL.
        decisions: int8 (S,), 1, -1, or 0 where undecided.
        r2: weighted R squared of the surrogate.
        decided_share: share of the area that is decided, 0 to 1.
        one_colour: why the map shows one colour only, "" where it shows both.
    """

    segments: NDArray[np.int16]
    weights: NDArray[np.float32]
    decisions: NDArray[np.int8]
    r2: float
    decided_share: float
    one_colour: str

    @property
    def values(self) -> NDArray[np.float32]:
        """float32 (side, side): the weight of each pixel's segment."""
        return self.weights[self.segments]


def lime_pass(detector: Detector, image: NDArray[np.uint8], settings: LimeSettings) -> LimePass:
    """LIME of one image, from the cache where it was computed before.

    Args:
        detector: what is explained.
        image: uint8 (side, side, 3).
        settings: of LIME.
    """
    path = _path(detector, image, settings)
    kept = _read(path)
    if kept is not None:
        return kept
    result = LIME.explain_fully(detector, image, settings)
    parts, diagnostics = result.parts, result.diagnostics
    assert parts is not None  # noqa: S101 - LIME weighs regions
    assert parts.regions is not None  # noqa: S101
    found = LimePass(
        parts.regions.astype(np.int16),
        parts.weights.astype(np.float32),
        parts.decisions,
        float(diagnostics.numbers["r2"]),
        float(diagnostics.numbers["decided_share"]),
        diagnostics.one_colour,
    )
    # two waits for the disk an image would cost more than computing again what a power cut may damage
    write_bytes_atomically(path, lambda file: _write(file, found), durable=False)
    return found


def _path(detector: Detector, image: NDArray[np.uint8], settings: LimeSettings) -> Path:
    asked = repr((VERSION, detector.cache_key, sorted(asdict(settings).items())))
    folder = hashlib.sha256(asked.encode()).hexdigest()[:20]
    name = pixels_sha256(image)[:32]
    return cache_dir() / "lime" / folder / name[:2] / f"{name}.npz"


def _write(file: Path, found: LimePass) -> None:
    with file.open("wb") as opened:
        arrays: dict[str, Any] = {name: np.asarray(value) for name, value in vars(found).items()}
        np.savez(opened, **arrays)


def _read(path: Path) -> LimePass | None:
    try:
        with open_file(path) as file, np.load(file, allow_pickle=False) as kept:
            return LimePass(
                kept["segments"],
                kept["weights"],
                kept["decisions"],
                float(kept["r2"]),
                float(kept["decided_share"]),
                str(kept["one_colour"]),
            )
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is computed again
        return None
