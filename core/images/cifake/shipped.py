"""CIFAKE's test set as shipped: the original files in one solid archive, with a table of their statistics.

The folder is sealed like every other: `manifest.json` holds the sha256 of the archive and of the table, and both are
verified before use. Files are unpacked in memory only, so no name in the archive ever becomes a path.
"""

import lzma
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from core.images.decoding import MAX_FILE_BYTES
from core.images.statistics import STATISTICS
from core.storage import MANIFEST, ContractError, open_file, read_manifest, sha256_of

KIND = "shipped image set"
ARCHIVE = "images.tar.xz"
TABLE = "facts.parquet"
MEMBER = re.compile(r"test/((?:REAL|FAKE)/(?!\.)[^/]+)")


@dataclass(frozen=True, eq=False)
class Shipped:
    """A shipped set that has not been unpacked.

    Attributes:
        folder: the folder that holds it.
        archive_sha256: sha256 of the archive, 64 hexadecimal digits.
        fingerprint: fingerprint of the image set.
        statistics: float32 columns of `core.images.statistics.STATISTICS`, indexed by file name ("REAL/0000 (2).jpg").
    """

    folder: Path
    archive_sha256: str
    fingerprint: str

    statistics: pd.DataFrame


def is_shipped(folder: Path) -> bool:
    """Check whether a folder holds a shipped set, intact or not."""
    return (folder / ARCHIVE).exists() or (folder / TABLE).exists()


def read_shipped(folder: Path) -> Shipped:
    """Read the manifest and the table of statistics; the archive is not opened.

    Raises:
        ContractError: the manifest or the table is missing or damaged; the message names it.
    """
    manifest = read_manifest(folder, KIND)
    if missing := {ARCHIVE, TABLE} - set(manifest["files"]):
        raise ContractError(f"{folder / MANIFEST} does not list {min(missing)}; restore it")
    _verify(folder / TABLE, manifest["files"][TABLE])
    try:
        with open_file(folder / TABLE) as table:
            statistics = pd.read_parquet(table).set_index("name")[list(STATISTICS)].astype(np.float32)
    except Exception as error:  # noqa: BLE001 - pyarrow's errors share no base class below Exception
        raise ContractError(
            f"{folder / TABLE} is no table of statistics ({type(error).__name__}); restore it"
        ) from None
    return Shipped(folder, str(manifest["files"][ARCHIVE]), str(manifest.get("fingerprint")), statistics)


def unpack(shipped: Shipped) -> dict[str, bytes]:
    """Unpack the archive in memory after verifying its sha256: file name -> bytes.

    Raises:
        ContractError: the archive is missing or damaged, or holds other files than the table names.
    """
    path = shipped.folder / ARCHIVE
    _verify(path, shipped.archive_sha256)
    files: dict[str, bytes] = {}
    try:
        # once, front to back: a solid archive is slow to read in any other order
        with (
            open_file(path) as packed,
            lzma.open(packed) as unpacked,
            tarfile.open(fileobj=unpacked, mode="r|") as members,
        ):
            for member in members:
                match = MEMBER.fullmatch(member.name)
                if match and member.isreg() and member.size <= MAX_FILE_BYTES:
                    files[match[1]] = _bytes_of(members.extractfile(member))
    except (OSError, EOFError, lzma.LZMAError, tarfile.TarError, UnicodeError, ValueError) as error:
        raise ContractError(f"{path} cannot be unpacked ({error}); restore it") from None
    if files.keys() != set(shipped.statistics.index):
        raise ContractError(f"{path} holds other files than {TABLE} names; restore both")
    return files


def _bytes_of(file: IO[bytes] | None) -> bytes:
    return file.read() if file is not None else b""


def _verify(file: Path, digest: str) -> None:
    try:
        found = sha256_of(file)
    except FileNotFoundError:
        raise ContractError(f"{file} is missing; restore it, or remove its whole folder to go on without") from None
    except OSError as error:
        raise ContractError(f"{file} cannot be read ({error.strerror}); check its permissions") from None
    if found != digest:
        raise ContractError(f"{file} is not the file that was shipped (its sha256 differs); restore it")
