"""Temporary files of the server: under the cache, the one folder that it must be able to write."""

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from core.storage import ABANDONED, cache_dir


def write_to_cache_only() -> None:
    """Have this process keep temporary files, and what libraries keep of their own, under the cache.

    Uploads of over 1 MB pass through a temporary file, and matplotlib writes down which fonts there are.
    """
    folder = cache_dir() / "temporary"
    if not _is_writable(folder):
        return
    _forget(folder)
    tempfile.tempdir = str(folder)
    os.environ["TMPDIR"] = str(folder)
    os.environ.setdefault("MPLCONFIGDIR", str(folder / "matplotlib"))


def _forget(folder: Path) -> None:
    """Remove what processes left that were killed: unlike the system's own folder, no restart empties this one."""
    for left in folder.glob("tmp*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > ABANDONED:
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink()


def _is_writable(folder: Path) -> bool:
    """Check whether a file can be made in a folder, which is made where it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        # without a cache the system's own folder has to do
        return False
