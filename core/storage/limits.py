"""Files opened within limits, and text from a disk that can be shown."""

import hashlib
import json
import os
import re
import stat
from collections.abc import Sequence
from io import BufferedReader
from operator import methodcaller
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic_core import to_jsonable_python

from core.arrays import Array

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MB = 2**20
# size limit of files in bytes, by suffix; larger files are refused
LIMITS = {".json": 8 * MB, ".md": MB, ".npy": 2**16 * MB, ".zip": 2**16 * MB, ".pixels": 2**24 * MB}
LIMITS |= dict.fromkeys((".onnx", ".parquet", ".safetensors", ".sqlite"), 2**11 * MB)
OTHER = 2**8 * MB
# a table may unpack to MAX_BYTES plus MAX_ROW_BYTES per row; more is a decompression bomb or a mistake
MAX_ROWS = 5_000_000
MAX_BYTES = 16 * MB
MAX_ROW_BYTES = 4096
# Arrow's types of columns whose values may be of any length
TEXTS = ("string", "large_string", "binary", "large_binary")
# halves of letters, as which Python reads bytes that are not text
HALVES = re.compile("[\ud800-\udfff]")
# of a sealed folder
MANIFEST = "manifest.json"


class ContractError(ValueError):
    """A folder on disk is not what it should be; the message names the file and says what to do."""


def open_file(path: Path, *, limit: int | None = None) -> BufferedReader:
    """Open a file for binary reading after `check_file`; arguments and errors as there."""
    check_file(path, limit=limit)
    return path.open("rb")


def check_file(path: Path, *, limit: int | None = None) -> None:
    """Check that a file may be read, without opening it: some devices act on that, and a pipe would block.

    Args:
        path: of the file; links are followed.
        limit: maximum size in bytes; when None, the limit for its suffix in `LIMITS`, or else `OTHER`.

    Raises:
        OSError: it is missing; or, without an errno, it is a folder, a pipe, a device or a socket, or larger than
            `limit`.
    """
    status = path.stat()
    if limit is None:
        limit = LIMITS.get(path.suffix.lower(), OTHER)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(0, "it is no regular file", str(path))
    if status.st_size > limit:
        size = f"{-(-status.st_size // MB):,} MB"
        most = f"{-(-limit // MB):,} MB"
        raise OSError(0, f"it has {size}, and at most {most} of such a file are read: save it smaller", str(path))


def read_bytes(path: Path, *, limit: int | None = None) -> bytes:
    """Read a file; arguments and errors as for `open_file`."""
    with open_file(path, limit=limit) as file:
        # ignores whatever is appended while it is read
        return file.read(os.fstat(file.fileno()).st_size)


def digest_of(content: bytes | str) -> str:
    """Hash bytes, or a text as UTF-8, to 64 hexadecimal digits of SHA-256."""
    if isinstance(content, str):
        content = content.encode()
    return hashlib.sha256(content).hexdigest()


def sha256_of(path: Path) -> str:
    """Hash a file's bytes to 64 hexadecimal digits; errors as for `open_file`."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_array(path: Path, *, mapped: bool = False) -> Array:
    """Read the array in a `.npy` file, memory-mapped where `mapped`; never unpickles.

    Raises:
        ValueError: it is no plain array, or its header lies.
        OSError: as `open_file`.
    """
    with open_file(path) as file, np.errstate(over="raise"):
        try:
            if mapped:
                return np.lib.format.open_memmap(path, mode="r")
            array: Array = np.lib.format.read_array(file, allow_pickle=False)
        except OSError:
            raise
        except Exception as error:
            # of many kinds, also where the shape that a header claims is more than can be counted or held
            raise ValueError(f"it is no plain array ({error})") from error
    return array


def read_table(file: Path, *, columns: Sequence[str] | None = None, rows: int | None = None) -> "pa.Table":
    """Read a parquet table, unless it would take far more memory than a run or a study needs.

    Args:
        file: its path.
        columns: those to read, all when None.
        rows: how many it must have, if known.

    Raises:
        ContractError: it is no parquet file, has another number of rows, or would unpack to far too much.
        OSError: as `open_file`.
    """
    # most commands need no tables and would wait for it
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    # an open file: given a path, pyarrow would turn folders named key=value into columns
    with open_file(file) as opened:
        try:
            about = pq.read_metadata(opened)
            _refuse_bomb(file, about.num_rows, _unpacked_size(about))
            if rows is not None and about.num_rows != rows:
                reason = f"has {about.num_rows} rows and {MANIFEST} says {rows}"
                raise ContractError(f"{file} {reason}; write the run again")
            schema = pq.read_schema(opened)
            texts = [field.name for field in schema if str(field.type) in TEXTS]
            # as they are stored: what many rows repeat, once
            table = pq.read_table(opened, columns=columns, read_dictionary=texts, page_checksum_verification=True)
            _refuse_bomb(file, about.num_rows, sum(map(_text_size, table.columns)))
            plain = pa.schema([schema.field(name) for name in table.column_names], schema.metadata)
            return table.cast(plain)
        except (OSError, ContractError):
            raise
        except Exception as error:
            raise ContractError(f"{file} is no parquet file ({type(error).__name__}); restore it") from error


def _refuse_bomb(file: Path, rows: int, size: int) -> None:
    if rows > MAX_ROWS or size > MAX_BYTES + MAX_ROW_BYTES * rows:
        what = f"{rows:,} rows of {size >> 20:,} MB"
        raise ContractError(f"{file} unpacks to {what}, far more than a run needs; do not use it")


def _unpacked_size(about: "pq.FileMetaData") -> int:
    """Bound from above how many bytes a table takes, but for plain columns of text."""
    size = 0
    for part in range(about.num_row_groups):
        for place in range(about.num_columns):
            column = about.schema.column(place)
            chunk = about.row_group(part).column(place)
            stored = chunk.total_uncompressed_size
            # values in lists may be one that is repeated
            most = 8 if column.name == column.path else stored
            size += max(stored, chunk.num_values * most)
    return size


def _text_size(column: "pa.ChunkedArray") -> int:
    """Count the bytes of a column of text that was read as a dictionary, once it is not one; 0 for any other."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    if not pa.types.is_dictionary(column.type) or str(column.type.value_type) not in TEXTS:
        return 0
    lengths = (pc.binary_length(chunk.dictionary).take(chunk.indices) for chunk in column.chunks)
    return sum(pc.sum(part).as_py() or 0 for part in lengths)


def parse_json(text: bytes) -> Any:
    """Parse JSON whose text can be shown and written back.

    Raises:
        ValueError: it is not JSON, not UTF-8, or holds a lone surrogate.
        RecursionError: it is nested too deep.
    """
    # json.loads would guess the encoding of bytes
    parsed = json.loads(text.decode())
    if b"\\u" in text:
        json.dumps(parsed, ensure_ascii=False).encode()
    return parsed


def plain_json(value: Any) -> Any:
    """Convert a value to plain JSON: dataclasses to objects, NumPy numbers to plain ones, non-finite ones to None."""
    return to_jsonable_python(value, inf_nan_mode="null", fallback=methodcaller("item"))


def is_text(name: str) -> bool:
    """Check that a name from a disk can be shown, see `HALVES`."""
    return not HALVES.search(name)


def printable(text: str) -> str:
    """Replace what no page or terminal may show, such as line breaks and escapes, by spaces; half letters by U+FFFD."""
    whole = HALVES.sub("\N{REPLACEMENT CHARACTER}", text)
    return "".join(letter if letter.isprintable() else " " for letter in whole)


def first_line(error: Exception) -> str:
    """Return the first line of what a library says of an error, or the error's type."""
    return printable(str(error).strip().partition("\n")[0]) or type(error).__name__


def is_plain_name(value: object) -> bool:
    """Check that a name is safe as part of a path and can be shown."""
    return isinstance(value, str) and bool(re.fullmatch(r"(?!\.)[^/\\\x00-\x1f\x7f\ud800-\udfff]+", value))
