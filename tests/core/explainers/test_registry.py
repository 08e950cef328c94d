"""The registry: every method in it keeps its promises, and one that a test adds appears without another line."""

import json
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from core.detectors.manifest import Capability
from core.explainers.drawing import Style, draw_explanation, npz_of
from core.explainers.registry import explainers, find_explainer
from core.explainers.settings import ExplanationError, describe, from_parameters
from core.report.explanation_page import html_of
from tests.conftest import make_detector, make_patch, textured
from tests.core.any_detector import pictures
from tests.core.detectors.plain import make_plain
from tests.core.explainers.test_tokens import make_vit
from tests.core.explainers.toy import to_parameters

NAMES = [one.name for one in explainers()]


def small(explainer):
    """Settings of the method that cost little."""
    quick = {"n_samples": 40, "steps": 4}
    return explainer.settings(
        **{one.name: quick[one.name] for one in describe(explainer.settings) if one.name in quick}
    )


@pytest.mark.parametrize("kind", ["the paper's", "plain"])
@pytest.mark.parametrize("name", NAMES)
def test_every_method_keeps_its_promises(name, kind):
    """Of the paper's network at 32 pixels, and of one that is not known, with one output, at 48."""
    if kind == "plain":
        detector, pixels = make_plain(), pictures(3, fine=True, seed=4)
    else:
        detector, pixels = make_detector(width=2, seed=1), textured(3, fine=True, seed=4)
    explainer = find_explainer(name)
    if Capability.PATCH_SCORES in explainer.needs:
        detector = make_patch(side=pixels.shape[1])
    if Capability.PATCH_TOKENS in explainer.needs:
        detector = make_vit(side=pixels.shape[1])
    settings = small(explainer)
    before = pixels.copy()
    *_, last = explainer.explain(detector, pixels[1], settings)
    batch = list(explainer.explain_batch(detector, pixels, settings))
    assert_array_equal(pixels, before)
    assert len(batch) == 3
    for found in (last, batch[1]):
        assert found.complete
        assert (found.method, found.settings) == (name, settings)
        assert_array_equal(found.image, pixels[1])
        assert found.margin == pytest.approx(float(detector.margins(pixels[1:2])[0]), abs=1e-4)
        assert found.p_real == pytest.approx(float(detector.p_real(np.float32(found.margin))), abs=1e-6)
        assert found.provenance.detector_sha256 == detector.sha256
        assert set(found.provenance.versions) == set(explainer.libraries)
        assert npz_of(found)
        assert explainer.title in html_of([(found, Style())], title="one")
        assert explainer.reading(found)
    assert_allclose(last.values, batch[1].values, rtol=1e-3, atol=1e-5)
    assert np.isfinite(last.values).all()
    assert draw_explanation(last, 64).shape == (64, 64, 3)
    if last.one_sided == "REAL":
        assert last.values.min() >= 0
    assert list(explainer.explain_batch(detector, pixels, settings, cancel=lambda: True)) == []
    assert explainer.cost(settings) >= 1


@pytest.mark.parametrize("name", NAMES)
def test_every_methods_settings_are_described_and_come_back_from_texts_and_json(name):
    explainer = find_explainer(name)
    for settings in (explainer.settings(), *(preset.settings for preset in explainer.presets.values())):
        assert explainer.settings(**json.loads(json.dumps(settings.model_dump()))) == settings
        assert from_parameters(explainer.settings, to_parameters(settings)) == settings
        assert hash(settings) == hash(settings.changed())
    assert to_parameters(explainer.settings()) == {}
    for one in describe(explainer.settings):
        assert one.label[0].isupper()
        assert one.help.endswith(".")
        for value in (*one.choices, *one.offers):
            read = from_parameters(explainer.settings, {one.name: one.text(value)})
            assert getattr(read, one.name) == value


@pytest.mark.parametrize("name", [one.name for one in explainers() if "target" in one.settings.model_fields])
def test_of_a_network_with_one_output_only_the_class_that_it_scores_is_explained_alone(name):
    image, explainer = pictures(1, fine=True, seed=4)[0], find_explainer(name)
    detector = make_vit(outputs=1) if Capability.PATCH_TOKENS in explainer.needs else make_plain()
    with pytest.raises(ExplanationError, match="no score for REAL alone"):
        explainer.explain_fully(detector, image, explainer.settings(target="REAL"))
    for target in ("FAKE", "margin"):
        assert np.isfinite(explainer.explain_fully(detector, image, explainer.settings(target=target)).values).all()


def test_titles_and_settings_are_read_without_torch_or_the_libraries_behind_the_methods():
    code = (
        "import sys; from core.explainers.registry import explainers; from core.explainers.settings import describe;"
        "[(one.title, describe(one.settings), one.cost(one.settings())) for one in explainers()];"
        "heavy = {'torch', 'torchcam', 'captum', 'lime', 'sklearn', 'skimage', 'streamlit'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    found = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
