"""One thread owns the detectors. Sessions ask it and come back for the answer; none of them touches a model.

Quick requests (a verdict, one map) go first. Among the others, first answers come before refinements, anything but a
map (probes, bands, neighbours) comes later, and visitors who have used the thread a lot recently come after those who
have not (`fairness.py`); otherwise first come, first served. A request can yield at every cancellation check, even in
the middle of a step: each runs in a greenlet, its own stack within the one thread. A request that nobody has polled for
`LEASE` seconds is dropped: its visitor has left or moved on. Answers are cached by everything they depend on, so that
asking twice costs nothing.
"""

import atexit
import contextlib
import logging
import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from greenlet import greenlet
from numpy.typing import NDArray

from core.storage import Bounded
from dashboard.services.worker.jobs import SOON, Answer, Asker, Job, JobStatus, size_of
from dashboard.services.worker.queue import Queue
from dashboard.services.worker.requests import Request
from dashboard.visitors import for_visitors

if TYPE_CHECKING:
    from pathlib import Path

    from core.detectors.detector import Detector
    from core.detectors.identity import Identity

# far longer than between two polls, even when a page takes half a minute on a busy machine: a dropped request starts
# over, and that is how a busy server grinds to a halt
LEASE = 45.0
MAX_ANSWERS = 256
# of arrays in answers that are kept; one of probes has half a megabyte
MAX_KEPT = 64 * 2**20
# bytes of files of detectors that are kept; in memory it is a few times that. The two used last are kept of any size
MAX_FILES = 48 * 2**20
# as many visitors as a page can have, with a dozen slots each
MAX_ENDED = 2000
# a page gets about three times the processor time of an explanation where both want it
BACK = 5


class Worker:
    """The thread, its queue and its answers.

    Args:
        lease: seconds after which a request that nobody came back for is dropped.
        clock: for the lease.
    """

    def __init__(self, *, lease: float = LEASE, clock: Callable[[], float] = time.monotonic) -> None:
        self._lease = lease
        self._changed = threading.Condition()
        self._queue = Queue(lease, clock)
        # how a request ended for its asker, where it has no full answer
        self._ended: Bounded[Asker, JobStatus] = Bounded(MAX_ENDED)
        self._answers: OrderedDict[Request, JobStatus] = OrderedDict()
        self._kept = 0
        # with the size of their files, the one used last at the end
        self._detectors: OrderedDict[tuple[Path, Identity], tuple[Detector, int]] = OrderedDict()
        self._closed = self._stepped_back = False
        self._thread = threading.Thread(target=self._loop, name="detectors", daemon=True)
        self._thread.start()
        # torch aborts the process when it ends in the middle of a step
        atexit.register(self.close)

    def ask(
        self, visitor: str, slot: str, request: Request, pixels: NDArray[np.uint8], *, patience: float = 0.0
    ) -> JobStatus:
        """Ask, or come back for the answer.

        Args:
            visitor: who asks.
            slot: for which part of the page; asking something else for the same slot drops the request before.
            request: what is asked.
            pixels: uint8 (K, side, side, 3), the images whose hash the request carries.
            patience: seconds to wait here for the whole answer, for what is mostly done before a page could come back.
        """
        asker = (visitor, slot)
        with self._changed:
            if self._queue.asked.get(asker) != request:
                self._queue.leave(asker)
                self._ended.pop(asker, None)
            # set even if unchanged: that renews the entry, and the oldest entries are forgotten
            self._queue.asked[asker] = request
            status = self._status(asker, request, pixels)
            # where many wait, the page of each is better drawn at once
            if patience and status.busy and status.again == SOON:
                self._changed.wait_for(lambda: request in self._answers or asker in self._ended, patience)
                status = self._status(asker, request, pixels)
            return status

    def _status(self, asker: Asker, request: Request, pixels: NDArray[np.uint8]) -> JobStatus:
        """Return how a request stands for its asker; a new one joins the queue. Under the lock."""
        if request in self._answers:
            self._answers.move_to_end(request)
            return self._answers[request]
        if asker in self._ended:
            return self._ended[asker]
        self._changed.notify_all()
        return self._queue.join(asker, request, pixels)

    def stop(self, visitor: str, slot: str) -> None:
        """Stop the request of a slot and keep what there is of the answer."""
        asker = (visitor, slot)
        with self._changed:
            if job := self._queue.job_of(asker):
                self._ended[asker] = JobStatus("stopped", job.answer, job.share)
                self._forget_stopped()
                job.askers.pop(asker, None)
                self._changed.notify_all()

    def _forget_stopped(self) -> None:
        """Forget the oldest of what was stopped, beyond the bytes that answers may have. Under the lock."""
        held = {asker: size_of(one.answer) for asker, one in self._ended.items()}
        total = sum(held.values())
        for asker, size in held.items():
            if total <= MAX_KEPT:
                break
            if size:
                del self._ended[asker]
                total -= size

    def go_on(self, visitor: str, slot: str) -> None:
        """Let a request that was stopped or has failed be made again."""
        with self._changed:
            self._ended.pop((visitor, slot), None)

    def close(self, *, wait: bool = True) -> None:
        """End the thread after the batch it is in, and wait for that unless told otherwise."""
        # otherwise atexit would hold it, with all that it holds, until the process ends
        atexit.unregister(self.close)
        with self._changed:
            self._closed = True
            for held in (self._queue.jobs, self._queue.asked, self._ended, self._answers):
                held.clear()
            self._changed.notify_all()
        if wait:
            self._thread.join()

    @property
    def waiting(self) -> int:
        """Number of requests that are not answered yet."""
        with self._changed:
            return len(self._queue.jobs)

    def _loop(self) -> None:
        begun: list[Job] = []
        while True:
            with self._changed:
                while not self._closed:
                    self._queue.drop()
                    # a job dropped in the middle of a step has to be resumed, so that it notices and ends
                    dropped = [one for one in begun if self._queue.jobs.get(one.request) is not one]
                    if dropped or (job := self._queue.first()) is not None:
                        break
                    self._changed.wait(timeout=self._lease)
                if self._closed:
                    break
            for one in dropped or [job]:  # type: ignore[list-item]
                if one.stack is None:
                    begun.append(one)
                self._resume(one)
            begun = [one for one in begun if one.stack is not None]
        for one in begun:
            self._resume(one)
        self._detectors.clear()

    def _resume(self, job: Job) -> None:
        """Let a job run until it is done or gives way."""
        if job.stack is None:
            job.stack = greenlet(self._work)
        with self._changed:
            self._queue.resume(job)
        job.stack.switch(job)
        with self._changed:
            self._queue.charge(job)
            self._queue.current = None
        if job.stack.dead:
            job.stack = None

    def _work(self, job: Job) -> None:
        """Do all of a job, on its own stack; whatever goes wrong is that job's end, not the thread's."""
        try:
            for answer, share in self._start(job):
                self._keep(job, answer, share)
                if share >= 1 or self._give_way(job):
                    break
            with self._changed:
                # also where it was given up in the middle of a step
                self._queue.remove(job)
        except (ValueError, OSError) as error:
            # what core raises on purpose is a sentence already
            self._fail(job, for_visitors(error, homes=(job.request.detector.parent.parent,)))
        except Exception as error:  # the thread must outlive any job
            logging.getLogger(__name__).exception("A request failed")
            self._fail(job, f"This could not be computed ({type(error).__name__}).")

    def _give_way(self, job: Job) -> bool:
        """In the middle of a job, let more urgent ones go first; return True where the job is to be given up."""
        with self._changed:
            self._queue.charge(job)
            if self._closed or not self._queue.wanted(job):
                return True
            self._queue.drop()
            if self._queue.first() is job:
                return False
        job.stack.parent.switch()  # type: ignore[union-attr]
        with self._changed:
            return self._closed or not self._queue.wanted(job)

    def _keep(self, job: Job, answer: Answer, share: float) -> None:
        with self._changed:
            job.answer, job.share = answer, share
            self._queue.charge(job)
            job.pace.note(job.spent, share)
            self._queue.durations.note(job)
            if share >= 1:
                self._queue.remove(job)
                self._answers[job.request] = JobStatus("done", answer, 1.0)
                self._kept += size_of(answer)
                while len(self._answers) > MAX_ANSWERS or (self._kept > MAX_KEPT and len(self._answers) > 1):
                    self._kept -= size_of(self._answers.popitem(last=False)[1].answer)
                self._changed.notify_all()

    def _fail(self, job: Job, sentence: str) -> None:
        with self._changed:
            self._queue.remove(job)
            for asker in job.askers:
                self._ended[asker] = JobStatus("failed", message=sentence)
            self._changed.notify_all()

    def _start(self, job: Job) -> Iterator[tuple[Answer, float]]:
        # torch is imported here, in this thread, so that pages which need no detector never wait for it
        from dashboard.services.worker.answering import answer, leave_a_core  # noqa: PLC0415

        detector = self._detector(job.request)
        if not self._stepped_back:
            # not before: an importing thread holds the interpreter, and at a lower priority everybody would wait for it
            leave_a_core()
            _step_back()
            self._stepped_back = True
        with self._changed:
            self._queue.charge(job)
            job.pace.begin(job.spent)
        return answer(detector, job.pixels, job.request.settings, lambda: self._give_way(job))

    def _detector(self, request: Request) -> "Detector":
        from core.detectors.storage import load_detector  # noqa: PLC0415

        # keyed by folder as well: detectors with equal identities may differ in name or training set
        wanted = request.detector, request.identity
        if wanted not in self._detectors:
            detector = load_detector(request.detector)
            if detector.identity != request.identity:
                raise ValueError(f"{request.detector} is another detector than when this page was opened; reload it")
            size = sum(path.stat().st_size for path in request.detector.iterdir())
            self._detectors[wanted] = detector, size
            while len(self._detectors) > 2 and sum(kept for _, kept in self._detectors.values()) > MAX_FILES:
                self._detectors.popitem(last=False)
        self._detectors.move_to_end(wanted)
        return self._detectors[wanted][0]


def _step_back() -> None:
    """Let pages go before this thread, and before those that torch starts in it, where threads have priorities."""
    if sys.platform == "linux":
        # elsewhere the number of a thread may be that of another process
        with contextlib.suppress(OSError):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + BACK)
