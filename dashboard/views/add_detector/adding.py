"""Adding a detector by the command that does so, in a process of its own: what it reads may take memory and time."""

import errno
import json
import subprocess
import sys
import threading
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from core.runs.folders import ROOT

# seconds; the largest networks take one or two minutes
PATIENCE = 600


@dataclass(frozen=True)
class Outcome:
    """What the command has said.

    Attributes:
        found: heading -> words on the detector that was added; empty where none was.
        error: why none was added; "" where one was.
        options: options that would have to be given.
    """

    found: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    options: tuple[str, ...] = ()


def begin_to_add(
    name: str, source: str, options: Mapping[str, str], *, home: Path, needed: Collection[str] = ()
) -> "Future[Outcome]":
    """Add a detector as `add_detector` does, which goes on whatever becomes of the page that asked for it."""
    work: Future[Outcome] = Future()

    def add() -> None:
        try:
            work.set_result(add_detector(name, source, options, home=home, needed=needed))
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            work.set_exception(error)

    # a server that is stopped does not wait for it
    threading.Thread(target=add, name="adding", daemon=True).start()
    return work


def add_detector(
    name: str, source: str, options: Mapping[str, str], *, home: Path, needed: Collection[str] = ()
) -> Outcome:
    """Add a detector to `home`; code of others is never run.

    Args:
        name: that it gets.
        source: as for `python -m core.detectors add`.
        options: option -> value; empty values are left out.
        home: folder that gets detectors/.
        needed: options that are passed even if they are empty.
    """
    given = [f"{option}={value.strip()}" for option, value in options.items() if value.strip() or option in needed]
    command = [sys.executable, "-m", "core.detectors", "add", "--json", f"--out={home}", *given, "--", name, source]
    try:
        # a list and no shell; "--" keeps a name or a source from being an option
        done = subprocess.run(  # noqa: S603
            command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return Outcome(error=f"It took more than {PATIENCE // 60} minutes; add it by the command instead.")
    except ValueError:
        # a null byte
        return Outcome(error="A name or an option holds a letter that no file can have; write it again.")
    except OSError as error:
        advice = "shorten the name and the options" if error.errno == errno.E2BIG else "try again later"
        return Outcome(error=f"The command could not be started ({error.strerror}); {advice}.")
    try:
        said = json.loads(done.stdout)
        return Outcome(said.get("found", {}), said.get("error", ""), tuple(said.get("options", ())))
    except ValueError:
        # argparse exits with its own message; a process killed for its memory use leaves none
        last = done.stderr.strip().rpartition("\n")[2].rpartition("error: ")[2]
        return Outcome(error=f"The command ended early ({last or f'status {done.returncode}'}).")
