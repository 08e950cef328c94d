"""What networks of any kind share, on one whose outputs are known: its logits are sums of an image's channels."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.special import logit, logsumexp
from torch import nn

from core.detectors.detector import Detector, grouped
from core.detectors.layers import reinitialise, weights_sha256
from core.detectors.manifest import Classes
from core.images.preprocessing import Preprocessing
from tests.conftest import noise

IMAGES = noise(6, 16, 16)


class Flat(nn.Module):
    """A linear layer on the mean of each channel: no layer to read a map from."""

    def __init__(self, outputs, *, squeezed=False):
        super().__init__()
        self.last, self.squeezed = nn.Linear(3, outputs), squeezed

    def forward(self, inputs):
        """(N, 3, S, S) to (N, outputs), or without the dimensions of one."""
        logits = self.last(inputs.mean(dim=(2, 3)))
        return logits.squeeze() if self.squeezed else logits


class FlatDetector(Detector):
    """Any network will do."""

    kind = "flat"


def flat(names, fake, *, squeezed=False):
    """A random one with these classes."""
    network = Flat(len(names), squeezed=squeezed)
    reinitialise(network, seed=3)
    return FlatDetector(network, Preprocessing(16, std=(0.1, 0.1, 0.1)), Classes(names, fake))


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
def test_the_margin_is_logsumexp_of_real_less_that_of_fake(names, fake, *, squeezed):
    detector = flat(names, fake, squeezed=squeezed)
    weight, bias = (tensor.double().numpy() for tensor in detector.network.last.parameters())
    logits = IMAGES.mean(axis=(1, 2)) / 25.5 @ weight.T + bias
    is_fake = np.isin(names, fake)
    if len(names) == 1:
        # the one class against nothing
        logits, is_fake = np.concatenate([logits, 0 * logits], axis=1), np.array([bool(fake), not fake])
    groups = np.stack([logsumexp(logits[:, group], axis=1) for group in (is_fake, ~is_fake)], axis=1)
    margins = groups[:, 1] - groups[:, 0]
    assert_allclose(detector.logits(IMAGES), groups, rtol=1e-4, atol=1e-4)
    assert_allclose(detector.margins(IMAGES), margins, rtol=1e-4, atol=1e-4)
    assert_allclose(detector.margins(IMAGES[:1]), margins[:1], rtol=1e-4, atol=1e-4)
    # the probability of REAL is that of all REAL classes together under the network's own softmax
    share = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))[:, ~is_fake].sum(axis=1)
    assert_allclose(detector.p_real(detector.margins(IMAGES)), share, atol=1e-5)
    scores = detector.scores(detector.inputs(IMAGES).requires_grad_(True))
    assert_allclose(scores.detach().numpy(), detector.logits(IMAGES), atol=1e-4)
    assert scores.requires_grad


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


def test_parts_are_randomised_from_the_output_down_each_by_numbers_of_its_own():
    layers = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2))
    detector = FlatDetector(nn.Sequential(*layers), Preprocessing(16), Classes())
    assert detector.levels == ("4", "3", "2")
    original, down, further = (
        [layer.weight for layer in one.network if isinstance(layer, nn.Linear)]
        for one in (detector, detector.randomised("3", seed=1), detector.randomised("2", seed=1))
    )
    assert [torch.equal(*pair) for pair in zip(original, down, strict=True)] == [True, False, False]
    # what lies above does not depend on how far down it goes
    assert [torch.equal(*pair) for pair in zip(down, further, strict=True)] == [False, True, True]
    assert not torch.equal(further[0], further[1])
