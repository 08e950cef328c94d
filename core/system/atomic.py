"""Writing files whole or not at all: a temporary sibling is filled, synced and renamed."""

import contextlib
import errno
import glob
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import platformdirs

from core.system.files import open_file

# seconds after which an untouched temporary was left by a process that was killed
ABANDONED = 3600.0


class TakenError(FileExistsError):
    """The target exists already and may not be replaced; the message names it."""


class WriteError(OSError):
    """A file or folder could not be written; what was there before still is. `str` gives the sentence to show."""

    def __str__(self) -> str:
        advice = "check that its disk has room and is writable"
        if os.name == "nt" and self.errno == errno.EACCES:
            # there no file or folder can be replaced while another program reads it
            advice = "a program may have it open, such as the dashboard: stop that, or check that its disk is writable"
        return f"{self.filename} could not be written ({self.strerror}); {advice}"


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn every OSError within into a `WriteError` for `path`; libraries name the temporary sibling, or no file."""
    try:
        yield
    except (WriteError, TakenError):
        raise
    except OSError as error:
        # NumPy's error has no errno, only the number of values that it could not write
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise WriteError(error.errno or errno.EIO, reason, str(path)) from error


def cache_dir() -> Path:
    """Return the folder of packs and checkpoints: `$TELLTALE_CACHE`, else the user's cache folder."""
    return Path(os.environ.get("TELLTALE_CACHE") or platformdirs.user_cache_dir("telltale"))


def sha256_of(path: Path) -> str:
    """Hash a file's bytes to 64 hexadecimal digits; errors as for `core.system.files.open_file`."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_bytes_atomically(path: Path, write: Callable[[Path], object], *, durable: bool = True) -> None:
    """Let `write` fill a temporary sibling, then rename it: a reader sees the old file or the whole new one.

    Args:
        path: of the file.
        write: is given the path to write to.
        durable: wait until the data is on disk. Without it a power cut may leave a damaged file, which is acceptable
            only for a cache that detects damage; a killed process never leaves one.

    Raises:
        WriteError: the disk is full or read-only.
    """
    temporary = sibling(path)
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_abandoned(path)
            # tempfile would create it readable by its owner only; touch() leaves the permissions to the umask
            temporary.touch(exist_ok=False)
            mode = temporary.stat().st_mode
            write(temporary)
            temporary.chmod(mode)
            if durable:
                sync(temporary)
            temporary.replace(path)
            if durable:
                sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def refuse_taken(path: Path) -> None:
    """Refuse to write over something; called before hours of work, too.

    Raises:
        TakenError: `path` exists.
    """
    if path.exists():
        raise TakenError(f"{path} exists already; choose another name or say that it may be replaced")


def sibling(path: Path) -> Path:
    """Return a new hidden path beside `path` for the temporary that will take its place."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")


def remove_abandoned(path: Path) -> None:
    """Remove temporaries of `path` that killed processes left: those untouched for `ABANDONED` seconds."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        if "." in left.stem.removeprefix(f".{path.name}."):
            # of another path, whose name begins with this one's and a dot
            continue
        with contextlib.suppress(OSError):
            if left.suffix in (".tmp", ".old") and time.time() - _last_touched(left) > ABANDONED:
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink()


def _last_touched(path: Path) -> float:
    return max(file.stat().st_mtime for file in (path, *path.glob("*")))


def sync(path: Path) -> None:
    """Wait until a file's data has reached the disk; only then is a rename atomic."""
    # Windows syncs only what is open for writing
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until a folder's names have reached the disk, where the system can sync folders."""
    with contextlib.suppress(OSError):
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
