"""What becomes of every file of the corpus, each in a process of its own, under a limit of CPU time.

python -m tests.slow.uploads

Prints a line of JSON for each, see `Outcome`.
"""

import json
import multiprocessing
import re
import resource
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypedDict

from core.images.decoding import ImageError, decode
from core.images.preprocessing import Preprocessing, prepare_pixels
from tests.corpus import cases

# the largest take 0.9 s, so that half as fast a machine still keeps the promise
SECONDS = 2
# 300 are promised; the largest take 150
MEGABYTES = 225
# of wall clock, before a process that uses no CPU is taken to hang
PATIENCE = 120.0


class Outcome(TypedDict):
    """What became of one file.

    Attributes:
        name: of the case.
        said: the sentence that refuses it; height, width and the shape of what the detector sees; None where its
            process died or hung.
        megabytes: that it took at most.
        ended: the status or the negative signal that its process ended with.
    """

    name: str
    said: str | list[int] | None
    megabytes: float
    ended: int | None


def peak() -> float:
    """The most memory that this process has held since it was last asked to forget, in MB."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found[1]) / 1024 if found else 0.0


def _work(data: bytes, answer: Connection) -> None:
    """What an upload goes through."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = peak()
    try:
        ready = prepare_pixels(decode(data), Preprocessing(32))
        said: str | list[int] = [ready.height, ready.width, *ready.pixels.shape[1:]]
    except ImageError as error:
        said = str(error)
    answer.send((said, peak() - before))


def outcome(name: str, data: bytes) -> Outcome:
    """What becomes of one file."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_work, args=(data, theirs))
    process.start()
    theirs.close()
    said, megabytes = None, 0.0
    try:
        if ours.poll(PATIENCE):
            said, megabytes = ours.recv()
            process.join(PATIENCE)
    except EOFError:
        process.join(PATIENCE)
    process.kill()
    process.join()
    return Outcome(name=name, said=said, megabytes=megabytes, ended=process.exitcode)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for case in cases():
        print(json.dumps(outcome(case.name, case.data)), flush=True)
