"""What ten times as many images cost: studies over 1,000 and over 10,000 images, in seconds an image."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from core.detectors.resnet import ResNetDetector
from core.detectors.resnet18 import build_network
from core.perturbations.flips import tell
from core.perturbations.probe import size_column
from core.perturbations.table import probe_columns
from core.studies.neighbours.study import STUDY as NEIGHBOURS
from core.studies.neighbours.study import searched
from core.studies.probes import STUDY as PROBES
from core.studies.probes import conclude
from core.studies.study import WEIGHT, Context, Study
from tests.benchmarks.parts import Bench, seconds_of
from tests.benchmarks.table import Row

SIZES = (1000, 10000)


def measure(bench: Bench) -> list[Row]:
    """Forwards grow with the images and are timed elsewhere; here a network of width 1 leaves what may grow faster."""
    small = replace(bench, detector=ResNetDetector(build_network(1, seed=0), 1))
    costs: dict[str, list[float]] = {}
    few_images, many_images = sizes = (20, 200) if bench.quick else SIZES
    for size in sizes:
        context = small.context(size)
        costs.setdefault("probes", []).append(_shards(PROBES, context) / size)
        costs.setdefault("sentences of probes", []).append(_sentences(context) / size)
        searched.cache_clear()
        costs.setdefault("neighbours, each among all", []).append(_shards(NEIGHBOURS, context) / size)
    return [
        Row(
            f"Growth of {name}, {few_images:,} to {many_images:,} images, on a network of width 1",
            f"{1000 * few:.3f} ms and {1000 * many:.3f} ms an image",
            ratio=f"{many / few:.2f} (an image of many over one of few)",
        )
        for name, (few, many) in costs.items()
    ]


def _shards(study: Study, context: Context) -> float:
    starts = range(0, len(context.run), study.shard)
    shards = [np.arange(at, min(at + study.shard, len(context.run))) for at in starts]
    return seconds_of(lambda: [study.compute(context, rows, study.parameters) for rows in shards])


def _sentences(context: Context) -> float:
    generator = np.random.default_rng(0)
    images = len(context.run)
    margins = pd.DataFrame({name: generator.normal(size=images).astype(np.float16) for name in probe_columns()})
    sizes = pd.DataFrame({size_column(name): np.full(images, 3, np.float16) for name in probe_columns()})
    called: Any = (context.run.predictions["predicted"] == "REAL").to_numpy()
    ids = context.run.predictions[["id"]]
    table = pd.concat([ids, tell(margins, sizes, called), margins, sizes], axis=1).assign(**{WEIGHT: np.float32(1)})
    return seconds_of(lambda: conclude(context.run, table, PROBES.parameters))
