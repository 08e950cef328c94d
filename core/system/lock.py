"""A file lock, so that only one process at a time writes a result that takes hours to compute."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from core.system.atomic import TakenError, WriteError


@contextmanager
def only_writer(path: Path, *, remedy: str = "choose another name") -> Iterator[None]:
    """Keep other processes from writing `path`; a killed process releases the lock.

    Args:
        path: that is going to be written.
        remedy: what to do where another process is writing it.

    Raises:
        TakenError: another process is writing it.
        WriteError: its parent folder cannot be written.
    """
    file = path.with_name(f".{path.name}.lock")
    lock = FileLock(file, timeout=0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise TakenError(f"{path} is being written by another process; {remedy}") from None
    except OSError as error:
        raise WriteError(error.errno, error.strerror, str(path.parent)) from error
    held = file.stat().st_ino
    try:
        yield
    finally:
        # deleted while still locked; the lock file remains where open files cannot be deleted. Where the folder was
        # replaced, a file of that name is another process's lock
        with suppress(OSError):
            if file.stat().st_ino == held:
                file.unlink()
        lock.release()
