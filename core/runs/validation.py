"""Validate run and detector files, so that nothing odd reaches a page. Needs no torch."""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from core.images.labels import CLASSES
from core.images.preprocessing import SIDES, Preprocessing
from core.images.statistics import STATISTICS
from core.runs.metrics import metrics, without_leaks_and_repeats
from core.storage import MANIFEST, ContractError, is_plain_name

# predictions.parquet may unpack to MAX_BYTES plus this per row; more is a decompression bomb or a mistake
MAX_ROW_BYTES = 4096
# of any table beside or in a run
MAX_ROWS = 5_000_000
MAX_BYTES = 2**24
# of numbers that were computed in another order, or from margins of single precision
TOLERANCE = 1e-6
TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)


def check_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    """Refuse a run's manifest in which a field is missing or malformed.

    Raises:
        ContractError: naming the file and the first thing that is wrong with it.
    """
    for name, fits in FIELDS.items():
        if not fits(manifest.get(name)) and (name in manifest or name not in LATER_FIELDS):
            raise ContractError(f"{path / MANIFEST} has no usable {name}; restore it or write the run again")


def check_size(file: Path, opened: BinaryIO, images: int) -> None:
    """Refuse a table that would unpack to far more than a row per image, before unpacking any of it.

    Args:
        file: its name in error messages.
        opened: the open file; given a path, pyarrow would turn folders named key=value into columns.
        images: the number of rows it must have.

    Raises:
        ContractError: it is not a parquet file, has another number of rows, or would unpack to far too much.
    """
    try:
        about = pq.ParquetFile(opened).metadata
        rows = about.num_rows
        size = sum(about.row_group(number).total_byte_size for number in range(about.num_row_groups))
        # what the description refuses is not unpacked to be measured
        if rows == images <= MAX_ROWS and size <= _most_bytes(images):
            size = max(size, text_bytes(opened))
    except Exception as error:  # noqa: BLE001 - pyarrow's errors share no base class below Exception
        raise ContractError(f"{file} is no parquet file ({type(error).__name__}); restore it") from None
    if rows > MAX_ROWS:
        raise ContractError(f"{file} has {rows:,} rows, far more than a run has images; do not use it")
    if rows != images:
        raise ContractError(f"{file} has {rows} rows and {MANIFEST} says {images}; write the run again")
    if size > _most_bytes(images):
        raise ContractError(f"{file} would unpack to {size >> 20:,} MB, far more than a run needs; do not use it")


def _most_bytes(rows: int) -> int:
    """The bytes that a table of so many rows may unpack to."""
    return MAX_BYTES + MAX_ROW_BYTES * rows


def text_bytes(opened: BinaryIO) -> int:
    """Return the bytes of all text in the flat columns of a parquet table, of which its description counts equal ones
    once; lists and structures, which this product does not write, are not counted."""
    opened.seek(0)
    fields = pq.ParquetFile(opened).schema_arrow
    kinds = {
        field.name: field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in fields
    }
    names = [name for name, kind in kinds.items() if any(is_text(kind) for is_text in TEXTS)]
    opened.seek(0)
    # each text once, with the places where it stands
    table = pq.ParquetFile(opened, read_dictionary=names).read(columns=names)
    return sum(_bytes_of(chunk) for column in table.columns for chunk in column.chunks)


def _bytes_of(chunk: pa.Array) -> int:
    if pa.types.is_dictionary(chunk.type):
        lengths = pc.binary_length(chunk.dictionary).take(chunk.indices)
    else:
        lengths = pc.binary_length(chunk)
    return int(pc.sum(pc.cast(lengths, pa.int64())).as_py() or 0)


def check_rows(opened: BinaryIO) -> None:
    """Refuse a parquet table of far too many rows or too much text: equal values take no room in the file, but do in
    memory.

    Args:
        opened: the file, which is at its beginning again afterwards.

    Raises:
        ValueError: it has.
    """
    rows = pq.ParquetFile(opened).metadata.num_rows
    if rows > MAX_ROWS:
        raise ValueError(f"it has {rows:,} rows, far more than a run has images")
    size = text_bytes(opened)
    opened.seek(0)
    if size > _most_bytes(rows):
        raise ValueError(f"it would unpack to {size >> 20:,} MB, far more than a run needs")


def check_predictions(file: Path, frame: pd.DataFrame) -> None:
    """Refuse a table whose columns do not hold what a run's do.

    Raises:
        ContractError: naming the file and the first column that does not fit.
    """
    for name, fits in COLUMNS.items():
        if name in frame and not fits(frame[name]):
            raise ContractError(f"{file} has no usable column {name}; write the run again")


def check_numbers(path: Path, manifest: Mapping[str, Any], predictions: pd.DataFrame) -> None:
    """Refuse a run of which a number does not follow from those that it is derived from.

    Args:
        path: the run's folder.
        manifest: that passed `check_manifest`.
        predictions: its table, which passed `check_predictions`.

    Raises:
        ContractError: naming the file and the number.
    """
    table = path / "predictions.parquet"
    margin = predictions["margin"].to_numpy(np.float64)
    if ((predictions["predicted"] == "REAL").to_numpy(bool) != (margin > 0)).any():
        raise ContractError(f"{table} has a prediction on the other side of 0 than its margin; write the run again")
    p_real = 0.5 * (1 + np.tanh(margin / manifest["temperature"] / 2))
    if not np.allclose(predictions["p_real"], p_real, rtol=0, atol=TOLERANCE):
        raise ContractError(f"{table} has a p_real that does not follow from its margin; write the run again")
    counted = {"leaked": predictions["in_train"].sum(), "repeats": predictions["is_repeat"].sum()}
    wrong = [name for name, count in counted.items() if manifest[name] != count]
    for name, rows in (("all", predictions), ("clean", without_leaks_and_repeats(predictions))):
        wrong += _differing(manifest["metrics"][name], metrics(rows), name)
    if wrong:
        raise ContractError(
            f"{path / MANIFEST} has another {wrong[0]} than its predictions give; restore it or write the run again"
        )


def _differing(given: Any, derived: Any, name: str) -> Iterator[str]:
    """Name the numbers of nested metrics that are not those that were derived."""
    if isinstance(derived, dict):
        for key, value in derived.items():
            yield from _differing((given or {}).get(key), value, f"{key} of {name}")
    elif isinstance(derived, list):
        for one, other in zip(given or [None] * len(derived), derived, strict=True):
            yield from _differing(one, other, name)
    elif given is not derived and (given is None or derived is None or abs(given - derived) > TOLERANCE):
        yield name


def _is_number(value: object) -> bool:
    # exact for whole numbers of any length too, which math.isfinite cannot take
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_share(value: object) -> bool:
    return _is_number(value) and 0 <= value <= 1  # type: ignore[operator]


def is_count(value: object) -> bool:
    """Check that a value is a whole number of 0 or more."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _are_metrics(value: object) -> bool:
    return isinstance(value, dict) and all(_are_numbers(value.get(key)) for key in ("all", "clean"))


def _are_numbers(value: object) -> bool:
    """Check that a value is what `core.runs.writing.metrics` gives."""
    if not isinstance(value, dict) or not is_count(value.get("images")):
        return False
    if value["images"] == 0:
        return True
    confusion, classes = value.get("confusion"), value.get("per_class")
    if not isinstance(confusion, list) or len(confusion) != len(CLASSES) or not isinstance(classes, dict):
        return False
    counted = all(isinstance(row, list) and len(row) == len(CLASSES) and all(map(is_count, row)) for row in confusion)
    rated = all(
        isinstance(classes.get(name), dict)
        and all(_is_number(classes[name].get(key)) for key in ("precision", "recall", "f1", "support"))
        for name in CLASSES
    )
    whole = all(_is_number(value.get(key)) for key in ("accuracy", "ece"))
    return counted and rated and whole and (value.get("auroc", "") is None or _is_number(value.get("auroc")))


def _is_preprocessing(value: object) -> bool:
    try:
        Preprocessing.of(value)  # type: ignore[arg-type]
    except ValueError:
        return False
    return True


FIELDS: dict[str, Callable[[Any], bool]] = {
    "detector": is_plain_name,
    "detector_sha256": _is_text,
    "temperature": lambda value: _is_number(value) and value > 0,
    "set": is_plain_name,
    "set_fingerprint": _is_text,
    "skipped": lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
    "images": is_count,
    "created": _is_text,
    "versions": lambda value: isinstance(value, dict) and all(isinstance(one, str) for one in value.values()),
    "metrics": _are_metrics,
    "leaked": is_count,
    "repeats": is_count,
    "bias": lambda value: value is None or _is_number(value),
    "preprocess": _is_preprocessing,
    "target_layer": lambda value: value is None or _is_text(value),
    "detector_fingerprint": _is_text,
    "device": _is_text,
}
# fields that runs of earlier versions lack
LATER_FIELDS = ("detector_fingerprint", "preprocess", "target_layer", "device")


def _words(values: pd.Series) -> bool:
    found = values.cat.categories if isinstance(values.dtype, pd.CategoricalDtype) else values
    # to look at each takes longer than all else of a run
    is_text = isinstance(found.dtype, pd.StringDtype) or all(isinstance(value, str) for value in found)
    return is_text and not values.hasnans


def _numbers(values: pd.Series) -> bool:
    return isinstance(values.dtype, np.dtype) and values.dtype.kind in "fiu"


def _finite(values: pd.Series) -> bool:
    return _numbers(values) and bool(np.isfinite(values.to_numpy()).all())


def _shares(values: pd.Series) -> bool:
    return _finite(values) and bool(values.between(0, 1).all())


def _classes(values: pd.Series) -> bool:
    return bool(values.astype(object).isin(CLASSES).all())


COLUMNS: dict[str, Callable[[pd.Series], bool]] = {
    "id": lambda values: _words(values) and values.is_unique,
    "name": _words,
    "label": _classes,
    "predicted": _classes,
    "margin": _finite,
    "p_real": _shares,
    "logit_fake": _finite,
    "logit_real": _finite,
    "category": lambda values: _words(values.dropna()),
    "source": lambda values: _words(values.dropna()),
    "sha256": _words,
    "in_train": pd.api.types.is_bool_dtype,
    "is_repeat": pd.api.types.is_bool_dtype,
    **dict.fromkeys(STATISTICS, _numbers),
}


def check_arrays(
    path: Path,
    maps: NDArray[Any] | None,
    features: NDArray[Any] | None,
    images: NDArray[Any] | None,
    *,
    side: int,
    mapped: bool,
) -> None:
    """Refuse arrays of another shape or type than a run's.

    Args:
        path: the run's folder.
        maps, features, images: see `core.runs.run.Run`.
        side: of the images, in pixels.
        mapped: True where the run must have maps.

    Raises:
        ContractError: naming the file.
    """
    lacking = maps is None and mapped
    if lacking or (maps is not None and not (_is_stack(maps) and np.isfinite(maps).all())):
        raise ContractError(f"{path / 'maps.npy'} does not hold a map per image; write the run again")
    if features is not None and (features.ndim != 2 or features.dtype.kind != "f"):
        raise ContractError(f"{path / 'features.npy'} does not hold features per image; write the run again")
    if images is not None and (images.dtype != np.uint8 or images.shape[1:] != (side, side, 3)):
        raise ContractError(f"{path / 'images.npy'} does not hold {side} x {side} images; write the run again")


def _is_stack(maps: NDArray[Any]) -> bool:
    """Check that an array holds a map per image; a network may enlarge inside, so a map may be finer than its image."""
    return maps.ndim == 3 and maps.dtype.kind == "f" and min(maps.shape[1:]) > 0 and max(maps.shape[1:]) <= SIDES[-1]
