"""Sealed folders: written to a temporary sibling, hashed, renamed, and never edited afterwards.

Detectors, runs and image packs are all such folders. `manifest.json` says what the folder is and holds the sha256 of
every other file in it and of itself; a reader refuses what does not fit, with one sentence that names the file.
"""

import contextlib
import errno
import glob
import hashlib
import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import platformdirs

from core.files import check_file, open_file, parse_json, read_bytes

SCHEMA = 1
MANIFEST = "manifest.json"
# a manifest's own hash; those written before there was one lack it
SEAL = "sha256"
# nothing is written for so long without a sign of life: what is older was left by a process that was killed
ABANDONED = 3600.0
EXCHANGES = 3


class ContractError(ValueError):
    """A folder on disk is not what it should be; the message names the file and says what to do."""


class TakenError(FileExistsError):
    """What is to be written exists already and may not be replaced; the message names it."""


class WriteError(OSError):
    """A file or folder could not be written; what was there before is still there. Its text is the sentence to show."""

    def __str__(self) -> str:
        return f"{self.filename} could not be written ({self.strerror}); see that its disk has room and may be written"


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Within it, whatever fails is said of `path`: a library names the temporary sibling, or nothing at all."""
    try:
        yield
    except (WriteError, TakenError):
        raise
    except OSError as error:
        # numpy gives no number, only how many values did not fit
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise WriteError(error.errno or errno.EIO, reason, str(path)) from error


def cache_dir() -> Path:
    """Where packs and checkpoints live: `$TELLTALE_CACHE`, else the user's cache folder. Outlives a fresh checkout."""
    return Path(os.environ.get("TELLTALE_CACHE") or platformdirs.user_cache_dir("telltale"))


def sha256_of(path: Path) -> str:
    """sha256 of a file's bytes as 64 hex digits; errors as for `core.files.open_file`."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_bytes_atomically(path: Path, write: Callable[[Path], object], *, durable: bool = True) -> None:
    """Let `write` fill a temporary sibling, then rename it: a reader sees the old file or the whole new one.

    Args:
        path: of the file.
        write: is given the path to write to.
        durable: wait until the disk has it. Without that a power cut may leave a damaged file, which only a cache that
            finds out may do; a killed process never leaves one.

    Raises:
        WriteError: the disk is full or read-only.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(path)
            # tempfile would make it the writer's alone; others may read what the umask lets them
            temporary.touch(exist_ok=False)
            mode = temporary.stat().st_mode
            write(temporary)
            temporary.chmod(mode)
            if durable:
                _sync(temporary)
            temporary.replace(path)
            if durable:
                _sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


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
        kind: what it is, for instance "detector"; a reader asks for it by this word.
        manifest: JSON-able facts; `schema`, `kind` and `files` are added.
        files: file name -> function that writes that file at the path it is given.
        replace: put it in the place of an existing folder instead of refusing.

    Raises:
        TakenError: `path` exists and `replace` is false.
        WriteError: the disk is full or read-only; what had been begun is removed.
    """
    if not replace:
        refuse_taken(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # what a killed process took away comes back, what it had begun goes
            restore(path)
            _remove_abandoned(path)
            if not replace:
                refuse_taken(path)
            temporary.mkdir()
            for name, write in files.items():
                with _writing(path / name):
                    write(temporary / name)
                    # safetensors makes its files the writer's alone
                    (temporary / name).chmod(temporary.stat().st_mode & 0o666)
                    _sync(temporary / name)
            hashes = {name: sha256_of(temporary / name) for name in files}
            # sealed as it will be read: JSON knows no tuples, and no keys but text
            whole = sealed(json.loads(json.dumps({"schema": SCHEMA, "kind": kind, **manifest, "files": hashes})))
            (temporary / MANIFEST).write_text(json.dumps(whole, indent=1, allow_nan=False) + "\n", encoding="utf-8")
            _sync(temporary / MANIFEST)
            if not replace:
                # another process may have been faster
                refuse_taken(path)
            if path.exists():
                _exchange(path, temporary)
            else:
                temporary.rename(path)
            _sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def refuse_taken(path: Path) -> None:
    """Refuse to write what is there already; done before hours of work, too.

    Raises:
        TakenError: there is something.
    """
    if path.exists():
        raise TakenError(f"{path} exists already; choose another name or say that it may be replaced")


def sealed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest with the sha256 of all that it says."""
    content = {key: value for key, value in manifest.items() if key != SEAL}
    return {**content, SEAL: hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()}


def _exchange(path: Path, new: Path) -> None:
    """Put a folder in the place of another: whatever happens in between, one of the two is found there afterwards."""
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.parent))
    try:
        for _ in range(EXCHANGES):
            path.rename(aside / path.name)
            try:
                new.rename(path)
                break
            except OSError:
                # a reader that came just now has brought the old one back
                if not path.exists():
                    raise
        else:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(path))
    finally:
        restore(path)
        # where even that failed, what lies aside is all that there is
        if path.exists():
            shutil.rmtree(aside, ignore_errors=True)


def restore(path: Path) -> None:
    """Bring back a folder whose replacement was cut off between taking the old one away and putting the new one there.

    Does nothing where the folder is there, or where none of it is left.
    """
    if path.exists():
        return
    for aside in path.parent.glob(f".{glob.escape(path.name)}.*.old"):
        with contextlib.suppress(OSError):
            (aside / path.name).rename(path)
            return


def restore_all(parent: Path) -> None:
    """`restore` every folder that `parent` held."""
    for aside in parent.glob(".*.old"):
        for held in aside.glob("*"):
            restore(parent / held.name)


def _remove_abandoned(path: Path) -> None:
    """Remove what killed processes had begun to write in the place of `path`."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        with contextlib.suppress(OSError):
            if left.suffix in (".tmp", ".old") and time.time() - _last_touched(left) > ABANDONED:
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink()


def _last_touched(path: Path) -> float:
    return max(file.stat().st_mtime for file in (path, *path.glob("*")))


def read_manifest(path: Path, kind: str) -> dict[str, Any]:
    """The manifest of a sealed folder, checked for kind and schema but without hashing its files.

    Raises:
        ContractError: no folder, no manifest, not JSON, another kind, or another version's schema.
    """
    file = path / MANIFEST
    restore(path)
    try:
        manifest = parse_json(read_bytes(file))
    except FileNotFoundError:
        raise ContractError(f"{path} is no {kind}: it has no {MANIFEST}; name a folder that train.py wrote") from None
    except (ValueError, RecursionError):
        # not UTF-8, not JSON, nested too deep, a number of thousands of digits, or text that no page can show
        raise ContractError(f"{file} is not readable JSON; restore it or write the {kind} again") from None
    except OSError as error:
        raise ContractError(f"{file} cannot be read ({error.strerror}); check what it is and its permissions") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise ContractError(f"{file} is not a {kind}'s manifest; restore it or write the {kind} again")
    if manifest.get("kind") != kind:
        raise ContractError(f"{file} describes a {manifest.get('kind')}, not a {kind}; name another folder")
    if manifest.get("schema") != SCHEMA:
        raise ContractError(
            f"{file} has schema {manifest.get('schema')} and this version reads {SCHEMA}; write the {kind} again"
        )
    if SEAL in manifest and manifest[SEAL] != sealed(manifest)[SEAL]:
        raise ContractError(f"{file} is not the file that was written (its sha256 differs); restore it")
    return manifest


def read_folder(path: Path, kind: str) -> dict[str, Any]:
    """The manifest of a sealed folder after every file in it was hashed and found whole.

    Raises:
        ContractError: as `read_manifest`, or a file is missing, changed, or named outside the folder.
    """
    manifest = read_manifest(path, kind)
    for name, digest in manifest["files"].items():
        if _each_file(path, name, kind, sha256_of) != digest:
            raise ContractError(f"{path / name} is not the file that was written (its sha256 differs); restore it")
    return manifest


def glance_at_folder(path: Path, kind: str) -> dict[str, Any]:
    """The manifest of a sealed folder whose files are all there and fit to be opened; nothing in them is read.

    Raises:
        ContractError: as `read_folder`, but for files that were changed.
    """
    manifest = read_manifest(path, kind)
    for name in manifest["files"]:
        _each_file(path, name, kind, check_file)
    return manifest


def _each_file(path: Path, name: str, kind: str, ask: Callable[[Path], object]) -> object:
    """What `ask` says of a file that a manifest names."""
    if Path(name).name != name:
        raise ContractError(f"{path / MANIFEST} names a file outside its folder ({name!r}); do not use it")
    try:
        return ask(path / name)
    except (FileNotFoundError, ValueError):
        # a name with a null byte is no file's
        raise ContractError(f"{path / name} is missing; restore it or write the {kind} again") from None
    except OSError as error:
        reason = f"({error.strerror}); check its permissions, or write the {kind} again"
        raise ContractError(f"{path / name} cannot be read {reason}") from None


def _sync(path: Path) -> None:
    # rename is only atomic for data that has reached the disk
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    # so that a name, too, outlives a power cut; where folders cannot be synced the system looks after it itself
    with contextlib.suppress(OSError):
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
