"""Rows of the audit's table on copies: what the training images tell of the run's, and copies among themselves."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.separation import auroc, within_strata
from core.studies.audit.rows import Row, spread
from core.studies.copies.both_splits import Links, Part
from core.studies.copies.nearest_copy import nearest_copies


def leak_row(links: Links, own: Part, training: Part, margins: NDArray[np.float64], *, seed: int = 0) -> Row:
    """Measure how well remembering the training images, and nothing else, separates the classes of the run's images.

    An image with a copy or near copy there scores +1 (REAL) or -1 (FAKE) by the class of the nearest, or by the
    class that is not its own where it has equal copies of both; all others 0.

    Args:
        links: of both parts.
        own: the run's images.
        training: the training images.
        margins: (N,) of the detector.
        seed: of the shuffling of labels.
    """
    known = pd.concat([part.rows[["id", "name", "is_real"]] for part in (own, training)], ignore_index=True)
    found = nearest_copies(links, known, np.arange(len(known)) >= links.own)
    copied = found["class"].notna().to_numpy()
    other = (found["class"] == "other").to_numpy()
    scores = np.where(copied, np.where(own.is_real != other, 1, -1), 0)
    fresh = within_strata(margins[~copied], own.is_real[~copied], np.zeros((~copied).sum(), np.intp))
    row: dict[str, Any] = {"kind": "leak", "name": "leak", "images": len(own)}
    row |= {"count": int(copied.sum()), "other_class": int(other.sum())}
    row |= spread("auroc", auroc(scores, own.is_real))
    row |= spread("shuffled", auroc(scores, np.random.default_rng(seed).permutation(own.is_real)))
    return row | spread("matched_auroc", fresh.auroc) | spread("matched_accuracy", fresh.accuracy)


def training_copies(links: Links, own: Part, training: Part) -> Iterator[Row]:
    """Yield rows on copies within the training set, whose images are not among the run's rows.

    `count` is the number of images that repeat an earlier one or, for near copies, that have one; `other_class` is the
    number in a group or pair with both classes.
    """
    real = np.concatenate([own.is_real, training.is_real])
    there = np.arange(len(real)) >= links.own
    for name, group in (("training.file", links.file), ("training.pixels", links.shown)):
        groups = pd.DataFrame({"group": group[there], "real": real[there]}).groupby("group")["real"]
        counts = groups.agg(["size", "sum"])
        again = counts[counts["size"] > 1]
        mixed = again[(again["sum"] > 0) & (again["sum"] < again["size"])]
        yield {
            "kind": "copies", "name": name, "images": len(training),
            "count": int((again["size"] - 1).sum()), "other_class": int(mixed["size"].sum()),
        }  # fmt: skip
    linked, clashing = _near_in_training(links, real, there)
    yield {
        "kind": "copies", "name": "training.near", "images": len(training), "count": linked, "other_class": clashing,
    }  # fmt: skip


def _near_in_training(links: Links, real: NDArray[np.bool_], there: NDArray[np.bool_]) -> tuple[int, int]:
    """How many training images have a near copy among the training images, and how many one of the other class."""
    shown = links.shown[there]
    # of images with equal pixels one stands in the pairs for all
    reals, sizes = np.bincount(shown, real[there]), np.bincount(shown)
    one, other = links.shown[links.pairs.left], links.shown[links.pairs.right]
    count = max(len(sizes), *(int(side.max()) + 1 for side in (one, other) if len(side)), 1)
    reals, sizes = (np.pad(part, (0, count - len(part))) for part in (reals, sizes))
    inside = (sizes[one] > 0) & (sizes[other] > 0)
    one, other = one[inside], other[inside]
    fakes = sizes - reals
    clash = (reals[one] * fakes[other] + fakes[one] * reals[other]) > 0
    return tuple(  # type: ignore[return-value]
        int(np.isin(shown, np.concatenate([one[of], other[of]])).sum()) for of in (slice(None), clash)
    )
