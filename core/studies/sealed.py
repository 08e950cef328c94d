"""Tables on disk that say what they are: parquet whose metadata ends with a sha256 over that and the values."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.storage import parse_json, plain_json, read_table, write_bytes_atomically

KEY = b"telltale"
# what a study's file and its run's manifest both say
OF_RUN = ("detector_sha256", "set_fingerprint")
DETECTOR = "detector_fingerprint"


def write_sealed(path: Path, table: pd.DataFrame, about: Mapping[str, Any]) -> None:
    """Write a table, whole or not at all.

    Args:
        path: of the file.
        table: columns of numbers, booleans or text.
        about: JSON-able; a sha256 is added, and numbers that are not finite become null.
    """
    said = plain_json(about)
    sealed = json.dumps({**said, "sha256": _digest(table, said)}, allow_nan=False)
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    arrow = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), KEY: sealed.encode()})
    write_bytes_atomically(path, lambda file: pq.write_table(arrow, file, compression="zstd", write_page_checksum=True))


def read_sealed(path: Path) -> tuple[pd.DataFrame, dict[str, Any], bool]:
    """Read a table and its metadata, and verify both.

    Returns:
        The table; its metadata without the sha256; and True if both match that sha256.

    Raises:
        FileNotFoundError: there is no file.
        KeyError: its metadata has no entry `KEY`.
        Exception: it cannot be read; the errors of pyarrow share no base class below that.
    """
    arrow = read_table(path)
    about: dict[str, Any] = dict(parse_json((arrow.schema.metadata or {})[KEY]))
    digest = about.pop("sha256", None)
    table = arrow.to_pandas()
    return table, about, digest == _digest(table, about)


def foreign_key(about: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """Return the key by which a study's metadata name another run than that of a manifest; "" where none does.

    Older files and older runs do not name the detector as a whole, with its preprocessing, classes and layer.
    """
    named = [key for key in OF_RUN if key in about] + [DETECTOR] * bool(about.get(DETECTOR) and manifest.get(DETECTOR))
    return next((key for key in named if about[key] != manifest.get(key)), "")


def _digest(table: pd.DataFrame, about: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in table.columns:
        digest.update(str(name).encode())
        # whatever type a column comes back as, equal values have equal hashes
        values = table[name]
        if isinstance(values.dtype, pd.CategoricalDtype) or not pd.api.types.is_numeric_dtype(values):
            digest.update("\0".join(values.astype(object).where(values.notna(), "\1").astype(str)).encode())
        else:
            numbers = np.array(values.to_numpy())
            # parquet does not keep which of its many bit patterns a NaN has
            numbers[np.isnan(numbers)] = np.nan if numbers.dtype.kind == "f" else 0
            digest.update(numbers.tobytes())
    return digest.hexdigest()
