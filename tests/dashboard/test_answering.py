"""Answers of the worker's thread are those of core, with a share that ends at 1."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.detectors.detector import Detector
from core.detectors.identity import Identity
from core.explainers.cams import CamSettings
from core.explainers.lime.bands import LIME_BANDS, BandSettings
from core.explainers.lime.regions import LimeSettings
from core.explainers.registry import explainers
from core.probes.probing import explain_probes
from core.probes.results import ProbeSettings
from dashboard.services.answering import answer
from dashboard.services.requests import LAST, Explain, Question
from tests.conftest import textured

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
            Explain("lime_bands", BandSettings(n_samples=128)),
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
    assert Question(Path(), NOBODY, "", settings).rank == LAST
    assert list(answer(tiny_detector, PIXELS, settings, lambda: True)) == []


def test_score_cam_is_a_slow_question_that_can_be_stopped(tiny_detector: Detector) -> None:
    slow = Explain("scorecam", CamSettings())
    assert Question(Path(), NOBODY, "", slow).rank == LAST
    assert Question(Path(), NOBODY, "", Explain("gradcam", CamSettings())).rank == 0
    assert list(answer(tiny_detector, PIXELS, slow, lambda: True)) == []
    ((found, share),) = answer(tiny_detector, PIXELS, slow, never)
    assert (found.method, found.settings, share) == ("scorecam", slow.settings, 1)


def test_how_urgent_a_question_is_follows_from_what_it_costs() -> None:
    ranks = {one.name: Question(Path(), NOBODY, "", Explain(one.name, one.settings())).rank for one in explainers()}
    assert ranks == {
        "gradcam": 0, "layercam": 0, "xgradcam": 0, "gradcampp": 0, "scorecam": LAST,
        "lime": 1, "lime_grid": 1, "lime_bands": LAST, "integrated_gradients": 1,
    }  # fmt: skip
    assert Question(Path(), NOBODY, "", Explain("lime", LimeSettings(n_samples=2048))).rank == LAST
