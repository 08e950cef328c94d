"""One thread owns the detectors. Sessions ask it and come back for the answer; none of them touches a model.

Quick questions (a verdict, one map) go first. Of the others a first answer goes before a better one, what is asked for
beyond maps (probes, bands, neighbours) comes later, and who has had much of the thread lately comes after who has had
little (`fairness.py`); within that, who came first is answered first. A question gives way wherever it asks whether to
go on, in the midst of a step too: each runs in a greenlet, a stack of its own within the one thread. A question that
nobody has asked about for some seconds is dropped: its visitor has left or moved on. Answers are kept by what they
depend on, so that asking twice costs nothing.
"""

import atexit
import contextlib
import itertools
import logging
import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from greenlet import greenlet
from numpy.typing import NDArray

from dashboard.services.sentences import for_visitors
from dashboard.services.worker.fairness import Usage
from dashboard.services.worker.requests import LAST, Question

if TYPE_CHECKING:
    from pathlib import Path

    from core.detectors.detector import Detector
    from core.detectors.identity import Identity

# far above what passes between two looks, also where the machine is so busy that a page takes half a minute: what is
# dropped begins anew, and that is how a busy server comes to a standstill
LEASE = 45.0
MAX_ANSWERS = 256
# of arrays in answers that are kept; one of probes has half a megabyte
MAX_KEPT = 64 * 2**20
MAX_WAITING = 256
# of one visitor: a table of 32 uploads and what is asked about one of them
MAX_OWN = 40
MAX_DETECTORS = 2
MAX_ENDED = 100
MAX_ASKED = 4000
MAX_TYPICAL = 200
# seconds between two looks at a question: at least, for each question that waits, and at most
SOON, SLOWER, LATEST = 0.4, 0.06, 3.0
# a page gets about three times the processor time of an explanation where both want it
BACK = 5
Answer = Any
Asker = tuple[str, str]
State = Literal["waiting", "running", "done", "stopped", "failed"]


class Standing(NamedTuple):
    """How a question stands.

    Attributes:
        state: "waiting", "running", "done", "stopped" or "failed".
        answer: the last there is, which a "running" question may still refine; None before the first.
        share: how much is done, 0 to 1.
        place: how many questions are before this one.
        message: one sentence on what went wrong.
        seconds_left: how long it takes from now on, the questions before it included, None where that is not known.
        again: seconds after which another look at it is worth it; more, the more questions wait.
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
        """Whether coming back may bring more."""
        return self.state in ("waiting", "running")


@dataclass(eq=False)
class _Job:
    question: Question
    pixels: NDArray[np.uint8]
    number: int
    askers: dict[Asker, float] = field(default_factory=dict)
    # the stack that it runs on, once it has begun
    stack: greenlet | None = None
    answer: Answer = None
    share: float = 0.0
    # seconds of the thread
    spent: float = 0.0
    resumed: float = 0.0

    @property
    def visitors(self) -> set[str]:
        """Who waits for it."""
        return {visitor for visitor, _ in self.askers}


class Worker:
    """The thread, its queue and its answers.

    Args:
        lease: seconds after which a question that nobody came back for is dropped.
        clock: for the lease.
    """

    def __init__(self, *, lease: float = LEASE, clock: Callable[[], float] = time.monotonic) -> None:
        self._lease, self._clock = lease, clock
        self._changed = threading.Condition()
        self._jobs: dict[Question, _Job] = {}
        self._numbers = itertools.count()
        self._usage = Usage(clock)
        # which job has the thread now; those that have begun wait in the midst of what they do
        self._current: _Job | None = None
        # seconds that an answer has taken, by what was asked, and by what kind of thing was asked
        self._typical: OrderedDict[Any, float] = OrderedDict()
        self._asked: OrderedDict[Asker, Question] = OrderedDict()
        # how a question ended for who asked it, where it has no full answer
        self._ended: OrderedDict[Asker, Standing] = OrderedDict()
        self._answers: OrderedDict[Question, Standing] = OrderedDict()
        self._kept = 0
        self._detectors: OrderedDict[tuple[Path, Identity], Detector] = OrderedDict()
        self._closed = self._stepped_back = False
        self._thread = threading.Thread(target=self._loop, name="detectors", daemon=True)
        self._thread.start()
        # torch aborts the process when it ends in the middle of a step
        atexit.register(self.close)

    def ask(
        self, visitor: str, slot: str, question: Question, pixels: NDArray[np.uint8], *, patience: float = 0.0
    ) -> Standing:
        """Ask, or come back for the answer.

        Args:
            visitor: who asks.
            slot: for which part of the page; asking something else for the same slot drops the question before.
            question: what is asked.
            pixels: uint8 (K, side, side, 3), the images whose hash the question carries.
            patience: seconds to wait here for the whole answer, for what is mostly done before a page could come back.
        """
        asker = (visitor, slot)
        with self._changed:
            if self._asked.get(asker) != question:
                self._leave(asker)
                self._ended.pop(asker, None)
                self._asked[asker] = question
                # nobody says when they leave; who is forgotten and comes back asks anew
                while len(self._asked) > MAX_ASKED:
                    self._asked.popitem(last=False)
            standing = self._stand(asker, question, pixels)
            # where many wait, the page of each is better drawn at once
            if patience and standing.busy and standing.again == SOON:
                self._changed.wait_for(lambda: question in self._answers or asker in self._ended, patience)
                standing = self._stand(asker, question, pixels)
            return standing

    def _stand(self, asker: Asker, question: Question, pixels: NDArray[np.uint8]) -> Standing:
        """How a question stands for who asks it; it joins the queue where nobody has asked it. Under the lock."""
        if question in self._answers:
            self._answers.move_to_end(question)
            return self._answers[question]
        if asker in self._ended:
            return self._ended[asker]
        job = self._jobs.get(question)
        if job is None:
            if refusal := self._refusal(asker[0]):
                return Standing("failed", message=refusal)
            job = self._jobs[question] = _Job(question, pixels, next(self._numbers))
            self._changed.notify_all()
        job.askers[asker] = self._clock()
        order = sorted(self._jobs.values(), key=self._urgency)
        place = order.index(job)
        state: State = "running" if job is self._current or job.answer is not None else "waiting"
        again = min(LATEST, max(SOON, SLOWER * len(order)))
        return Standing(
            state, job.answer, job.share, place, seconds_left=self._seconds_left(order[: place + 1]), again=again
        )

    def _urgency(self, job: _Job) -> tuple[bool, int, int]:
        """What orders the jobs, the most urgent first. Under the lock."""
        rank = job.question.rank
        # beyond maps everything comes as late as a map that its visitor has waited for longest
        later = LAST if rank == LAST else int(job.answer is not None)
        return rank > 0, self._usage.level(job.visitors) + later, job.number

    def _seconds_left(self, jobs: Sequence[_Job]) -> float | None:
        """How long it takes until the last of some jobs is done, one after the other, None where that is not known."""
        own = self._remaining(jobs[-1])
        if own is None:
            return None
        before = [self._remaining(job) for job in jobs[:-1]]
        # of what was never asked before the guess is that it takes as long
        return own + sum(own if one is None else one for one in before)

    def _remaining(self, job: _Job) -> float | None:
        spent = self._spent(job)
        if job.share:
            return spent / job.share * (1 - job.share)
        typical = self._typical.get(_kind(job.question), self._typical.get(job.question.family))
        return None if typical is None else max(0.0, typical - spent)

    def _spent(self, job: _Job) -> float:
        return job.spent + (self._clock() - job.resumed if job is self._current else 0.0)

    def stop(self, visitor: str, slot: str) -> None:
        """Stop what a slot has asked and keep what there is of the answer."""
        asker = (visitor, slot)
        with self._changed:
            question = self._asked.get(asker)
            if question is not None and (job := self._jobs.get(question)):
                self._end(asker, Standing("stopped", job.answer, job.share))
                job.askers.pop(asker, None)
                self._changed.notify_all()

    def go_on(self, visitor: str, slot: str) -> None:
        """Let a question that was stopped or has failed be asked again."""
        with self._changed:
            self._ended.pop((visitor, slot), None)

    def close(self, *, wait: bool = True) -> None:
        """End the thread after the batch it is in, and wait for that unless told otherwise."""
        # or it would be held, with all that it holds, until the process ends
        atexit.unregister(self.close)
        with self._changed:
            self._closed = True
            for held in (self._jobs, self._asked, self._ended, self._answers):
                held.clear()
            self._changed.notify_all()
        if wait:
            self._thread.join()

    @property
    def waiting(self) -> int:
        """How many questions are not answered yet."""
        with self._changed:
            return len(self._jobs)

    def _end(self, asker: Asker, standing: Standing) -> None:
        self._ended[asker] = standing
        while len(self._ended) > MAX_ENDED:
            self._ended.popitem(last=False)

    def _refusal(self, visitor: str) -> str:
        """Why a further question of a visitor is not taken, "" where it is."""
        own = sum(any(who == visitor for who, _ in job.askers) for job in self._jobs.values())
        if own >= MAX_OWN:
            return f"You wait for {own} explanations already; ask again once some of them are there."
        full = len(self._jobs) >= MAX_WAITING
        return "Too many explanations are waiting; try again in a minute." if full else ""

    def _leave(self, asker: Asker) -> None:
        before = self._asked.get(asker)
        if before is not None and (job := self._jobs.get(before)):
            job.askers.pop(asker, None)

    def _wanted(self, job: _Job) -> bool:
        """Whether anybody still waits for a job; those whose lease has run out are forgotten. Under the lock."""
        now = self._clock()
        for asker in [asker for asker, seen in job.askers.items() if now - seen > self._lease]:
            del job.askers[asker]
            self._asked.pop(asker, None)
        return bool(job.askers)

    def _next(self) -> _Job | None:
        """The job to go on with, the most urgent first. Under the lock."""
        return min(self._jobs.values(), key=self._urgency, default=None)

    def _drop(self) -> None:
        """Take out the jobs that nobody waits for any more. Under the lock."""
        for job in [job for job in self._jobs.values() if not self._wanted(job)]:
            del self._jobs[job.question]

    def _loop(self) -> None:
        begun: list[_Job] = []
        while True:
            with self._changed:
                while not self._closed:
                    self._drop()
                    # what was dropped in the midst of a step is told so, and ends
                    dropped = [one for one in begun if self._jobs.get(one.question) is not one]
                    if dropped or (job := self._next()) is not None:
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

    def _resume(self, job: _Job) -> None:
        """Let a job run until it is done or gives way."""
        if job.stack is None:
            job.stack = greenlet(self._work)
        with self._changed:
            self._current, job.resumed = job, self._clock()
        job.stack.switch(job)
        with self._changed:
            self._charge(job)
            self._current = None
        if job.stack.dead:
            job.stack = None

    def _charge(self, job: _Job) -> None:
        """Count the time since it was counted last. Under the lock."""
        now = self._clock()
        self._usage.charge(job.visitors, now - job.resumed)
        job.spent += now - job.resumed
        job.resumed = now

    def _work(self, job: _Job) -> None:
        """All of a job, on its own stack; whatever goes wrong is that job's end, not the thread's."""
        try:
            for answer, share in self._start(job):
                self._keep(job, answer, share)
                if share >= 1 or self._give_way(job):
                    break
            with self._changed:
                # also where it was given up in the midst of a step
                self._forget(job)
        except (ValueError, OSError) as error:
            # what core raises on purpose is a sentence already
            self._fail(job, for_visitors(error, homes=(job.question.detector.parent.parent,)))
        except Exception as error:  # the thread must outlive any job
            logging.getLogger(__name__).exception("A question failed")
            self._fail(job, f"This could not be computed ({type(error).__name__}).")

    def _give_way(self, job: _Job) -> bool:
        """In the midst of a job: let what is more urgent go first; whether to give the job up."""
        with self._changed:
            self._charge(job)
            if self._closed or not self._wanted(job):
                return True
            self._drop()
            if self._next() is job:
                return False
        job.stack.parent.switch()  # type: ignore[union-attr]
        with self._changed:
            return self._closed or not self._wanted(job)

    def _forget(self, job: _Job) -> None:
        # the same may have been asked again meanwhile
        if self._jobs.get(job.question) is job:
            del self._jobs[job.question]

    def _keep(self, job: _Job, answer: Answer, share: float) -> None:
        with self._changed:
            job.answer, job.share = answer, share
            self._charge(job)
            if share:
                for kind in (_kind(job.question), job.question.family):
                    self._typical[kind] = job.spent / share
                    self._typical.move_to_end(kind)
                while len(self._typical) > MAX_TYPICAL:
                    self._typical.popitem(last=False)
            if share >= 1:
                self._forget(job)
                self._answers[job.question] = Standing("done", answer, 1.0)
                self._kept += size_of(answer)
                while len(self._answers) > MAX_ANSWERS or (self._kept > MAX_KEPT and len(self._answers) > 1):
                    self._kept -= size_of(self._answers.popitem(last=False)[1].answer)
                self._changed.notify_all()

    def _fail(self, job: _Job, sentence: str) -> None:
        with self._changed:
            self._forget(job)
            for asker in job.askers:
                self._end(asker, Standing("failed", message=sentence))
            self._changed.notify_all()

    def _start(self, job: _Job) -> Iterator[tuple[Answer, float]]:
        # torch is read here, in this thread, so that pages which need no detector never wait for it
        from dashboard.services.worker.answering import answer, leave_a_core  # noqa: PLC0415

        detector = self._detector(job.question)
        if not self._stepped_back:
            # not before: who reads libraries holds the interpreter, and at a lower priority everybody would wait for it
            leave_a_core()
            _step_back()
            self._stepped_back = True
        return answer(detector, job.pixels, job.question.settings, lambda: self._give_way(job))

    def _detector(self, question: Question) -> "Detector":
        from core.detectors.storage import load_detector  # noqa: PLC0415

        # of two that answer alike, one may still claim another name or another training set
        asked = question.detector, question.identity
        if asked not in self._detectors:
            detector = load_detector(question.detector)
            if detector.identity != question.identity:
                raise ValueError(f"{question.detector} is another detector than when this page was opened; reload it")
            self._detectors[asked] = detector
            while len(self._detectors) > MAX_DETECTORS:
                self._detectors.popitem(last=False)
        self._detectors.move_to_end(asked)
        return self._detectors[asked]


def _kind(question: Question) -> tuple[object, object]:
    """What questions share that take about as long: all but the image."""
    return question.identity, question.settings


def size_of(answer: Any) -> int:
    """Bytes of the arrays in an answer, however deep."""
    if isinstance(answer, np.ndarray):
        return answer.nbytes
    if is_dataclass(answer):
        return sum(size_of(getattr(answer, one.name)) for one in fields(answer))
    if isinstance(answer, Mapping):
        return sum(map(size_of, answer.values()))
    return sum(map(size_of, answer)) if isinstance(answer, tuple | list) else 0


def _step_back() -> None:
    """Let the pages go before this thread, and before those that torch makes in it, where threads have priorities."""
    if sys.platform == "linux":
        # elsewhere the number of a thread may be that of another process
        with contextlib.suppress(OSError):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + BACK)
