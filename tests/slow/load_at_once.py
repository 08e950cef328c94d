"""N visitors open Inspect in the same moment, each on an image of their own; a bystander turns pages meanwhile."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from streamlit.proto.Element_pb2 import Element

from core.runs.folders import find_runs
from core.runs.run import read_run
from tests.visitor import Trouble, Visitor, widget_of

# seconds after which a visitor still waiting counts as unserved
PATIENCE = 120.0
BYSTANDER = ("mistakes", "", "maps")
# seconds between two pages of the bystander
PAUSE = 0.5


@dataclass
class Round:
    """What N visitors at once have seen.

    Attributes:
        visitors: N.
        drawn: seconds until the page of each answered.
        first: seconds until the first colours of LIME came to each.
        whole: seconds until each had all there is: both maps, the comparison, and the file with everything in it.
        bystander: seconds of each page that somebody else opened meanwhile.
        processor: seconds of processor time that the server took for it, whatever else the machine did.
        errors: sentences.
    """

    visitors: int
    drawn: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    bystander: list[float] = field(default_factory=list)
    processor: float = 0.0
    errors: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        """A row of the table."""

        def slowest(seconds: Sequence[float]) -> str:
            return f"{max(seconds):.1f}" if seconds else ""

        missing = self.visitors - len(self.whole)
        whole = f"{slowest(self.whole)}{f', {missing} not in {PATIENCE:.0f}' if missing else ''}"
        cells = (self.visitors, slowest(self.drawn), slowest(self.first), whole, slowest(self.bystander))
        return f"| {' | '.join(map(str, cells))} | {len(self.bystander)} | {self.processor:.0f} | {len(self.errors)} |"


async def at_once(address: str, run: str, levels: Sequence[int], processor: Callable[[], float]) -> list[Round]:
    """A round for each number of visitors; no image is asked about twice.

    Args:
        address: of the server.
        run: whose images they open.
        levels: the numbers of visitors.
        processor: the seconds of processor time that the server has taken so far.
    """
    ids = list(read_run(find_runs()[run]).predictions["id"])
    fresh = iter(ids[:: max(1, len(ids) // (sum(levels) + 1))])
    # what everybody shares is read before: the detector, and the bystander's pages
    await _inspect(address, run, next(fresh), alone := Round(1))
    if not alone.whole:
        raise SystemExit(f"Nothing of {run} can be explained here: {'; '.join(alone.errors) or 'it has no pictures'}.")
    rounds = []
    for count in levels:
        found = Round(count)
        async with Visitor(address) as bystander:
            for page in BYSTANDER:
                await bystander.open(page, run=run)
            before = processor()
            watching = asyncio.create_task(_stand_by(bystander, found))
            await asyncio.gather(*(_inspect(address, run, next(fresh), found) for _ in range(count)))
            watching.cancel()
            found.processor = processor() - before
            await asyncio.gather(watching, return_exceptions=True)
            found.errors += bystander.troubles
        rounds.append(found)
        print(found.line, flush=True)
    return rounds


async def _stand_by(bystander: Visitor, found: Round) -> None:
    number = 0
    while True:
        started = time.perf_counter()
        try:
            await bystander.turn_to(BYSTANDER[number % len(BYSTANDER)])
        except Trouble as trouble:
            found.errors.append(str(trouble))
            return
        except asyncio.CancelledError:
            # a page that was still to come counts for as long as it was waited for
            found.bystander.append(time.perf_counter() - started)
            raise
        found.bystander.append(time.perf_counter() - started)
        number += 1
        await asyncio.sleep(PAUSE)


async def _inspect(address: str, run: str, id_: str, found: Round) -> None:
    started = time.perf_counter()
    whole = asyncio.Event()
    first: list[float] = []

    def see(element: Element) -> None:
        _, one = widget_of(element)
        name = getattr(one, "id", "")
        if "-lime." in name and name.endswith(".picture"):
            first.append(time.perf_counter() - started)
        elif name.endswith("-page.file") and not one.disabled:
            whole.set()

    visitor = Visitor(address)
    visitor.on_element = see
    try:
        async with visitor, asyncio.timeout(PATIENCE):
            await visitor.open("mistakes", run=run, id=id_)
            found.drawn.append(time.perf_counter() - started)
            await whole.wait()
            found.whole.append(time.perf_counter() - started)
    except TimeoutError:
        pass
    except (Trouble, OSError) as trouble:
        found.errors.append(str(trouble))
    found.first += first[:1]
    found.errors += visitor.troubles
