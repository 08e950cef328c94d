"""The images among which neighbours are searched: a detector's training images, or a run's own. Needs no torch.

The features of training images are computed when they are first asked for and kept in the cache folder, sealed, under
the hashes of detector and set; they never ship.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.images.image_set import BusyError, DatasetError, ImageSet
from core.images.loading import load_image_set
from core.runs.nearest import halved
from core.runs.run import Run
from core.storage import (
    MANIFEST,
    ContractError,
    cache_dir,
    open_file,
    read_array,
    read_folder,
    write_folder,
)

if TYPE_CHECKING:
    from core.detectors.detector import Detector

KIND = "training features"
# images between two steps of a computation
BLOCK = 2048
KEPT_ROWS = ["id", "name", "label", "category", "sha256"]
NO_FEATURES = "{} has no layer whose features could be compared, so it has no neighbours; ask another detector"
Progress = Callable[[int, int], None]


class NeighbourError(ValueError):
    """Neighbours that cannot be found; the message says why and what to do, in one sentence."""


@dataclass(frozen=True, eq=False)
class Reference:
    """The images among which neighbours are looked for.

    Attributes:
        name: of the set, for instance "cifake-train".
        features: float16 (N, C), or float32 where that cannot hold them, the detector's pooled features, usually
            memory-mapped.
        margins: float32 (N,), the detector's own verdicts on them.
        rows: a row an image: `id`, `name`, `label` (FAKE = 0, REAL = 1), `category`, `sha256`.
        pixels: uint8 (N, side, side, 3), or None where the pictures are not available.
        is_training: whether the detector was trained on them.
    """

    name: str
    features: NDArray[np.floating]
    margins: NDArray[np.float32]
    rows: pd.DataFrame
    pixels: NDArray[np.uint8] | None = None
    is_training: bool = True

    def __len__(self) -> int:
        return len(self.features)


def features_path(detector: str, fingerprint: str) -> Path:
    """Return the folder of a detector's features of a set."""
    key = hashlib.sha256(f"{detector} {fingerprint}".encode()).hexdigest()[:32]
    return cache_dir() / "features" / key


def read_features(detector: str, fingerprint: str, *, images: ImageSet | None = None) -> Reference | None:
    """Features that were computed before, memory-mapped; None where there are none, or none that can be trusted.

    Args:
        detector: what it is known by in caches, `Detector.cache_key`.
        fingerprint: of the set.
        images: the set itself where it is available, for the pictures.
    """
    path = features_path(detector, fingerprint)
    try:
        manifest = read_folder(path, KIND)
        if (manifest.get("detector"), manifest.get("set_fingerprint")) != (detector, fingerprint):
            return None
        features = read_array(path / "features.npy", mapped=True)
        margins = read_array(path / "margins.npy")
        with open_file(path / "rows.parquet") as file:
            rows = pd.read_parquet(file)
    except (ContractError, OSError, ValueError):
        # a cache that is damaged is a cache that is not there
        return None
    if not len(features) == len(margins) == len(rows):
        return None
    if images is not None:
        # the same files may come in another order, from an archive or under other names
        kept, now = (one["sha256"].to_numpy(str) for one in (rows, images.rows))
        if not np.array_equal(kept, now):
            order = np.empty(len(now), np.intp)
            order[np.argsort(now, kind="stable")] = np.argsort(kept, kind="stable")
            features, margins, rows = features[order], margins[order], rows.iloc[order].reset_index(drop=True)
    return Reference(str(manifest["set"]), features, margins, rows, None if images is None else images.pixels)


def count_kept() -> int:
    """Count the sets whose features are kept for some detector; an answer without them changes when they come."""
    # unfinished ones have no manifest
    return sum(1 for _ in (cache_dir() / "features").glob(f"[!.]*/{MANIFEST}"))


def compute_features(
    detector: Detector, images: ImageSet, *, stop: Callable[[], bool] = lambda: False
) -> Iterator[float]:
    """Compute and keep the features of a set.

    Args:
        detector: whose features.
        images: the set.
        stop: asked after every batch; True ends the iteration without an answer.

    Yields:
        The share that is done; after the last, 1, `read_features` finds them.
    """
    blocks: list[tuple[NDArray[Any], NDArray[Any]]] = []

    def between(_done: int, _of: int) -> None:
        if stop():
            raise _StopError

    for start in range(0, len(images), BLOCK):
        try:
            found = detector.full_pass(np.asarray(images.pixels[start : start + BLOCK]), progress=between)
        except _StopError:
            return
        if found.features is None:
            raise NeighbourError(NO_FEATURES.format(detector.name))
        blocks.append((halved(found.features), found.margins))
        # the last step is the sealed folder
        yield min(0.999, (start + BLOCK) / len(images))
    features, margins = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    rows = images.rows[KEPT_ROWS].reset_index(drop=True)
    manifest = {"detector": detector.cache_key, "set": images.name, "set_fingerprint": images.fingerprint}
    write_folder(
        features_path(detector.cache_key, images.fingerprint),
        kind=KIND,
        manifest={**manifest, "images": len(images)},
        files={
            "features.npy": lambda file: np.save(file, features, allow_pickle=False),
            "margins.npy": lambda file: np.save(file, margins, allow_pickle=False),
            "rows.parquet": lambda file: rows.to_parquet(file, index=False),
        },
        replace=True,
    )
    yield 1.0


class _StopError(Exception):
    """Nobody waits for the answer any more."""


def is_sample(manifest: Mapping[str, Any]) -> bool:
    """Check whether a detector was trained on the sample, which is small and always available."""
    return str(manifest.get("training_set", "")).startswith("sample-")


def open_training_set(detector: Detector, data: str | None, *, progress: Progress | None = None) -> ImageSet | None:
    """The images that a detector was trained on, None where they are not available.

    Args:
        detector: whose; files of another size than it takes are made to fit.
        data: where CIFAKE is; the sample is found without.
        progress: called with (files read, files) where they are read for the first time.

    Raises:
        DatasetError: `data` cannot be read.
        NeighbourError: it holds other images than the detector was trained on.
    """
    wanted = detector.manifest.get("training_set_fingerprint")
    source = "sample" if is_sample(detector.manifest) else data
    if wanted is None or source is None:
        return None
    images = load_image_set(source, "train", fit=detector.preprocessing, skip_bad=True, progress=progress)
    # trained with --limit: the same draw gives the same images
    # by the number alone: the same images may have another name by now
    if limit := re.search(r"-train-(\d+)$", str(detector.manifest.get("training_set", ""))):
        images = images.limited(int(limit[1]))
    if images.fingerprint != wanted:
        raise NeighbourError(
            f"the training images of {source} are not those that {detector.name} was trained on (their fingerprint "
            f"differs{', or their order, by which --limit draws' if limit else ''}); attach the set that it was "
            "trained on"
        )
    return images


def find_training_set(detector: Detector, data: str | None, *, progress: Progress | None = None) -> ImageSet | None:
    """Open the training images as `open_training_set`; None where `data` cannot be read or holds others.

    Raises:
        BusyError: another process is preparing them; a later try finds them, and what is made without them would stay.
    """
    try:
        return open_training_set(detector, data, progress=progress)
    except BusyError:
        raise
    except (DatasetError, NeighbourError):
        return None


def run_reference(run: Run, features: NDArray[np.floating] | None = None) -> Reference:
    """A run's own images, where the training images are not available.

    Args:
        run: with its features, unless they are given.
        features: (N, C) where the run has kept none.

    Raises:
        NeighbourError: there are no features.
    """
    kept = run.features if features is None else features
    if kept is None:
        raise NeighbourError(
            f"{run.name} has kept no features: its detector has none, or they take too much room; make a run of fewer "
            "images"
        )
    rows = run.predictions[KEPT_ROWS].reset_index(drop=True)
    rows["label"] = (rows["label"].astype(str) == "REAL").astype(np.uint8)
    margins = run.predictions["margin"].to_numpy(np.float32)
    return Reference(str(run.manifest["set"]), halved(np.asarray(kept)), margins, rows, run.images, False)
