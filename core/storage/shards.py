"""Long work in shards, each kept when it is finished: a killed process loses at most one.

What opens the work and computes the shards is an engine: this process, or Ray (`core.studies.ray_engine`).
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol

import pandas as pd

from core.arrays import Positions
from core.storage.atomic import write_bytes_atomically
from core.storage.limits import open_file

# called with (share done, what is being done)
Report = Callable[[float, str], None]
# called with (done, all, what is being done)
ShardProgress = Callable[[int, int, str], None]
# number of a shard -> intp, rising positions of rows
Shards = Mapping[int, Positions]


def silent(*_: object) -> None:
    """Report nothing, a `Report` and a `ShardProgress`."""


def progress_of(report: Report, text: str) -> Callable[[int, int], None]:
    """Return a function of (done, all) that reports the share beside a text."""

    def progress(done: int, total: int) -> None:
        report(0.0, f"{text}, {done / max(1, total):.0%}")

    return progress


class Work(Protocol):
    """Work on rows that any process can open and do a part of."""

    @property
    def name(self) -> str:
        """For messages and progress."""

    @property
    def device(self) -> str:
        """The device to compute on: "auto", "cpu", "cuda" or "mps"."""

    def open(self, report: Report) -> Callable[[Positions], pd.DataFrame]:
        """Read what it needs, and return the function that computes the table of some rows."""


# (work, shards to compute, report of what is being done) -> number and table of each, in any order
Engine = Callable[[Work, Shards, Report], Iterable[tuple[int, pd.DataFrame]]]


def run_locally(work: Work, shards: Shards, report: Report) -> Iterator[tuple[int, pd.DataFrame]]:
    """Compute shards one after the other in this process, an `Engine`."""
    compute = work.open(report)
    for number, positions in shards.items():
        yield number, compute(positions)


def compute_shards(
    work: Work,
    positions: Positions,
    size: int,
    folder: Path,
    *,
    whole: bool = False,
    engine: Engine,
    progress: ShardProgress,
) -> Iterator[tuple[int, pd.DataFrame]]:
    """Compute the shards that a folder does not hold, and keep each there.

    Args:
        work: the work.
        positions: intp (N,), of the rows.
        size: how many rows a shard has.
        folder: of exactly this work on exactly these rows.
        whole: a table may have another number of rows than its shard.
        engine: what computes the shards.
        progress: called with (rows done, all rows, what is being done).

    Yields:
        Number and table of each shard, in any order. `remove_shards` is for when what is made of all is written.

    Raises:
        WriteError: a shard cannot be written.
    """
    total = len(positions)
    shards = {at // size: positions[at : at + size] for at in range(0, max(1, total), size)}
    missing = {}
    before = 0
    for number, rows in shards.items():
        table = _read(folder, number)
        if table is None or not (whole or len(table) == len(rows)):
            missing[number] = rows
        else:
            before += len(rows)
            yield number, table
    done = before
    progress(done, total, work.name)

    def report(share: float, text: str) -> None:
        progress(before + int(share * (total - before)), total, text)

    if not missing:
        return
    for number, table in engine(work, missing, report):
        write_bytes_atomically(_file(folder, number), partial(table.to_parquet, index=False))
        done += len(missing[number])
        progress(done, total, work.name)
        yield number, table


def remove_shards(folder: Path) -> None:
    """Remove the shards of work whose result is written."""
    shutil.rmtree(folder, ignore_errors=True)


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.parquet"


def _read(folder: Path, number: int) -> pd.DataFrame | None:
    # absent, or whatever is wrong with it: it is computed again
    with suppress(Exception), open_file(_file(folder, number)) as opened:
        return pd.read_parquet(opened)
    return None
