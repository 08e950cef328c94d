"""A run's own map is Grad-CAM's by default, to the digits of float16."""

from dataclasses import replace

import numpy as np

from core.detectors.detector import Detector
from core.explainers.cam import GRADCAM, stored_map
from tests.conftest import textured
from tests.core.trust_cues import made_run


def test_it_is_what_grad_cam_gives(tiny_detector: Detector) -> None:
    pixels = textured(4, fine=True, seed=1)
    found = tiny_detector.full_pass(pixels)
    said = np.where(found.margins > 0, "REAL", "FAKE").tolist()
    p_real = tiny_detector.p_real(found.margins)
    run = made_run(said, said, maps=found.maps, margin=found.margins, p_real=p_real)
    manifest = {"detector": tiny_detector.name, "detector_sha256": tiny_detector.sha256, "versions": {"torch": "2"}}
    kept = stored_map(replace(run, manifest=manifest), 2, pixels[2])
    fresh = GRADCAM.explain_fully(tiny_detector, pixels[2])
    np.testing.assert_allclose(kept.map, fresh.map, rtol=2e-3, atol=2e-3)
    assert (kept.method, kept.settings, kept.unit) == (fresh.method, fresh.settings, fresh.unit)
    assert kept.verdict == fresh.verdict
    assert kept.diagnostics.one_colour == fresh.diagnostics.one_colour
    assert kept.provenance.detector_sha256 == fresh.provenance.detector_sha256
    assert kept.provenance.versions == {"torch": "2"}
    assert kept.complete
