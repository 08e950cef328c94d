"""Many visitors at once: errors, wrong results, latency and memory of the real server over its real protocol.

python -m tests.slow.load [--minutes 5] [--browsers 20] [--explainers 4] [--think 3]
python -m tests.slow.load --inspect-at-once 4,8,16,30 [--run swift@cifake-test]

The server is started on a port and with a cache of its own. Those who browse turn pages of Overview, Explore, Evidence,
Patterns, Data, Trust and Guide and set their widgets; those who explain have one image after another explained on
Inspect and Upload under changing settings. Between two interactions each pauses as a person does, exponentially with a
mean of `--think` seconds; a visitor leaves after about twenty pages and another one comes. Latency is measured at the
client, until the page is whole. Afterwards every explanation that was waited for is computed again alone and compared,
numbers and picture.
"""

import argparse
import asyncio
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import streamlit as st

from core.runs.folders import find_runs
from tests.server import running_server
from tests.slow.load_at_once import at_once
from tests.slow.load_roles import BROWSED, Gallery, Records, browse, check, explain
from tests.visitor import Trouble, Visitor

EXPLAINED = ("sample@sample-test", "swift@sample-test")
# shares of the whole time after which everything has been read once
WARM = 0.2


def resident(process: int) -> float:
    """Memory that a process holds, in MB."""
    kilobytes = subprocess.run(["ps", "-o", "rss=", "-p", str(process)], capture_output=True, text=True, check=True)
    return int(kilobytes.stdout) / 1024


async def watch_memory(process: int, records: Records, samples: list[tuple[float, float]]) -> None:
    """Note the memory every second."""
    while True:
        samples.append((records.now, await asyncio.to_thread(resident, process)))
        await asyncio.sleep(1)


async def wait_for_pictures(address: str) -> None:
    """Wait until a new server has read CIFAKE's pictures, if any; that is not what is measured."""
    async with Visitor(address) as visitor:
        await visitor.open("")
        while any("Reading pictures" in element.progress.text for element, _ in list(visitor.elements.values())):
            await asyncio.sleep(1)
        if visitor.troubles:
            raise Trouble(visitor.troubles[0])


def processor_seconds(process: int) -> float:
    """Processor time that a process has taken, in seconds."""
    told = subprocess.run(["ps", "-o", "time=", "-p", str(process)], capture_output=True, text=True, check=True).stdout
    days, _, clock = told.strip().rpartition("-")
    seconds = 0.0
    for part in clock.split(":"):
        seconds = 60 * seconds + float(part)
    return 86_400 * int(days or 0) + seconds


async def inspect_at_once(address: str, process: int, run: str, levels: Sequence[int]) -> bool:
    """Open Inspect for N visitors at once, for each N in `levels`; True if there was no error."""
    await wait_for_pictures(address)
    heads = ("visitors on Inspect at once", "page", "first colours", "whole", "bystander", "its pages", "processor")
    print(f"\n| {' | '.join(heads)} | errors |\n{'| --- ' * (len(heads) + 1)}|")
    rounds = await at_once(address, run, levels, lambda: processor_seconds(process))
    for sentence in dict.fromkeys(sentence for found in rounds for sentence in found.errors):
        print(f"- {sentence}")
    return not any(found.errors for found in rounds)


async def load(address: str, process: int, options: argparse.Namespace) -> tuple[Records, list[tuple[float, float]]]:
    """Let them all come."""
    await wait_for_pictures(address)
    runs, shown = list(find_runs()), [Gallery.of(name) for name in EXPLAINED]
    records, memory = Records(), []
    until = 60 * options.minutes
    memory_watch = asyncio.create_task(watch_memory(process, records, memory))
    visitors = [
        *(
            browse(address, number, runs, records, until=until, think=options.think)
            for number in range(options.browsers)
        ),
        *(
            explain(address, number, shown[number // 2 % len(shown)], records, until=until, think=options.think)
            for number in range(options.explainers)
        ),
    ]
    await asyncio.gather(*visitors)
    memory_watch.cancel()
    return records, memory


def line(what: str, seconds: Sequence[float]) -> str:
    """One row of the table: how many, and the seconds that half, 95 and 99 of 100 of them took at most."""
    if not seconds:
        return f"| {what} | 0 | | | | |"
    p50, p95, p99 = np.percentile(seconds, (50, 95, 99))
    return f"| {what} | {len(seconds):,} | {p50:.3f} | {p95:.3f} | {p99:.3f} | {max(seconds):.3f} |"


def report(records: Records, memory: list[tuple[float, float]], at_start: float, minutes: float) -> None:
    """Print what was measured."""
    warm = WARM * 60 * minutes
    late = [(page, seconds) for when, page, seconds in records.browsing if when >= warm]
    early = [seconds for when, _, seconds in records.browsing if when < warm]
    print("\n| seconds at the client | interactions | p50 | p95 | p99 | slowest |")
    print("| --- | --- | --- | --- | --- | --- |")
    print(line("browsing, while explanations run", [seconds for _, seconds in late]))
    for page in dict.fromkeys(BROWSED):
        print(line(f"- {page or 'overview'}", [seconds for name, seconds in late if name == page]))
    print(line(f"browsing, first {warm:.0f} s, everything opened for the first time", early))
    print(line("browsing, all the time", [seconds for _, _, seconds in records.browsing]))
    explained = {
        "Grad-CAM of layer 1 to 3": records.cams,
        "LIME, first result": records.first,
        "LIME, final result": records.final,
    }
    spans = {"": (warm, np.inf), f", first {warm:.0f} s": (0, warm), ", all the time": (0, np.inf)}
    for span, (begins, ends) in spans.items():
        for what, measured in explained.items():
            print(line(f"{what}{span}", [seconds for when, seconds in measured if begins <= when < ends]))
    total = len(records.browsing) + len(records.first)
    print(f"\n| interactions | {total:,} by {records.visits} visitors, {records.received / 1e6:,.0f} MB sent |")
    print("| --- | --- |")
    print(f"| errors | {len(records.errors)} |")
    print(f"| moved on before the final result | {records.left} |")
    print(f"| clicked on the file of the settings before, or while it was drawn anew | {records.early} |")
    when, held = np.array(memory).T
    after = when >= warm
    levels = ", ".join(f"{level:.0f}" for level in (at_start, held[after][0], held[-1], max(held)))
    print(f"| memory (MB): new server, warm, end, most | {levels} |")
    for sentence in list(dict.fromkeys(records.errors))[:20]:
        print(f"- {sentence}")
    print(f"\nComputing {len(records.cases):,} explanations again", flush=True)


def main() -> None:
    """Measure; the exit code says whether there was no error and no wrong result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--browsers", type=int, default=20)
    parser.add_argument("--explainers", type=int, default=4)
    parser.add_argument("--think", type=float, default=3, help="mean pause between two interactions, in seconds")
    parser.add_argument(
        "--inspect-at-once",
        type=lambda text: [int(number) for number in text.split(",")],
        metavar="N,N,...",
        help="instead: so many open Inspect in the same moment; the slowest of each in seconds",
    )
    parser.add_argument("--run", default="swift@cifake-test", help="whose images those inspect; it needs pictures")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--cache", type=Path, help="a folder to keep; a new one when left out")
    parser.add_argument("--log", type=Path, default=Path(tempfile.gettempdir()) / "telltale-load.log")
    options = parser.parse_args()
    who = f"{options.inspect_at_once} on Inspect at once"
    if not options.inspect_at_once:
        who = f"{options.browsers} browse, {options.explainers} explain, {options.minutes:g} minutes, pauses of "
        who += f"{options.think:g} s on average"
    print(
        f"{who}; {platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, streamlit {st.__version__}; the server's log: {options.log}",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        cache = options.cache or Path(folder)
        with running_server(cache=cache, log=options.log, port=options.port) as (address, process):
            if options.inspect_at_once:
                sys.exit(not asyncio.run(inspect_at_once(address, process, options.run, options.inspect_at_once)))
            at_start = resident(process)
            records, memory = asyncio.run(load(address, process, options))
    # report first, so that interrupting the check below loses nothing
    report(records, memory, at_start, options.minutes)
    wrong = check(records.cases)
    print(f"Wrong: {len(wrong)} of {len(records.cases):,}")
    print("".join(f"- {sentence}\n" for sentence in wrong[:20]), end="")
    sys.exit(bool(records.errors or wrong))


if __name__ == "__main__":
    main()
