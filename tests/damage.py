"""Ways to damage a file, and files that lie about what is in them."""

import io
import json
import os
import pickle
import struct

import pyarrow as pa
import pyarrow.parquet as pq

from core.storage.atomic import sealed
from core.storage.limits import MANIFEST, sha256_of


class Trap:
    """Makes a folder of this name when it is unpickled."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return os.mkdir, (self.mark,)


def pickled(mark):
    """A pickle that makes the folder `mark` when it is loaded."""
    return pickle.dumps(Trap(mark))


def cut(share):
    """Leave that share of a file."""
    return lambda file: file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])


def flip_bit(file):
    """Turn a bit in the middle of a file."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 8
    file.write_bytes(data)


def reseal(folder, **values):
    """Make a folder's hashes fit again and change values of its manifest, as who may write there could."""
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest |= values
    if isinstance(manifest.get("files"), dict):
        manifest["files"] = {
            name: sha256_of(folder / name) if (folder / name).is_file() else digest
            for name, digest in manifest["files"].items()
        }
    (folder / MANIFEST).write_text(json.dumps(sealed(manifest)))


def npy(shape):
    """An .npy file whose header says so, whatever follows it."""
    header = f"{{'descr': '<f2', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(64)


def safetensors(header, *, length=None):
    """A .safetensors file whose header says so, whatever follows it."""
    return struct.pack("<Q", len(header) if length is None else length) + header + bytes(64)


def many_rows(rows):
    """A parquet file of a few kilobytes that unpacks to `rows` rows."""
    buffer = io.BytesIO()
    block = pa.table({"id": pa.array(["a"] * 1_000_000)})
    with pq.ParquetWriter(buffer, block.schema, compression="zstd") as writer:
        for _ in range(rows // 1_000_000):
            writer.write_table(block)
    return buffer.getvalue()


def same_text(rows):
    """A parquet file of a few kilobytes with the same 64 kB of text in each of `rows` rows."""
    text = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["a" * 2**16]))
    buffer = io.BytesIO()
    pq.write_table(pa.table({"id": text}), buffer, store_schema=False)
    return buffer.getvalue()


def with_python_type(frame, mark):
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
