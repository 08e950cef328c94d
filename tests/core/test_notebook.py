"""The names that a notebook takes from `core` itself."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import core
from core.detectors.storage import load_detector
from core.explainers.cam import GRADCAM
from core.explainers.drawing import draw_explanation
from core.explainers.settings import ExplanationError
from core.runs.folders import ROOT
from tests.conftest import textured


def test_names_are_offered_and_imported_when_asked_for() -> None:
    assert set(core.NAMES) <= set(dir(core))
    assert all(getattr(core, name).__name__ == name for name in core.NAMES)
    with pytest.raises(AttributeError, match="core has no open_door"):
        _ = core.open_door
    code = "import sys, core; sys.exit(bool({'numpy', 'torch', 'core.explain'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_an_image_is_explained_and_drawn() -> None:
    detector = core.open_detector("swift", device="cpu")
    assert detector.sha256 == load_detector(ROOT / "assets/detectors/swift", device="cpu").sha256
    image = textured(1, fine=True, seed=3)[0]
    explanation = core.explain_image(detector, image, method="gradcam")
    np.testing.assert_array_equal(explanation.map, GRADCAM.explain_fully(detector, image).map)
    with Image.open(io.BytesIO(explanation._repr_png_())) as drawn:
        np.testing.assert_array_equal(np.asarray(drawn), draw_explanation(explanation))
    # a file, and settings of the method
    with pytest.raises(ValueError, match="samples"):
        core.explain_image(detector, image, method="lime", samples=-1)
    with pytest.raises(ExplanationError):
        core.explain_image(detector, image, method="exact")
