"""One thread runs the detectors. Pages ask it and poll for the answer; none of them touches a model.

An answer is a generator that refines it step by step. Between two batches of a step, more urgent requests are moved on
by a step of theirs, on the same thread: predictions and maps of a few passes first, then first answers, then
refinements in turn, visitors who were served longest ago before others. A request that nobody has polled for `LEASE`
seconds is dropped. Answers are cached by everything that they depend on, so that equal requests are computed once.
"""

import atexit
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from core.arrays import Float32, Pixels
from core.detectors.identity import Identity
from core.explainers.registry import find_explainer
from core.explainers.settings import ExplainerSettings
from core.storage.memory import Bounded
from dashboard.visitors import for_visitors

if TYPE_CHECKING:
    from core.detectors.detector import Detector

# far longer than between two polls, even of a page that takes half a minute on a busy machine
LEASE = 45.0
# requests of all visitors together
MAX_WAITING = 256
# explanations that one visitor may have waiting
MAX_OWN = 40
# an answer has up to half a megabyte
MAX_ANSWERS = 128
MAX_ENDED = 64
MAX_SERVED = 2000
MAX_DETECTORS = 4
# pictures between two looks at more urgent requests
BATCH = 32
# forward passes up to which a request counts as quick
QUICK = 16
# how much the thread's priority is lowered where threads have one, so that pages come first
NICE = 5
Asker = tuple[str, str]


@dataclass(frozen=True)
class ExplainRequest:
    """A request for an explanation of an image.

    Attributes:
        method: name of an explainer in the registry.
        settings: of its type.
    """

    method: str
    settings: ExplainerSettings


# predictions of some images; margins of many, float32 (K,), a few dozen at a time; the local scores of a whole picture
# of any size, tile by tile (`core.detectors.local`)
Asked = ExplainRequest | Literal["predictions", "margins", "whole"]


class Prediction(NamedTuple):
    """A detector's predictions of K images.

    Attributes:
        margins: float32 (K,).
        p_real: float32 (K,), 0 to 1.
        features: float32 (K, C), pooled features; None of a detector that has none.
    """

    margins: Float32
    p_real: Float32
    features: Float32 | None = None


@dataclass(frozen=True)
class Request:
    """A request; equal ones have one answer.

    Attributes:
        detector: its folder.
        identity: of the detector, as computed from the files there.
        images_sha256: of the pixels.
        settings: what is asked, or how to explain.
    """

    detector: Path
    identity: Identity
    images_sha256: str
    settings: Asked

    @property
    def is_quick(self) -> bool:
        """True for margins, and for what takes a few forward passes."""
        if isinstance(self.settings, ExplainRequest):
            return find_explainer(self.settings.method).cost(self.settings.settings) <= QUICK
        return self.settings != "whole"


class JobStatus(NamedTuple):
    """The status of a request.

    Attributes:
        state: "waiting", "running", "done", "stopped" or "failed".
        answer: the last there is, which a "running" job may still refine; None before the first.
        share: how much is done, 0 to 1.
        place: number of requests before this one.
        message: one sentence on what went wrong.
    """

    state: Literal["waiting", "running", "done", "stopped", "failed"]
    answer: Any = None
    share: float = 0.0
    place: int = 0
    message: str = ""

    @property
    def busy(self) -> bool:
        """True while more may come."""
        return self.state in ("waiting", "running")


@dataclass(eq=False)
class _Job:
    request: Request
    pixels: Pixels
    # when each asker last polled
    askers: dict[Asker, float] = field(default_factory=dict)
    arrived: float = field(default_factory=time.monotonic)
    steps: Iterator[tuple[Any, float]] | None = None
    answer: Any = None
    share: float = 0.0
    # somewhere on the thread's stack
    running: bool = False

    @property
    def urgency(self) -> int:
        """0 for what is quick, 1 before the first answer, 2 while that is refined."""
        if self.request.is_quick:
            return 0
        return 1 if self.answer is None else 2


class Worker:
    """The thread, the requests that wait for it, and their answers.

    Args:
        lease: seconds after which a request that nobody polls is dropped.
    """

    def __init__(self, *, lease: float = LEASE) -> None:
        self._lease = lease
        self._changed = threading.Condition()
        self._jobs: dict[Request, _Job] = {}
        # when each visitor was served last
        self._served: Bounded[str, float] = Bounded(MAX_SERVED)
        # how a request ended for its asker, where it has no full answer
        self._ended: Bounded[Asker, tuple[Request, JobStatus]] = Bounded(MAX_ENDED)
        self._answers: Bounded[Request, JobStatus] = Bounded(MAX_ANSWERS)
        self._detectors: Bounded[tuple[Path, Identity], Detector] = Bounded(MAX_DETECTORS)
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name="detectors", daemon=True)
        self._thread.start()
        # torch aborts the process when it ends in the middle of a step
        atexit.register(self.close)

    def ask(self, visitor: str, slot: str, request: Request, pixels: Pixels) -> JobStatus:
        """Ask, or poll for the answer.

        Args:
            visitor: who asks.
            slot: for which part of the page; asking something else for the same slot drops the request before.
            request: what is asked.
            pixels: uint8 (K, side, side, 3), the images whose hash the request carries.
        """
        asker = (visitor, slot)
        with self._changed:
            job = self._jobs.get(request)
            if job is None or asker not in job.askers:
                self._leave(asker)
            answered = self._answers.get(request)
            if answered is not None:
                return answered
            ended = self._ended.get(asker)
            if ended is not None and ended[0] == request:
                return ended[1]
            if job is None:
                if len(self._jobs) >= MAX_WAITING or self._has_enough(visitor, request):
                    return JobStatus("failed", message="Too many explanations are waiting; try again in a minute.")
                job = _Job(request, pixels)
                self._jobs[request] = job
            job.askers[asker] = time.monotonic()
            self._changed.notify_all()
            if job.running or job.answer is not None:
                return JobStatus("running", job.answer, job.share)
            before = [other for other in self._jobs.values() if self._order(other) < self._order(job)]
            return JobStatus("waiting", place=len(before))

    def _has_enough(self, visitor: str, request: Request) -> bool:
        """Check whether a visitor asks for one explanation too many. Under the lock."""
        if not isinstance(request.settings, ExplainRequest):
            return False
        own = [job for job in self._jobs.values() if any(name == visitor for name, _ in job.askers)]
        return sum(isinstance(job.request.settings, ExplainRequest) for job in own) >= MAX_OWN

    def stop(self, visitor: str, slot: str) -> None:
        """Stop the request of a slot and keep what there is of the answer."""
        with self._changed:
            job = self._leave((visitor, slot))
            if job is not None:
                self._ended[visitor, slot] = (job.request, JobStatus("stopped", job.answer, job.share))

    def go_on(self, visitor: str, slot: str) -> None:
        """Let a request that was stopped or has failed be made again."""
        with self._changed:
            self._ended.pop((visitor, slot), None)

    def close(self, *, wait: bool = True) -> None:
        """End the thread after the batch it is in, and wait for that unless told otherwise."""
        atexit.unregister(self.close)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if wait:
            self._thread.join()

    def _leave(self, asker: Asker) -> _Job | None:
        """Take an asker off the request that it waits for; return its job. Under the lock."""
        job = next((job for job in self._jobs.values() if asker in job.askers), None)
        if job is not None:
            del job.askers[asker]
        return job

    def _order(self, job: _Job) -> tuple[int, float, float]:
        """Return what requests are sorted by, the most urgent first."""
        served = min((self._served.get(visitor, 0.0) for visitor, _ in job.askers), default=0.0)
        return job.urgency, served, job.arrived

    def _next(self, *, before: int = 3) -> _Job | None:
        """Drop what nobody waits for any more; return the request to move on, more urgent than `before`."""
        now = time.monotonic()
        for job in list(self._jobs.values()):
            job.askers = {asker: seen for asker, seen in job.askers.items() if now - seen <= self._lease}
            if not job.askers:
                del self._jobs[job.request]
        ready = [job for job in self._jobs.values() if not job.running and job.urgency < before]
        return min(ready, key=self._order, default=None)

    def _loop(self) -> None:
        # there it is that of this thread alone
        if sys.platform == "linux":
            os.nice(NICE)
        while not self._closed:
            with self._changed:
                job = self._next()
                if job is None and not self._closed:
                    self._changed.wait(timeout=self._lease)
            if job is not None:
                self._move_on(job)

    def _move_on(self, job: _Job) -> None:
        """Move a request on by one step; whatever goes wrong is that request's end, not the thread's."""
        job.running = True
        try:
            if job.steps is None:
                detector = self._detector(job.request)
                cancel = partial(self._is_given_up, job)
                job.steps = compute_answer(detector, job.pixels, job.request.settings, cancel)
            self._keep(job, *next(job.steps, (None, 1.0)))
        except (ValueError, OSError) as error:
            # what core raises on purpose is a sentence already
            self._fail(job, for_visitors(error))
        except Exception as error:  # the thread must outlive any request
            logging.getLogger(__name__).exception("A request failed")
            self._fail(job, f"This could not be computed ({type(error).__name__}).")
        finally:
            job.running = False

    def _is_given_up(self, job: _Job) -> bool:
        """Between two batches of a request, move on more urgent ones; return True where nobody waits for it."""
        while True:
            with self._changed:
                other = self._next(before=job.urgency)
                given_up = self._closed or self._jobs.get(job.request) is not job
            if given_up or other is None:
                return given_up
            self._move_on(other)

    def _keep(self, job: _Job, answer: Any, share: float) -> None:
        with self._changed:
            self._served.update((visitor, time.monotonic()) for visitor, _ in job.askers)
            job.answer = answer
            job.share = share
            # a request that was given up in a step ends without an answer, and may have been made again meanwhile
            if share >= 1 and self._jobs.get(job.request) is job:
                del self._jobs[job.request]
                if answer is not None:
                    self._answers[job.request] = JobStatus("done", answer, 1.0)

    def _fail(self, job: _Job, sentence: str) -> None:
        with self._changed:
            if self._jobs.get(job.request) is job:
                del self._jobs[job.request]
            for asker in job.askers:
                self._ended[asker] = (job.request, JobStatus("failed", message=sentence))

    def _detector(self, request: Request) -> "Detector":
        # torch is imported in this thread, so that pages which need no detector never wait for it
        import torch  # noqa: PLC0415

        from core.detectors.storage import load_detector  # noqa: PLC0415

        # keyed by folder as well: detectors with equal identities may differ in name or training set
        key = (request.detector, request.identity)
        if key not in self._detectors:
            # torch's threads wait for one another: if a page takes the core of one of them, all stall
            torch.set_num_threads(max(1, min(torch.get_num_threads(), (os.cpu_count() or 1) - 1)))
            detector = load_detector(request.detector)
            if detector.identity != request.identity:
                raise ValueError(f"{request.detector} is another detector than when this page was opened; reload it")
            self._detectors[key] = detector
        return self._detectors[key]


def compute_answer(
    detector: "Detector", pixels: Pixels, settings: Any, cancel: Callable[[], bool]
) -> Iterator[tuple[Any, float]]:
    """Yield answers, each better than the one before, with the share of the work that is done.

    Args:
        detector: the one that is asked.
        pixels: uint8 (K, side, side, 3), or one picture of any size to score whole; explanations are of the first.
        settings: of the request.
        cancel: called between batches; True ends the iteration. Other requests may be moved on in it.
    """
    import torch  # noqa: PLC0415

    from core.explainers.explainer import check_finite  # noqa: PLC0415

    def cancelled() -> bool:
        # whether gradients are recorded belongs to the thread, and so to all requests
        with torch.inference_mode(mode=False), torch.enable_grad():
            return cancel()

    if settings == "predictions":
        result = detector.full_pass(pixels)
        check_finite(detector, result.margins)
        yield Prediction(result.margins, detector.p_real(result.margins), result.features), 1.0
    elif settings == "whole":
        for whole in detector.score_whole(pixels[0]):
            # the array grows while pages draw it
            yield replace(whole, scores=whole.scores.copy()), whole.done
            if cancelled():
                return
    elif settings == "margins":
        margins = np.empty(0, np.float32)
        while len(margins) < len(pixels) and not cancelled():
            margins = np.append(margins, detector.margins(pixels[len(margins) : len(margins) + BATCH]))
            check_finite(detector, margins)
            yield margins, len(margins) / len(pixels)
    else:
        explainer = find_explainer(settings.method)
        for explained in explainer.explain(detector, pixels[0], settings.settings, cancel=cancelled):
            yield explained, explained.done
