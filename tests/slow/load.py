"""Many visitors at once: errors, wrong results, latency and memory of the real server over its real protocol.

python -m tests.slow.load [--minutes 5] [--browsers 8] [--explainers 3]

The server is started on a port and with a cache of its own. Those who browse open one page after another; those who
explain have one image after another explained on Mistakes, each under settings of its own. Between two pages each
pauses as a person does, three seconds on average; after ten pages a visitor leaves and another one comes. Latency is
measured at the client, until the page is whole; of LIME, until its panel shows a first answer under the settings asked
for, and until that is complete. Afterwards every explanation is computed again alone and compared.
"""

import argparse
import asyncio
import contextlib
import io
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.detectors.storage import load_detector
from core.explainers.lime import LIME, LimeSettings
from core.runs.folders import find_detectors, find_runs
from core.runs.run import read_run
from dashboard.components.component import key_of
from tests.server import running_server
from tests.visitor import Trouble, Visitor, has_key

BROWSED = ("", "mistakes", "mistakes", "reads", "maps", "detectors", "help")
EXPLAINED = ("sample@sample-test", "swift@sample-test")
# how many pages a visitor looks at before leaving
STAY = 10
# mean pause between two pages, and the most that a visitor waits for an explanation, in seconds
PAUSE, PATIENCE = 3.0, 300.0
# a number that floating-point sums in another order may move by
TOLERANCE = 1e-4


@dataclass
class Records:
    """What was measured: (what, seconds it took), errors, explanations to check with what they are of."""

    ends: float
    times: list[tuple[str, float]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    cases: list[tuple[str, NDArray[np.uint8], LimeSettings, bytes]] = field(default_factory=list)


async def visit(address, name, records, act):
    """Visitors who come one after another until the time is up, and look at some pages each."""
    chance = random.Random(name)
    while time.perf_counter() < records.ends:
        visitor = Visitor(address)
        try:
            async with visitor:
                for _ in range(STAY):
                    await asyncio.sleep(chance.expovariate(1 / PAUSE))
                    if time.perf_counter() > records.ends:
                        break
                    await act(visitor, chance, records)
        except (Trouble, OSError) as error:
            records.errors.append(f"{name}: {error}")
        records.errors += [f"{name}: {sentence}" for sentence in visitor.troubles]


async def browse(visitor, chance, records):
    """Open a page of any run."""
    seconds = await visitor.open(chance.choice(BROWSED), run=chance.choice(list(find_runs())))
    records.times.append(("a page", seconds))


async def explain(visitor, chance, records):
    """Have an image explained, and keep what came for the check."""
    run = read_run(find_runs()[chance.choice(EXPLAINED)])
    row, detector = chance.randrange(len(run)), run.manifest["detector"]
    settings = LimeSettings(
        seed=chance.randrange(10_000), n_samples=chance.choice((128, 512)), n_segments=chance.randrange(10, 100, 2)
    )
    given = {f"lime.{name}": str(getattr(settings, name)) for name in ("seed", "n_samples", "n_segments")}
    begun = time.perf_counter()
    await visitor.open("mistakes", run=run.path.name, id=str(run.predictions["id"][row]), **given)
    key = key_of("lime", detector)
    await until(lambda: has_map(visitor, key), visitor, "LIME's first colours")
    records.times.append(("LIME, first colours", time.perf_counter() - begun))
    await until(lambda: visitor.has(f"{key}.files.npz"), visitor, "LIME's file")
    records.times.append(("LIME, complete", time.perf_counter() - begun))
    numbers = await press(visitor, f"{key}.files.npz")
    records.cases.append((detector, run.images[row], settings, numbers))


def has_map(visitor, key):
    """Whether a panel shows a map under the present settings, or has ended without one; the last one's is dimmed."""
    shown = (widget for _, widget, _ in visitor.widgets() if has_key(widget, f"{key}.picture"))
    return visitor.has(f"{key}.files.npz") or any(not json.loads(widget.json)["dim"] for widget in shown)


async def until(is_there, visitor, what):
    """Wait until something is on the page."""
    ends = time.perf_counter() + PATIENCE
    while not (is_there() or visitor.troubles):
        if time.perf_counter() > ends:
            raise Trouble(f"{what} did not come within {PATIENCE} s")
        await asyncio.sleep(0.05)


async def press(visitor, key):
    """Download a file as a person would, who presses again where a redraw has just taken the button away."""
    with contextlib.suppress(Trouble):
        return await visitor.download(key)
    await until(lambda: visitor.has(key), visitor, key)
    return await visitor.download(key)


def wrong(records):
    """A sentence on each explanation that differs from the same one computed alone."""
    sentences = []
    for name, image, settings, numbers in records.cases:
        got = np.load(io.BytesIO(numbers), allow_pickle=False)
        if json.loads(str(got["about"]))["settings"] != settings.model_dump():
            sentences.append(f"{name}, {settings}: explained under other settings")
            continue
        alone = LIME.explain_fully(load_detector(find_detectors()[name], device="cpu"), image, settings)
        parts = {part: getattr(alone.parts, part) for part in ("weights", "low", "high", "regions", "decisions")}
        for part, values in {"image": image, "values": alone.values, **parts}.items():
            if got[part].shape != values.shape or np.abs(got[part].astype(float) - values).max() > TOLERANCE:
                sentences.append(f"{name}, {settings}: other {part}")
    return sentences


def resident(process):
    """Memory that a process holds, in MB."""
    kilobytes = subprocess.run(["ps", "-o", "rss=", "-p", str(process)], capture_output=True, text=True, check=True)
    return int(kilobytes.stdout) / 1024


async def load(address, options):
    """Let them all come."""
    records = Records(ends=time.perf_counter() + 60 * options.minutes)
    visits = [visit(address, f"browser {number}", records, browse) for number in range(options.browsers)]
    visits += [visit(address, f"explainer {number}", records, explain) for number in range(options.explainers)]
    await asyncio.gather(*visits)
    return records


def main():
    """Measure; 0 where there was no error and no wrong result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--browsers", type=int, default=8)
    parser.add_argument("--explainers", type=int, default=3)
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, streamlit {st.__version__}; {vars(options)}", flush=True)
    with tempfile.TemporaryDirectory() as folder, running_server(cache=Path(folder)) as (address, process):
        records = asyncio.run(load(address, options))
        print(f"memory: {resident(process):.0f} MB at the end; {len(records.errors)} errors")
    times = pd.DataFrame(records.times, columns=["what", "seconds"]).groupby("what")["seconds"]
    print(times.describe(percentiles=[0.5, 0.95, 0.99]).drop(columns=["std", "min"]).round(2))
    problems = [*dict.fromkeys(records.errors), *wrong(records)]
    print(*problems, f"{len(records.cases)} explanations compared", sep="\n")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
