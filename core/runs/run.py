"""Runs: one detector on one image set, written once and never changed. Reading one needs no torch."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.detectors.manifest import OLD_LAYER, OLD_SIDE
from core.detectors.preprocessing import Preprocessing
from core.files import open_file, printable, read_array
from core.images.image_set import CLASSES, ImageSet, Split
from core.images.statistics import FACTS
from core.metrics.classification import expected_calibration_error
from core.runs.validation import check_arrays, check_manifest, check_predictions, check_size, is_plain_name
from core.storage import MANIFEST, ContractError, read_folder, refuse_taken, restore_all, write_folder

if TYPE_CHECKING:
    from core.detectors.detector import Detector

KIND = "run"
# what weights, maps, weights of segments, hashes and metrics come from
LIBRARIES = (
    "torch", "torchvision", "torchcam", "lime", "scikit-image", "scikit-learn", "scipy", "imagehash", "numpy", "pandas",
    "pillow",
)  # fmt: skip
ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "assets"
# where detectors and runs are looked for
HOMES = (ROOT, SHIPPED)
COLUMNS = (
    "id", "name", "label", "predicted", "margin", "p_real", "logit_fake", "logit_real", "category", "sha256",
    "in_train", "is_repeat",
)  # fmt: skip
LARGE_FEATURES = 32 * 2**20

# the paper, which does not state its year; its Table 1 and Figure 1, where confusion is [true][predicted], FAKE first
PAPER: dict[str, Any] = {
    "author": "David Blankenship",
    "title": "Applications of XAI for AI-Generated Image Discrimination",
    "link": "https://github.com/General-Cow/XAI-For-AI-Image-Detection",
    "accuracy": 0.945,
    "per_class": {
        "FAKE": {"precision": 0.93, "recall": 0.96, "f1": 0.95},
        "REAL": {"precision": 0.96, "recall": 0.93, "f1": 0.94},
    },
    "confusion": [[9584, 416], [679, 9321]],
}


@dataclass(frozen=True, eq=False)
class Run:
    """A run as read from disk.

    Attributes:
        path: its folder, named `<detector>@<set>`.
        manifest: detector and set hashes, metrics, settings.
        predictions: one row an image, the columns of `COLUMNS` and of `core.images.statistics.FACTS`.
        maps: float (N, h, w), the signed margin maps, memory-mapped; None of a detector that gives none.
        features: float (N, C) pooled features; None where they were too large to keep or there are none.
        images: uint8 (N, side, side, 3), or None where they are found by their hash instead.
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
    def split(self) -> Split:
        """Which split of its data set it is about."""
        return "train" if "-train" in str(self.manifest["set"]) else "test"

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
        """How files became the images that the detector took."""
        said = self.manifest.get("preprocess")
        return Preprocessing(OLD_SIDE) if said is None else Preprocessing.of(said)

    @property
    def side(self) -> int:
        """Pixels along each side of its images, as the detector took them."""
        return self.preprocessing.size

    @property
    def target_layer(self) -> str | None:
        """The layer that its maps and features are of, None where it has neither."""
        layer: str | None = self.manifest.get("target_layer", OLD_LAYER)
        return layer

    @property
    def leaks_checked(self) -> bool:
        """Whether somebody looked for its images among those that the detector was trained on."""
        return bool(self.manifest.get("leaks_checked", True))

    def __len__(self) -> int:
        return len(self.predictions)


def write_run(
    home: Path,
    detector: Detector,
    images: ImageSet,
    *,
    train_sha256: frozenset[str] | None = frozenset(),
    ship_images: bool = False,
    replace: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Compute a run and write it to `<home>/runs/<detector>@<set>/`.

    Args:
        home: folder that holds `runs/`.
        detector: with rounded weights, named by its manifest.
        images: the set to predict.
        train_sha256: hashes of the files that the detector was trained on; test files among them are leaks. None where
            they are not at hand: the run then says that nobody looked.
        ship_images: keep the pixels with the run (only where their licence allows it).
        replace: overwrite a run of this name.
        progress: called with (images done, N).

    Returns:
        The run's folder.

    Raises:
        ValueError: the images are not of the side that the detector takes.
        TakenError: a run of this name exists and is not to be replaced.
        WriteError: it could not be written; nothing is left half done.
    """
    path = run_folder(home, detector.name, images)
    if not replace:
        refuse_taken(path)
    if images.side != detector.side:
        raise ValueError(
            f"the images of {images.name} have {images.side} pixels a side and {detector.name} takes {detector.side}; "
            "resize them first"
        )
    computed = detector.full_pass(np.asarray(images.pixels), progress=progress)
    p_real = detector.p_real(computed.margins)
    predictions = prediction_frame(images, computed.logits, p_real, train_sha256 or frozenset())
    manifest = {
        "detector": detector.name,
        "detector_sha256": detector.sha256,
        "detector_fingerprint": detector.identity.fingerprint,
        "temperature": detector.temperature,
        "set": images.name,
        "set_fingerprint": images.fingerprint,
        "skipped": list(images.skipped),
        "images": len(images),
        "preprocess": asdict(detector.preprocessing),
        "target_layer": detector.target_layer or None,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": library_versions(),
        "metrics": {"all": metrics(predictions), "clean": metrics(clean(predictions))},
        "leaked": int(predictions["in_train"].sum()),
        "leaks_checked": train_sha256 is not None,
        "repeats": int(predictions["is_repeat"].sum()),
        "bias": detector.bias,
    }
    files: dict[str, Callable[[Path], None]] = {
        "predictions.parquet": lambda file: predictions.to_parquet(file, index=False),
    }
    maps, features = (None if one is None else _halved(one) for one in (computed.maps, computed.features))
    if maps is not None:
        files["maps.npy"] = lambda file: np.save(file, maps, allow_pickle=False)
    if features is not None and features.nbytes <= LARGE_FEATURES:
        files["features.npy"] = lambda file: np.save(file, features, allow_pickle=False)
    if ship_images:
        files["images.npy"] = lambda file: np.save(file, np.asarray(images.pixels), allow_pickle=False)
    write_folder(path, kind=KIND, manifest=manifest, files=files, replace=replace)
    return path


def run_folder(home: Path, detector: str, images: ImageSet) -> Path:
    """Where the run of a detector of this name on an image set lies in `home`."""
    return home / "runs" / f"{detector}@{images.name}"


def check_testable(images: ImageSet) -> None:
    """Refuse an image set whose run could not be read again, before a detector is trained for it.

    Raises:
        ContractError: what a run would say of its images does not pass what `read_run` asks.
    """
    p_real = np.full(len(images), 0.5, np.float32)
    predictions = prediction_frame(images, np.zeros((len(images), 2), np.float32), p_real, frozenset())
    table = io.BytesIO()
    predictions.to_parquet(table, index=False)
    file = Path("predictions.parquet")
    try:
        _parse_predictions(file, table, len(images))
    except ContractError as error:
        said = str(error).removeprefix(f"{file} ")
        raise ContractError(f"a run on {images.name} could not be read again, its table {said}") from None


def _halved(values: NDArray[np.float32]) -> NDArray[np.floating]:
    """As float16 where that can hold them."""
    return values.astype(np.float16) if np.abs(values).max(initial=0) <= np.finfo(np.float16).max else values


def prediction_frame(
    images: ImageSet, logits: NDArray[np.float32], p_real: NDArray[np.float32], train_sha256: frozenset[str]
) -> pd.DataFrame:
    """The table of a run, one row an image, in the set's order."""
    rows = images.rows
    margin = logits[:, 1] - logits[:, 0]
    frame = pd.DataFrame(
        {
            "id": rows["id"].astype(str),
            "name": rows["name"].astype(str),
            "label": pd.Categorical.from_codes(rows["label"].astype(int), categories=list(CLASSES)),
            "predicted": pd.Categorical.from_codes((margin > 0).astype(int), categories=list(CLASSES)),
            "margin": margin.astype(np.float32),
            "p_real": p_real.astype(np.float32),
            "logit_fake": logits[:, 0].astype(np.float32),
            "logit_real": logits[:, 1].astype(np.float32),
            "category": rows["category"].astype("category"),
            "sha256": rows["sha256"].astype(str),
            "in_train": rows["sha256"].isin(train_sha256).to_numpy(),
            "is_repeat": rows["is_repeat"].to_numpy(bool),
        }
    )
    return pd.concat([frame, rows[list(FACTS)]], axis=1)


def clean(predictions: pd.DataFrame) -> pd.DataFrame:
    """The rows that are neither leaked from training nor repeats of an earlier row."""
    return predictions[~predictions["in_train"] & ~predictions["is_repeat"]]


def metrics(predictions: pd.DataFrame) -> dict[str, Any]:
    """Accuracy, per-class precision/recall/f1/support, confusion [true][predicted], auroc and ece, from scikit-learn.

    A number that the rows cannot give (auroc of one class) is None.
    """
    if predictions.empty:
        return {"images": 0}
    # read where a run is written: pages only read runs, and would wait half a second for it
    from sklearn.metrics import (  # noqa: PLC0415
        accuracy_score,
        confusion_matrix,
        precision_recall_fscore_support,
        roc_auc_score,
    )

    truth, verdict = predictions["label"].astype(str), predictions["predicted"].astype(str)
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, verdict, labels=list(CLASSES), zero_division=0
    )
    is_real = (truth == "REAL").to_numpy()
    auroc = float(roc_auc_score(is_real, predictions["margin"])) if 0 < is_real.sum() < len(is_real) else None
    return {
        "images": len(predictions),
        "accuracy": float(accuracy_score(truth, verdict)),
        "per_class": {
            name: {
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(f1[i]),
                "support": int(support[i]),
            }
            for i, name in enumerate(CLASSES)
        },
        "confusion": confusion_matrix(truth, verdict, labels=list(CLASSES)).tolist(),
        "auroc": auroc,
        "ece": expected_calibration_error(predictions["p_real"].to_numpy(), (truth == verdict).to_numpy()),
    }


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
        with open_file(file) as opened:
            predictions = _parse_predictions(file, opened, manifest["images"])
    except OSError as error:
        raise ContractError(f"{file} is no parquet file ({type(error).__name__}); restore it") from None
    maps, features, images = (
        _read_array(path, manifest, name, len(predictions)) for name in ("maps", "features", "images")
    )
    run = Run(path, manifest, predictions, maps, features, images)
    check_arrays(run.path, maps, features, images, side=run.side, mapped=run.target_layer is not None)
    return run


def _parse_predictions(file: Path, opened: BinaryIO, images: int) -> pd.DataFrame:
    check_size(file, opened, images)
    opened.seek(0)
    try:
        predictions = pd.read_parquet(opened)
    except Exception as error:  # noqa: BLE001 - pyarrow's errors share no base class below Exception
        raise ContractError(f"{file} is no parquet file ({type(error).__name__}); restore it") from None
    if missing := set(COLUMNS) - set(predictions.columns):
        raise ContractError(f"{file} lacks the column {sorted(missing)[0]}; write the run again")
    check_predictions(file, predictions)
    return predictions


def _read_array(path: Path, manifest: dict[str, Any], name: str, rows: int) -> NDArray[Any] | None:
    file = path / f"{name}.npy"
    if file.name not in manifest["files"]:
        return None
    try:
        array = read_array(file, mapped=True)
    except (ValueError, OSError, EOFError, OverflowError, MemoryError, SyntaxError):
        # also what a header that claims a shape of exabytes comes to
        raise ContractError(f"{file} is no plain numpy array; restore it or write the run again") from None
    if array.ndim == 0 or len(array) != rows:
        raise ContractError(
            f"{file} has {array.shape[0] if array.ndim else 0} rows and predictions.parquet {rows}; write the run again"
        )
    return array


def find_runs(homes: tuple[Path, ...] = HOMES) -> dict[str, Path]:
    """Names and folders of all runs, a user's own first; a folder without a manifest is none."""
    return _find(homes, "runs")


def find_detectors(homes: tuple[Path, ...] = HOMES) -> dict[str, Path]:
    """Names and folders of all detectors, those that ship first; a folder without a manifest is none.

    A detector that has the name of one before it is found as `NAME (own)`.
    """
    return _find(tuple(sorted(homes, key=lambda home: home != SHIPPED)), "detectors", shadowed="{} (own)")


def misnamed(homes: tuple[Path, ...], kind: str) -> dict[str, str]:
    """A sentence on each folder of a "run" or a "detector" whose name hides it, by what can be shown of that name."""
    paths = (path for home in _distinct(homes) for path in _folders(home / f"{kind}s"))
    return {
        printable(path.name): f"{printable(str(path))} has a name that cannot be shown; rename the folder"
        for path in paths
        if not is_plain_name(path.name)
    }


def find_named(name: str, known: Mapping[str, Path], kind: str) -> Path:
    """The folder that a command's user means: a name among `known`, or else a folder's own path.

    Args:
        name: a name or a path.
        known: from `find_runs` or `find_detectors`.
        kind: "run" or "detector", for the sentence.

    Raises:
        ContractError: there is none of that name.
    """
    if name in known:
        return known[name]
    if (Path(name) / MANIFEST).is_file():
        return Path(name)
    there = ", ".join(known) or "none"
    raise ContractError(f"there is no {kind} {name!r} in {kind}s/ or assets/{kind}s/; there is {there}")


def _find(homes: tuple[Path, ...], folder: str, *, shadowed: str = "{}") -> dict[str, Path]:
    # one whose manifest is damaged is found too, so that who opens it is told what is wrong with it
    found: dict[str, Path] = {}
    for path in (path for home in _distinct(homes) for path in _folders(home / folder)):
        if is_plain_name(path.name):
            found.setdefault(path.name if path.name not in found else shadowed.format(path.name), path)
    return found


def _distinct(homes: tuple[Path, ...]) -> Iterable[Path]:
    return {home.resolve(): home for home in homes}.values()


def _folders(parent: Path) -> Iterator[Path]:
    with suppress(OSError):
        restore_all(parent)
        visible = [child for child in parent.iterdir() if not child.name.startswith(".")]
        yield from filter(_has_manifest, sorted(visible))


def _has_manifest(folder: Path) -> bool:
    try:
        (folder / MANIFEST).stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        # one that may not be looked into is found, too
        return True
    return True


def library_versions() -> dict[str, str]:
    """Versions of the libraries that results depend on."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "absent"
    return versions
