"""Reference pictures: eight images stored with a detector, whose margins must be reproduced at every load."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.detectors.identity import REFERENCE
from core.images.decoding import decode
from core.images.preprocessing import Preprocessing
from core.images.sources import open_source
from core.storage import ContractError, read_array

if TYPE_CHECKING:
    from core.detectors.network import NetworkDetector

PICTURES = 8
# other devices and versions of libraries round differently; another network or preprocessing differs by far more
ABSOLUTE, RELATIVE = 0.01, 0.01


def reference_pictures(preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Eight pictures of the sample gallery, half of each class, at a detector's own size.

    Returns:
        uint8 (8, S, S, 3).

    Raises:
        DatasetError: the gallery is missing or damaged.
    """
    with contextlib.closing(open_source("sample")) as source:
        entries = source.entries("test")
        spread = np.linspace(0, len(entries) - 1, PICTURES).astype(int)
        return np.stack([preprocessing.fit(decode(source.read("test", entries[number]))) for number in spread])


def check_reference(path: Path, margins: Sequence[float], detector: "NetworkDetector") -> None:
    """Refuse a detector that no longer gives the margins it gave when it was added.

    Args:
        path: its folder, which holds the pictures.
        margins: as its manifest holds them.
        detector: as it was loaded.

    Raises:
        ContractError: the pictures cannot be read, or a margin differs.
    """
    try:
        pictures, before = read_array(path / REFERENCE), np.asarray(margins, np.float32)
        now = detector.margins(pictures)
        if before.shape != now.shape or not np.isfinite(before).all():
            raise ValueError("its manifest does not hold a margin for each")
        near = np.isclose(now, before, rtol=RELATIVE, atol=ABSOLUTE)
    except (OSError, ValueError, EOFError, TypeError) as error:
        raise ContractError(f"{path / REFERENCE} does not hold its reference pictures ({error}); restore it") from None
    if not near.all():
        number = int(np.argmin(near))
        raise ContractError(
            f"{path} gives its reference picture {number + 1} a margin of {now[number]:.3f} that was "
            f"{before[number]:.3f}: a library now computes something else; install those of then, or add it again"
        )
