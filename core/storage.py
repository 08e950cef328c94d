"""Files on disk: opened within limits, written whole or not at all, in sealed folders.

Detectors, runs and image packs are sealed folders: written to a temporary sibling, hashed, renamed, and never edited
afterwards. `manifest.json` states the kind of folder and holds the sha256 of every other file and of its own content;
readers refuse a folder that does not match, naming the file at fault.
"""

import contextlib
import errno
import glob
import hashlib
import json
import os
import re
import shutil
import stat
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import platformdirs
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from pydantic_core import to_jsonable_python

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
    status, limit = path.stat(), LIMITS.get(path.suffix.lower(), OTHER) if limit is None else limit
    if not stat.S_ISREG(status.st_mode):
        raise OSError(0, "it is no regular file", str(path))
    if status.st_size > limit:
        size, most = (f"{-(-size // MB):,} MB" for size in (status.st_size, limit))
        raise OSError(0, f"it has {size}, and at most {most} of such a file are read: save it smaller", str(path))


def read_bytes(path: Path, *, limit: int | None = None) -> bytes:
    """Read a file; arguments and errors as for `open_file`."""
    with open_file(path, limit=limit) as file:
        # ignores whatever is appended while it is read
        return file.read(os.fstat(file.fileno()).st_size)


def read_array(path: Path, *, mapped: bool = False) -> NDArray[Any]:
    """Read the array in a `.npy` file, memory-mapped where `mapped`; never unpickles.

    Raises:
        ValueError: it is no plain array, or its header lies.
        OSError: as `open_file`.
    """
    with open_file(path) as file, np.errstate(over="raise"):
        try:
            if mapped:
                return np.lib.format.open_memmap(path, mode="r")
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
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
            column, chunk = about.schema.column(place), about.row_group(part).column(place)
            stored = chunk.total_uncompressed_size
            # values in lists may be one that is repeated
            size += max(stored, chunk.num_values * (8 if column.name == column.path else stored))
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
    return to_jsonable_python(value, inf_nan_mode="null", fallback=lambda odd: odd.item())


def is_text(name: str) -> bool:
    """Check that a name from a disk can be shown; Python reads bytes that are not text as lone surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def printable(text: str) -> str:
    """Replace what no page or terminal may show, such as line breaks and escapes, by spaces; half letters by U+FFFD."""
    return "".join(c if c.isprintable() else " " if is_text(c) else "\N{REPLACEMENT CHARACTER}" for c in text)


def first_line(error: Exception) -> str:
    """Return the first line of what a library says of an error, or the error's type."""
    return printable(str(error).strip().partition("\n")[0]) or type(error).__name__


def is_plain_name(value: object) -> bool:
    """Check that a name is safe as part of a path and can be shown."""
    return isinstance(value, str) and bool(re.fullmatch(r"(?!\.)[^/\\\x00-\x1f\x7f\ud800-\udfff]+", value))


# seconds after which an untouched temporary was left by a process that was killed
ABANDONED = 3600.0


class TakenError(FileExistsError):
    """The target exists already and may not be replaced; the message names it."""


class WriteError(OSError):
    """A file or folder could not be written; what was there before still is. `str` gives the sentence to show."""

    def __str__(self) -> str:
        return f"{self.filename} could not be written ({self.strerror}); check that its disk has room and is writable"


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn every OSError within into a `WriteError` for `path`; libraries name the temporary sibling, or no file."""
    try:
        yield
    except (WriteError, TakenError):
        raise
    except OSError as error:
        # of a full disk, NumPy gives no errno, only how many values it has written
        number = error.errno or (errno.ENOSPC if "requested and" in str(error) else 0)
        reason = os.strerror(number) if number else str(error)
        raise WriteError(number or errno.EIO, reason, str(path)) from error


def cache_dir() -> Path:
    """Return the folder of packs and checkpoints: `$TELLTALE_CACHE`, else the user's cache folder."""
    return Path(os.environ.get("TELLTALE_CACHE") or platformdirs.user_cache_dir("telltale"))


def sha256_of(path: Path) -> str:
    """Hash a file's bytes to 64 hexadecimal digits; errors as for `core.storage.open_file`."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_bytes_atomically(path: Path, write: Callable[[Path], object], *, durable: bool = True) -> None:
    """Let `write` fill a temporary sibling, then rename it: a reader sees the old file or the whole new one.

    Args:
        path: of the file.
        write: is given the path to write to.
        durable: wait until the data is on disk. Without it a power cut may leave a damaged file, which is acceptable
            only for a cache that detects damage; a killed process never leaves one.

    Raises:
        TakenError: `path` is a device, a pipe or a folder, or a link to one.
        WriteError: the disk is full or read-only.
    """
    temporary = sibling(path)
    try:
        with _writing(path):
            if path.exists() and not path.is_file():
                raise TakenError(f"{path} is no regular file and is not replaced by one; choose another name")
            path.parent.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(path)
            write(temporary)
            if durable:
                _sync(temporary)
            temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def refuse_taken(path: Path) -> None:
    """Refuse to write over something; called before hours of work, too.

    Raises:
        TakenError: `path` exists.
    """
    if path.exists():
        raise TakenError(f"{path} exists already; choose another name, or let --replace overwrite it")


def sibling(path: Path, suffix: str = ".tmp") -> Path:
    """Return a new hidden path beside `path`: of what takes its place, or of what it replaces."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}{suffix}")


def _siblings(path: Path, suffix: str) -> Iterator[Path]:
    return path.parent.glob(f".{glob.escape(path.name)}.{'[0-9a-f]' * 32}{suffix}")


def _remove_abandoned(path: Path) -> None:
    """Remove temporaries of `path` that killed processes left: those untouched for `ABANDONED` seconds."""
    for left in (*_siblings(path, ".tmp"), *_siblings(path, ".old")):
        with contextlib.suppress(OSError):
            if time.time() - max(file.stat().st_mtime for file in (left, *left.glob("*"))) > ABANDONED:
                shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()


def _sync(path: Path) -> None:
    """Wait until a file's data has reached the disk; only then is a rename atomic."""
    # Windows syncs only what is open for writing
    with path.open("r+b") as file:
        os.fsync(file.fileno())


@contextlib.contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Keep other processes from writing `path`; a killed process releases the lock.

    Raises:
        TakenError: another process is writing it.
        WriteError: its parent folder cannot be written.
    """
    # the lock's file remains: a process that waits for it may hold it open
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
    with _writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout:
            sentence = f"{path} is being written by another process; wait for it, or choose another name"
            raise TakenError(sentence) from None
    try:
        yield
    finally:
        lock.release()


T = TypeVar("T")
# folders of schema 1 may lack the seal, because the oldest were written without it
SCHEMA = 2
SCHEMAS = (1, SCHEMA)
# what ships has its seal, whatever its schema
SHIPPED = Path(__file__).parents[1] / "assets"
MANIFEST = "manifest.json"
# the key of a manifest's own hash
SEAL = "sha256"


class ContractError(ValueError):
    """A folder on disk is not what it should be; the message names the file and says what to do."""


def write_folder(
    path: Path,
    *,
    kind: str,
    manifest: Mapping[str, Any],
    files: Mapping[str, Callable[[Path], object]],
    replace: bool = False,
) -> None:
    """Write a sealed folder.

    Args:
        path: the folder to make.
        kind: what it is, for instance "detector"; readers check for this word.
        manifest: JSON-able facts; `schema`, `kind` and `files` are added.
        files: file name -> function that writes that file at the path it is given.
        replace: replace an existing folder instead of refusing.

    Raises:
        TakenError: `path` exists and `replace` is false, or is no folder.
        WriteError: the disk is full or read-only; the unfinished folder is removed.
    """
    temporary = sibling(path)
    try:
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # undo what a killed process left half done
            restore(path)
            _remove_abandoned(path)
            if not replace:
                refuse_taken(path)
            if path.is_symlink() or (path.exists() and not path.is_dir()):
                raise TakenError(f"{path} is no folder and is not replaced by one; choose another name")
            temporary.mkdir()
            for name, write in files.items():
                with _writing(path / name):
                    write(temporary / name)
                    _sync(temporary / name)
            hashes = {name: sha256_of(temporary / name) for name in files}
            # hashed after a round trip through JSON, which turns tuples into lists and keys into strings
            whole = sealed(json.loads(json.dumps({"schema": SCHEMA, "kind": kind, **manifest, "files": hashes})))
            (temporary / MANIFEST).write_text(json.dumps(whole, indent=1, allow_nan=False) + "\n", encoding="utf-8")
            _sync(temporary / MANIFEST)
            if replace and path.exists():
                _exchange(path, temporary)
            else:
                temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sealed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Add to a manifest the sha256 of everything in it."""
    content = {key: value for key, value in manifest.items() if key != SEAL}
    return {**content, SEAL: hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()}


def _exchange(path: Path, new: Path) -> None:
    """Replace a folder with `new`; even if that is interrupted, readers find either the old or the new one."""
    aside = sibling(path, ".old")
    path.rename(aside)
    try:
        new.rename(path)
    finally:
        restore(path)
        # where even that failed, the folder moved aside is the only copy
        if path.exists():
            shutil.rmtree(aside, ignore_errors=True)


def restore(path: Path) -> None:
    """Bring back a folder whose replacement was cut off after it had been moved aside; does nothing if it exists."""
    if not path.exists():
        for aside in _siblings(path, ".old"):
            with contextlib.suppress(OSError):
                aside.rename(path)


def restore_all(parent: Path) -> None:
    """Bring back every folder of `parent` whose replacement was cut off."""
    for aside in glob.glob(f"{glob.escape(str(parent))}/.*.old"):  # noqa: PTH207 - every page does this
        restore(parent / Path(aside).stem.rpartition(".")[0][1:])


def read_manifest(path: Path, kind: str) -> dict[str, Any]:
    """Read the manifest of a sealed folder, and check that its files exist and are not too large; none is opened.

    Raises:
        ContractError: the manifest is missing, unreadable, changed, or of another kind or schema, or a file is missing,
            too large, or named outside the folder.
    """
    file = path / MANIFEST
    restore(path)
    try:
        manifest = parse_json(read_bytes(file))
    except FileNotFoundError:
        raise ContractError(f"{path} is no {kind}: it has no {MANIFEST}; name a folder that train.py wrote") from None
    except (ValueError, RecursionError):
        # not UTF-8 or JSON, nested too deep, a number of thousands of digits, or text that no page can show
        raise ContractError(f"{file} is not readable JSON; restore it or write the {kind} again") from None
    except OSError as error:
        raise ContractError(f"{file} cannot be read ({error.strerror}); check what it is and its permissions") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise ContractError(f"{file} is not a {kind}'s manifest; restore it or write the {kind} again")
    if manifest.get("kind") != kind:
        raise ContractError(f"{file} describes a {manifest.get('kind')}, not a {kind}; name another folder")
    if manifest.get("schema") not in SCHEMAS:
        raise ContractError(
            f"{file} has schema {manifest.get('schema')} and this version reads {SCHEMA}; write the {kind} again"
        )
    if SEAL not in manifest and (manifest["schema"] == SCHEMA or SHIPPED in path.resolve().parents):
        raise ContractError(f"{file} has lost its seal, the key {SEAL}; restore it")
    _refuse_changed(file, sealed(manifest)[SEAL], manifest.get(SEAL, sealed(manifest)[SEAL]))
    for name in manifest["files"]:
        _each_file(path, name, kind, check_file)
    return manifest


def read_folder(path: Path, kind: str) -> dict[str, Any]:
    """Read the manifest of a sealed folder after hashing every file in it.

    Raises:
        ContractError: as for `read_manifest`, or a file has changed or cannot be read.
    """
    manifest = read_manifest(path, kind)
    for name, digest in manifest["files"].items():
        _refuse_changed(path / name, _each_file(path, name, kind, sha256_of), digest)
    return manifest


def read_sealed(path: Path, name: str, manifest: Mapping[str, Any], *, kind: str) -> bytes:
    """Read one file of a sealed folder.

    Raises:
        ContractError: as for `read_folder`, of this file.
    """
    data: bytes = _each_file(path, name, kind, read_bytes)
    _refuse_changed(path / name, hashlib.sha256(data).hexdigest(), manifest["files"][name])
    return data


def _refuse_changed(file: Path, digest: str, written: str) -> None:
    if digest != written:
        raise ContractError(f"{file} is not the file that was written (its sha256 differs); restore it")


def _each_file(path: Path, name: str, kind: str, read: Callable[[Path], T]) -> T:
    """Apply `read` to a file that a manifest names."""
    if Path(name).name != name:
        raise ContractError(f"{path / MANIFEST} names a file outside its folder ({name!r}); do not use it")
    try:
        return read(path / name)
    except (FileNotFoundError, ValueError):
        # a name with a null byte is no file's
        raise ContractError(f"{path / name} is missing; restore it or write the {kind} again") from None
    except OSError as error:
        reason = f"({error.strerror}); check its permissions, or write the {kind} again"
        raise ContractError(f"{path / name} cannot be read {reason}") from None


K = TypeVar("K")
V = TypeVar("V")


class Bounded(OrderedDict[K, V]):
    """A dictionary that keeps only its most recently set items.

    Args:
        most: maximum number of items; setting one more drops the one that was set longest ago.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        while len(self) > self.most:
            self.popitem(last=False)
