"""The thread that runs the detectors: order, cancelling, leases, limits, cache; answers equal to those made alone."""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from core.detectors.identity import Identity
from core.detectors.local import TILE
from core.detectors.storage import load_detector
from core.explainers.cam import CamSettings
from core.explainers.lime import LimeSettings
from core.explainers.registry import find_explainer
from core.explainers.settings import ExplainerSettings, ExplanationError
from dashboard import jobs
from dashboard.jobs import (
    BATCH,
    NICE,
    ExplainRequest,
    Request,
    Worker,
    compute_answer,
)
from tests.conftest import make_detector, make_patch, noise, textured

IMAGE = textured(1, fine=True, seed=9)
PREDICT = "predictions"
EXACT = ExplainRequest("exact", ExplainerSettings())
NOBODY = Identity("weights", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 1.0)


class Script:
    """Stands in for the detector's answers: each step waits until the test lets it go."""

    def __init__(self, monkeypatch):
        self.log = []
        self.gates = {}
        monkeypatch.setattr(jobs, "compute_answer", self.answer)
        detector = SimpleNamespace(identity=NOBODY)
        monkeypatch.setattr("core.detectors.storage.load_detector", lambda _folder: detector)

    def gate(self, settings, steps=1):
        self.gates.setdefault(settings, threading.Semaphore(0)).release(steps)

    def answer(self, _detector, _pixels, settings, cancel):
        gate = self.gates.setdefault(settings, threading.Semaphore(0))
        steps = 4 if isinstance(settings, ExplainRequest) and settings.method == "lime" else 1
        for step in range(1, steps + 1):
            while not gate.acquire(timeout=0.01):
                if cancel():
                    return
            self.log.append((settings, step))
            yield (settings, step), step / steps


@pytest.fixture
def script(monkeypatch):
    return Script(monkeypatch)


@pytest.fixture
def worker(script):
    with closing(Worker(lease=60)) as made:
        yield made


def request(settings, image="image"):
    return Request(Path("detector"), NOBODY, image, settings)


def lime(seed=0):
    return ExplainRequest("lime", LimeSettings(n_samples=256, seed=seed))


def ask(worker, visitor, settings, image="image", *, slot="slot"):
    """How far a request of a visitor is."""
    return worker.ask(visitor, slot, request(settings, image), IMAGE)


def answered(worker, visitor, asked, pixels=IMAGE, *, slot="slot", share=None):
    """Poll until a request has ended, or is done to this share; fails after two minutes."""
    for _ in range(12_000):
        status = worker.ask(visitor, slot, asked, pixels)
        if not status.busy or status.share == share:
            return status
        time.sleep(0.01)
    raise AssertionError(f"still {status}")


def until(worker, visitor, settings, share=None):
    """The same of an explanation or another request on an image, in a slot of its own."""
    return answered(worker, visitor, request(settings), slot=str(hash(settings)), share=share)


def test_it_refines_step_by_step_and_shares_the_answer(worker, script):
    for step in (1, 2, 3):
        script.gate(lime())
        status = until(worker, "me", lime(), step / 4)
        assert status.state == "running"
        assert status.answer == (lime(), step)
    script.gate(lime())
    answer = until(worker, "me", lime()).answer
    assert ask(worker, "you", lime()).answer is answer
    assert len(script.log) == 4
    # another image is another question
    assert ask(worker, "you", lime(), "other").busy


def test_quick_ones_and_first_answers_go_between_the_batches_of_others(worker, script):
    script.gate(lime(1))
    until(worker, "greedy", lime(1), 0.25)
    # in the middle of its second step, and stays there
    script.gate(lime(2))
    until(worker, "modest", lime(2), 0.25)
    script.gate(PREDICT)
    assert until(worker, "modest", PREDICT).answer == (PREDICT, 1)
    assert script.log == [(lime(1), 1), (lime(2), 1), (PREDICT, 1)]
    # then visitors are served in turn
    script.gate(lime(1), 3)
    script.gate(lime(2), 3)
    for visitor, number in (("greedy", 1), ("modest", 2)):
        until(worker, visitor, lime(number))
    assert [settings for settings, _ in script.log[4:7]] == [lime(2), lime(1), lime(2)]


def test_stop_keeps_what_there_is_and_go_on_begins_again(worker, script):
    slot = str(hash(lime()))
    script.gate(lime())
    until(worker, "me", lime(), 0.25)
    ask(worker, "you", lime())
    worker.stop("me", slot)
    status = ask(worker, "me", lime(), slot=slot)
    assert status.state == "stopped"
    assert status.answer == (lime(), 1)
    # the other visitor still waits for it, also once the thread has looked who does
    script.gate(PREDICT)
    until(worker, "third", PREDICT)
    assert ask(worker, "you", lime()).answer == (lime(), 1)
    script.gate(lime(), 3)
    worker.go_on("me", slot)
    assert until(worker, "me", lime()).answer == (lime(), 4)
    assert [step for settings, step in script.log if settings == lime()] == [1, 2, 3, 4]


def test_new_settings_drop_the_request_before(worker, script):
    ask(worker, "me", lime(1))
    ask(worker, "me", lime(2))
    script.gate(lime(2), 4)
    until(worker, "me", lime(2))
    assert {settings for settings, _ in script.log} == {lime(2)}


def test_a_visitor_who_leaves_frees_the_thread(script):
    with closing(Worker(lease=0.3)) as worker:
        ask(worker, "gone", lime(1))
        script.gate(EXACT)
        until(worker, "here", EXACT)
        assert {settings for settings, _ in script.log} == {EXACT}


def test_the_queue_and_the_cache_are_bounded(script, monkeypatch):
    monkeypatch.setattr(jobs, "MAX_WAITING", 2)
    monkeypatch.setattr(jobs, "MAX_ANSWERS", 2)
    with closing(Worker(lease=60)) as worker:
        for name in ("a", "b", "c", "a"):
            script.gate(PREDICT)
            assert answered(worker, "me", request(PREDICT, name)).state == "done"
        assert len(script.log) == 4
        for number in range(2):
            assert ask(worker, "me", lime(number), slot=f"slot {number}").busy
        assert ask(worker, "you", lime(1)).busy
        assert "Too many" in ask(worker, "them", lime(3)).message


def test_one_visitor_cannot_fill_the_queue(worker, script):
    asked = [ask(worker, "greedy", lime(number), slot=str(number)) for number in range(41)]
    assert [status.busy for status in asked] == [True] * 40 + [False]
    assert "Too many" in asked[-1].message
    assert ask(worker, "modest", lime(41)).busy
    # what others wait for, too, and what is no explanation costs no more
    assert ask(worker, "greedy", PREDICT, slot="42").busy
    assert ask(worker, "greedy", lime(41), slot="41").busy
    # and who stops two may ask for another
    for slot in ("0", "1"):
        worker.stop("greedy", slot)
    assert ask(worker, "greedy", lime(42), slot="0").busy


@pytest.mark.parametrize(
    "error, sentence",
    [
        (ValueError("the image is odd; use another"), "the image is odd; use another."),
        (ZeroDivisionError("secret"), "This could not be computed (ZeroDivisionError)."),
    ],
)
def test_a_failure_is_one_sentence_and_the_thread_lives(worker, script, monkeypatch, error, sentence):
    answers = iter([error, "fine"])

    def answer(*_):
        following = next(answers)
        if isinstance(following, Exception):
            raise following
        yield following, 1.0

    monkeypatch.setattr(jobs, "compute_answer", answer)
    status = answered(worker, "me", request(PREDICT))
    assert status.state == "failed"
    assert status.message == sentence
    assert ask(worker, "me", PREDICT).state == "failed"
    worker.go_on("me", "slot")
    assert answered(worker, "me", request(PREDICT)).answer == "fine"


def test_visitors_at_once_get_what_they_would_have_alone(made_home):
    folder = made_home / "detectors" / "tiny"
    detector = load_detector(folder, device="cpu")
    threads = torch.get_num_threads()
    images = textured(3, fine=True, seed=4)
    asked = [
        ExplainRequest("lime", LimeSettings(n_samples=128, n_segments=20)),
        ExplainRequest("gradcam", CamSettings(layer="layer3")),
        PREDICT,
    ]

    def visit(number):
        one = Request(folder, detector.identity, f"image{number}", asked[number])
        return answered(worker, str(number), one, images[number][None])

    with closing(Worker()) as worker, ThreadPoolExecutor() as visitors:
        *explained, predicted = visitors.map(visit, range(3))
        changed = Request(folder, NOBODY, "image", PREDICT)
        assert "is another detector than" in answered(worker, "me", changed).message
    for request, image, status in zip(asked, images, explained, strict=False):
        alone = find_explainer(request.method).explain_fully(detector, image, request.settings)
        # to the last bit: a request is always computed in the same batches
        assert_array_equal(status.answer.values, alone.values)
    assert_allclose(predicted.answer.margins, detector.margins(images[2:]), atol=1e-5)
    torch.set_num_threads(threads)


def test_margins_of_many_images_come_in_batches(tiny_detector):
    pixels = textured(2 * BATCH + 3, fine=True, seed=3)
    answers = list(compute_answer(tiny_detector, pixels, "margins", lambda: False))
    assert [len(margins) for margins, _ in answers] == [BATCH, 2 * BATCH, len(pixels)]
    assert [share for _, share in answers] == pytest.approx([BATCH / len(pixels), 2 * BATCH / len(pixels), 1])
    assert_allclose(answers[-1][0], tiny_detector.margins(pixels), atol=1e-5)
    assert list(compute_answer(tiny_detector, pixels, "margins", lambda: True)) == []
    ((whole, _),) = compute_answer(tiny_detector, pixels, PREDICT, lambda: False)
    assert_allclose(whole.margins, answers[-1][0], atol=1e-5)
    assert_array_equal(whole.p_real, tiny_detector.p_real(whole.margins))
    assert_array_equal(whole.features, tiny_detector.full_pass(pixels).features)
    tiny_detector.network.fc.bias.fill_(float("nan"))
    for request in (PREDICT, "margins"):
        with pytest.raises(ExplanationError, match="not finite"):
            next(compute_answer(tiny_detector, pixels, request, lambda: False))


def test_a_whole_picture_is_scored_tile_by_tile_until_nobody_waits_for_it():
    detector = make_patch()
    pixels = noise(2, 40, 2 * TILE)[1:]
    expected = [(whole.scores.copy(), whole.done) for whole in detector.score_whole(pixels[0])]
    modes = []

    def cancel():
        modes.append((torch.is_inference_mode_enabled(), torch.is_grad_enabled()))
        return False

    with torch.inference_mode():
        answers = list(compute_answer(detector, pixels, "whole", cancel))
    # whatever the work that waits, another request may record gradients
    assert modes == [(False, True)] * len(expected)
    assert len(answers) == len(expected) > 1
    for (whole, share), (scores, done) in zip(answers, expected, strict=True):
        assert_array_equal(whole.scores, scores)
        assert share == whole.done == done
    assert len(list(compute_answer(detector, pixels, "whole", lambda: True))) == 1
    assert all(share < 1 for _, share in compute_answer(make_detector(), IMAGE, lime(), lambda: True))


def test_who_waits_is_told_how_many_are_before(worker, script):
    script.gate(lime(1))
    until(worker, "me", lime(1), 0.25)
    statuses = [ask(worker, "you", lime(number), slot=str(number)) for number in (2, 3, 4, 3)]
    assert [status.place for status in statuses] == [0, 1, 2, 1]
    assert [status.state for status in statuses[1:]] == ["waiting"] * 3


@pytest.mark.parametrize("cores, threads", [(16, 8), (4, 3), (None, 1)])
def test_detectors_are_read_once_and_leave_a_core_and_the_precedence_to_pages(monkeypatch, cores, threads):
    read = []
    numbers = []

    def answer(detector, *_):
        yield (detector.folder, os.getpriority(os.PRIO_PROCESS, threading.get_native_id())), 1.0

    def read_detector(folder):
        read.append(folder)
        return SimpleNamespace(identity=NOBODY, folder=folder)

    monkeypatch.setattr("core.detectors.storage.load_detector", read_detector)
    monkeypatch.setattr(jobs, "compute_answer", answer)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.setattr(torch, "set_num_threads", numbers.append)
    nice = os.getpriority(os.PRIO_PROCESS, os.getpid()) + NICE * (sys.platform == "linux")
    with closing(Worker()) as worker:
        # equal identities may differ in name or training set
        for number, folder in enumerate([Path("a"), Path("b"), Path("a")]):
            status = answered(worker, "me", Request(folder, NOBODY, f"image {number}", PREDICT))
            assert status.answer == (folder, nice), status.message
    assert read == [Path("a"), Path("b")]
    assert numbers == [threads] * 2
