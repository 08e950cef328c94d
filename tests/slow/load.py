"""Many visitors at once: errors, wrong results, latency and memory of the real server over its real protocol.

python -m tests.slow.load [--minutes 5] [--browsers 8] [--explainers 3]
python -m tests.slow.load --at-once 4,8,16,30

The server is started on a port and with a cache of its own. Those who browse turn pages and set their widgets; those
who explain have one image after another explained on Mistakes and Try a picture under changing settings. Between two
interactions each pauses as a person does, three seconds on average; a visitor leaves after about twenty pages and
another one comes. Latency is measured at the client, until the page is whole; of LIME, until its panel shows a first
answer under the settings asked for, and until that is complete. The first minute is not counted. Afterwards every
explanation is computed again alone and compared. With `--at-once`, so many open one image each in the same moment.
"""

import argparse
import asyncio
import io
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from core.detectors.storage import load_detector
from core.explainers.cam import CamSettings
from core.explainers.lime.regions import LimeSettings
from core.explainers.registry import find_explainer
from core.images.decoding import decode
from core.images.encoding import encode_png
from core.images.preprocessing import Preprocessing, prepare_pixels
from core.runs.folders import find_detectors, find_runs
from core.runs.run import read_run
from dashboard.components.component import key_of
from tests.server import running_server
from tests.visitor import Trouble, Visitor

BROWSED = ("", "mistakes", "mistakes", "reads", "maps", "detectors", "help")
EXPLAINED = ("sample@sample-test", "swift@sample-test")
# how many pages a visitor looks at before leaving; another one comes then
STAY = 30
# mean pause between two interactions, and the most that a visitor waits for an explanation, in seconds
PAUSE, PATIENCE = 3.0, 300.0
# seconds that are not counted: the server reads its detectors and studies for the first time
FIRST = 60.0
# a number that floating-point sums in another order may move by
TOLERANCE = 1e-4
METHODS = {"lime": LimeSettings, "gradcam": CamSettings}


@dataclass
class Records:
    """What was measured: (what, seconds it took) of what ended after `begins`, errors, and explanations to check."""

    begins: float
    ends: float
    times: list[tuple[str, float]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    cases: list[tuple[str, NDArray[np.uint8], str, dict[str, Any], bytes]] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.perf_counter() > self.ends

    def count(self, what: str, seconds: float) -> None:
        """Keep what took so long, unless the first minute is not over."""
        if time.perf_counter() > self.begins:
            self.times.append((what, seconds))


Act = Callable[[Visitor, random.Random], Awaitable[None]]


async def visit(address: str, name: str, records: Records, act: Act) -> None:
    """Visitors who come one after another until the time is up, and do something about ten times each."""
    chance = random.Random(name)
    while not records.is_over:
        await asyncio.sleep(chance.expovariate(1 / PAUSE))
        visitor = Visitor(address)
        try:
            async with visitor:
                for _ in range(chance.randrange(STAY // 2, STAY)):
                    if records.is_over or visitor.troubles:
                        break
                    await act(visitor, chance)
                    await asyncio.sleep(chance.expovariate(1 / PAUSE))
        except (Trouble, OSError) as error:
            records.errors.append(f"{name}: {error}")
        records.errors += [f"{name}: {sentence}" for sentence in visitor.troubles]


def browse(runs: list[str], records: Records) -> Act:
    """Open a page, then filter, sort and turn pages."""

    async def act(visitor: Visitor, chance: random.Random) -> None:
        if visitor.elements:
            seconds = await _look_further(visitor, chance)
        else:
            seconds = await visitor.open(chance.choice(BROWSED), run=chance.choice(runs))
        records.count("browsing", seconds)

    return act


async def _look_further(visitor: Visitor, chance: random.Random) -> float:
    """Turn to another page, or set one of the widgets of this one; the seconds that it took."""
    values = [
        (widget.id, fragment, value)
        for kind, widget, fragment in visitor.widgets()
        # another run is another visitor's
        if not widget.id.endswith("url.run") and (value := some_value(kind, widget, chance))
    ]
    if not values or chance.random() < 0.35:
        return await visitor.turn_to(chance.choice(BROWSED))
    id_, fragment, value = chance.choice(values)
    return await visitor.change(id_, fragment, **value)


def some_value(kind: str, widget: Any, chance: random.Random) -> dict[str, Any]:
    """Something else that a widget could be set to, {} for what is no setting."""
    if getattr(widget, "disabled", False):
        return {}
    options = list(getattr(widget, "options", ()))
    if kind == "selectbox" and options:
        return {"string_value": chance.choice(options)}
    if kind == "button_group" and options:
        return {"string_array_value": [chance.choice(options).content]}
    if kind == "slider" and options:
        # a browser sends the chosen option's text
        return {"string_array_value": [chance.choice(options)]}
    if kind == "slider":
        steps = int((widget.max - widget.min) / widget.step)
        ends = sorted(widget.min + widget.step * chance.randint(0, steps) for _ in widget.default)
        return {"double_array_value": [min(end, widget.max) for end in ends]}
    return {"bool_value": chance.random() < 0.5} if kind == "checkbox" else {}


async def explain(visitor: Visitor, chance: random.Random, *, run: str, records: Records, uploads: bool) -> None:
    """Have an image explained, then under another seed and another fill; keep what came for the check."""
    opened = read_run(find_runs()[run])
    detector, row = opened.manifest["detector"], chance.randrange(len(opened))
    if opened.images is None:
        raise SystemExit(f"{run} ships no images; name a run that does, such as sample@sample-test.")
    image = np.asarray(opened.images[row])
    wanted = {
        "run": run,
        "lime.seed": str(chance.randrange(10_000)),
        "lime.n_samples": chance.choice(("128", "512")),
        "lime.n_segments": str(chance.randrange(10, 100, 2)),
        "gradcam.layer": chance.choice(("layer1", "layer2")),
    }
    begun = time.perf_counter()
    if uploads:
        # a picture that nobody has uploaded before
        noise = np.random.default_rng(chance.randrange(2**32)).integers(-6, 7, (97, 97, 3))
        large = np.asarray(Image.fromarray(image).resize((97, 97)), np.int16)
        data = encode_png(np.clip(large + noise, 0, 255).astype(np.uint8))
        image = prepare_pixels(decode(data), Preprocessing(32)).seen("bicubic")
        await visitor.open("try_picture", by=detector, open="maps", **wanted)
        begun = time.perf_counter()
        await visitor.upload(f"picture-{row}.png", data, key="upload.files")
    else:
        await visitor.open("mistakes", id=str(opened.predictions["id"][row]), **wanted)
    for change in range(chance.randint(1, 3)):
        if change:
            await visitor.wait_for("url.lime.seed")
            fill = next(widget for widget in visitor.widgets() if widget[1].id.endswith("-url.lime.fill"))
            await visitor.change(fill[1].id, fill[2], **some_value(fill[0], fill[1], chance))
            begun, (seed, fragment) = time.perf_counter(), visitor.find("url.lime.seed")
            await visitor.change(seed.id, fragment, double_value=float(chance.randrange(10_000)))
        for method in METHODS:
            settings, key = settings_of(method, visitor.parameters), key_of(method, detector)
            if method == "lime":
                await first_colours(visitor, f"{key}.picture")
                records.count("LIME, first colours", time.perf_counter() - begun)
            numbers = await numbers_of(visitor, f"{key}.files.npz", settings)
            if method == "lime":
                records.count("LIME, complete", time.perf_counter() - begun)
            records.cases.append((detector, image, method, settings, numbers))


def settings_of(method: str, parameters: dict[str, str]) -> dict[str, Any]:
    """A method's settings as an address sets them."""
    own = {name.partition(".")[2]: value for name, value in parameters.items() if name.startswith(f"{method}.")}
    numbers = {name: int(value) if value.isdigit() else value for name, value in own.items()}
    return METHODS[method](**numbers).model_dump()


async def first_colours(visitor: Visitor, key: str) -> None:
    """Wait until a panel shows a map under the present settings; one of the settings before is dimmed."""
    ends = time.perf_counter() + PATIENCE
    while time.perf_counter() < ends and not visitor.troubles:
        if visitor.has(key) and not json.loads(visitor.find(key)[0].json)["dim"]:
            return
        await asyncio.sleep(0.05)
    raise Trouble(f"{key} showed nothing within {PATIENCE} s")


async def numbers_of(visitor: Visitor, key: str, settings: dict[str, Any]) -> bytes:
    """The file behind a button once it is that of these settings; until then it may be that of the ones before."""
    ends = time.perf_counter() + PATIENCE
    while time.perf_counter() < ends and not visitor.troubles:
        try:
            numbers = await visitor.download(visitor.find(key)[0].id)
            if json.loads(str(np.load(io.BytesIO(numbers))["about"]))["settings"] == settings:
                return numbers
        except Trouble:
            pass
        await asyncio.sleep(0.3)
    raise Trouble(f"{key} could not be downloaded within {PATIENCE} s")


def wrong(records: Records) -> list[str]:
    """A sentence on each explanation that differs from the same one computed alone."""
    detectors = {
        name: load_detector(find_detectors()[name], device="cpu") for name in {case[0] for case in records.cases}
    }
    sentences = []
    for name, image, method, settings, numbers in records.cases:
        got = np.load(io.BytesIO(numbers), allow_pickle=False)
        alone = find_explainer(method).explain_fully(detectors[name], image, METHODS[method](**settings))
        expected: dict[str, Any] = {"image": image, "values": alone.values}
        if alone.parts is not None:
            expected |= {
                part: getattr(alone.parts, part) for part in ("weights", "low", "high", "regions", "decisions")
            }
        for part, values in expected.items():
            if got[part].shape != values.shape or np.abs(got[part].astype(float) - values).max() > TOLERANCE:
                sentences.append(f"{name}, {settings}: other {part}")
    return sentences


def resident(process: int) -> float:
    """Memory that a process holds, in MB."""
    kilobytes = subprocess.run(["ps", "-o", "rss=", "-p", str(process)], capture_output=True, text=True, check=True)
    return int(kilobytes.stdout) / 1024


async def all_at_once(address: str, count: int, records: Records) -> None:
    """`count` visitors have an image explained in the same moment, while one more turns pages."""

    async def stand_by() -> None:
        async with Visitor(address) as visitor:
            await visitor.open("mistakes", run=EXPLAINED[1])
            while True:
                records.count(f"{count} at once, a bystander's page", await visitor.turn_to("maps"))
                await asyncio.sleep(0.5)

    async def come(number: int) -> None:
        begun = time.perf_counter()
        async with Visitor(address) as visitor:
            chance = random.Random(f"{count} {number}")
            await explain(visitor, chance, run=EXPLAINED[1], records=records, uploads=False)
        records.count(f"{count} at once, all they asked for", time.perf_counter() - begun)

    watching = asyncio.create_task(stand_by())
    outcomes = await asyncio.gather(*(come(number) for number in range(count)), return_exceptions=True)
    watching.cancel()
    records.errors += [str(outcome) for outcome in outcomes if outcome is not None]


async def load(address: str, options: argparse.Namespace) -> Records:
    """Let them all come, once the server has read its pictures."""
    async with Visitor(address) as visitor:
        await visitor.open("")
        while any("Reading pictures" in element.progress.text for element, _ in list(visitor.elements.values())):
            await asyncio.sleep(1)
    now = time.perf_counter()
    records = Records(begins=now + (0 if options.at_once else options.leave_out), ends=now + 60 * options.minutes)
    for count in options.at_once:
        await all_at_once(address, count, records)
    if options.at_once:
        return records
    look = browse(list(find_runs()), records)
    visits = [visit(address, f"browser {number}", records, look) for number in range(options.browsers)]
    for number in range(options.explainers):
        act = partial(explain, run=EXPLAINED[number % 2], records=records, uploads=bool(number // 2 % 2))
        visits.append(visit(address, f"explainer {number}", records, act))
    await asyncio.gather(*visits)
    return records


def main() -> int:
    """Measure; 0 where there was no error and no wrong result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--browsers", type=int, default=8)
    parser.add_argument("--explainers", type=int, default=3)
    parser.add_argument("--leave-out", type=float, default=FIRST, metavar="SECONDS")
    numbers = {"type": lambda text: [int(number) for number in text.split(",")], "default": [], "metavar": "N,N,..."}
    parser.add_argument("--at-once", **numbers)
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, streamlit {st.__version__}; {vars(options)}", flush=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(cache=Path(folder), log=Path(folder) / "log") as (address, process),
    ):
        memory = [resident(process)]
        records = asyncio.run(load(address, options))
        memory.append(resident(process))
    # a short run may leave out everything
    counted = pd.DataFrame(records.times, columns=["what", "seconds"]).astype({"seconds": float})
    times = counted.groupby("what")["seconds"]
    print(times.describe(percentiles=[0.5, 0.95, 0.99]).drop(columns=["std", "min"]).round(2))
    print(f"memory: {memory[0]:.0f} MB at the start, {memory[1]:.0f} MB at the end; {len(records.errors)} errors")
    print(*dict.fromkeys(records.errors), sep="\n")
    problems = wrong(records)
    print(f"{len(problems)} wrong of {len(records.cases)} explanations", *problems[:20], sep="\n")
    return int(bool(records.errors or problems))


if __name__ == "__main__":
    sys.exit(main())
