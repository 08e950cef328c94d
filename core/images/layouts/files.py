"""The files of an image set, wherever they are: in a folder, a .zip, a .tar, or named by a table.

Nothing is unpacked to disk, and names of members are only looked up, never joined to a path.
"""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple

from core.images.decoding import MAX_BYTES, ImageError
from core.images.image_set import DatasetError
from core.storage import LIMITS, UnfitFileError, open_file, read_bytes

TABLES = (".csv", ".tsv", ".parquet")
# bytes of a table within an archive
MAX_TABLE = 2**30
# how members of a .zip may be compressed; other methods cannot be read piece by piece
UNPACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 1
# a .tar may unpack to MOST_TIMES x its size + MOST_ANYWAY bytes; images hardly compress, so more is a bomb
MOST_TIMES, MOST_ANYWAY = 100, 2**30
# first bytes of a file -> what unpacks it
PACKERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ": lzma.open, b"BZh": bz2.open}
DAMAGED = (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError, UnicodeError, ValueError, struct.error)


class Listed(NamedTuple):
    """A file: its name with "/" between folders, its size in bytes, and a number that changes with its content."""

    name: str
    size: int
    stamp: int


class Files:
    """The files of a folder or an archive; they are listed once, and the listing is kept."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def listing(self) -> list[Listed]:
        """The files: by name, or, of a compressed archive, in its order."""
        return list(self._list())

    @cached_property
    def _by_name(self) -> dict[str, Listed]:
        return {_normal(listed.name): listed for listed in reversed(self.listing)}

    def look_up(self, name: str) -> Listed | None:
        """Find a file by its name as a table gives it; None where it is not there."""
        return self._by_name.get(_normal(name))

    def read(self, name: str, *, limit: int = MAX_BYTES) -> bytes:
        """Read a listed file; raises ImageError or OSError."""
        raise NotImplementedError

    def open(self, name: str) -> BinaryIO:
        """Open a listed file for reading in any order."""
        return io.BytesIO(self.read(name, limit=MAX_TABLE))

    def close(self) -> None:
        """Close the archive."""

    def _list(self) -> Iterator[Listed]:
        raise NotImplementedError


def _normal(name: str) -> str:
    """Write a name in one way: tables of Windows have backslashes, and macOS writes é as two letters."""
    return unicodedata.normalize("NFC", name.replace("\\", "/")).removeprefix("./")


class FolderFiles(Files):
    """The files below a folder; hidden ones are left out."""

    @property
    def root(self) -> Path:
        """The folder that names are relative to."""
        return self.path

    def read(self, name: str, *, limit: int = MAX_BYTES) -> bytes:
        return read_bytes(self.root / name, limit=limit)

    def open(self, name: str) -> BinaryIO:
        return open_file(self.root / name, limit=LIMITS[".zip"])

    def _list(self) -> Iterator[Listed]:
        seen: set[tuple[int, int]] = set()
        listed = []
        for folder, folders, names in os.walk(self.path, followlinks=True):
            # a folder that is linked to is read once; folders that link to each other would go round for ever
            with contextlib.suppress(OSError):
                status = Path(folder).stat()
                if (status.st_dev, status.st_ino) in seen:
                    folders.clear()
                    continue
                seen.add((status.st_dev, status.st_ino))
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            prefix = "".join(f"{part}/" for part in Path(folder).relative_to(self.path).parts)
            for name in names:
                # a file that is deleted at this moment, or a link to itself, is not in the set
                with contextlib.suppress(OSError):
                    status = os.stat(f"{folder}/{name}")  # noqa: PTH116 - Path takes twice as long
                    if not name.startswith(".") and stat.S_ISREG(status.st_mode):
                        listed.append(Listed(prefix + name, status.st_size, status.st_mtime_ns))
        return iter(sorted(listed))


class TableFile(FolderFiles):
    """A table that names files by their paths, relative to its own folder or absolute; its folder is not listed."""

    @property
    def root(self) -> Path:
        return self.path.parent

    def look_up(self, name: str) -> Listed | None:
        # a table of Windows has backslashes
        for given in dict.fromkeys((name, name.replace("\\", "/"))):
            with contextlib.suppress(OSError, ValueError):
                status = (self.root / given).stat()
                return Listed(given, status.st_size, status.st_mtime_ns)
        return None

    def _list(self) -> Iterator[Listed]:
        listed = self.look_up(self.path.name)
        return iter([listed] if listed else [])


class ZipFiles(Files):
    """The members of a .zip."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with ExitStack() as opened:
            try:
                self._file = opened.enter_context(_open_regular(path))
                self._archive = zipfile.ZipFile(self._file)
            except DatasetError:
                raise
            except (zipfile.BadZipFile, EOFError, OSError):
                raise DatasetError(f"{path} is not a whole .zip file; download it again.") from None
            except (NotImplementedError, RuntimeError, ValueError, struct.error) as error:
                # members that ask for a newer unpacker, or whose names are no text
                reason = f"is packed in a way that is not read here ({error}); pack it again."
                raise DatasetError(f"{path} {reason}") from None
            opened.pop_all()
        self._repeated: set[str] = set()
        self._infos: dict[str, zipfile.ZipInfo] = {}
        for info in filter(lambda info: _is_plain(info.filename), self._archive.infolist()):
            if info.filename in self._infos:
                self._repeated.add(info.filename)
            self._infos[info.filename] = info

    def read(self, name: str, *, limit: int = MAX_BYTES) -> bytes:
        info = self._infos[name]
        if info.file_size > limit:
            raise ImageError(f"has {info.file_size} bytes, and at most {limit} are read")
        if name in self._repeated:
            raise ImageError("is in the .zip more than once; pack it again with one file of this name")
        if info.flag_bits & ENCRYPTED:
            raise ImageError("is encrypted; pack the .zip again without a password")
        if info.compress_type not in UNPACKED:
            raise ImageError("is packed in a way that is not read here; pack the .zip again")
        # read() without a size would unpack a whole bomb first
        with self._archive.open(info) as file:
            return file.read(info.file_size)

    def close(self) -> None:
        self._archive.close()
        self._file.close()

    def _list(self) -> Iterator[Listed]:
        return iter(sorted(Listed(name, info.file_size, info.CRC) for name, info in self._infos.items()))


class TarFiles(Files):
    """The members of a .tar, which may be compressed; then they are best read in the archive's order, as listed."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._repeated: set[str] = set()
        self._places: dict[str, tuple[int, int]] = {}
        with ExitStack() as opened:
            self._file = opened.enter_context(_open_regular(path))
            begins = self._file.read(6)
            self._file.seek(0)
            packer = next((PACKERS[magic] for magic in PACKERS if begins.startswith(magic)), None)
            self._is_packed = packer is not None
            most = MOST_ANYWAY + MOST_TIMES * os.fstat(self._file.fileno()).st_size
            self._stream = _Bounded(packer(self._file) if packer else self._file, most)
            opened.pop_all()

    def read(self, name: str, *, limit: int = MAX_BYTES) -> bytes:
        offset, size = self._places[name]
        if name in self._repeated:
            raise ImageError("is in the .tar more than once; pack it again with one file of this name")
        if size > limit:
            raise ImageError(f"has {size} bytes, and at most {limit} are read")
        self._stream.seek(offset)
        content = self._stream.read(size, most=limit)
        if len(content) < size:
            raise ImageError("cannot be read (the .tar ends before it)")
        return content

    def close(self) -> None:
        self._file.close()

    def _list(self) -> Iterator[Listed]:
        listed: dict[str, Listed] = {}
        try:
            with tarfile.open(fileobj=self._stream, mode="r:") as tar:  # type: ignore[call-overload]
                while (info := tar.next()) is not None:
                    # otherwise it remembers all of them
                    tar.members.clear()
                    if info.size < 0:
                        raise tarfile.ReadError("a member has a negative size")
                    name = info.name.removeprefix("./")
                    if info.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and _is_plain(name):
                        if name in self._places:
                            self._repeated.add(name)
                        # a repeated name gets another stamp, so that a cache from before the repeat is not reused
                        stamp = -info.offset_data if name in self._repeated else int(info.mtime)
                        listed[name] = Listed(name, info.size, stamp)
                        self._places[name] = info.offset_data, info.size
        except DAMAGED as error:
            raise DatasetError(f"{self.path} is not a whole .tar file ({error}); download it again.") from None
        # going back in a compressed archive unpacks it from its start
        return iter(listed.values() if self._is_packed else sorted(listed.values()))


def open_files(path: Path) -> Files:
    """Open a folder, an archive or a table by what it is.

    Raises:
        DatasetError: it is none of them, or damaged.
    """
    if path.is_dir():
        return FolderFiles(path)
    if not path.exists():
        raise DatasetError(f"{path} does not exist; name a folder, .zip, .tar, .csv or .parquet of images.")
    with _open_regular(path) as file:
        begins = file.read(512)
    if path.suffix.lower() in TABLES:
        return TableFile(path)
    is_tar = begins[257:262] == b"ustar" or begins.startswith(tuple(PACKERS)) or ".tar" in path.name.lower()
    return TarFiles(path) if is_tar else ZipFiles(path)


def _open_regular(path: Path) -> BinaryIO:
    try:
        return open_file(path, limit=LIMITS[".zip"])
    except UnfitFileError as error:
        raise DatasetError(f"{error}.") from None
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); check its permissions.") from None


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
