"""What networks of any kind share, on one whose outputs are known: its logits are sums of an image's channels."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.special import logit, softmax
from torch import nn

from core.detectors.detector import MOST_PIXELS, MOST_PIXELS_CPU, Detector, batch_size, grouped, pick_device
from core.detectors.manifest import Classes
from core.detectors.target_layers import reinitialise, weights_sha256
from core.images.preprocessing import Preprocessing
from tests.conftest import noise

IMAGES = noise(6, 16, 16)
STEPS = Preprocessing(16, mean=(0.1, 0.2, 0.3), std=(0.1, 0.2, 0.15))


class Flat(nn.Module):
    """A linear layer on the mean of each channel: no layer to read a map from."""

    def __init__(self, outputs, *, squeezed=False):
        super().__init__()
        self.last, self.squeezed = nn.Linear(3, outputs), squeezed

    def forward(self, inputs):
        """(N, 3, S, S) to (N, outputs), or without the dimensions of one."""
        logits = self.last(inputs.mean(dim=(2, 3)))
        return logits.squeeze() if self.squeezed else logits


def flat(names, fake, *, squeezed=False):
    """A random one with these classes."""
    network = Flat(len(names), squeezed=squeezed)
    reinitialise(network, seed=3)
    return Detector(network, STEPS, Classes(names, fake))


@pytest.mark.parametrize("squeezed", [False, True])
@pytest.mark.parametrize(
    "names, fake",
    [
        (("FAKE", "REAL"), ("FAKE",)),
        (("real", "sd"), ("sd",)),
        (("gan", "photo", "diffusion", "scan"), ("diffusion", "gan")),
        (("it",), ()),
        (("it",), ("it",)),
    ],
)
def test_the_margin_is_the_logit_of_the_share_of_all_real_classes(names, fake, *, squeezed):
    detector = flat(names, fake, squeezed=squeezed)
    weight, bias = (tensor.double().numpy() for tensor in detector.network.last.parameters())
    logits = (IMAGES.mean(axis=(1, 2)) / 255 - STEPS.mean) / STEPS.std @ weight.T + bias
    is_real = ~np.isin(names, fake)
    if len(names) == 1:
        # the one class against nothing
        logits, is_real = np.concatenate([logits, 0 * logits], axis=1), np.array([not fake, bool(fake)])
    share = softmax(logits, axis=1)[:, is_real].sum(axis=1)
    margins = detector.margins(IMAGES)
    assert_allclose(margins, logit(share), rtol=1e-4, atol=1e-4)
    assert_allclose(detector.margins(IMAGES[:1]), margins[:1], rtol=1e-4, atol=1e-4)
    assert_allclose(detector.p_real(margins), share, atol=1e-5)


@pytest.mark.parametrize("threshold", [None, 0.7])
@pytest.mark.parametrize(
    "names, fake", [(("a",), ("a",)), (("a",), ()), (("a", "b"), ("b",)), (("a", "b", "c", "d"), ("b", "d"))]
)
def test_probabilities_become_their_logits(names, fake, threshold):
    shares = np.random.default_rng(0).dirichlet(np.ones(max(2, len(names))), 9)[:, : len(names)]
    real = shares[:, ~np.isin(names, fake)].sum(axis=1) if len(names) > 1 or not fake else 1 - shares[:, 0]
    scores = grouped(torch.from_numpy(shares), Classes(names, fake, "probabilities", threshold)).numpy()
    # above it FAKE is called, or the one class
    moved = logit(threshold or 0.5) * (1 if fake else -1)
    assert_allclose(scores[:, 1] - scores[:, 0], logit(real) + moved, atol=1e-5)


def test_new_weights_follow_the_seed_and_leave_the_global_generator():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    network.register_parameter("token", nn.Parameter(torch.linspace(-3, 3, 50)))
    twin, before, state = deepcopy(network), weights_sha256(network), torch.get_rng_state()
    for each in (network, twin):
        reinitialise(each, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert weights_sha256(network) == weights_sha256(twin) != before
    # what no module initialises is as wide as it was
    assert 0.5 < float(network.token.detach().std()) / float(torch.linspace(-3, 3, 50).std()) < 1.5


def test_parts_are_randomised_from_the_output_down_in_a_copy_that_says_so():
    layers = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2))
    settings = {"temperature": 2.0, "manifest": {"name": "mine", "noise": 3.0}, "config": {"width": 1}}
    detector = Detector(nn.Sequential(*layers), STEPS, Classes(("a", "b"), ("b",)), **settings)
    assert detector.levels == ("4", "3", "2")
    copy = detector.randomised("3", seed=1)
    original, down, further = (
        [layer.weight for layer in one.network[2:]] for one in (detector, copy, detector.randomised("2", seed=1))
    )
    assert [torch.equal(*pair) for pair in zip(original, down, strict=True)] == [True, False, False]
    # what lies above does not depend on how far down it goes, and each part has numbers of its own
    assert [torch.equal(*pair) for pair in zip(down, further, strict=True)] == [False, True, True]
    assert not torch.equal(further[0], further[1])
    assert detector.randomised("3", seed=2).sha256 != copy.sha256
    assert (copy.name, copy.noise) == ("mine random to 3", 0.0)
    assert copy.about == replace(detector.about, temperature=1.0)


@pytest.mark.parametrize("device, pixels, most", [("cpu", MOST_PIXELS_CPU, 128), ("cuda", MOST_PIXELS, 1024)])
def test_a_batch_has_as_many_images_as_its_pixels_allow(device, pixels, most):
    sizes = [batch_size(torch.device(device), side) for side in (1, 1000, 10**5)]
    assert sizes == [most, pixels // 10**6, 1]


def test_progress_counts_images_to_the_last_and_maps_are_those_of_one_by_one():
    detector = Detector(
        nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), Preprocessing(16), Classes()
    )
    images = noise(300, 16, 16)
    for compute in (detector.margins, detector.full_pass):
        counts = []
        compute(images, progress=lambda *numbers, counts=counts: counts.append(numbers))
        assert counts == [(128, 300), (256, 300), (300, 300)]
    whole, lone = detector.full_pass(images), detector.full_pass(images[299:])
    for many, one in zip(whole, lone, strict=True):
        assert_allclose(many[299:], one, atol=1e-6)
    assert_allclose(whole.margins, detector.margins(images), atol=1e-6)
    assert_allclose(whole.needed_maps.mean((1, 2)), whole.margins, atol=1e-5)


@pytest.mark.parametrize("pixels", [IMAGES[0], IMAGES[:, :15], IMAGES.astype(np.float32)])
def test_pixels_of_another_form_are_refused(pixels):
    detector = flat(("a", "b"), ("a",))
    with pytest.raises(ValueError, match="16, 16, 3"):
        detector.margins(pixels)
    assert detector.margins(IMAGES[:0]).shape == (0,)
    with pytest.raises(ValueError, match="layers"):
        _ = detector.full_pass(IMAGES).needed_maps


@pytest.mark.parametrize(
    "classes, layer", [(Classes(("a", "b", "c"), ("a",)), None), (Classes(), "nothing"), (Classes(), "last")]
)
def test_a_network_of_other_outputs_or_layers_is_refused(classes, layer):
    with pytest.raises(ValueError, match="its network"):
        Detector(Flat(2), Preprocessing(16), classes, target_layer=layer)
    with pytest.raises(ValueError, match="accepts no images"):
        Detector(nn.Linear(3, 2), Preprocessing(16), Classes())


def test_a_device_that_is_not_here_is_refused():
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device().type in ("cpu", "cuda", "mps")
    for name in ("nothing", "cuda:99"):
        with pytest.raises(ValueError, match=name):
            pick_device(name)
