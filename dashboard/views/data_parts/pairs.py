"""Images beside their copies, each pair a button that opens the image."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.images.encoding import thumbnail_url
from core.images.labels import CLASSES, other_class
from core.runs.pictures import Pictures
from core.studies.copies.nearest_copy import NEAR
from dashboard.components.component import component, nothing, one_of
from dashboard.components.grid import FINEST
from dashboard.library import Opened

_mount = component(__file__, "pairs")


def pair_pictures(
    opened: Opened,
    pairs: pd.DataFrame,
    pictures: Pictures,
    *,
    training: Mapping[str, NDArray[np.uint8]] | None,
    key: str,
) -> str | None:
    """Draw pairs.

    Args:
        opened: the run.
        pairs: rows of `core.studies.audit.summary.copy_pairs`.
        pictures: where the run's pixels are.
        training: pixels of training images by identity; None where the copies are in the run itself.
        key: of the element.

    Returns:
        The id of the image that was just opened, or None.
    """
    drawn = []
    for pair in pairs.itertuples(index=False):
        row = opened.row_of(pair.id)
        if row is None:
            continue
        label = str(opened.table["label"].iloc[row])
        other = other_class(label) if pair.same == "other" else label
        left = _side(pictures.get(row), label, str(opened.table["name"].iloc[row]), "this image")
        if training is None:
            at = opened.row_of(pair.partner)
            # where copies have both classes, the pair counts as one of the other class whatever this copy is
            other = other if at is None else str(opened.table["label"].iloc[at])
            right = _side(None if at is None else pictures.get(at), other, pair.name, "same set")
        else:
            # a training image of CIFAKE is named after its class; elsewhere its copies' classes are all that is known
            other = folder if (folder := pair.name.partition("/")[0]) in CLASSES else other
            right = _side(training.get(pair.partner), other, pair.name, "training")
        note = (
            f"{64 - int(pair.bits)} of 64 bits of their hashes agree" if pair.kind == NEAR else "All pixels are equal"
        )
        clash = "Copies of both classes." if pair.same == "other" else ""
        clash = "Other class." if other != label else clash
        told = f"{clash} {note}.".lstrip()
        drawn.append(
            {
                "id": pair.id,
                "left": left,
                "right": right,
                "note": f"{note}.",
                "clash": clash,
                "label": f"{left['name']} ({label}) and {pair.name} ({other}): {told} Open the first.",
            }
        )
    result = _mount(key=key, data={"title": "Pairs of copies", "pairs": drawn}, on_open_change=nothing)
    return one_of(result.open, opened.rows)


def _side(image: NDArray[np.uint8] | None, label: str, name: str, where: str) -> dict[str, str | None]:
    source = None if image is None else thumbnail_url(image, FINEST)
    return {"source": source, "is": label, "name": name, "where": where, "alt": f"{label}, {name}"}
