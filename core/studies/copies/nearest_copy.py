"""The nearest copy of each image of a run, in its own set or among the training images, the surest kind first."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.studies.copies.both_splits import Links

# what an image may be of another, the surest first
FILE, SHOWN, NEAR, NONE, UNKNOWN = "same file", "same pixels", "near copy", "none", "not checked"


def nearest_copies(links: Links, known: pd.DataFrame, among: NDArray[np.bool_]) -> pd.DataFrame:
    """Find the nearest copy of each of the run's own images among others.

    Args:
        links: from `links_of`.
        known: `id`, `name` and `is_real` of all linked images.
        among: bool (N,), the images that copies are looked for among.

    Returns:
        A row for each of the run's own images: `kind` (`FILE`, `SHOWN`, `NEAR` or `NONE`), and of the nearest such
        image `class` ("same"; "other", also where copies have both), `name`, `id`, and `bits`, in how many of 64 bits
        their perceptual hashes differ; missing where there is none.
    """
    count = links.own
    real = known["is_real"].to_numpy(bool)
    kind = np.full(count, NONE, object)
    partner = np.full(count, -1)
    bits = np.full(count, np.nan, np.float32)
    mixed = np.zeros(count, bool)
    # the surer kinds are written last
    own, near, apart = _near(links, among)
    kind[own], partner[own], bits[own] = NEAR, near, apart
    for name, group in ((SHOWN, links.shown), (FILE, links.file)):
        found, which, differs = _equal(group, real, among, count)
        kind[found], partner[found], bits[found] = name, which, 0
        # a file's copies are among those with its pixels
        mixed[found] |= differs
    has = partner >= 0
    other = np.where(has, real[:count] != real[partner], False) | mixed
    return pd.DataFrame(
        {
            "kind": kind,
            "class": pd.Series(np.where(other, "other", "same")).where(has),
            "name": pd.Series(known["name"].to_numpy(object)[partner]).where(has),
            "id": pd.Series(known["id"].to_numpy(object)[partner]).where(has),
            "bits": bits.astype(np.float16),
        }
    )


def _near(links: Links, among: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Own images with a near copy, that copy, and the bits between them; the nearest copy of each."""
    pairs = links.pairs
    # a pair links everything with the pixels of one to everything with the pixels of the other
    members = pd.DataFrame({"group": links.shown, "at": np.arange(len(links.shown))})
    both = pd.DataFrame(
        {
            "asked": links.shown[np.concatenate([pairs.left, pairs.right])],
            "group": links.shown[np.concatenate([pairs.right, pairs.left])],
            "bits": np.concatenate([pairs.bits, pairs.bits]),
            "correlation": np.concatenate([pairs.correlation, pairs.correlation]),
        }
    )
    asked = members[members["at"] < links.own].rename(columns={"group": "asked", "at": "own"})
    found = both.merge(asked, on="asked").merge(members[among[members["at"].to_numpy()]], on="group")
    best = found.sort_values(["bits", "correlation"], ascending=[True, False], kind="stable").drop_duplicates("own")
    return best["own"].to_numpy(np.intp), best["at"].to_numpy(np.intp), best["bits"].to_numpy(np.float32)


def _equal(
    group: NDArray[np.intp], real: NDArray[np.bool_], among: NDArray[np.bool_], own: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    """Find the own images with an equal in `among`, the first equal, and whether any equal is of the other class."""
    candidates = np.flatnonzero(among)
    order = candidates[np.argsort(group[candidates], kind="stable")]
    kinds = group[order]
    starts, ends = (np.searchsorted(kinds, group[:own], side=side) for side in ("left", "right"))
    inside = among[:own]
    found = np.flatnonzero(ends - starts > inside)
    first = order[starts[found]]
    # the first of an image's equals may be the image itself
    first = np.where(first == found, order[np.minimum(starts[found] + 1, len(order) - 1)], first)
    reals = np.concatenate([[0], np.cumsum(real[order])])
    n_real = reals[ends[found]] - reals[starts[found]]
    n_all = ends[found] - starts[found]
    differs = np.where(real[found], n_real < n_all, n_real > 0)
    return found, first, differs
