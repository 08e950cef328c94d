"""The confusion matrix: four counts, each a button."""

from collections.abc import Callable, Collection

import numpy as np
from numpy.typing import NDArray

from core.images.labels import CLASSES
from dashboard.components.component import component, nothing
from dashboard.components.words import percent

_mount = component(__file__, "matrix")
WORDS = {
    ("FAKE", "FAKE"): "recognised",
    ("FAKE", "REAL"): "FAKE called REAL",
    ("REAL", "FAKE"): "REAL called FAKE",
    ("REAL", "REAL"): "recognised",
}


def confusion_matrix(
    counts: NDArray[np.int64],
    *,
    key: str,
    pressed: Collection[tuple[str, str]] | None = None,
    small: bool = False,
    on_open: Callable[[], None] = nothing,
) -> tuple[str, str] | None:
    """Draw [true][called] counts, FAKE first.

    Args:
        counts: int (2, 2).
        key: of the element.
        pressed: the (true, called) cells to show as chosen; None where the matrix filters nothing.
        small: a size that fits beside filters.
        on_open: called before the rerun that a click causes.

    Returns:
        The (true, called) cell that was just clicked, or None.
    """
    result = _mount(
        key=key,
        data={
            "cells": [_cell(counts, row, column, pressed, small=small) for row in (0, 1) for column in (0, 1)],
            "small": small,
            "chosen": pressed is not None,
        },
        on_open_change=on_open,
    )
    return clicked(result.open)


def clicked(value: object) -> tuple[str, str] | None:
    """Read the (true, called) cell of a click as the browser sent it, None for anything else."""
    if isinstance(value, dict) and value.get("truth") in CLASSES and value.get("said") in CLASSES:
        return value["truth"], value["said"]
    return None


def _cell(
    counts: NDArray[np.int64], row: int, column: int, pressed: Collection[tuple[str, str]] | None, *, small: bool
) -> dict[str, object]:
    label, predicted = CLASSES[row], CLASSES[column]
    count, total = int(counts[row, column]), int(counts[row].sum())
    share = count / total if total else 0.0
    alone = pressed is not None and set(pressed) == {(label, predicted)}
    of_label = f"{percent(share)} of {label}" if total else f"no {label}"
    words = f": {of_label}, images that are {label} and were called {predicted}"
    return {
        "truth": label,
        "said": predicted,
        "count": f"{count:,}",
        # beside a filter only the counts are worth their room
        "share": "" if small else of_label,
        "word": WORDS[label, predicted],
        "label": f"{words}. {'Show the others too' if alone else 'Show them'}.",
        "strength": round(0.12 + 0.4 * share, 3),
        "pressed": pressed is not None and (label, predicted) in pressed,
    }
