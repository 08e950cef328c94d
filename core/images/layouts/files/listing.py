"""Files as they are listed and read, of a folder and of a table. Nothing is unpacked to disk."""

import contextlib
import io
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from core.images.decoding import MAX_BYTES, ImageError
from core.images.image_set import DatasetError
from core.storage import LIMITS, UnfitFileError, open_file, read_bytes

DEEPEST = 12
MOST_FOLDERS = 100_000
# bytes of a table within an archive
MAX_TABLE = 2**30


class Listed(NamedTuple):
    """A file: its name with "/" between folders, its size in bytes, and a number that changes with its content."""

    name: str
    size: int
    stamp: int


class Files(Protocol):
    """The files of a set."""

    path: Path

    def listing(self) -> list[Listed]: ...
    def look_up(self, name: str) -> Listed | None: ...
    def read(self, name: str, *, limit: int = MAX_BYTES) -> bytes: ...
    def open(self, name: str) -> BinaryIO: ...
    def close(self) -> None: ...


class Known:
    """The files of a folder or an archive; they are listed once, and the listing is kept."""

    path: Path

    def __init__(self) -> None:
        self._by_name: dict[str, Listed] | None = None
        self._by_letters: dict[str, Listed] | None = None

    def listing(self) -> list[Listed]:
        return list(self._known().values())

    def look_up(self, name: str) -> Listed | None:
        """Find a file by its name as a table gives it.

        Tables of Windows have backslashes, and macOS writes é as two letters in the names of files.
        """
        exact = self._known().get(name.removeprefix("./"))
        if exact is not None:
            return exact
        if self._by_letters is None:
            self._by_letters = {}
            for listed in self._known().values():
                self._by_letters.setdefault(_letters(listed.name), listed)
        return self._by_letters.get(_letters(name).removeprefix("./"))

    def open(self, name: str) -> BinaryIO:
        return io.BytesIO(self.read(name, limit=MAX_TABLE))

    def read(self, name: str, *, limit: int = MAX_BYTES) -> bytes:
        raise NotImplementedError

    def close(self) -> None:
        pass

    def _known(self) -> dict[str, Listed]:
        if self._by_name is None:
            # of two files with one name the first is kept; reading it raises an error that says so
            self._by_name = {}
            for listed in self._list():
                self._by_name.setdefault(listed.name, listed)
        return self._by_name

    def _list(self) -> Iterator[Listed]:
        raise NotImplementedError


def _letters(name: str) -> str:
    return unicodedata.normalize("NFC", name.replace("\\", "/"))


class FolderFiles(Known):
    """The files below a folder; hidden ones are left out."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._folders = 0

    def read(self, name: str, *, limit: int = MAX_BYTES) -> bytes:
        if name not in self._known():
            raise ImageError("is not there")
        return read_bytes(self.path / name, limit=limit)

    def open(self, name: str) -> BinaryIO:
        return open_file(self.path / name, limit=LIMITS[".zip"])

    def _list(self) -> Iterator[Listed]:
        self._folders = 0
        return iter(sorted(self._below(self.path, "", frozenset())))

    def _below(self, folder: Path, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[Listed]:
        # a file that is deleted at this moment, or a link to itself, is not in the set
        with contextlib.suppress(OSError):
            here = folder.stat()
            key = here.st_dev, here.st_ino
            # a link to a folder above would go round for ever
            if key in above or len(above) > DEEPEST:
                return
            self._folders += 1
            if self._folders > MOST_FOLDERS:
                # folders that link to each other are below each other along every path
                raise DatasetError(
                    f"{self.path} holds more than {MOST_FOLDERS:,} folders; look for links that lead in circles."
                )
            with os.scandir(folder) as scan:
                items = [item for item in scan if not item.name.startswith(".")]
            for item in items:
                with contextlib.suppress(OSError):
                    if item.is_dir():
                        yield from self._below(folder / item.name, f"{prefix}{item.name}/", above | {key})
                    elif item.is_file():
                        status = item.stat()
                        yield Listed(prefix + item.name, status.st_size, status.st_mtime_ns)


class TableFile:
    """A table that names files by their paths, relative to its own folder or absolute; its folder is not listed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def listing(self) -> list[Listed]:
        found = self.look_up(self.path.name)
        return [found] if found else []

    def look_up(self, name: str) -> Listed | None:
        # a table of Windows has backslashes
        for given in dict.fromkeys((name, name.replace("\\", "/"))):
            with contextlib.suppress(OSError, ValueError):
                status = (self.path.parent / given).stat()
                return Listed(given, status.st_size, status.st_mtime_ns)
        return None

    def read(self, name: str, *, limit: int = MAX_BYTES) -> bytes:
        return read_bytes(self.path.parent / name, limit=limit)

    def open(self, name: str) -> BinaryIO:
        return open_file(self.path.parent / name, limit=LIMITS[".zip"])

    def close(self) -> None:
        pass


def open_regular(path: Path) -> BinaryIO:
    """Open an archive or a table.

    Raises:
        DatasetError: it cannot be opened.
    """
    try:
        return open_file(path, limit=LIMITS[".zip"])
    except UnfitFileError as error:
        raise DatasetError(f"{error}.") from None
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); check its permissions.") from None
