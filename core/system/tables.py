"""What a parquet table takes in memory."""

from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)


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
