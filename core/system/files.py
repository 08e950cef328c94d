"""Opening files from a disk so that none of them can hang a reader or exhaust its memory."""

import errno
import json
import math
import os
import re
import stat
import tokenize
import zipfile
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MB = 2**20
# size limit of files in bytes, by suffix; larger files are refused
LIMITS = {
    ".json": 8 * MB,
    ".md": MB,
    ".npy": 2**14 * MB,
    ".npz": 2**8 * MB,
    ".onnx": 2**11 * MB,
    ".parquet": 2**10 * MB,
    ".safetensors": 2**11 * MB,
    ".sqlite": 2**12 * MB,
    ".zip": 2**16 * MB,
}
OTHER = 2**8 * MB
# errors of a moment, not of a file: no descriptor or memory left, a disk or a server that does not answer
PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, getattr(errno, "ESTALE", errno.EIO)})
COMMANDS = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
# without O_NONBLOCK, opening a pipe would block; without O_NOCTTY, a terminal could become the controlling one
FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"))


class UnfitFileError(OSError):
    """A path that holds no file fit to be read: `strerror` says why, in a clause."""

    def __str__(self) -> str:
        return f"{self.filename} cannot be read: {self.strerror}; put a sound file in its place"


def is_passing(error: BaseException | None) -> bool:
    """Check whether an error, or one that it came from, is over in a moment, so that nobody should remember it."""
    while error is not None:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) in PASSING:
            return True
        error = error.__cause__ or error.__context__
    return False


def open_file(path: Path, *, limit: int | None = None) -> BufferedReader:
    """Open a regular file for binary reading; never blocks.

    Args:
        path: of the file; links are followed.
        limit: maximum size in bytes; when None, the limit for its suffix in `LIMITS`, or else `OTHER`.

    Raises:
        UnfitFileError: it is a folder, a pipe, a device or a socket, or it is larger than `limit`.
        OSError: it is missing or may not be read.
    """
    limit = LIMITS.get(path.suffix.lower(), OTHER) if limit is None else limit
    # checked before opening, because some devices act on it, and after, in case the file was exchanged in between
    _refuse_unfit(path, path.stat(), limit)
    handle = os.open(path, FLAGS)
    try:
        _refuse_unfit(path, os.fstat(handle), limit)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def check_file(path: Path, *, limit: int | None = None) -> None:
    """Check a file as `open_file` does, without opening it; a missing read permission is not noticed."""
    _refuse_unfit(path, path.stat(), LIMITS.get(path.suffix.lower(), OTHER) if limit is None else limit)


def read_bytes(path: Path, *, limit: int | None = None) -> bytes:
    """Read a file; arguments and errors as for `open_file`."""
    with open_file(path, limit=limit) as file:
        # ignores whatever is appended while it is read
        return file.read(os.fstat(file.fileno()).st_size)


def read_array(path: Path, *, mapped: bool = False, limit: int | None = None) -> NDArray[Any]:
    """Read the array in a `.npy` file, memory-mapped where `mapped`; never unpickles. `limit` as for `open_file`.

    Raises:
        ValueError, EOFError, OverflowError, MemoryError, SyntaxError: not a plain array, or its header lies.
        OSError: as `open_file`.
    """
    with open_file(path, limit=limit) as file, np.errstate(over="raise"):
        try:
            array: NDArray[Any] = (
                np.load(path, mmap_mode="r", allow_pickle=False) if mapped else np.load(file, allow_pickle=False)
            )
        except FloatingPointError:
            # NumPy multiplies the sides that a header claims, and would only warn
            raise ValueError("its header claims more numbers than can be counted") from None
        except (tokenize.TokenError, zipfile.BadZipFile) as error:
            raise ValueError(f"its header is damaged ({error})") from None
    if not isinstance(array, np.ndarray):
        array.close()
        raise ValueError("it is an archive, and not one array")
    return array


def parse_json(text: bytes) -> Any:
    """Parse JSON whose text can be shown and written back.

    Raises:
        ValueError: it is not JSON, not UTF-8, or holds a lone surrogate.
        RecursionError: it is nested too deep.
    """
    # json.loads would guess the encoding of bytes
    found = json.loads(text.decode())
    if b"\\u" in text:
        json.dumps(found, ensure_ascii=False).encode()
    return found


def plain_json(value: Any) -> Any:
    """Convert a value to plain JSON: dataclasses to objects, NumPy numbers to plain ones, non-finite ones to None."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain_json(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def is_text(name: str) -> bool:
    """Check that a name from a disk can be shown; Python reads bytes that are not text as lone surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def printable(name: str) -> str:
    """Replace a name's unprintable characters, such as line breaks and terminal escapes, by U+FFFD, for messages."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)


def harmless(text: str) -> str:
    """Replace with spaces all characters that control a terminal, override text direction or are not allowed in XML."""
    return COMMANDS.sub(" ", text)


def _refuse_unfit(path: Path, status: os.stat_result, limit: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnfitFileError(0, "it is no regular file", str(path))
    if status.st_size > limit:
        size, most = (f"{-(-size // MB):,} MB" for size in (status.st_size, limit))
        raise UnfitFileError(0, f"it has {size}, and at most {most} of such a file are read", str(path))
