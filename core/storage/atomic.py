"""Files and folders written whole or not at all, by one process at a time; and sealed folders.

A sealed folder is written to a temporary sibling, hashed, renamed, and never edited afterwards. `manifest.json` states
the kind of folder and holds the sha256 of every other file and of its own content; readers refuse a folder that does
not match, naming the file at fault.
"""

import contextlib
import errno
import glob
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import platformdirs
from filelock import FileLock, Timeout

from core.arrays import Record
from core.homes import SHIPPED
from core.storage.limits import MANIFEST, ContractError, check_file, digest_of, parse_json, read_bytes, sha256_of

# seconds after which an untouched temporary was left by a process that was killed
ABANDONED = 3600.0
T = TypeVar("T")
# bytes of a file, or what writes it at the path it is given
Content = bytes | Callable[[Path], object]
# folders of schema 1 may lack the seal, because the oldest were written without it
SCHEMA = 2
SCHEMAS = (1, SCHEMA)
# the key of a manifest's own hash
SEAL = "sha256"


class TakenError(FileExistsError):
    """The target exists already and may not be replaced; the message names it."""


class WriteError(OSError):
    """A file or folder could not be written; what was there before still is. `str` gives the sentence to show."""

    def __str__(self) -> str:
        return f"{self.filename} could not be written ({self.strerror}); check that its disk has room and is writable"


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn every OSError within into a `WriteError` for `path`; libraries name the temporary sibling, or no file."""
    try:
        yield
    except (WriteError, TakenError):
        raise
    except OSError as error:
        number = error.errno
        if "requested and" in str(error):
            # of a full disk, NumPy gives no errno, only how many values it has written
            number = errno.ENOSPC
        reason = os.strerror(number) if number else str(error)
        raise WriteError(number or errno.EIO, reason, str(path)) from error


def cache_dir() -> Path:
    """Return the folder of packs and checkpoints: `$TELLTALE_CACHE`, else the user's cache folder."""
    return Path(os.environ.get("TELLTALE_CACHE") or platformdirs.user_cache_dir("telltale"))


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
        with writing(path):
            if path.exists() and not path.is_file():
                raise TakenError(f"{path} is no regular file and is not replaced by one; choose another name")
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_abandoned(path)
            write(temporary)
            if durable:
                sync(temporary)
            temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_data(path: Path, data: bytes) -> None:
    """Write bytes atomically; errors as for `write_bytes_atomically`."""
    write_bytes_atomically(path, partial(Path.write_bytes, data=data))


def write_text(path: Path, text: str) -> None:
    """Write text atomically, as UTF-8; errors as for `write_bytes_atomically`."""
    write_data(path, text.encode())


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


def siblings(path: Path, suffix: str) -> Iterator[Path]:
    return path.parent.glob(f".{glob.escape(path.name)}.{'[0-9a-f]' * 32}{suffix}")


def remove_abandoned(path: Path) -> None:
    """Remove temporaries of `path` that killed processes left: those untouched for `ABANDONED` seconds."""
    for left in (*siblings(path, ".tmp"), *siblings(path, ".old")):
        with contextlib.suppress(OSError):
            if time.time() - max(file.stat().st_mtime for file in (left, *left.glob("*"))) > ABANDONED:
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink()


def sync(path: Path) -> None:
    """Wait until a file's data has reached the disk; only then is a rename atomic."""
    # Windows syncs only what is open for writing
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def restore(path: Path) -> None:
    """Bring back a folder whose replacement was cut off after it had been moved aside; does nothing if it exists."""
    if not path.exists():
        for aside in siblings(path, ".old"):
            with contextlib.suppress(OSError):
                aside.rename(path)


def restore_all(parent: Path) -> None:
    """Bring back every folder of `parent` whose replacement was cut off."""
    for aside in glob.glob(f"{glob.escape(str(parent))}/.*.old"):  # noqa: PTH207 - every page does this
        name = Path(aside).stem.rpartition(".")[0][1:]
        restore(parent / name)


@contextlib.contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Keep other processes from writing `path`; a killed process releases the lock.

    Raises:
        TakenError: another process is writing it.
        WriteError: its parent folder cannot be written.
    """
    # the lock's file remains: a process that waits for it may hold it open
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            held = lock.acquire()
        except Timeout:
            raise TakenError(
                f"{path} is being written by another process; wait for it, or choose another name"
            ) from None
    with held:
        yield


def write_folder(
    path: Path,
    *,
    kind: str,
    manifest: Record,
    files: Mapping[str, Content],
    replace: bool = False,
) -> None:
    """Write a sealed folder.

    Args:
        path: the folder to make.
        kind: what it is, for instance "detector"; readers check for this word.
        manifest: JSON-able facts; `schema`, `kind` and `files` are added.
        files: by their names.
        replace: replace an existing folder instead of refusing.

    Raises:
        TakenError: `path` exists and `replace` is false, or is no folder.
        WriteError: the disk is full or read-only; the unfinished folder is removed.
    """
    temporary = sibling(path)
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # undo what a killed process left half done
            restore(path)
            remove_abandoned(path)
            if not replace:
                refuse_taken(path)
            if path.is_symlink() or (path.exists() and not path.is_dir()):
                raise TakenError(f"{path} is no folder and is not replaced by one; choose another name")
            temporary.mkdir()
            hashes = {}
            for name, content in files.items():
                file = temporary / name
                with writing(path / name):
                    if isinstance(content, bytes):
                        file.write_bytes(content)
                    else:
                        content(file)
                    sync(file)
                    hashes[name] = sha256_of(file)
            # hashed after a round trip through JSON, which turns tuples into lists and keys into strings
            whole = sealed(json.loads(json.dumps({"schema": SCHEMA, "kind": kind, **manifest, "files": hashes})))
            file = temporary / MANIFEST
            file.write_text(json.dumps(whole, indent=1, allow_nan=False) + "\n", encoding="utf-8")
            sync(file)
            if replace and path.exists():
                _exchange(path, temporary)
            else:
                temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sealed(manifest: Record) -> dict[str, Any]:
    """Add to a manifest the sha256 of everything in it."""
    content = {key: value for key, value in manifest.items() if key != SEAL}
    return {**content, SEAL: digest_of(json.dumps(content, sort_keys=True))}


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
    seal = sealed(manifest)[SEAL]
    _refuse_changed(file, seal, manifest.get(SEAL, seal))
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


def read_sealed(path: Path, name: str, manifest: Record, *, kind: str) -> bytes:
    """Read one file of a sealed folder.

    Raises:
        ContractError: as for `read_folder`, of this file.
    """
    data: bytes = _each_file(path, name, kind, read_bytes)
    _refuse_changed(path / name, digest_of(data), manifest["files"][name])
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
