"""The files of an image set: in a folder, a .zip, a .tar, or named by a table.

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
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple

from core.images.decoding import MAX_BYTES, ImageError, PassingError
from core.images.image_set import DatasetError
from core.storage.limits import LIMITS, open_file, printable, read_bytes
from core.storage.memory import lazy_property

TABLES = (".csv", ".tsv", ".parquet")
# bytes of a table within an archive
MAX_TABLE = 2**30
# a .tar may unpack to MOST_TIMES x its size + MOST_ANYWAY bytes; images hardly compress, so more is a bomb
MOST_TIMES = 100
MOST_ANYWAY = 2**30
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
        kind = PassingError if getattr(error, "errno", None) else ImageError
        raise kind(f"cannot be read ({getattr(error, 'strerror', None) or error})") from None


class Files:
    """The files of a folder or an archive, or a table.

    Args:
        path: of it.
        members: its files, and what `unpack` needs of each; hidden ones, and those whose path has an empty part or
            "..", are left out.
        unpack: (what it needs, size) -> the bytes of a member of an archive; None where the files lie in a folder.
        file: the archive, opened.
        in_order: list the files as they come, because going back in a compressed archive unpacks it from its start.

    Attributes:
        listing: the files, sorted by name unless `in_order`.
        is_table: True for a table, which names files relative to its own folder or absolute; they are not listed.
    """

    def __init__(
        self,
        path: Path,
        members: Iterable[tuple[Listed, Any]],
        unpack: Callable[[Any, int], bytes] | None = None,
        *,
        file: BinaryIO | None = None,
        in_order: bool = False,
    ) -> None:
        self.path = path
        self._unpack = unpack
        self._file = file
        self._members: dict[str, tuple[Listed, Any]] = {}
        for listed, where in members:
            if all(part and not part.startswith(".") for part in listed.name.split("/")):
                if listed.name in self._members:
                    raise DatasetError(f"{path} holds {printable(listed.name)} more than once; pack it again.")
                self._members[listed.name] = listed, where
        self.listing = [listed for listed, _ in self._members.values()]
        if not in_order:
            self.listing.sort()
        self.is_table = unpack is None and not path.is_dir()
        self._root = path
        if self.is_table:
            self._root = path.parent

    @lazy_property
    def _by_name(self) -> dict[str, Listed]:
        return {_normal(listed.name): listed for listed in reversed(self.listing)}

    def look_up(self, name: str) -> Listed | None:
        """Find a file by its name as a table gives it; None where it is not there."""
        if not self.is_table:
            return self._by_name.get(_normal(name))
        # a table of Windows has backslashes
        for given in dict.fromkeys((name, name.replace("\\", "/"))):
            with contextlib.suppress(OSError, ValueError):
                status = (self._root / given).stat()
                return Listed(given, status.st_size, status.st_mtime_ns)
        return None

    def read(self, name: str, *, limit: int = MAX_BYTES) -> bytes:
        """Read a listed file.

        Raises:
            ImageError: it has more than `limit` bytes, or is damaged.
            PassingError: the disk or its permissions are at fault.
        """
        with refusing_damage():
            if self._unpack is None:
                return read_bytes(self._root / name, limit=limit)
            listed, where = self._members[name]
            if listed.size > limit:
                raise ImageError(f"has {listed.size} bytes, and at most {limit} are read")
            return self._unpack(where, listed.size)

    def open(self, name: str) -> BinaryIO:
        """Open a listed file for reading in any order."""
        if self._unpack is None:
            return open_file(self._root / name, limit=LIMITS[".zip"])
        return io.BytesIO(self.read(name, limit=MAX_TABLE))

    def close(self) -> None:
        """Close the archive."""
        if self._file:
            self._file.close()


def _normal(name: str) -> str:
    """Write a name in one way: tables of Windows have backslashes, and macOS writes é as two letters."""
    return unicodedata.normalize("NFC", name.replace("\\", "/")).removeprefix("./")


def _walk(path: Path) -> Iterator[tuple[Listed, None]]:
    """List the files below a folder, without those in hidden folders."""
    seen: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(path, followlinks=True):
        # a linked folder is read once, because folders that link to each other never end
        with contextlib.suppress(OSError):
            status = Path(folder).stat()
            if (status.st_dev, status.st_ino) in seen:
                folders.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        prefix = "".join(f"{part}/" for part in Path(folder).relative_to(path).parts)
        for name in names:
            # a file that is deleted at this moment, or a link to itself, is not in the set
            with contextlib.suppress(OSError):
                status = os.stat(f"{folder}/{name}")  # noqa: PTH116 - Path takes twice as long
                if stat.S_ISREG(status.st_mode):
                    yield Listed(prefix + name, status.st_size, status.st_mtime_ns), None


def _open_zip(path: Path, file: BinaryIO) -> Files:
    archive = zipfile.ZipFile(file)

    def unpack(info: zipfile.ZipInfo, size: int) -> bytes:
        # others cannot be read piece by piece, and read() without a size would unpack a whole bomb first
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ImageError("is packed in a way that is not read here; pack the .zip again")
        with archive.open(info) as member:
            return member.read(size)

    members = ((Listed(info.filename, info.file_size, info.CRC), info) for info in archive.infolist())
    return Files(path, members, unpack, file=file)


def _open_tar(path: Path, file: BinaryIO, begins: bytes) -> Files:
    unpackers = [unpacker for magic, unpacker in PACKERS.items() if begins.startswith(magic)]
    stream: IO[bytes] = unpackers[0](file) if unpackers else file
    bounded = _Bounded(stream, MOST_ANYWAY + MOST_TIMES * os.fstat(file.fileno()).st_size + MAX_BYTES)

    def members() -> Iterator[tuple[Listed, int]]:
        with tarfile.open(fileobj=bounded, mode="r:") as tar:  # type: ignore[call-overload]
            for info in iter(tar.next, None):
                # otherwise it remembers all of them
                tar.members.clear()
                if info.size < 0:
                    raise tarfile.ReadError("a member has a negative size")
                if info.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
                    yield Listed(info.name.removeprefix("./"), info.size, int(info.mtime)), info.offset_data

    def unpack(offset: int, size: int) -> bytes:
        bounded.seek(offset)
        content = stream.read(size)
        if len(content) < size:
            raise EOFError("the .tar ends before it")
        return content

    return Files(path, members(), unpack, file=file, in_order=bool(unpackers))


class _Bounded:
    """A decompressed stream that raises EOFError on reads too long or too far in for an archive of images."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self.stream = stream
        self.most = most
        self.tell = stream.tell

    def read(self, size: int) -> bytes:
        self.seek(self.tell(), size)
        return self.stream.read(size)

    def seek(self, offset: int, further: int = 0) -> int:
        # a header that is longer than two pictures is none
        if offset + further > self.most or further > 2 * MAX_BYTES:
            raise EOFError("it unpacks to far more than pictures do")
        return self.stream.seek(offset)


def open_files(path: Path) -> Files:
    """Open a folder, an archive or a table by what it is.

    Raises:
        DatasetError: it is none of them, or damaged.
    """
    if path.is_dir():
        return Files(path, _walk(path))
    with contextlib.ExitStack() as opened:
        try:
            file = opened.enter_context(open_file(path, limit=LIMITS[".zip"]))
            status = os.fstat(file.fileno())
        except FileNotFoundError:
            raise DatasetError(
                f"{path} does not exist; name a folder, .zip, .tar, .csv or .parquet of images."
            ) from None
        except OSError as error:
            raise DatasetError(f"{path} cannot be read ({error.strerror}); check what it is.") from None
        if path.suffix.lower() in TABLES:
            return Files(path, [(Listed(path.name, status.st_size, status.st_mtime_ns), None)])
        begins = file.read(512)
        file.seek(0)
        is_tar = begins[257:262] == b"ustar" or begins.startswith(tuple(PACKERS)) or ".tar" in path.name.lower()
        try:
            files = _open_tar(path, file, begins) if is_tar else _open_zip(path, file)
        except DatasetError:
            raise
        except Exception as error:  # noqa: BLE001 - as in `refusing_damage`
            kind = "whole .tar" if is_tar else ".zip"
            raise DatasetError(f"{path} is not a {kind} file that can be read ({error}); download it again.") from None
        # it stays open
        opened.pop_all()
    return files
