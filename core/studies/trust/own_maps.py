"""Maps of a run's images that somebody has made with a method of their own, to be judged as one more."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.runs.run import Run
from core.storage import open_file, read_array
from core.studies.study import StudyError

# values along a side
MOST = 1024
FORM = "one map for each image of the run in its order, float (images, height, width), positive towards REAL"


def check_maps(path: Path, run: Run) -> str:
    """Check maps whole, and return the sha256 of their file.

    Raises:
        StudyError: as `read_maps`, or a value is not finite.
    """
    if not np.isfinite(read_maps(path, run)).all():
        raise StudyError(f"{path} has values that are not finite; replace them, for instance by 0")
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_maps(path: Path | str, run: Run) -> NDArray[np.floating]:
    """Open a user's maps, memory-mapped: float (N, h, w), one map for each row of a run, positive towards REAL.

    Raises:
        StudyError: it cannot be opened, is no array of floats, or is of another shape.
    """
    try:
        maps = read_array(Path(path), mapped=True)
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({error.strerror or error}); name an .npy file with --maps") from None
    except (ValueError, EOFError, OverflowError, MemoryError, SyntaxError):
        raise StudyError(f"{path} holds no array of numbers; save one with numpy.save: {FORM}") from None
    if not np.issubdtype(maps.dtype, np.floating):
        raise StudyError(f"{path} holds {maps.dtype} and no floats; save {FORM}")
    if maps.ndim != 3 or len(maps) != len(run) or not 0 < min(maps.shape[1:]) <= max(maps.shape[1:]) <= MOST:
        raise StudyError(f"{path} has the shape {maps.shape}, and {run.name} has {len(run)} images; save {FORM}")
    return maps
