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
import tarfile
import unicodedata
import zipfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple

from core.images.decoding import MAX_BYTES, ImageError, PassingError
from core.images.image_set import DatasetError
from core.storage import LIMITS, open_file, read_bytes

TABLES = (".csv", ".tsv", ".parquet")
# bytes of a table within an archive
MAX_TABLE = 2**30
# how members of a .zip may be compressed; other methods cannot be read piece by piece
UNPACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# a .tar may unpack to MOST_TIMES x its size + MOST_ANYWAY bytes; images hardly compress, so more is a bomb
MOST_TIMES, MOST_ANYWAY = 100, 2**30
# first bytes of a file -> what unpacks it
PACKERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ": lzma.open, b"BZh": bz2.open}


class Listed(NamedTuple):
    """A file: its name with "/" between folders, its size in bytes, and a number that changes with its content."""

    name: str
    size: int
    stamp: int


@contextlib.contextmanager
def refusing_damage() -> Iterator[None]:
    """Turn what damaged files, archives and tables raise into an ImageError; PassingError if the disk is at fault."""
    try:
        yield
    except (ImageError, DatasetError):
        raise
    except Exception as error:  # noqa: BLE001 - zipfile, tarfile, their unpackers and pyarrow raise errors of many kinds
        kind = PassingError if isinstance(error, OSError) and error.errno else ImageError
        raise kind(f"cannot be read ({getattr(error, 'strerror', None) or error})") from None


class Files:
    """The files below a folder, without hidden ones; they are listed once, and the listing is kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # the folder that names are relative to
        self.root = path

    @cached_property
    def listing(self) -> list[Listed]:
        """The files: by name, or, of a compressed archive, in its order."""
        return sorted(self._list())

    @cached_property
    def _by_name(self) -> dict[str, Listed]:
        return {_normal(listed.name): listed for listed in reversed(self.listing)}

    def look_up(self, name: str) -> Listed | None:
        """Find a file by its name as a table gives it; None where it is not there."""
        return self._by_name.get(_normal(name))

    def read(self, name: str, *, limit: int = MAX_BYTES) -> bytes:
        """Read a listed file.

        Raises:
            ImageError: it has more than `limit` bytes, or is damaged.
            PassingError: the disk or its permissions are at fault.
        """
        with refusing_damage():
            return self._read(name, limit)

    def open(self, name: str) -> BinaryIO:
        """Open a listed file for reading in any order."""
        return open_file(self.root / name, limit=LIMITS[".zip"])

    def close(self) -> None:
        """Close the archive."""

    def _read(self, name: str, limit: int) -> bytes:
        return read_bytes(self.root / name, limit=limit)

    def _list(self) -> Iterator[Listed]:
        seen: set[tuple[int, int]] = set()
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
                        yield Listed(prefix + name, status.st_size, status.st_mtime_ns)


def _normal(name: str) -> str:
    """Write a name in one way: tables of Windows have backslashes, and macOS writes é as two letters."""
    return unicodedata.normalize("NFC", name.replace("\\", "/")).removeprefix("./")


class TableFile(Files):
    """A table that names files by their paths, relative to its own folder or absolute; its folder is not listed."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.root = path.parent

    def look_up(self, name: str) -> Listed | None:
        # a table of Windows has backslashes
        for given in dict.fromkeys((name, name.replace("\\", "/"))):
            with contextlib.suppress(OSError, ValueError):
                status = (self.root / given).stat()
                return Listed(given, status.st_size, status.st_mtime_ns)
        return None

    def _list(self) -> Iterator[Listed]:
        return iter(filter(None, [self.look_up(self.path.name)]))


class Archive(Files):
    """The members of an archive; hidden ones and those whose path has an empty part or ".." are left out.

    Args:
        path: of it.
        file: it, opened.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        super().__init__(path)
        self._file = file
        # name -> what a subclass needs to unpack it; of equal names the last one counts
        self._members: dict[str, tuple[Listed, Any]] = {}

    def open(self, name: str) -> BinaryIO:
        return io.BytesIO(self.read(name, limit=MAX_TABLE))

    def close(self) -> None:
        self._file.close()

    def _list(self) -> Iterator[Listed]:
        for listed, where in self._all():
            if all(part and not part.startswith(".") for part in listed.name.split("/")):
                self._members[listed.name] = listed, where
        return (listed for listed, _ in self._members.values())

    def _read(self, name: str, limit: int) -> bytes:
        listed, where = self._members[name]
        if listed.size > limit:
            raise ImageError(f"has {listed.size} bytes, and at most {limit} are read")
        return self._unpack(where, listed.size)

    def _all(self) -> Iterator[tuple[Listed, Any]]:
        raise NotImplementedError

    def _unpack(self, where: Any, size: int) -> bytes:
        raise NotImplementedError


class ZipFiles(Archive):
    """The members of a .zip."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        super().__init__(path, file)
        try:
            self._archive = zipfile.ZipFile(file)
        except Exception as error:  # noqa: BLE001 - also where members ask for a newer unpacker, or their names are no text
            raise DatasetError(f"{path} is not a .zip file that can be read ({error}); download it again.") from None

    def _all(self) -> Iterator[tuple[Listed, zipfile.ZipInfo]]:
        return ((Listed(info.filename, info.file_size, info.CRC), info) for info in self._archive.infolist())

    def _unpack(self, where: zipfile.ZipInfo, size: int) -> bytes:
        if where.compress_type not in UNPACKED:
            raise ImageError("is packed in a way that is not read here; pack the .zip again")
        # read() without a size would unpack a whole bomb first
        with self._archive.open(where) as file:
            return file.read(size)


class TarFiles(Archive):
    """The members of a .tar, which may be compressed; then they are best read in the archive's order, as listed."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        super().__init__(path, file)
        begins = file.read(6)
        file.seek(0)
        self._packer = next((packer for magic, packer in PACKERS.items() if begins.startswith(magic)), None)
        most = MOST_ANYWAY + MOST_TIMES * os.fstat(file.fileno()).st_size
        self._stream = _Bounded(self._packer(file) if self._packer else file, most)

    @cached_property
    def listing(self) -> list[Listed]:
        # going back in a compressed archive unpacks it from its start
        return list(self._list()) if self._packer else sorted(self._list())

    def _all(self) -> Iterator[tuple[Listed, int]]:
        try:
            with tarfile.open(fileobj=self._stream, mode="r:") as tar:  # type: ignore[call-overload]
                while (info := tar.next()) is not None:
                    # otherwise it remembers all of them
                    tar.members.clear()
                    if info.size < 0:
                        raise tarfile.ReadError("a member has a negative size")
                    if info.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
                        yield Listed(info.name.removeprefix("./"), info.size, int(info.mtime)), info.offset_data
        except Exception as error:  # noqa: BLE001 - as in `refusing_damage`
            raise DatasetError(f"{self.path} is not a whole .tar file ({error}); download it again.") from None

    def _unpack(self, where: int, size: int) -> bytes:
        self._stream.seek(where)
        if len(content := self._stream.stream.read(size)) < size:
            raise EOFError("the .tar ends before it")
        return content


class _Bounded:
    """A decompressed stream that raises EOFError on reads too long or too far in for an archive of images."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self.stream = stream
        self._most = most + MAX_BYTES
        self.tell = stream.tell

    def read(self, size: int) -> bytes:
        self.seek(self.tell(), size)
        return self.stream.read(size)

    def seek(self, offset: int, further: int = 0) -> int:
        # a header that is longer than two pictures is none
        if offset + further > self._most or further > 2 * MAX_BYTES:
            raise EOFError("it unpacks to far more than pictures do")
        return self.stream.seek(offset)


def open_files(path: Path) -> Files:
    """Open a folder, an archive or a table by what it is.

    Raises:
        DatasetError: it is none of them, or damaged.
    """
    if path.is_dir():
        return Files(path)
    if not path.exists():
        raise DatasetError(f"{path} does not exist; name a folder, .zip, .tar, .csv or .parquet of images.")
    with contextlib.ExitStack() as opened:
        try:
            file = opened.enter_context(open_file(path, limit=LIMITS[".zip"]))
        except OSError as error:
            raise DatasetError(f"{path} cannot be read ({error.strerror}); check what it is.") from None
        if path.suffix.lower() in TABLES:
            return TableFile(path)
        begins = file.read(512)
        file.seek(0)
        is_tar = begins[257:262] == b"ustar" or begins.startswith(tuple(PACKERS)) or ".tar" in path.name.lower()
        archive = TarFiles(path, file) if is_tar else ZipFiles(path, file)
        # it stays open
        opened.pop_all()
    return archive
