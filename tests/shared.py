"""What several files of tests only read and takes long to make: made once, whichever worker asks first."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that all workers of this session share.

    Args:
        factory: pytest's, of any worker.
        name: of the folder.
        make: fills it; the others wait meanwhile.
    """
    # each worker's own folder lies in the session's
    session = factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else factory.getbasetemp()
    folder, whole = session / name, session / f"{name}.whole"
    with FileLock(session / f"{name}.lock"):
        if not whole.exists():
            # what another has left half made
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            whole.touch()
    return folder
