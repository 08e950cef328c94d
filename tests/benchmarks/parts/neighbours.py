"""Neighbour queries a second among 100,000 images, against the bare matrix products that an exact search takes."""

import numpy as np

from core.runs.nearest import QUERIES, find_nearest
from tests.benchmarks.parts import Bench, in_turns
from tests.benchmarks.table import Row, named, seconds

BASE = 100_000
NEAREST = 10


def measure(bench: Bench) -> list[Row]:
    """In batches as the study asks, and one by one as a page does."""
    generator = np.random.default_rng(0)
    channels = 8 * bench.detector.width
    base = generator.normal(size=(BASE, channels)).astype(np.float16)
    queries = generator.normal(size=(min(QUERIES, bench.images), channels)).astype(np.float16)
    whole, asked = base.astype(np.float32), queries.astype(np.float32)
    batch, product, single = in_turns(
        bench.repeats,
        lambda: find_nearest(queries, base, NEAREST),
        lambda: asked @ whole.T,
        lambda: find_nearest(queries[:1], base, NEAREST),
    )
    return [
        Row(
            f"{len(queries):,} neighbour queries among {BASE:,} x {channels}, in one batch",
            f"{seconds(batch)} ({len(queries) / batch:.0f} queries/s); one query alone {1000 * single:.0f} ms",
            f"{named('numpy')}, the bare matrix product of an exact search: {seconds(product)}",
            f"{product / batch:.2f}",
        )
    ]
