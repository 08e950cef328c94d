"""The members of a .zip and of a .tar. Their names are only looked up, never joined to a path."""

import bz2
import gzip
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, BinaryIO

from core.images.decoding import MAX_BYTES, ImageError
from core.images.image_set import DatasetError
from core.images.layouts.files.listing import Files, FolderFiles, Known, Listed, TableFile, open_regular

# how members of a .zip may be compressed; other methods cannot be read piece by piece
UNPACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 1
TABLES = (".csv", ".tsv", ".parquet")
# a .tar may unpack to MOST_TIMES x its size + MOST_ANYWAY bytes; images hardly compress, so more is a bomb
MOST_TIMES, MOST_ANYWAY = 100, 2**30
# first bytes of a file -> what unpacks it
PACKERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ": lzma.open, b"BZh": bz2.open}
DAMAGED = (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError, UnicodeError, ValueError, struct.error)


class ZipFiles(Known):
    """The members of a .zip."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.file, self.archive = open_zip(path)
        self.repeated: set[str] = set()
        self.infos: dict[str, zipfile.ZipInfo] = {}
        for info in self.archive.infolist():
            if _is_plain(info.filename):
                if info.filename in self.infos:
                    self.repeated.add(info.filename)
                self.infos[info.filename] = info

    def read(self, name: str, *, limit: int = MAX_BYTES) -> bytes:
        info = self.infos[name]
        if info.file_size > limit:
            raise ImageError(f"has {info.file_size} bytes, and at most {limit} are read")
        return read_member(self.archive, info, is_repeated=name in self.repeated)

    def close(self) -> None:
        self.archive.close()
        self.file.close()

    def _list(self) -> Iterator[Listed]:
        return iter(sorted(Listed(name, info.file_size, info.CRC) for name, info in self.infos.items()))


class TarFiles(Known):
    """The members of a .tar, which may be compressed; then they are best read in the archive's order, as listed."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.repeated: set[str] = set()
        self.places: dict[str, int] = {}
        with ExitStack() as opened:
            self.file = opened.enter_context(open_regular(path))
            begins = self.file.read(6)
            self.file.seek(0)
            packer = next((PACKERS[magic] for magic in PACKERS if begins.startswith(magic)), None)
            self.is_packed = packer is not None
            most = MOST_ANYWAY + MOST_TIMES * os.fstat(self.file.fileno()).st_size
            self.stream = _Bounded(packer(self.file) if packer else self.file, most)
            opened.pop_all()

    def read(self, name: str, *, limit: int = MAX_BYTES) -> bytes:
        size = self._known()[name].size
        if name in self.repeated:
            raise ImageError("is in the .tar more than once; pack it again with one file of this name")
        if size > limit:
            raise ImageError(f"has {size} bytes, and at most {limit} are read")
        self.stream.seek(self.places[name])
        content = self.stream.read(size, most=limit)
        if len(content) < size:
            raise ImageError("cannot be read (the .tar ends before it)")
        return content

    def close(self) -> None:
        self.file.close()

    def _list(self) -> Iterator[Listed]:
        listed: dict[str, Listed] = {}
        try:
            with tarfile.open(fileobj=self.stream, mode="r:") as tar:  # type: ignore[call-overload]
                while (info := tar.next()) is not None:
                    # otherwise it remembers all of them
                    tar.members.clear()
                    if info.size < 0:
                        raise tarfile.ReadError("a member has a negative size")
                    name = info.name.removeprefix("./")
                    if info.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and _is_plain(name):
                        if name in self.places:
                            self.repeated.add(name)
                        # a repeated name gets another stamp, so that a pack from before the repeat is not reused
                        stamp = -info.offset_data if name in self.repeated else int(info.mtime)
                        listed[name] = Listed(name, info.size, stamp)
                        self.places[name] = info.offset_data
        except DAMAGED as error:
            raise DatasetError(f"{self.path} is not a whole .tar file ({error}); download it again.") from None
        # going back in a compressed archive unpacks it from its start
        return iter(listed.values() if self.is_packed else sorted(listed.values()))


def open_files(path: Path) -> Files:
    """Open a folder, an archive or a table by what it is.

    Raises:
        DatasetError: it is none of them, or damaged.
    """
    if path.is_dir():
        return FolderFiles(path)
    if path.suffix.lower() in TABLES:
        open_regular(path).close()
        return TableFile(path)
    return TarFiles(path) if is_tar(path) else ZipFiles(path)


def is_tar(path: Path) -> bool:
    """Check whether a file is a .tar, compressed or not; errors as for `open_files`."""
    with open_regular(path) as file:
        begins = file.read(512)
    return begins[257:262] == b"ustar" or begins.startswith(tuple(PACKERS)) or path.suffix.lower() == ".tar"


def open_zip(path: Path) -> tuple[BinaryIO, zipfile.ZipFile]:
    """Open a .zip: the file and the archive, both of which the caller closes.

    Raises:
        DatasetError: it is not one that can be read; the sentence says why.
    """
    with ExitStack() as opened:
        try:
            file = opened.enter_context(open_regular(path))
            archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, EOFError, OSError):
            raise DatasetError(f"{path} is not a whole .zip file; download it again.") from None
        except DatasetError:
            raise
        except (NotImplementedError, RuntimeError, ValueError, struct.error) as error:
            # members that ask for a newer unpacker, or whose names are no text
            reason = f"is packed in a way that is not read here ({error}); pack it again."
            raise DatasetError(f"{path} {reason}") from None
        opened.pop_all()
    return file, archive


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, *, is_repeated: bool) -> bytes:
    """Read a member of a .zip; raises ImageError if it is repeated, encrypted, or not stored or deflated."""
    if is_repeated:
        raise ImageError("is in the .zip more than once; pack it again with one file of this name")
    if info.flag_bits & ENCRYPTED:
        raise ImageError("is encrypted; pack the .zip again without a password")
    if info.compress_type not in UNPACKED:
        raise ImageError("is packed in a way that is not read here; pack the .zip again")
    # read() without a size would unpack a whole bomb first
    with archive.open(info) as file:
        return file.read(info.file_size)


class _Bounded:
    """A decompressed stream that raises EOFError on reads too long or too far in for an archive of images."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream = stream
        self._most = most

    def read(self, size: int, *, most: int = 2 * MAX_BYTES) -> bytes:
        if size > most:
            raise EOFError("a part of it is too long")
        self._check(self._stream.tell() + size)
        return self._stream.read(size)

    def seek(self, offset: int) -> int:
        self._check(offset)
        return self._stream.seek(offset)

    def tell(self) -> int:
        return self._stream.tell()

    def _check(self, offset: int) -> None:
        if offset > self._most + MAX_BYTES:
            raise EOFError("it unpacks to far more than pictures do")


def _is_plain(name: str) -> bool:
    """Check that a member is a file, and that no part of its path is empty, hidden or ".."."""
    return all(part and not part.startswith(".") for part in name.split("/"))
