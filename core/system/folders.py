"""Sealed folders: written to a temporary sibling, hashed, renamed, and never edited afterwards.

Detectors, runs and image packs are sealed folders. `manifest.json` states the kind of folder and holds the sha256 of
every other file and of its own content; readers refuse a folder that does not match, naming the file at fault.
"""

import contextlib
import errno
import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from core.system.atomic import refuse_taken, remove_abandoned, sha256_of, sibling, sync, sync_folder, writing
from core.system.files import check_file, parse_json, read_bytes

T = TypeVar("T")
SCHEMA = 1
MANIFEST = "manifest.json"
# the key of a manifest's own hash, which the oldest manifests lack
SEAL = "sha256"
# tries to exchange a folder while readers keep bringing the old one back
EXCHANGES = 3


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
        TakenError: `path` exists and `replace` is false.
        WriteError: the disk is full or read-only; the unfinished folder is removed.
    """
    if not replace:
        refuse_taken(path)
    temporary = sibling(path)
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # undo what a killed process left half done
            restore(path)
            remove_abandoned(path)
            if not replace:
                refuse_taken(path)
            temporary.mkdir()
            for name, write in files.items():
                with writing(path / name):
                    write(temporary / name)
                    # safetensors makes its files the writer's alone
                    (temporary / name).chmod(temporary.stat().st_mode & 0o666)
                    sync(temporary / name)
            hashes = {name: sha256_of(temporary / name) for name in files}
            # hashed after a round trip through JSON, which turns tuples into lists and keys into strings
            whole = sealed(json.loads(json.dumps({"schema": SCHEMA, "kind": kind, **manifest, "files": hashes})))
            (temporary / MANIFEST).write_text(json.dumps(whole, indent=1, allow_nan=False) + "\n", encoding="utf-8")
            sync(temporary / MANIFEST)
            if not replace:
                # another process may have been faster
                refuse_taken(path)
            if path.exists():
                _exchange(path, temporary)
            else:
                temporary.rename(path)
            sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sealed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Add to a manifest the sha256 of everything in it."""
    content = {key: value for key, value in manifest.items() if key != SEAL}
    return {**content, SEAL: hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()}


def _exchange(path: Path, new: Path) -> None:
    """Replace a folder with `new`; even if that is interrupted, readers find either the old or the new one."""
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.parent))
    try:
        for _ in range(EXCHANGES):
            path.rename(aside / path.name)
            try:
                new.rename(path)
                break
            except OSError:
                # a reader has just brought the old one back
                if not path.exists():
                    raise
        else:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(path))
    finally:
        restore(path)
        # where even that failed, the folder moved aside is the only copy
        if path.exists():
            shutil.rmtree(aside, ignore_errors=True)


def restore(path: Path) -> None:
    """Restore a folder whose replacement was interrupted after the old one had been moved aside.

    Does nothing if the folder exists, or if no copy of it was moved aside.
    """
    if path.exists():
        return
    for aside in path.parent.glob(f".{glob.escape(path.name)}.*.old"):
        with contextlib.suppress(OSError):
            (aside / path.name).rename(path)
            return


def restore_all(parent: Path) -> None:
    """Bring back every folder of `parent` whose replacement was cut off."""
    asides: list[Path] = []
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        asides = [Path(one.path) for one in entries if one.name.startswith(".") and one.name.endswith(".old")]
    for aside in asides:
        # one that cannot be listed keeps no other from being restored
        with contextlib.suppress(OSError):
            for held in aside.iterdir():
                restore(parent / held.name)


def read_manifest(path: Path, kind: str) -> dict[str, Any]:
    """Read the manifest of a sealed folder and check its kind and schema, without hashing the files.

    Raises:
        ContractError: the manifest is missing, unreadable, changed, or of another kind or schema.
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
    if manifest.get("schema") != SCHEMA:
        raise ContractError(
            f"{file} has schema {manifest.get('schema')} and this version reads {SCHEMA}; write the {kind} again"
        )
    if SEAL in manifest and manifest[SEAL] != sealed(manifest)[SEAL]:
        raise ContractError(f"{file} is not the file that was written (its sha256 differs); restore it")
    return manifest


def read_folder(path: Path, kind: str) -> dict[str, Any]:
    """Read the manifest of a sealed folder after hashing every file in it.

    Raises:
        ContractError: as for `read_manifest`, or a file is missing, changed, or named outside the folder.
    """
    manifest = read_manifest(path, kind)
    for name, digest in manifest["files"].items():
        if _each_file(path, name, kind, sha256_of) != digest:
            raise ContractError(f"{path / name} is not the file that was written (its sha256 differs); restore it")
    return manifest


def read_sealed(path: Path, name: str, manifest: Mapping[str, Any], *, kind: str) -> bytes:
    """Read one file of a sealed folder.

    Raises:
        ContractError: as for `read_folder`, of this file.
    """
    data: bytes = _each_file(path, name, kind, read_bytes)
    if hashlib.sha256(data).hexdigest() != manifest["files"][name]:
        raise ContractError(f"{path / name} is not the file that was written (its sha256 differs); restore it")
    return data


def glance_at_folder(path: Path, kind: str) -> dict[str, Any]:
    """Read the manifest of a sealed folder and check that its files exist and are not too large; none is opened.

    Raises:
        ContractError: as for `read_folder`, except that changed or unreadable files pass.
    """
    manifest = read_manifest(path, kind)
    for name in manifest["files"]:
        _each_file(path, name, kind, check_file)
    return manifest


def _each_file(path: Path, name: str, kind: str, ask: Callable[[Path], T]) -> T:
    """Apply `ask` to a file that a manifest names."""
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
