"""Answers of the worker's thread are those of core, with a share that ends at 1."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.detectors.detector import Detector
from core.detectors.identity import Identity
from core.detectors.manifest import Classes
from core.explainers.cam import GRADCAM, CamSettings
from core.explainers.lime.bands import LIME_BANDS, BandSettings
from core.explainers.lime.regions import LimeSettings
from core.explainers.probing import ProbeSettings, explain_probes
from core.explainers.registry import explainers, find_explainer
from core.explainers.settings import ExplanationError
from core.images.image_set import BusyError, DatasetError
from core.images.preprocessing import Preprocessing
from core.runs.writing import write_run
from core.storage import Bounded
from core.studies.neighbours.reference import NeighbourError
from core.studies.neighbours.similarity import NeighbourSettings
from dashboard.services.worker import answering, neighbourhood
from dashboard.services.worker.answering import answer, leave_a_core
from dashboard.services.worker.requests import LAST, ExplainRequest, PredictRequest, Request
from tests.conftest import textured
from tests.core.detectors.test_network import Flat, FlatDetector
from tests.core.studies.conftest import made_set

PIXELS = textured(4, fine=True, seed=3)
NOBODY = Identity("", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 1.0)


def never() -> bool:
    """Nobody says stop."""
    return False


@pytest.mark.parametrize(
    ("settings", "alone", "fields"),
    [
        (
            ProbeSettings("x", donors=1),
            lambda detector, settings: explain_probes(detector, PIXELS, settings=settings),
            ("after", "sentence", "margin"),
        ),
        (
            ExplainRequest("lime_bands", BandSettings(n_samples=128)),
            lambda detector, question: LIME_BANDS.explain(detector, PIXELS[0], question.settings),
            ("diagnostics", "margin"),
        ),
    ],
)
def test_slow_questions_are_answered_step_by_step_as_alone(
    tiny_detector: Detector, settings: Any, alone: Callable[..., Any], fields: tuple[str, ...]
) -> None:
    expected = list(alone(tiny_detector, settings))
    found = list(answer(tiny_detector, PIXELS, settings, never))
    shares = [share for _, share in found]
    assert len(found) == len(expected) > 1
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert all(share < 1 for share in shares[:-1])
    for (one, _), other in zip(found, expected, strict=True):
        for field in fields:
            np.testing.assert_equal(getattr(one, field), getattr(other, field))
    assert Request(Path(), NOBODY, "", settings).rank == LAST
    assert list(answer(tiny_detector, PIXELS, settings, lambda: True)) == []


def test_score_cam_is_a_slow_question_that_can_be_stopped(tiny_detector: Detector) -> None:
    slow = ExplainRequest("scorecam", CamSettings())
    assert Request(Path(), NOBODY, "", slow).rank == LAST
    assert Request(Path(), NOBODY, "", ExplainRequest("gradcam", CamSettings())).rank == 0
    assert list(answer(tiny_detector, PIXELS, slow, lambda: True)) == []
    ((found, share),) = answer(tiny_detector, PIXELS, slow, never)
    assert (found.method, found.settings, share) == ("scorecam", slow.settings, 1)


def test_margins_that_are_no_numbers_are_no_answer(tiny_detector: Detector) -> None:
    tiny_detector.network.fc.bias.fill_(float("nan"))
    with pytest.raises(ExplanationError, match="not finite"):
        next(answer(tiny_detector, PIXELS, PredictRequest(), never))


def test_who_gives_way_keeps_recording_no_gradients_and_others_begin_as_always(tiny_detector: Detector) -> None:
    seen = []

    def cancel() -> bool:
        seen.append(torch.is_grad_enabled())
        # somebody else who leaves the thread in another state
        torch.set_grad_enabled(len(seen) % 2 == 0)
        return False

    settings = CamSettings(layer="layer2")
    (found,) = (result for result, _ in answer(tiny_detector, PIXELS, ExplainRequest("scorecam", settings), cancel))
    alone = find_explainer("scorecam").explain_fully(tiny_detector, PIXELS[0], settings)
    np.testing.assert_array_equal(found.map, alone.map)
    assert len(seen) > 1
    assert all(seen)
    assert torch.is_grad_enabled()


def test_a_map_can_be_made_between_two_batches_of_a_pass_that_records_nothing(tiny_detector: Detector) -> None:
    alone = GRADCAM.explain_fully(tiny_detector, PIXELS[0], CamSettings(layer="layer2"))
    found = []

    def between(
        _detector: Detector, _pixels: Any, _settings: Any, cancel: Callable[[], bool]
    ) -> Iterator[tuple[Any, float]]:
        tiny_detector.full_pass(PIXELS, batch_size=2, progress=lambda *_: found.append(cancel()))
        yield "done", 1.0

    def map_meanwhile() -> bool:
        found.append(GRADCAM.explain_fully(tiny_detector, PIXELS[0], CamSettings(layer="layer2")))
        return False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answering, "look_for_neighbours", between)
        assert list(answer(tiny_detector, PIXELS, NeighbourSettings(), map_meanwhile)) == [("done", 1.0)]
    assert found[1::2] == [False, False]
    for one in found[::2]:
        np.testing.assert_array_equal(one.map, alone.map)


def test_a_detector_without_layers_has_no_neighbours_and_says_so(tmp_path: Path) -> None:
    detector = FlatDetector(Flat(2), Preprocessing(32), Classes(), manifest={"name": "flat"})
    run = write_run(tmp_path, detector, made_set())
    with pytest.raises(NeighbourError, match="^flat has no layer whose features could be compared"):
        list(answer(detector, PIXELS, NeighbourSettings(run=run), never))


def test_who_waits_for_training_images_is_not_answered_with_others(
    tiny_detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: Any, **__: Any) -> None:
        raise BusyError("another process is preparing them; try again.")

    monkeypatch.setattr(neighbourhood, "open_training_set", busy)
    monkeypatch.setattr(neighbourhood, "read_features", lambda *_: None)
    with pytest.raises(BusyError, match="another process"):
        list(answer(tiny_detector, PIXELS, NeighbourSettings(run=tmp_path, prepare=True), never))


def test_images_whose_pictures_cannot_be_read_just_now_are_not_kept(
    tiny_detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    readable: list[str] = []

    def opened(*_: Any, **__: Any) -> str:
        if not readable:
            raise DatasetError("they cannot be read.")
        return readable[0]

    monkeypatch.setattr(neighbourhood, "_kept", Bounded(4))
    monkeypatch.setattr(neighbourhood, "open_training_set", opened)
    monkeypatch.setattr(neighbourhood, "read_features", lambda *_, images=None: ("features", images))

    def searched() -> Any:
        *_, found = neighbourhood._reference(tiny_detector, NeighbourSettings(data="cifake", prepare=True), never)
        return found.among  # type: ignore[union-attr]

    assert searched() == ("features", None)
    readable.append("pictures")
    assert searched() == ("features", "pictures")
    readable.clear()
    assert searched() == ("features", "pictures")


def test_a_core_is_left_to_the_pages_and_no_answer_changes_by_that(
    tiny_detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = torch.get_num_threads()
    logits, settings = tiny_detector.logits(PIXELS), CamSettings(layer="layer2")
    values = GRADCAM.explain_fully(tiny_detector, PIXELS[0], settings).map
    try:
        for cores, told, threads in ((8, 8, 7), (8, 2, 2), (2, 2, 1), (1, 1, 1)):
            monkeypatch.setattr(
                answering.os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)), raising=False
            )
            torch.set_num_threads(told)
            leave_a_core()
            assert torch.get_num_threads() == threads
            np.testing.assert_array_equal(tiny_detector.logits(PIXELS), logits)
            found = GRADCAM.explain_fully(tiny_detector, PIXELS[0], settings).map
            # gradients are sums over the threads, in another order for another number
            np.testing.assert_allclose(found, values, rtol=1e-5, atol=1e-8)
    finally:
        torch.set_num_threads(before)


def test_how_urgent_a_question_is_follows_from_what_it_costs() -> None:
    ranks = {
        one.name: Request(Path(), NOBODY, "", ExplainRequest(one.name, one.settings())).rank for one in explainers()
    }
    assert ranks == {
        "gradcam": 0, "layercam": 0, "xgradcam": 0, "gradcampp": 0, "scorecam": LAST,
        "lime": 1, "lime_grid": 1, "lime_bands": LAST, "integrated_gradients": 1,
    }  # fmt: skip
    assert Request(Path(), NOBODY, "", ExplainRequest("lime", LimeSettings(n_samples=2048))).rank == LAST
