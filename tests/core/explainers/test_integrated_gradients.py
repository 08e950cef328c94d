"""Integrated Gradients against captum called as its documentation shows it, and against a sum by hand."""

import numpy as np
import pytest
from captum.attr import IntegratedGradients
from scipy import ndimage

from core.explainers.integrated_gradients import INTEGRATED_GRADIENTS, IntegratedGradientsSettings
from core.images.labels import FAKE, REAL


def explain(detector, pixels, **settings):
    return list(INTEGRATED_GRADIENTS.explain_batch(detector, pixels, IntegratedGradientsSettings(**settings)))


def baselines(pixels, sigma):
    smooth = [
        ndimage.gaussian_filter1d(ndimage.gaussian_filter1d(one.astype(float), sigma, 0), sigma, 1) for one in pixels
    ]
    return np.rint(smooth).astype(np.uint8)


@pytest.mark.parametrize(
    "target, sign, start",
    [("margin", 1, "blur"), ("margin", 1, "black"), ("REAL", 1, "blur"), ("FAKE", -1, "blur")],
)
def test_the_map_is_captums_on_the_plain_network(detector, pixels, target, sign, start):
    network, label = detector.network, FAKE if target == "FAKE" else REAL

    def margin(inputs):
        logits = network(inputs)
        return logits[:, REAL] - logits[:, FAKE]

    pixels = pixels[::4]
    captum = IntegratedGradients(margin if target == "margin" else network)
    ours = explain(detector, pixels, target=target, steps=8, baseline=start)
    starts = baselines(pixels, 2) if start == "blur" else np.zeros_like(pixels)
    for image, baseline, found in zip(pixels, starts, ours, strict=True):
        expected = captum.attribute(
            detector.inputs(image[None]),
            baselines=detector.inputs(baseline[None]),
            target=None if target == "margin" else label,
            n_steps=8,
        )
        values = sign * expected.sum(dim=1)[0].numpy()
        np.testing.assert_allclose(found.values, values, rtol=1e-3, atol=1e-4 * np.abs(values).max())
        assert found.values.shape == (32, 32)
        assert found.one_sided is None


def test_the_values_add_up_to_what_the_margin_gains(detector, pixels):
    pixels = pixels[::4]
    margins, blurry = detector.margins(pixels), detector.margins(baselines(pixels, 2))
    for one, margin, start in zip(explain(detector, pixels, steps=100), margins, blurry, strict=True):
        numbers = one.diagnostics.numbers
        assert numbers["gained"] == pytest.approx(margin - start, abs=1e-4)
        assert numbers["sum"] == pytest.approx(one.values.sum(), abs=1e-5)
        assert numbers["gap"] == pytest.approx(abs(numbers["sum"] - numbers["gained"]))
        assert numbers["gap"] < 0.1 * np.abs(one.values).sum()
        assert one.margin == pytest.approx(float(margin), abs=1e-4)
