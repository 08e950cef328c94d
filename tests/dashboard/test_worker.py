"""The thread that owns the detectors: order, turns, cancelling, leases, cache; answers equal to those made alone."""

import gc
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from core.detectors.identity import Identity
from core.detectors.storage import load_detector
from core.explainers.cam import CamSettings
from core.explainers.integrated_gradients import IntegratedGradientsSettings
from core.explainers.lime.bands import BandSettings
from core.explainers.lime.regions import LimeSettings
from core.explainers.probing import ProbeSettings
from core.explainers.registry import find_explainer
from dashboard.services.worker import answering, jobs, queue, worker
from dashboard.services.worker.jobs import JobStatus
from dashboard.services.worker.requests import ExplainRequest, Prediction, PredictRequest, Request
from dashboard.services.worker.worker import Worker
from tests.conftest import textured

IMAGE = textured(1, fine=True, seed=9)
PREDICT = PredictRequest()


class Clock:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(clock: Clock) -> Iterator[Worker]:
    made = Worker(lease=10, clock=clock)
    yield made
    made.close()


class Script:
    """Stands in for the detector's answers: each step waits until the test lets it go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[tuple[Any, int]] = []
        self.gates: dict[Any, threading.Semaphore] = {}
        monkeypatch.setattr(answering, "answer", self.answer)
        monkeypatch.setattr(Worker, "_detector", lambda _self, _question: None)

    def gate(self, settings: Any) -> threading.Semaphore:
        return self.gates.setdefault(settings, threading.Semaphore(0))

    def answer(
        self, _detector: None, pixels: Any, settings: Any, cancel: Callable[[], bool]
    ) -> Iterator[tuple[Any, float]]:
        explained = settings.settings if isinstance(settings, ExplainRequest) else None
        steps = explained.n_samples // 64 if isinstance(explained, LimeSettings) else 1
        for step in range(1, steps + 1):
            while not self.gate(settings).acquire(timeout=0.01):
                if cancel():
                    return
            self.log.append((settings, step))
            yield (settings, step), step / steps


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    return Script(monkeypatch)


def identity(weights: str = "weights") -> Identity:
    return Identity(weights, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 1.0)


def question(settings: Any, image: str = "image", asked: Identity | None = None) -> Request:
    return Request(Path("detector"), asked or identity(), image, settings)


def until(found: Callable[[], JobStatus], what: Callable[[JobStatus], bool]) -> JobStatus:
    """Come back until `what` is so; fails after five minutes."""
    for _ in range(30_000):
        standing = found()
        if what(standing):
            return standing
        time.sleep(0.01)
    raise AssertionError(f"still {standing}")


def lime(n_samples: int = 256, seed: int = 0) -> ExplainRequest:
    return ExplainRequest("lime", LimeSettings(n_samples=n_samples, seed=seed))


BANDS = ExplainRequest("lime_bands", BandSettings())


def test_refines_step_by_step_and_is_done(desk: Worker, script: Script) -> None:
    asked = question(lime())
    for step in (1, 2, 3):
        script.gate(lime()).release()
        standing = until(lambda: desk.ask("me", "lime", asked, IMAGE), lambda found, n=step: found.share == n / 4)
        assert standing.state == "running"
        assert standing.answer == (lime(), step)
    script.gate(lime()).release()
    assert until(lambda: desk.ask("me", "lime", asked, IMAGE), lambda found: found.state == "done").share == 1


def test_who_has_patience_gets_the_whole_answer_and_who_is_let_down_how_it_stands(desk: Worker, script: Script) -> None:
    assert desk.ask("me", "lime", question(lime()), IMAGE, patience=0.05).busy
    for _ in range(4):
        script.gate(lime()).release()
    assert desk.ask("me", "lime", question(lime()), IMAGE, patience=300).answer == (lime(), 4)
    # stopped by another of its own threads, or failed: nothing more to wait for
    asked = question(lime(seed=1))
    threading.Timer(0.05, desk.stop, ("me", "other")).start()
    assert desk.ask("me", "other", asked, IMAGE, patience=300).state == "stopped"


def test_what_is_left_is_told_from_the_pace_so_far(desk: Worker, clock: Clock, script: Script) -> None:
    asked = question(lime())
    assert desk.ask("me", "lime", asked, IMAGE).seconds_left is None
    until(lambda: desk.ask("me", "lime", asked, IMAGE), lambda found: found.state == "running")
    clock.now += 6
    script.gate(lime()).release()
    until(lambda: desk.ask("me", "lime", asked, IMAGE), lambda found: found.share == 0.25)
    for seconds, left in ((0, 18), (2, 16), (3, 13)):
        clock.now += seconds
        assert desk.ask("me", "lime", asked, IMAGE).seconds_left == pytest.approx(left)


def let_go(script: Script, settings: Any, steps: int = 4) -> None:
    """Let an answer make some steps."""
    for _ in range(steps):
        script.gate(settings).release()


def done(desk: Worker, visitor: str, settings: Any, slot: str = "lime") -> JobStatus:
    """Come back until there is the whole answer."""
    return until(lambda: desk.ask(visitor, slot, question(settings), IMAGE), lambda standing: standing.state == "done")


def test_everybody_has_a_first_result_before_anybody_has_a_better_one(desk: Worker, script: Script) -> None:
    first, second = lime(seed=1), lime(seed=2)
    # both are asked before either can move
    desk.ask("me", "lime", question(first), IMAGE)
    desk.ask("you", "lime", question(second), IMAGE)
    let_go(script, second)
    let_go(script, first)
    done(desk, "me", first)
    done(desk, "you", second)
    # then they are refined in the order in which they were asked
    assert script.log == [(settings, 1) for settings in (first, second)] + [
        (settings, step) for settings in (first, second) for step in (2, 3, 4)
    ]


def test_who_has_had_much_gives_way_in_the_midst_of_a_step(desk: Worker, script: Script, clock: Clock) -> None:
    much, little = lime(2048), lime(seed=1)
    let_go(script, much, 1)
    until(lambda: desk.ask("greedy", "lime", question(much), IMAGE), lambda found: bool(found.share))
    # its second step has taken five seconds and is not done
    clock.now += 5
    let_go(script, little)
    done(desk, "modest", little)
    # nor does another question of the greedy one go before those of others
    other, further = lime(seed=2), lime(seed=3)
    desk.ask("greedy", "other", question(other), IMAGE)
    desk.ask("modest", "further", question(further), IMAGE)
    let_go(script, other)
    let_go(script, further)
    done(desk, "modest", further, "further")
    let_go(script, much, 31)
    done(desk, "greedy", other, "other")
    finished = [settings for settings, step in script.log if step == 4 and settings != much]
    assert finished == [little, further, other]
    assert script.log.index((further, 4)) < script.log.index((other, 1))
    assert done(desk, "greedy", much).answer == (much, 32)


def test_those_who_ask_for_much_cost_the_others_nothing(desk: Worker, script: Script, clock: Clock) -> None:
    greedy = {f"greedy {number}": lime(2048, seed=number) for number in range(3)}
    for visitor, settings in greedy.items():
        let_go(script, settings, 1)
        until(lambda v=visitor, s=settings: desk.ask(v, "lime", question(s), IMAGE), lambda found: bool(found.share))
        clock.now += 2
    modest = {f"modest {number}": lime(seed=100 + number) for number in range(5)}
    for visitor, settings in modest.items():
        standing = desk.ask(visitor, "lime", question(settings), IMAGE)
        assert standing.place <= len(modest)
        let_go(script, settings)
    for settings in greedy.values():
        let_go(script, settings, 31)
    for visitor, settings in modest.items():
        done(desk, visitor, settings)
    last = max(script.log.index((settings, 4)) for settings in modest.values())
    # those in the midst of a step end it where they do not ask; a scripted one has no more than one step in hand
    assert sum(settings in greedy.values() for settings, _ in script.log[:last]) <= len(greedy) + 1
    for visitor, settings in greedy.items():
        done(desk, visitor, settings)


def test_what_waits_says_its_place_and_when_it_will_be_there(desk: Worker, script: Script, clock: Clock) -> None:
    asked = lime()
    desk.ask("me", "lime", question(asked), IMAGE)
    until(lambda: desk.ask("me", "lime", question(asked), IMAGE), lambda found: found.state == "running")
    clock.now += 8
    let_go(script, asked)
    done(desk, "me", asked)
    # the next ones take as long, and one after the other
    places = [desk.ask(f"new {n}", "lime", question(asked, f"image {n}"), IMAGE) for n in range(3)]
    assert [one.place for one in places] == [0, 1, 2]
    assert [one.seconds_left for one in places] == pytest.approx([8, 16, 24])
    # of another number of samples the last of its kind is what is known
    assert desk.ask("new 3", "lime", question(lime(64)), IMAGE).seconds_left == pytest.approx(32)
    assert desk.ask("new 4", "other", question(BandSettings()), IMAGE).seconds_left is None


def test_the_first_of_its_kind_tells_those_that_wait_how_long_it_takes(
    desk: Worker, script: Script, clock: Clock
) -> None:
    asked = lime()
    desk.ask("me", "lime", question(asked), IMAGE)
    until(lambda: desk.ask("me", "lime", question(asked), IMAGE), lambda found: found.state == "running")
    assert desk.ask("you", "lime", question(asked, "other"), IMAGE).seconds_left is None
    clock.now += 2
    let_go(script, asked, 1)
    # one of four steps took two seconds, and yours is to begin before mine goes on
    standing = until(lambda: desk.ask("you", "lime", question(asked, "other"), IMAGE), lambda found: not found.place)
    assert standing.seconds_left == pytest.approx(8)
    assert desk.ask("me", "lime", question(asked), IMAGE).seconds_left == pytest.approx(8 + 6)


def test_the_more_wait_the_less_often_it_is_worth_to_come_back(desk: Worker, script: Script) -> None:
    again = [desk.ask(f"v{n}", "lime", question(lime(seed=n)), IMAGE).again for n in range(100)]
    assert again[0] == jobs.SOON
    assert again == sorted(again)
    assert jobs.SOON < again[30] < again[-1] == jobs.LATEST
    # far less than what makes it forgotten
    assert 4 * jobs.LATEST < worker.LEASE


def test_what_is_dropped_or_closed_in_the_midst_of_a_step_is_ended(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[Any] = []

    def answer(_detector: None, _pixels: Any, settings: Any, cancel: Callable[[], bool]) -> Iterator[tuple[Any, float]]:
        try:
            while not cancel():
                time.sleep(0.001)
        finally:
            ended.append(settings)
        yield from ()

    monkeypatch.setattr(answering, "answer", answer)
    monkeypatch.setattr(Worker, "_detector", lambda _self, _question: None)
    desk = Worker(lease=10, clock=clock)
    for number in range(3):
        visitor = f"v{number}"
        desk.ask(visitor, "bands", question(BandSettings(seed=number)), IMAGE)
        until(
            lambda v=visitor, n=number: desk.ask(v, "bands", question(BandSettings(seed=n)), IMAGE),
            lambda found: found.state == "running",
        )
        # who has had the thread for so long lets the next one begin
        clock.now += 5
    desk.ask("v2", "bands", question(BandSettings(seed=2)), IMAGE)
    # the lease of the first has run out, in the midst of its step
    until(lambda: JobStatus("running", share=float(len(ended))), lambda found: found.share >= 1)
    assert ended[0] == BandSettings(seed=0)
    desk.close()
    assert sorted(settings.seed for settings in ended) == [0, 1, 2]


def test_a_quick_question_goes_between_the_batches_of_a_slow_one(desk: Worker, script: Script) -> None:
    desk.ask("me", "lime", question(lime()), IMAGE)
    script.gate(PREDICT).release()
    # the slow one is in the middle of its first step and stays there
    standing = until(lambda: desk.ask("you", "look", question(PREDICT), IMAGE), lambda found: found.state == "done")
    assert standing.answer == (PREDICT, 1)
    assert desk.ask("me", "lime", question(lime()), IMAGE).busy


def test_a_lime_goes_before_and_between_the_batches_of_less_urgent_questions(desk: Worker, script: Script) -> None:
    desk.ask("me", "bands", question(BANDS), IMAGE)
    until(lambda: desk.ask("me", "bands", question(BANDS), IMAGE), lambda found: found.state == "running")
    desk.ask("me", "probes", question(ProbeSettings()), IMAGE)
    assert desk.ask("you", "lime", question(lime()), IMAGE).place == 0
    for gate in (lime(), lime(), lime(), lime(), PREDICT):
        script.gate(gate).release()
    # the bands are in the middle of their first step and stay there; the probes have not begun
    until(lambda: desk.ask("you", "lime", question(lime()), IMAGE), lambda found: found.state == "done")
    until(lambda: desk.ask("you", "look", question(PREDICT), IMAGE), lambda found: found.state == "done")
    assert {settings for settings, _ in script.log} == {lime(), PREDICT}
    standing = desk.ask("me", "probes", question(ProbeSettings()), IMAGE)
    assert (standing.state, standing.place) == ("waiting", 1)
    for settings in (BANDS, ProbeSettings()):
        script.gate(settings).release()
        until(lambda s=settings: desk.ask("me", "b", question(s), IMAGE), lambda found: found.state == "done")


def test_waiting_questions_know_their_place(desk: Worker, script: Script) -> None:
    for number in range(3):
        standing = desk.ask(f"v{number}", "lime", question(lime(seed=number)), IMAGE)
        assert standing.place == number


def test_asking_twice_costs_nothing_and_visitors_share(desk: Worker, script: Script) -> None:
    script.gate(PREDICT).release()
    answer = until(lambda: desk.ask("me", "look", question(PREDICT), IMAGE), lambda found: found.state == "done").answer
    for visitor in ("me", "you"):
        assert desk.ask(visitor, "look", question(PREDICT), IMAGE).answer is answer
    assert len(script.log) == 1


def test_another_image_detector_or_setting_is_another_question(desk: Worker, script: Script) -> None:
    different = [
        question(PREDICT),
        question(PREDICT, "other"),
        question(PREDICT, asked=identity("other")),
        question(ExplainRequest("gradcam", CamSettings())),
        question(ExplainRequest("gradcam", CamSettings(layer="layer3"))),
        question(ExplainRequest("layercam", CamSettings())),
    ]
    for _ in range(9):
        script.gate(PREDICT).release()
        for asked in different[3:]:
            script.gate(asked.settings).release()
    for number, asked in enumerate(different):
        until(lambda a=asked, n=number: desk.ask("me", f"slot{n}", a, IMAGE), lambda found: found.state == "done")
    assert len(script.log) == len(different)


def test_a_moved_slider_drops_the_question_before(desk: Worker, script: Script) -> None:
    desk.ask("me", "lime", question(lime(seed=1)), IMAGE)
    desk.ask("me", "lime", question(lime(seed=2)), IMAGE)
    for _ in range(4):
        script.gate(lime(seed=2)).release()
    until(lambda: desk.ask("me", "lime", question(lime(seed=2)), IMAGE), lambda found: found.state == "done")
    assert desk.waiting == 0
    assert {settings for settings, _ in script.log} == {lime(seed=2)}


def test_what_another_visitor_waits_for_is_not_dropped(desk: Worker, script: Script) -> None:
    desk.ask("me", "lime", question(lime()), IMAGE)
    desk.ask("you", "lime", question(lime()), IMAGE)
    desk.stop("me", "lime")
    for _ in range(4):
        script.gate(lime()).release()
    assert until(lambda: desk.ask("you", "lime", question(lime()), IMAGE), lambda found: found.state == "done")
    # the answer is there by now, so the one who stopped has it too
    assert desk.ask("me", "lime", question(lime()), IMAGE).state == "done"


def test_stop_keeps_what_there_is_and_go_on_begins_again(desk: Worker, script: Script) -> None:
    script.gate(lime()).release()
    until(lambda: desk.ask("me", "lime", question(lime()), IMAGE), lambda found: found.share == 0.25)
    desk.stop("me", "lime")
    standing = desk.ask("me", "lime", question(lime()), IMAGE)
    assert (standing.state, standing.answer) == ("stopped", (lime(), 1))
    until(lambda: JobStatus("done", share=desk.waiting), lambda found: found.share == 0)
    desk.go_on("me", "lime")
    for _ in range(4):
        script.gate(lime()).release()
    assert until(lambda: desk.ask("me", "lime", question(lime()), IMAGE), lambda found: found.state == "done")


def test_who_comes_back_is_not_forgotten_for_those_who_came_once(
    desk: Worker, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk._queue.asked, "most", 3)
    desk.ask("me", "lime", question(lime()), IMAGE)
    desk.stop("me", "lime")
    for number in range(6):
        desk.ask(f"other{number}", "look", question(PREDICT, f"image{number}"), IMAGE)
        assert desk.ask("me", "lime", question(lime()), IMAGE).state == "stopped"


def test_a_visitor_who_leaves_frees_the_job(desk: Worker, script: Script, clock: Clock) -> None:
    desk.ask("gone", "lime", question(lime(seed=1)), IMAGE)
    desk.ask("gone", "more", question(lime(seed=2)), IMAGE)
    clock.now = 9
    desk.ask("here", "lime", question(lime(seed=3)), IMAGE)
    clock.now = 11
    script.gate(lime(seed=3)).release()
    until(lambda: desk.ask("here", "lime", question(lime(seed=3)), IMAGE), lambda found: found.share == 0.25)
    assert desk.waiting == 1
    assert {settings for settings, _ in script.log} == {lime(seed=3)}


def test_the_cache_and_the_queue_are_bounded(desk: Worker, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "MAX_ANSWERS", 2)
    monkeypatch.setattr(queue, "MAX_WAITING", 3)
    for name in ("a", "b", "c", "a"):
        script.gate(PREDICT).release()
        until(
            lambda n=name: desk.ask("me", "look", question(PREDICT, n), IMAGE),
            lambda found: found.state == "done",
        )
    assert len(script.log) == 4
    for number in range(3):
        assert desk.ask("me", f"slot{number}", question(lime(seed=number)), IMAGE).busy
    refused = desk.ask("me", "slot3", question(lime(seed=3)), IMAGE)
    assert (refused.state, refused.message) == ("failed", "Too many explanations are waiting; try again in a minute.")


def test_one_visitor_does_not_fill_the_queue(
    desk: Worker, script: Script, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "MAX_OWN", 2)
    for number in range(2):
        assert desk.ask("me", f"slot{number}", question(lime(seed=number)), IMAGE).busy
    refused = desk.ask("me", "slot2", question(lime(seed=2)), IMAGE)
    sentence = "You already have 2 explanations pending; ask again when some are done."
    assert (refused.state, refused.message) == ("failed", sentence)
    assert desk.ask("you", "slot", question(lime(seed=2)), IMAGE).busy
    # nobody has to do anything for what somebody else waits for as well
    assert desk.ask("me", "slot2", question(lime(seed=2)), IMAGE).busy
    desk.stop("me", "slot0")
    desk.stop("me", "slot2")
    assert desk.ask("me", "slot3", question(lime(seed=3)), IMAGE).busy


def test_answers_are_bounded_by_their_bytes_too(desk: Worker, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    large = np.zeros(1000, np.uint8)
    monkeypatch.setattr(worker, "MAX_KEPT", 2500)
    monkeypatch.setattr(answering, "answer", lambda *_: iter([(Prediction(large, large[:0], large[:0]), 1.0)]))
    for name in "abcd":
        until(
            lambda n=name: desk.ask("me", "look", question(PREDICT, n), IMAGE),
            lambda found: found.state == "done",
        )
    assert [kept.images_sha256 for kept in desk._answers] == ["c", "d"]
    assert jobs.size_of([{"a": large}, (large, None, 3)]) == 2000


def test_visitors_who_have_left_are_forgotten(desk: Worker, script: Script) -> None:
    desk._queue.asked.most = 3
    script.gate(PREDICT).release()
    until(lambda: desk.ask("me", "look", question(PREDICT), IMAGE), lambda found: found.state == "done")
    for number in range(9):
        assert desk.ask(f"visitor {number}", "look", question(PREDICT), IMAGE).state == "done"
    assert len(desk._queue.asked) == 3


def test_a_closed_one_is_given_back_with_all_it_held(script: Script) -> None:
    def used() -> tuple[threading.Thread, weakref.ref[Worker]]:
        desk = Worker()
        script.gate(PREDICT).release()
        until(lambda: desk.ask("me", "look", question(PREDICT), IMAGE), lambda found: found.state == "done")
        desk.close()
        return desk._thread, weakref.ref(desk)

    thread, gone = used()
    thread.join()
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("the image is odd; use another"), "the image is odd; use another."),
        (ZeroDivisionError("secret"), "This could not be computed (ZeroDivisionError)."),
    ],
)
def test_a_failure_is_one_sentence_and_the_thread_lives(
    desk: Worker, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    calls = []

    def answer(*_: Any) -> Iterator[Any]:
        calls.append(1)
        if len(calls) == 1:
            raise error
        yield "fine", 1.0

    monkeypatch.setattr(answering, "answer", answer)
    monkeypatch.setattr(Worker, "_detector", lambda _self, _question: None)
    standing = until(lambda: desk.ask("me", "look", question(PREDICT), IMAGE), lambda found: not found.busy)
    assert (standing.state, standing.message) == ("failed", sentence)
    assert desk.ask("me", "look", question(PREDICT), IMAGE).state == "failed"
    desk.go_on("me", "look")
    assert (
        until(lambda: desk.ask("me", "look", question(PREDICT), IMAGE), lambda found: not found.busy).answer == "fine"
    )


def test_visitors_at_once_get_what_they_would_have_alone(made_home: Path) -> None:
    folder = made_home / "detectors" / "tiny"
    detector = load_detector(folder, device="cpu")
    threads = torch.get_num_threads()
    # sums of gradients hang on the number of threads, in their last digit
    answering.leave_a_core()
    images = textured(3, fine=True, seed=4)
    asked = {
        "a": (0, ExplainRequest("lime", LimeSettings(n_samples=128, n_segments=20))),
        "b": (0, ExplainRequest("lime", LimeSettings(n_samples=192, n_segments=40, seed=3, fill="blur"))),
        "c": (1, ExplainRequest("gradcam", CamSettings(layer="layer3"))),
        # these give way in the midst of what records no gradients, each within the other
        "s": (0, ExplainRequest("scorecam", CamSettings())),
        "t": (1, ExplainRequest("scorecam", CamSettings())),
        "i": (2, ExplainRequest("integrated_gradients", IntegratedGradientsSettings(steps=160))),
        "d": (1, ExplainRequest("layercam", CamSettings(layer="layer2", target="REAL"))),
        "e": (2, ExplainRequest("lime", LimeSettings(n_samples=128, segmentation="grid", n_segments=16))),
        "f": (2, PREDICT),
    }
    desk = Worker(lease=60)
    try:
        standings: dict[str, JobStatus] = {}

        def visit(name: str) -> None:
            number, settings = asked[name]
            one = Request(folder, detector.identity, f"image{number}", settings)
            standings[name] = until(
                lambda: desk.ask(name, "slot", one, images[number][None]), lambda found: not found.busy
            )

        visitors = [threading.Thread(target=visit, args=(name,)) for name in asked]
        for visitor in visitors:
            visitor.start()
        for visitor in visitors:
            visitor.join()
    finally:
        desk.close()
    for name, (number, settings) in asked.items():
        assert standings[name].state == "done", standings[name].message
        answer = standings[name].answer
        if isinstance(settings, ExplainRequest):
            alone = find_explainer(settings.method).explain_fully(detector, images[number], settings.settings)
            # to the last bit: whoever else is answered, a question is asked of the detector in the same batches
            np.testing.assert_array_equal(answer.map, alone.map)
            assert answer.diagnostics.sentence == alone.diagnostics.sentence
        else:
            np.testing.assert_allclose(answer.margins, detector.margins(images[number][None]), atol=1e-5)
    torch.set_num_threads(threads)


def test_it_steps_back_behind_the_pages_and_ends_without_being_waited_for(script: Script) -> None:
    desk = Worker()
    desk.ask("me", "lime", question(lime()), IMAGE)
    until(lambda: desk.ask("me", "lime", question(lime()), IMAGE), lambda found: found.state == "running")
    if sys.platform == "linux":
        back = min(19, os.getpriority(os.PRIO_PROCESS, 0) + worker.BACK)
        # the thread steps back itself, maybe later than this
        thread = desk._thread.native_id
        assert thread is not None
        until(
            lambda: JobStatus("running", share=os.getpriority(os.PRIO_PROCESS, thread)),
            lambda found: found.share == back,
        )
    desk.close(wait=False)
    until(lambda: JobStatus("done", share=float(desk._thread.is_alive())), lambda found: found.share == 0)


def test_weights_that_have_changed_meanwhile_are_said(made_home: Path) -> None:
    desk = Worker()
    try:
        asked = Request(made_home / "detectors" / "tiny", identity("0" * 64), "image", PREDICT)
        standing = until(lambda: desk.ask("me", "look", asked, IMAGE), lambda found: not found.busy)
    finally:
        desk.close()
    assert "is another detector than when this page was opened" in standing.message


@pytest.mark.parametrize(("most", "times"), [(0, [2, 2, 2]), (1000, [1, 1, 1])])
def test_small_detectors_are_read_once_and_large_ones_two_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, times: list[int]
) -> None:
    read: list[str] = []

    def load(folder: Path) -> Any:
        read.append(folder.name)
        return SimpleNamespace(identity=identity(folder.name))

    monkeypatch.setattr("core.detectors.storage.load_detector", load)
    monkeypatch.setattr(worker, "MAX_FILES", most)
    desk, names = Worker(), ("a", "b", "c")
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights").write_bytes(b"1" * 300)
    try:
        for name in names * 2:
            desk._detector(Request(tmp_path / name, identity(name), "image", PREDICT))
    finally:
        desk.close()
    assert [read.count(name) for name in names] == times
