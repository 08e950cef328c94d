"""Temporary files of the server: under the cache, the one folder that it must be able to write."""

import os
import tempfile
from pathlib import Path

from core.system.atomic import cache_dir


def write_to_cache_only() -> None:
    """Have this process keep temporary files, and what libraries keep of their own, under the cache.

    Uploads of over 1 MB pass through a temporary file, and matplotlib writes down which fonts there are.
    """
    folder = cache_dir() / "temporary"
    if not _is_writable(folder):
        return
    tempfile.tempdir = str(folder)
    os.environ["TMPDIR"] = str(folder)
    os.environ.setdefault("MPLCONFIGDIR", str(folder / "matplotlib"))


def _is_writable(folder: Path) -> bool:
    """Check whether a file can be made in a folder, which is made where it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        # without a cache the system's own folder has to do
        return False
