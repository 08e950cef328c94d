"""Ways to damage a file, and files that lie about what is in them."""

import io
import json
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.storage.limits import MANIFEST, sha256_of
from core.storage.seals import sealed

Damage = Callable[[Path], object]


class Trap:
    """Makes a folder of this name when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.mark,)


def pickled(mark: Path) -> bytes:
    """A pickle that makes the folder `mark` when it is loaded."""
    return pickle.dumps(Trap(mark))


def cut(share: float) -> Damage:
    """Leave that share of a file."""
    return lambda file: file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])


def flip_bit(file: Path) -> None:
    """Turn a bit in the middle of a file."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 8
    file.write_bytes(data)


def reseal(folder: Path, **values: object) -> None:
    """Make a folder's hashes fit again and change values of its manifest, as who may write there could."""
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest |= values
    if isinstance(manifest.get("files"), dict):
        manifest["files"] = {
            name: sha256_of(folder / name) if (folder / name).is_file() else digest
            for name, digest in manifest["files"].items()
        }
    (folder / MANIFEST).write_text(json.dumps(sealed(manifest)))


def npy(shape: str, dtype: str = "'<f2'", body: bytes = bytes(64)) -> bytes:
    """An .npy file whose header says so, whatever follows it."""
    header = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


def safetensors(header: bytes, *, length: int | None = None) -> bytes:
    """A .safetensors file whose header says so, whatever follows it."""
    return struct.pack("<Q", len(header) if length is None else length) + header + bytes(64)


def many_rows(rows: int) -> bytes:
    """A parquet file of a few kilobytes that unpacks to `rows` rows."""
    buffer = io.BytesIO()
    block = pa.table({"id": pa.array(["a"] * 1_000_000)})
    with pq.ParquetWriter(buffer, block.schema, compression="zstd") as writer:
        for _ in range(rows // 1_000_000):
            writer.write_table(block)
    return buffer.getvalue()


def same_text(rows: int) -> bytes:
    """A parquet file of a few kilobytes with the same 64 kB of text in each of `rows` rows."""
    text = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["a" * 2**16]))
    buffer = io.BytesIO()
    pq.write_table(pa.table({"id": text}), buffer, store_schema=False)
    return buffer.getvalue()


def long_list(values: int) -> bytes:
    """A parquet file of a few kilobytes with one row, a list of that many zeros."""
    zeros = pa.ListArray.from_arrays([0, values], pa.array([0]).take(pa.array([0] * values)))
    buffer = io.BytesIO()
    pq.write_table(pa.table({"id": zeros}), buffer, compression="zstd")
    return buffer.getvalue()


def with_python_type(frame: pd.DataFrame, mark: Path) -> bytes:
    """A parquet file with a column of pyarrow's old Python type, which was a pickle in the schema."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    metadata = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickled(mark),
    }
    fields = [field.with_metadata(metadata) if field.name == "margin" else field for field in table.schema]
    buffer = io.BytesIO()
    pq.write_table(table.cast(pa.schema(fields, metadata=table.schema.metadata)), buffer)
    return buffer.getvalue()
