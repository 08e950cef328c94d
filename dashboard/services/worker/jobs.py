"""Jobs of the worker: how each stands, how long such jobs take, and how large their answers are."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from greenlet import greenlet
from numpy.typing import NDArray

from core.storage import Bounded
from dashboard.services.worker.pace import Pace
from dashboard.services.worker.requests import Request

# seconds until it is worth asking again how a request stands: at least, for each that waits, and at most
SOON, SLOWER, LATEST = 0.4, 0.06, 3.0
MAX_TYPICAL = 200
Answer = Any
Asker = tuple[str, str]
State = Literal["waiting", "running", "done", "stopped", "failed"]


class JobStatus(NamedTuple):
    """The status of a request.

    Attributes:
        state: "waiting", "running", "done", "stopped" or "failed".
        answer: the last there is, which a "running" job may still refine; None before the first.
        share: how much is done, 0 to 1.
        place: number of jobs before this one.
        message: one sentence on what went wrong.
        seconds_left: until it is done, the jobs before it included; None where that is not known.
        again: seconds until it is worth asking again; more, the more jobs wait.
    """

    state: State
    answer: Answer = None
    share: float = 0.0
    place: int = 0
    message: str = ""
    seconds_left: float | None = None
    again: float = SOON

    @property
    def busy(self) -> bool:
        """True while more may come."""
        return self.state in ("waiting", "running")


@dataclass(eq=False)
class Job:
    """A request that is being worked on.

    Attributes:
        request: what is asked.
        pixels: uint8 (K, side, side, 3), the images that it is about.
        number: in the order in which jobs came.
        askers: who waits for it, and when each of them last asked, in seconds of the worker's clock.
        stack: that it runs on, once it has begun.
        answer, share: so far.
        spent: seconds of the thread that it has used.
        resumed: when the thread went on with it.
        pace: seconds that it had used when each share was done.
    """

    request: Request
    pixels: NDArray[np.uint8]
    number: int
    askers: dict[Asker, float] = field(default_factory=dict)
    stack: greenlet | None = None
    answer: Answer = None
    share: float = 0.0
    spent: float = 0.0
    resumed: float = 0.0
    pace: Pace = field(default_factory=Pace)

    @property
    def visitors(self) -> set[str]:
        """The visitors who wait for it."""
        return {visitor for visitor, _ in self.askers}


class Durations:
    """The seconds that whole answers have taken, by everything but the image and by family of requests."""

    def __init__(self) -> None:
        self._typical: Bounded[Any, float] = Bounded(MAX_TYPICAL)

    def note(self, job: Job) -> None:
        """Remember how long a job takes, judged by what is done of it."""
        if (whole := job.pace.whole) is not None:
            for kind in _kinds(job.request):
                self._typical[kind] = whole

    def remaining(self, job: Job, spent: float) -> float | None:
        """Estimate the seconds that a job still takes after `spent`; None where nothing like it was ever asked."""
        typical = next((self._typical[kind] for kind in _kinds(job.request) if kind in self._typical), None)
        return job.pace.left(spent, typical)


def _kinds(request: Request) -> tuple[object, object]:
    return (request.identity, request.settings), request.family


def size_of(answer: Any) -> int:
    """Return the bytes of the arrays in an answer, however deep."""
    if isinstance(answer, np.ndarray):
        return answer.nbytes
    if is_dataclass(answer):
        return sum(size_of(getattr(answer, one.name)) for one in fields(answer))
    if isinstance(answer, Mapping):
        return sum(map(size_of, answer.values()))
    return sum(map(size_of, answer)) if isinstance(answer, tuple | list) else 0
