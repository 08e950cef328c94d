"""Runs: one detector on one image set, written once and never changed. Reading one needs no torch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.detectors.manifest import OLD_LAYER, OLD_SIDE
from core.images.image_set import Split, split_of
from core.images.preprocessing import Preprocessing
from core.runs.validation import check_array, check_manifest, check_numbers, check_predictions
from core.storage import MANIFEST, SEAL, ContractError, read_array, read_folder, read_table

KIND = "run"
LARGE = 64 * 2**20


def told_apart(runs: Sequence["Run"]) -> list[str]:
    """Name each of some runs: by its detector where all are on one set, else by its own name, numbered if need be."""
    detectors, names = [str(run.manifest["detector"]) for run in runs], [run.name for run in runs]
    different = len({run.path for run in runs})
    if len({run.manifest.get("set_fingerprint") for run in runs}) == 1 and len(set(detectors)) == different:
        return detectors
    return names if len(set(names)) == different else [f"{name} ({number})" for number, name in enumerate(names, 1)]


@dataclass(frozen=True, eq=False)
class Run:
    """A run as read from disk.

    Attributes:
        path: its folder, named `<detector>@<set>`.
        manifest: detector and set hashes, metrics, settings.
        predictions: one row per image, the columns of `core.runs.validation.COLUMNS` and of
            `core.images.statistics.STATISTICS`, and `source` (generator or camera) where the set knows any.
        maps: float (N, h, w), the signed margin maps; None where the detector gives none. Arrays are memory-mapped only
            if they have more than `LARGE` bytes.
        features: float (N, C) pooled features; None where there are none or they were too large to keep.
        images: uint8 (N, side, side, 3), stored with the run; None if they have to be found in an image set by hash.
    """

    path: Path
    manifest: dict[str, Any]
    predictions: pd.DataFrame
    maps: NDArray[np.floating] | None
    features: NDArray[np.floating] | None
    images: NDArray[np.uint8] | None

    @property
    def name(self) -> str:
        """`<detector>@<set>`."""
        return self.path.name

    @property
    def sealed(self) -> bool:
        """True if the manifest holds its own hash, which the oldest runs lack."""
        return SEAL in self.manifest

    @property
    def split(self) -> Split:
        """The split of its image set."""
        return split_of(str(self.manifest["set"]))

    @property
    def needed_maps(self) -> NDArray[np.floating]:
        """The maps.

        Raises:
            ContractError: the run has none.
        """
        if self.maps is None:
            raise ContractError(f"{self.name} has no maps: its detector has no layers to read them from")
        return self.maps

    @property
    def preprocessing(self) -> Preprocessing:
        """The preprocessing from files to the detector's input."""
        fields = self.manifest.get("preprocess")
        return Preprocessing(OLD_SIDE) if fields is None else Preprocessing.of(fields)

    @property
    def side(self) -> int:
        """Pixels along each side of the detector's input."""
        return self.preprocessing.size

    @property
    def target_layer(self) -> str | None:
        """The layer of its maps and features, None where it has neither."""
        layer: str | None = self.manifest.get("target_layer", OLD_LAYER)
        return layer

    @property
    def is_real(self) -> NDArray[np.bool_]:
        """bool (N,), True where the label is REAL."""
        return np.asarray(self.predictions["label"].astype(str) == "REAL")

    @property
    def predicted_real(self) -> NDArray[np.bool_]:
        """bool (N,), True where the prediction is REAL."""
        return np.asarray(self.predictions["predicted"].astype(str) == "REAL")

    @property
    def leaks_checked(self) -> bool:
        """True if its images were compared with the training images; also for older runs, which do not state it."""
        return bool(self.manifest.get("leaks_checked", True))

    def __len__(self) -> int:
        return len(self.predictions)


def read_run(path: Path) -> Run:
    """Read and verify a run.

    Raises:
        ContractError: a file is missing, changed, or does not fit the others; the message names it.
    """
    manifest = read_folder(path, KIND)
    check_manifest(path, manifest)
    file = path / "predictions.parquet"
    if file.name not in manifest["files"]:
        raise ContractError(f"{path / MANIFEST} does not list {file.name}; write the run again")
    try:
        predictions = read_table(file, rows=manifest["images"]).to_pandas()
    except OSError as error:
        raise ContractError(f"{file} is no parquet file ({type(error).__name__}); restore it") from None
    check_predictions(file, predictions)
    check_numbers(path, manifest, predictions)
    run = Run(path, manifest, predictions, None, None, None)
    maps, features, images = (_read_array(run, name) for name in ("maps", "features", "images"))
    if maps is None and run.target_layer is not None:
        raise ContractError(f"{path / 'maps.npy'} does not hold a map per image; write the run again")
    return replace(run, maps=maps, features=features, images=images)


def _read_array(run: Run, name: str) -> NDArray[Any] | None:
    file = run.path / f"{name}.npy"
    if file.name not in run.manifest["files"]:
        return None
    try:
        # a mapped file that is cut short while it is read kills the process
        array = read_array(file, mapped=file.stat().st_size > LARGE)
    except (ValueError, OSError, EOFError, OverflowError, MemoryError, SyntaxError):
        # includes a header that claims exabytes
        raise ContractError(f"{file} is no plain numpy array; restore it or write the run again") from None
    check_array(file, array, rows=len(run), side=run.side)
    return array


def same_images(first: Run, second: Run) -> bool:
    """Check whether two runs are different ones on one image set."""
    same = first.manifest.get("set_fingerprint") == second.manifest.get("set_fingerprint")
    return same and first.path.resolve() != second.path.resolve()
