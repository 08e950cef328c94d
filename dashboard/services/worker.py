"""One thread owns the detectors. Sessions ask it and come back for the answer; none of them touches a model.

Quick questions (a verdict, one map) go first, then maps that take longer, then whatever is asked for beyond (probes,
bands, neighbours, what takes many hundred passes); what is more urgent is answered even between the batches of what is
less. Equally urgent ones take turns step by step, so that everybody soon has a first result. A question that nobody has
asked about for a few seconds is dropped: its visitor has left or moved on. Answers are kept by what they depend on, so
that asking twice costs nothing.
"""

import atexit
import contextlib
import logging
import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dashboard.services.requests import LAST, Question
from dashboard.services.sentences import for_visitors

if TYPE_CHECKING:
    from pathlib import Path

    from core.detectors.detector import Detector
    from core.detectors.identity import Identity

LEASE = 10.0
MAX_ANSWERS = 256
# of arrays in answers that are kept; one of probes has half a megabyte
MAX_KEPT = 64 * 2**20
MAX_WAITING = 64
# of one visitor: a table of 32 uploads and what is asked about one of them
MAX_OWN = 40
MAX_DETECTORS = 2
MAX_ENDED = 100
MAX_ASKED = 4000
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
        seconds_left: how long the rest of it takes at this pace, None where that is not known.
    """

    state: State
    answer: Answer = None
    share: float = 0.0
    place: int = 0
    message: str = ""
    seconds_left: float | None = None

    @property
    def busy(self) -> bool:
        """Whether coming back may bring more."""
        return self.state in ("waiting", "running")


@dataclass(eq=False)
class _Job:
    question: Question
    pixels: NDArray[np.uint8]
    askers: dict[Asker, float] = field(default_factory=dict)
    steps: Iterator[tuple[Answer, float]] | None = None
    answer: Answer = None
    share: float = 0.0
    begun: float = 0.0


class Worker:
    """The thread, its queue and its answers.

    Args:
        lease: seconds after which a question that nobody came back for is dropped.
        clock: for the lease.
    """

    def __init__(self, *, lease: float = LEASE, clock: Callable[[], float] = time.monotonic) -> None:
        self._lease, self._clock = lease, clock
        self._changed = threading.Condition()
        self._jobs: OrderedDict[Question, _Job] = OrderedDict()
        # the question that is being answered, and those that it has interrupted before it
        self._running: list[Question] = []
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
            if patience and standing.busy:
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
            job = self._jobs[question] = _Job(question, pixels)
            self._changed.notify_all()
        job.askers[asker] = self._clock()
        if question in self._running or job.answer is not None:
            left = (self._clock() - job.begun) / job.share * (1 - job.share) if job.share else None
            return Standing("running", job.answer, job.share, self._place(question), seconds_left=left)
        return Standing("waiting", None, 0.0, self._place(question))

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

    def _place(self, question: Question) -> int:
        return sorted(self._jobs, key=lambda one: one.rank).index(question)

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

    def _next(self, below: int = LAST + 1) -> _Job | None:
        """The job to go on with, the most urgent first; None without one of a rank under `below`. Under the lock."""
        for question in [question for question, job in self._jobs.items() if not self._wanted(job)]:
            if question not in self._running:
                del self._jobs[question]
        waiting = [job for job in self._jobs.values() if job.question.rank < below]
        return min(waiting, key=lambda job: job.question.rank, default=None)

    def _loop(self) -> None:
        while True:
            with self._changed:
                while not self._closed and (job := self._next()) is None:
                    self._changed.wait(timeout=self._lease)
                if self._closed:
                    self._detectors.clear()
                    return
            self._advance(job)

    def _advance(self, job: _Job) -> None:
        """One step of a job; whatever goes wrong is that job's end, not the thread's."""
        with self._changed:
            self._running.append(job.question)
        try:
            if job.steps is None:
                job.steps, job.begun = self._start(job), self._clock()
            answer, share = next(job.steps, (None, 0.0))
        except (ValueError, OSError) as error:
            # what core raises on purpose is a sentence already
            self._fail(job, for_visitors(error, homes=(job.question.detector.parent.parent,)))
        except Exception as error:  # the thread must outlive any job
            logging.getLogger(__name__).exception("A question failed")
            self._fail(job, f"This could not be computed ({type(error).__name__}).")
        else:
            self._keep(job, answer, share)
        finally:
            with self._changed:
                self._running.remove(job.question)

    def _keep(self, job: _Job, answer: Answer, share: float) -> None:
        with self._changed:
            if answer is None:
                # stopped, or nobody waits any more
                self._jobs.pop(job.question, None)
                return
            job.answer, job.share = answer, share
            if job.question in self._jobs:
                self._jobs.move_to_end(job.question)
            if share >= 1:
                self._jobs.pop(job.question, None)
                self._answers[job.question] = Standing("done", answer, 1.0)
                self._kept += size_of(answer)
                while len(self._answers) > MAX_ANSWERS or (self._kept > MAX_KEPT and len(self._answers) > 1):
                    self._kept -= size_of(self._answers.popitem(last=False)[1].answer)
                self._changed.notify_all()

    def _fail(self, job: _Job, sentence: str) -> None:
        with self._changed:
            self._jobs.pop(job.question, None)
            for asker in job.askers:
                self._end(asker, Standing("failed", message=sentence))
            self._changed.notify_all()

    def _start(self, job: _Job) -> Iterator[tuple[Answer, float]]:
        # torch is read here, in this thread, so that pages which need no detector never wait for it
        from dashboard.services.answering import answer  # noqa: PLC0415

        detector = self._detector(job.question)
        if not self._stepped_back:
            # not before: who reads libraries holds the interpreter, and at a lower priority everybody would wait for it
            _step_back()
            self._stepped_back = True
        return answer(detector, job.pixels, job.question.settings, lambda: self._between(job))

    def _between(self, job: _Job) -> bool:
        """Between two batches of a job: answer what waits and is more urgent; whether to give the job up."""
        while True:
            with self._changed:
                waiting = self._next(below=job.question.rank)
                if waiting is None:
                    return self._closed or not self._wanted(job)
            self._advance(waiting)

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
