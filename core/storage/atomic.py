"""Files and folders written whole or not at all, by one process at a time."""

import contextlib
import errno
import glob
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

# seconds after which an untouched temporary was left by a process that was killed
ABANDONED = 3600.0


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
        if number:
            reason = os.strerror(number)
        else:
            reason = str(error)
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

    def write(file: Path) -> None:
        file.write_bytes(data)

    write_bytes_atomically(path, write)


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
            lock.acquire()
        except Timeout:
            sentence = f"{path} is being written by another process; wait for it, or choose another name"
            raise TakenError(sentence) from None
    try:
        yield
    finally:
        lock.release()
