"""Temporary files of the server: under the cache, the one folder that it must be able to write."""

import os
import tempfile
from functools import cache
from pathlib import Path

from streamlit import runtime

from core.system.atomic import cache_dir


@cache
def write_to_cache_only() -> None:
    """Have a running server keep temporary files, and what libraries keep of their own, under the cache, once.

    Uploads of over 1 MB pass through a temporary file, and matplotlib writes down which fonts there are.
    """
    folder = cache_dir() / "temporary"
    if not runtime.exists() or not _is_writable(folder):
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
