"""Neighbour queries a second among 100,000 images, against the bare matrix products that an exact search takes."""

import numpy as np

from core.nearest import QUERIES, find_nearest
from tests.benchmarks.parts import Bench, in_turns

BASE = 100_000
NEAREST = 10


def measure(bench: Bench) -> None:
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
    print(
        f"neighbours: {len(queries) / batch:.0f} queries/s among {BASE:,} x {channels}, {batch / product:.2f} times "
        f"the seconds of the bare product; one query alone {1000 * single:.0f} ms"
    )
