"""Memory of the real server under visitors who upload the largest files that are read, come, and leave.

python -m tests.benchmarks.soak [--minutes 30] [--visitors 3] [--seconds 20]

Every visitor uploads as much as one may, looks at each file, sends the largest messages that are taken, and leaves;
another comes. Prints the most that the server held, and the slope of what it held over the second half of the time with
its standard error; ends with status 1 where the slope is larger than its noise, or the most larger than is promised.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from streamlit.proto.WidgetStates_pb2 import WidgetState

from dashboard.decoding import MAX_FILES, MAX_OWN
from tests.benchmarks.load import wait_for_pictures
from tests.benchmarks.memory import resident, slope
from tests.benchmarks.visitor import Trouble, Visitor
from tests.hostile.corpus import mosaic, saved
from tests.server import running_server

# in MB, of the whole server
PROMISED = 1500
# of one message that is taken and of one that is refused, in bytes
MESSAGES = (1_900_000, 24_000_000)


def uploads() -> list[tuple[str, bytes]]:
    """The files that take most memory to decode, as many as a visitor may have."""
    largest = [
        saved(mosaic("RGB", 3464), "WEBP", method=0, quality=60),
        saved(mosaic("RGBA", 3464), "WEBP", method=0, lossless=True, quality=0),
        saved(mosaic("CMYK", 3464), "JPEG", progressive=True, subsampling=0, quality=60),
        saved(mosaic("RGB", 4470), "JPEG", progressive=True, subsampling=0, quality=60),
        saved(mosaic("RGB", 4470), "PNG", compress_level=1),
    ]
    chosen: list[tuple[str, bytes]] = []
    while len(chosen) < MAX_FILES:
        data = largest[len(chosen) % len(largest)]
        if sum(len(one) for _, one in chosen) + len(data) > MAX_OWN:
            data = saved(Image.new("RGB", (4470, 4470)), "PNG")
        chosen.append((f"{len(chosen)}.image", data))
    return chosen


async def visit(address: str, files: list[tuple[str, bytes]], seconds: float, troubles: list[str]) -> None:
    """One visitor after the other, for so long each, until cancelled."""
    while True:
        until = time.monotonic() + seconds
        async with Visitor(address) as visitor:
            await visitor.open("upload")
            try:
                for name, data in files:
                    await visitor.upload(name, data, key="upload.files")
                    if time.monotonic() > until:
                        break
                await shout(visitor, MESSAGES[0])
            except Trouble as error:
                # what all have uploaded together has a limit, too
                if "507" not in str(error):
                    visitor.troubles.append(str(error))
            troubles += visitor.troubles
        # it is refused, and the connection with it
        with contextlib.suppress(Trouble):
            async with Visitor(address) as rude:
                await rude.open("explore")
                await shout(rude, MESSAGES[1])


async def shout(visitor: Visitor, size: int) -> None:
    """Send `size` bytes as the value of a widget that does not exist."""
    await visitor.send_state(WidgetState(id="nobody's", string_value="x" * size))


async def soak(address: str, process: int, minutes: float, visitors: int, seconds: float) -> list[str]:
    """What went wrong, after printing what was measured."""
    files, troubles, samples = uploads(), [], []
    await wait_for_pictures(address)
    begun = time.monotonic()
    tasks = [asyncio.create_task(visit(address, files, seconds, troubles)) for _ in range(visitors)]
    while (now := time.monotonic() - begun) < minutes * 60:
        samples.append((now, await asyncio.to_thread(resident, process)))
        await asyncio.sleep(1)
        for task in tasks:
            if task.done():
                task.result()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    most = max(held for _, held in samples)
    rising, error = slope(samples[len(samples) // 2 :])
    print(f"{minutes:g} minutes, {visitors} visitors with {len(files)} files: at most {most:.0f} MB of {PROMISED}")
    print(f"slope over the second half: {rising:+.0f} MB an hour, standard error {error:.0f}")
    wrong = [f"{most:.0f} MB were held"] if most > PROMISED else []
    if minutes >= 10 and rising > 2.3 * error:
        wrong.append(f"{rising:.0f} MB an hour more")
    return wrong + troubles


def main(arguments: list[str] | None = None) -> int:
    """Start a server and soak it; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--visitors", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20, help="that a visitor stays")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="telltale-soak-") as folder:
        with running_server(cache=Path(folder) / "cache", log=Path(folder) / "log") as (address, process):
            wrong = asyncio.run(soak(address, process, options.minutes, options.visitors, options.seconds))
        log = (Path(folder) / "log").read_text(encoding="utf-8", errors="replace")
    print("\n".join(dict.fromkeys(wrong)))
    if "Traceback" in log:
        print(log[log.index("Traceback") :][:10_000])
    return int(bool(wrong) or "Traceback" in log)


if __name__ == "__main__":
    sys.exit(main())
