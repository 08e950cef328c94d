"""Files as they lie on a disk, opened so that none of them can hang a reader or take its memory."""

import json
import os
import re
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MB = 2**20
# the most bytes that are read of a file, by its suffix
LIMITS = {
    ".json": 8 * MB,
    ".md": MB,
    ".npy": 2**14 * MB,
    ".npz": 2**8 * MB,
    ".parquet": 2**10 * MB,
    ".safetensors": 2**11 * MB,
    ".sqlite": 2**12 * MB,
    ".zip": 2**16 * MB,
}
OTHER = 2**8 * MB
COMMANDS = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
# opening a pipe would wait for its writer; a terminal must not become this process's own
FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"))


class UnfitFileError(OSError):
    """What lies in a file's place is not read: `strerror` says why, in a clause."""

    def __str__(self) -> str:
        return f"{self.filename} cannot be read: {self.strerror}; put a sound file in its place"


def open_file(path: Path, *, limit: int | None = None) -> BufferedReader:
    """Open a file for reading, without waiting for anything.

    Args:
        path: of the file; links are followed.
        limit: the most bytes that it may have; by its suffix, see `LIMITS`, when None.

    Raises:
        UnfitFileError: it is a folder, a pipe, a device or a socket, or it is larger than `limit`.
        OSError: it is missing or may not be read.
    """
    limit = LIMITS.get(path.suffix.lower(), OTHER) if limit is None else limit
    # some devices act on being opened, so they are turned away before; what was exchanged in between, after
    _refuse_unfit(path, path.stat(), limit)
    handle = os.open(path, FLAGS)
    try:
        _refuse_unfit(path, os.fstat(handle), limit)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def check_file(path: Path) -> None:
    """Raise what `open_file` would, without opening anything."""
    _refuse_unfit(path, path.stat(), LIMITS.get(path.suffix.lower(), OTHER))


def read_bytes(path: Path, *, limit: int | None = None) -> bytes:
    """The content of a file; arguments and errors as for `open_file`."""
    with open_file(path, limit=limit) as file:
        # no more than it had when it was opened, whatever is appended meanwhile
        return file.read(os.fstat(file.fileno()).st_size)


def read_array(path: Path, *, mapped: bool = False) -> NDArray[Any]:
    """The array in a `.npy` file, memory-mapped where `mapped`; never unpickles.

    Raises:
        ValueError, EOFError, OverflowError, MemoryError, SyntaxError: it is no plain array, or lies about its shape.
        OSError: as `open_file`.
    """
    with open_file(path) as file:
        array: NDArray[Any] = (
            np.load(path, mmap_mode="r", allow_pickle=False) if mapped else np.load(file, allow_pickle=False)
        )
    return array


def parse_json(text: bytes) -> Any:
    """What JSON says, if all of its text can be shown and written.

    Raises:
        ValueError: it is not JSON, not UTF-8, or holds a lone surrogate.
        RecursionError: it is nested too deep.
    """
    # json would guess another encoding, and let bytes pass that are no UTF-8
    found = json.loads(text.decode())
    if b"\\u" in text:
        json.dumps(found, ensure_ascii=False).encode()
    return found


def is_text(name: str) -> bool:
    """Whether a name from a disk can be shown: it may be any bytes there, which Python reads as lone surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def printable(name: str) -> str:
    """A name for a sentence: what is no text in it, ends a line or commands a terminal is replaced."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)


def harmless(text: str) -> str:
    """Text of any script without what commands a terminal, turns a line's direction, or cannot stand in XML."""
    return COMMANDS.sub(" ", text)


def _refuse_unfit(path: Path, status: os.stat_result, limit: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnfitFileError(0, "it is no regular file", str(path))
    if status.st_size > limit:
        size, most = (f"{-(-size // MB):,} MB" for size in (status.st_size, limit))
        raise UnfitFileError(0, f"it has {size}, and at most {most} of such a file are read", str(path))
