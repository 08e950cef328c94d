"""The worker's queue: which job comes next, how long it takes until one is done, and which are dropped.

Not safe to use from several threads: the worker holds its lock whenever it asks.
"""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from core.storage import Bounded
from dashboard.services.worker.fairness import Usage
from dashboard.services.worker.jobs import LATEST, SLOWER, SOON, Asker, Durations, Job, JobStatus, State
from dashboard.services.worker.requests import LAST, Request

MAX_WAITING = 256
# of one visitor: a table of 32 uploads and what is asked about one of them
MAX_OWN = 40
# of a hundred visitors who have just been here; those who are here renew theirs
MAX_ASKED = 2000


class Queue:
    """The jobs that are not done.

    Args:
        lease: seconds after which a request that nobody came back for is dropped.
        clock: returns seconds.

    Attributes:
        jobs: by what is asked.
        asked: the last request of each asker. Nobody says when they leave; who is forgotten and comes back asks again.
        current: the job that has the thread now; the others that have begun wait in the middle of their work.
        durations: how long answers take.
    """

    def __init__(self, lease: float, clock: Callable[[], float]) -> None:
        self._lease, self._clock = lease, clock
        self._numbers = itertools.count()
        self._usage = Usage(clock)
        self.jobs: dict[Request, Job] = {}
        self.asked: Bounded[Asker, Request] = Bounded(MAX_ASKED)
        self.current: Job | None = None
        self.durations = Durations()

    def join(self, asker: Asker, request: Request, pixels: NDArray[np.uint8]) -> JobStatus:
        """Register an asker for a request, queueing the request if it is new, and return its status."""
        if request not in self.jobs:
            if refusal := self._refusal(asker[0]):
                return JobStatus("failed", message=refusal)
            self.jobs[request] = Job(request, pixels, next(self._numbers))
        job = self.jobs[request]
        job.askers[asker] = self._clock()
        order = sorted(self.jobs.values(), key=self._urgency)
        place = order.index(job)
        state: State = "running" if job is self.current or job.answer is not None else "waiting"
        again = min(LATEST, max(SOON, SLOWER * len(order)))
        left = self._seconds_left(order[: place + 1])
        return JobStatus(state, job.answer, job.share, place, seconds_left=left, again=again)

    def leave(self, asker: Asker) -> None:
        """Have an asker wait no longer for the last request."""
        if job := self.job_of(asker):
            job.askers.pop(asker, None)

    def job_of(self, asker: Asker) -> Job | None:
        """Return the job of an asker's last request, None where there is none in the queue."""
        before = self.asked.get(asker)
        return None if before is None else self.jobs.get(before)

    def first(self) -> Job | None:
        """Return the most urgent job."""
        return min(self.jobs.values(), key=self._urgency, default=None)

    def wanted(self, job: Job) -> bool:
        """Check whether anybody still waits for a job; those whose lease has run out are forgotten."""
        now = self._clock()
        for asker in [asker for asker, seen in job.askers.items() if now - seen > self._lease]:
            del job.askers[asker]
            self.asked.pop(asker, None)
        return bool(job.askers)

    def drop(self) -> None:
        """Remove the jobs that nobody waits for any more."""
        for job in [job for job in self.jobs.values() if not self.wanted(job)]:
            del self.jobs[job.request]

    def remove(self, job: Job) -> None:
        """Remove a job that has ended; the same request may have been made again meanwhile."""
        if self.jobs.get(job.request) is job:
            del self.jobs[job.request]

    def resume(self, job: Job) -> None:
        """Give the thread to a job."""
        self.current, job.resumed = job, self._clock()

    def charge(self, job: Job) -> None:
        """Charge a job's visitors for the time since they were last charged."""
        now = self._clock()
        self._usage.charge(job.visitors, now - job.resumed)
        job.spent += now - job.resumed
        job.resumed = now

    def _urgency(self, job: Job) -> tuple[bool, int, int]:
        """Order jobs, the most urgent first."""
        rank = job.request.rank
        # in usage levels: a job that refines its answer is set back by one, a request of the last rank by two
        later = LAST if rank == LAST else int(job.answer is not None)
        return rank > 0, self._usage.level(job.visitors) + later, job.number

    def _refusal(self, visitor: str) -> str:
        """Say why a further request of a visitor is refused; "" where it is not."""
        own = sum(visitor in job.visitors for job in self.jobs.values())
        if own >= MAX_OWN:
            return f"You already have {own} explanations pending; ask again when some are done."
        full = len(self.jobs) >= MAX_WAITING
        return "Too many explanations are waiting; try again in a minute." if full else ""

    def _seconds_left(self, jobs: Sequence[Job]) -> float | None:
        """Estimate the seconds until jobs are done, one after the other; None where nothing is known of the last."""
        *before, own = map(self._remaining, jobs)
        if own is None:
            return None
        # a job of which nothing is known is taken to last as long
        return own + sum(own if one is None else one for one in before)

    def _remaining(self, job: Job) -> float | None:
        running = self._clock() - job.resumed if job is self.current else 0.0
        return self.durations.remaining(job, job.spent + running)
