"""Exact nearest neighbours by cosine distance: float32 products in blocks, no approximate index. Needs no torch.

The direction of a feature vector says which features are present, its length how strongly, which mostly reflects the
detector's confidence. Nothing is fitted to a set, so distances to two sets can be compared.
"""

from typing import NamedTuple

import numpy as np

from core.arrays import Array, Float32, Floats, Integers, Positions

# rows of the base at a time: with a few hundred queries the product fits a processor's cache
BLOCK = 4096
QUERIES = 512


class Nearest(NamedTuple):
    """The nearest rows of each query, nearest first.

    Attributes:
        rows: intp (Q, k), positions in the base; -1 where it has no more.
        distances: float32 (Q, k), 1 - cosine, 0 (same direction) to 2; infinite where the base has no more.
    """

    rows: Positions
    distances: Float32


def unit_rows(vectors: Array) -> Float32:
    """Scale rows to float32 (N, C) of length 1; a row of zeros stays zero, at distance 1 from all others."""
    rows = np.asarray(vectors, np.float32).reshape(len(vectors), -1)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return np.asarray(rows / np.where(lengths > 0, lengths, 1)[:, None], np.float32)


def find_nearest(
    queries: Array,
    base: Array,
    k: int,
    *,
    query_codes: Integers,
    base_codes: Integers,
) -> Nearest:
    """Find the `k` nearest rows of `base` for each query, by cosine distance.

    Args:
        queries: (Q, ...), any numbers; all axes but the first are flattened to one vector.
        base: (N, ...) of the same vectors, possibly a memory map; read block by block.
        k: number of rows, at least 1.
        query_codes, base_codes: integers (Q,) and (N,); rows with the query's own code are excluded, such as an image
            itself and its copies.

    Returns:
        Nearest first, ties in the order of the base. Which rows of a tie at the k-th place are found is unspecified.

    Raises:
        ValueError: `k` is below 1.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    distances = np.full((len(queries), k), np.inf, np.float32)
    rows = np.full((len(queries), k), -1, np.intp)
    # vectors of up to 32 x 32 pixels are compared in blocks of `BLOCK`, longer ones in smaller blocks
    block = max(1, min(BLOCK, BLOCK * 3072 // max(1, int(np.prod(base.shape[1:])))))
    for begin in range(0, len(base), block):
        units = unit_rows(base[begin : begin + block]).T
        for start in range(0, len(queries), QUERIES):
            part = slice(start, start + QUERIES)
            # rounding may give values slightly below zero
            near = np.maximum(1 - unit_rows(queries[part]) @ units, 0)
            near[query_codes[part][:, None] == base_codes[begin : begin + block]] = np.inf
            # merge only for queries with a nearer row in this block
            touched = np.flatnonzero((near < distances[part, -1:]).any(axis=1))
            if len(touched):
                few = np.argpartition(near[touched], min(k, near.shape[1]) - 1, axis=1)[:, :k]
                values = np.hstack([distances[start + touched], np.take_along_axis(near[touched], few, axis=1)])
                numbers = np.hstack([rows[start + touched], few + begin])
                order = np.lexsort((numbers, values), axis=1)[:, :k]
                distances[start + touched] = np.take_along_axis(values, order, axis=1)
                rows[start + touched] = np.take_along_axis(numbers, order, axis=1)
    rows[np.isinf(distances)] = -1
    return Nearest(rows, distances)


def halved(values: Floats) -> Floats:
    """Convert to float16 where that can hold the largest value with three digits; what is float16 stays as it is."""
    if values.dtype == np.float16:
        return values
    largest = np.abs(values).max(initial=0)
    kind = np.finfo(np.float16)
    if largest == 0 or 1024 * kind.tiny <= largest <= kind.max:
        return values.astype(np.float16)
    return values
