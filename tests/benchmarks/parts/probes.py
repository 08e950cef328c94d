"""Images a second of the probe pass, against bare forwards of as many images (at least 0.8 of them)."""

import numpy as np

from core.perturbations.table import probe_columns
from core.studies.probes import STUDY, compute
from tests.benchmarks.parts import Bench, in_turns
from tests.benchmarks.table import Row, seconds


def measure(bench: Bench) -> list[Row]:
    """The pass edits, measures and judges every image under every strength of every probe."""
    context = bench.context()
    detector, judged = context.detector, len(probe_columns())
    shards = [np.arange(at, min(at + STUDY.shard, bench.images)) for at in range(0, bench.images, STUDY.shard)]

    def probe() -> None:
        for rows in shards:
            compute(context, rows, STUDY.parameters)

    def bare() -> None:
        for rows in shards:
            for _ in range(judged):
                detector.margins(context.pixels[rows])

    detector.margins(context.pixels[:256])
    ours, theirs = in_turns(bench.repeats, probe, bare)
    forwards = bench.images * judged
    return [
        Row(
            f"Probes: {judged} changes of each of {bench.images} images edited, measured and judged",
            f"{seconds(ours)} ({forwards / ours:.0f} versions/s)",
            ratio=f"{theirs / ours:.3f} (limit over ours)",
            asked="at least 0.8",
            limit=f"{seconds(theirs)} ({forwards / theirs:.0f} versions/s)",
        )
    ]
