"""The files of CIFAKE: their names and checksums, and the .zip that holds them once they have been checked.

Nothing is unpacked to disk. Names in an archive are looked up in a list, never joined to a path, and every file must
have the known content.
"""

import gzip
import hashlib
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, NamedTuple

import numpy as np
import pandas as pd

from core.images.decoding import MAX_FILE_BYTES
from core.images.image_set import CIFAR10, DatasetError, Progress, fingerprint_of
from core.images.labels import CLASSES
from core.images.layouts.files.archives import UNPACKED
from core.storage import LIMITS, cache_dir, open_file

# CIFAKE's name on Kaggle
KAGGLE = "birdy654/cifake-real-and-ai-generated-synthetic-images"
CHECKSUMS = Path(__file__).parents[3] / "assets" / "cifake-checksums.npy"
# of all 100,000 training and 20,000 test images, as stated by the shipped detectors and runs
FINGERPRINTS = MappingProxyType(
    {
        "test": "83868be77544ff1efca2eb4e7f3cac8b7c8db9ed1b1a215291b573b991d4dda3",
        "train": "1ff0fd722d07e774ad476bd811e1388a1873413fcaea407c185b3b9373250ad5",
    }
)
# folder -> first number, count, and minimum digits in file names; each number occurs once in every CIFAR-10 category
NUMBERS = MappingProxyType(
    {"test/FAKE": (0, 1000, 1), "test/REAL": (0, 1000, 4), "train/FAKE": (1000, 5000, 4), "train/REAL": (0, 5000, 4)}
)
# CIFAKE takes 190 MB as a .tar; an archive that unpacks to far more is a bomb
MAX_UNPACKED = 2**30
STEP = 500
NAMED = 3
# a fixed date, so that the same images give the same bytes
WRITTEN_AT = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class KnownFiles:
    """The files that an archive of CIFAKE must hold.

    Checksums show which file is wrong; the fingerprints, which depend on every byte, prove that all are right.

    Attributes:
        checksums: name, for instance "train/REAL/0000 (2).jpg" -> the first 16 bits of the file's sha256.
        fingerprints: split -> the fingerprint of its `core.images.image_set.ImageSet`.
    """

    checksums: dict[str, int]
    fingerprints: dict[str, str]


class _Member(NamedTuple):
    name: str
    size: int
    read: Callable[[], bytes]


def fetched_path() -> Path:
    """Return the path of CIFAKE's .zip, whether it has been fetched or not."""
    return cache_dir() / "cifake" / "cifake.zip"


def is_fetched() -> bool:
    """Check whether the whole .zip is there; one cut off by a failing disk is not."""
    return zipfile.is_zipfile(fetched_path())


def known_files() -> KnownFiles:
    """Return the checksums of CIFAKE's 120,000 files and the fingerprints of its two splits."""
    checksums = np.load(CHECKSUMS, allow_pickle=False)
    return KnownFiles(dict(zip(cifake_names(), checksums.tolist(), strict=True)), dict(FINGERPRINTS))


def cifake_names() -> Iterator[str]:
    """Yield the names of CIFAKE's files, in the order of the list of checksums."""
    for folder, (first, count, width) in NUMBERS.items():
        for number in range(first, first + count):
            for category in range(1, len(CIFAR10) + 1):
                yield f"{folder}/{number:0{width}}{'' if category == 1 else f' ({category})'}.jpg"


def checksum(digest: str) -> int:
    """Return the first 16 bits of a sha256 in hexadecimal digits."""
    return int(digest[:4], 16)


def repack(archive: Path, target: Path, *, known: KnownFiles, sender: str, progress: Progress) -> None:
    """Write the .zip of CIFAKE from a downloaded archive, checking every file.

    Args:
        archive: .tar.gz or .zip, with {train,test}/{REAL,FAKE}/ in any folder.
        target: path of the .zip, whose members are named as in `known`.
        known: what it must hold.
        sender: the server that sent the archive, for error messages.
        progress: called with (files checked, files).

    Raises:
        DatasetError: not an archive, incomplete, or its files differ; the caller then discards `target`.
        OSError: `target` cannot be written.
    """
    digests: dict[str, str] = {}
    wrong = []
    with zipfile.ZipFile(target, "w") as packed:
        progress(0, len(known.checksums))
        for name, content in _files(archive, known.checksums.keys(), sender):
            digests[name] = hashlib.sha256(content).hexdigest()
            if checksum(digests[name]) != known.checksums[name]:
                wrong.append(name)
            packed.writestr(zipfile.ZipInfo(name, WRITTEN_AT), content)
            if len(digests) % STEP == 0 or len(digests) == len(known.checksums):
                progress(len(digests), len(known.checksums))
    _check(digests, wrong, known, sender)


def _check(digests: dict[str, str], wrong: list[str], known: KnownFiles, sender: str) -> None:
    if not digests:
        raise DatasetError(f"The archive from {sender} holds no image of CIFAKE; nothing of it was kept.")
    if missing := [name for name in known.checksums if name not in digests]:
        raise DatasetError(f"The archive from {sender} lacks {_named(missing)}; nothing of it was kept.")
    if wrong:
        raise DatasetError(f"Not CIFAKE's own in the archive from {sender}: {_named(wrong)}; nothing of it was kept.")
    for split, fingerprint in known.fingerprints.items():
        names = [name for name in digests if name.startswith(f"{split}/")]
        labels = [CLASSES.index(name.split("/")[1]) for name in names]
        rows = pd.DataFrame({"sha256": [digests[name] for name in names], "label": labels})
        if fingerprint_of(split, rows) != fingerprint:
            raise DatasetError(
                f"The {split} images in the archive from {sender} are not all CIFAKE's own (their fingerprint "
                "differs); nothing of it was kept."
            )


def _named(names: list[str]) -> str:
    more = f" and {len(names) - NAMED:,} more files" if len(names) > NAMED else ""
    return ", ".join(sorted(names)[:NAMED]) + more


def _files(archive: Path, names: Collection[str], sender: str) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of each wanted file once, in the archive's order; b"" for one that is too large.

    Raises:
        DatasetError: not an archive, or one that cannot be read to its end.
    """
    left = set(names)
    with open_file(archive, limit=LIMITS[".zip"]) as file:
        begins = file.read(4)
        file.seek(0)
        if begins[:2] == b"\x1f\x8b":
            members = _tar_members(file)
        elif begins == b"PK\3\4":
            members = _zip_members(file)
        else:
            raise DatasetError(
                f"{sender} did not send an archive but perhaps a network's login page; nothing of it was kept."
            )
        try:
            for member in members:
                name = "/".join(member.name.split("/")[-3:])
                if name in left:
                    left.remove(name)
                    yield name, member.read() if member.size <= MAX_FILE_BYTES else b""
        except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError,
                RuntimeError, ValueError, struct.error) as error:  # fmt: skip
            # the readers raise all of these on damaged input
            raise DatasetError(
                f"The archive from {sender} is damaged or not whole ({error}); nothing of it was kept."
            ) from None


class _Bounded:
    """A forward-only decompressed stream that raises EOFError on overlong reads and beyond `MAX_UNPACKED` bytes."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self._left = MAX_UNPACKED

    def read(self, size: int) -> bytes:
        if size > 2 * MAX_FILE_BYTES:
            raise EOFError("a part of it is too long")
        found = self._stream.read(size)
        self._take(len(found))
        return found

    def seek(self, offset: int) -> int:
        self._take(offset - self._stream.tell())
        return self._stream.seek(offset)

    def tell(self) -> int:
        return self._stream.tell()

    def _take(self, count: int) -> None:
        self._left -= max(0, count)
        if self._left < 0:
            raise EOFError("it unpacks to far more than CIFAKE")


def _tar_members(file: IO[bytes]) -> Iterator[_Member]:
    with gzip.GzipFile(fileobj=file) as unpacked:
        stream = _Bounded(unpacked)
        with tarfile.open(fileobj=stream, mode="r:") as tar:  # type: ignore[call-overload]
            while (info := tar.next()) is not None:
                # otherwise it remembers all 120,000
                tar.members.clear()
                if info.isreg() and (opened := tar.extractfile(info)):
                    yield _Member(info.name, info.size, opened.read)
        # reads to the end, where gzip verifies its checksum
        while stream.read(MAX_FILE_BYTES):
            pass


def _zip_members(file: IO[bytes]) -> Iterator[_Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if info.compress_type not in UNPACKED:
                raise zipfile.BadZipFile("packed in a way that is not read here")

            def read(info: zipfile.ZipInfo = info) -> bytes:
                # a size bounds what is unpacked
                with archive.open(info) as member:
                    return member.read(info.file_size)

            yield _Member(info.filename, info.file_size, read)
