"""Class activation maps against torchcam, the papers' formulas and autograd, and what they leave on a network."""

import copy

import numpy as np
import pytest
import torch
from torchcam import methods

from core.explain import open_detector
from core.explainers.cam import GRADCAM, GRADCAMPP, LAYERCAM, XGRADCAM, CamSettings
from core.explainers.explanation import map_diagnostics
from core.images.labels import FAKE, REAL

STAGES = ("layer1", "layer2", "layer3", "layer4")
CAMS = (GRADCAM, LAYERCAM, XGRADCAM, GRADCAMPP)


def explain(cam, detector, pixels, **settings):
    return list(cam.explain_batch(detector, pixels, CamSettings(**settings)))


def hooks(network):
    names = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, name)) for module in network.modules() for name in names)


def at_stage(detector, pixels, stage, score):
    """A stage's activations and the gradients there of a score of the logits, both (N, C, h, w)."""
    kept = []

    def keep(_module, _inputs, output):
        kept.append(output.detach().requires_grad_(True))
        return kept[0]

    network = copy.deepcopy(detector.network)
    network.get_submodule(stage).register_forward_hook(keep)
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(score(network(detector.inputs(pixels))).sum(), kept[0])
    return kept[0].detach(), gradient


@pytest.mark.parametrize("target", ["margin", "FAKE", "REAL"])
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("cam", CAMS, ids=lambda cam: cam.name)
def test_maps_are_their_papers_formulas(detector, pixels, stage, cam, target):
    pixels, is_signed = pixels[::2], target == "margin" and cam is not GRADCAMPP
    scores = {"margin": [-1.0, 1.0], "FAKE": [1.0, 0.0], "REAL": [0.0, 1.0]}[target]
    found = at_stage(detector, pixels, stage, lambda logits: logits @ torch.tensor(scores))
    activation, gradient = (values.double() for values in found)
    total = activation.sum(dim=(2, 3), keepdim=True)
    if cam is GRADCAM:
        weights = gradient.mean(dim=(2, 3), keepdim=True)
    elif cam is XGRADCAM:
        weights = (gradient * activation / (total + 1e-8)).sum(dim=(2, 3), keepdim=True)
    elif cam is LAYERCAM:
        weights = gradient if is_signed else gradient.relu()
    else:
        # equation 19
        alpha = (gradient**2 / (2 * gradient**2 + total * gradient**3)).nan_to_num(0)
        weights = (alpha * gradient.relu()).sum(dim=(2, 3), keepdim=True)
    expected = (weights * activation).sum(dim=1)
    scale = float(expected.abs().max())
    if not is_signed:
        # what speaks for FAKE is below 0
        expected = expected.relu() * (-1 if target == "FAKE" else 1)
    elif (cam, stage) == (GRADCAM, "layer4"):
        # Grad-CAM of the last stage comes from the forward pass, and is as many times larger as it has positions
        expected = 16 * expected
    results = explain(cam, detector, pixels, layer=stage, target=target)
    assert scale > 0
    assert {one.one_sided for one in results} == {None if is_signed else "FAKE" if target == "FAKE" else "REAL"}
    assert {one.unit for one in results} == {"activation" if cam is GRADCAMPP else "margin" if is_signed else "logit"}
    np.testing.assert_allclose([one.values for one in results], expected.numpy(), rtol=1e-3, atol=1e-4 * scale)


@pytest.mark.parametrize("name", ["sample", "paper"])
def test_grad_cam_of_a_shipped_network_is_torchcams(pixels, name):
    detector = open_detector(name, device="cpu")
    network = copy.deepcopy(detector.network).requires_grad_(True)
    inputs = detector.inputs(pixels)
    with methods.GradCAM(network, "layer4", input_shape=inputs.shape[1:]) as extractor:
        scores = network(inputs)
        how = {"scores": scores, "normalized": False, "retain_graph": True}
        (fake,), (real,) = (extractor(class_idx=label, **how) for label in (FAKE, REAL))
        (towards,) = extractor(targets=lambda logits: logits[REAL] - logits[FAKE], **how)
    # the margin's comes from the detector's own pass, and is as many times larger as it has positions
    for target, expected in (("FAKE", -fake), ("REAL", real), ("margin", 16 * towards)):
        values = np.array([one.values for one in explain(GRADCAM, detector, pixels, target=target)])
        if target == "margin":
            values = values.clip(min=0)
        scale = float(expected.abs().max())
        assert scale > 0
        np.testing.assert_allclose(values, expected.numpy(), rtol=1e-3, atol=1e-4 * scale)


def test_nothing_is_left_on_the_network(detector, pixels, monkeypatch):
    for cam in CAMS:
        explain(cam, detector, pixels[:2], layer="layer3")
        assert cam.cost(CamSettings()) > 0
    assert hooks(detector.network) == 0
    assert not detector.network.training
    assert not any(parameter.requires_grad for parameter in detector.network.parameters())
    assert all(parameter.grad is None for parameter in detector.network.parameters())
    monkeypatch.setattr(methods.GradCAM, "_get_weights", lambda *_args, **_kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        explain(GRADCAM, detector, pixels[:2], layer="layer3")
    assert hooks(detector.network) == 0
    assert not any(parameter.requires_grad for parameter in detector.network.parameters())


@pytest.mark.parametrize(
    "values, one_sided, cause, named",
    [
        ([0, 0, 0, 0], None, "zero", ""),
        ([1.0, 1.0, 0.95, 1.0], None, "flat", "REAL"),
        ([-1.0, -0.1, -0.5, 0.0], None, "one sign", "FAKE"),
        ([-1.0, -0.1, -0.5, 0.0], "FAKE", "one-sided", "FAKE"),
        ([1.0, -0.1, 0.5, 0.0], None, "", ""),
    ],
)
def test_a_map_is_told_by_what_it_shows(values, one_sided, cause, named):
    found = map_diagnostics(np.array(values, np.float32).reshape(2, 2), one_sided=one_sided)
    assert found.one_colour == cause
    assert named in found.sentence
    assert bool(found.sentence) == bool(cause)
    largest = max(map(abs, values))
    assert found.numbers["spread"] == pytest.approx((max(values) - min(values)) / largest if largest else 0)
