"""One writer at a time for what takes hours to make."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from core.system.atomic import TakenError, WriteError


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Within it, no other process writes `path`; one that is killed lets go of it.

    Raises:
        TakenError: another process is at it.
        WriteError: the folder that is to hold it cannot be written.
    """
    file = path.with_name(f".{path.name}.lock")
    lock = FileLock(file, timeout=0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise TakenError(f"{path} is being written by another process; choose another name") from None
    except OSError as error:
        raise WriteError(error.errno, error.strerror, str(path.parent)) from error
    try:
        yield
    finally:
        # while it is still held, and nobody waits for it; where an open file cannot be removed it stays
        with suppress(OSError):
            file.unlink()
        lock.release()
