"""What networks of any kind share, on one whose answer is known: its logits are sums of an image's channels."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp
from torch import Tensor, nn

from core.detectors.manifest import Capability, Classes
from core.detectors.network import NetworkDetector, reinitialise, weights_sha256
from core.images.preprocessing import Preprocessing


class Flat(nn.Module):
    """A linear layer on the mean of each channel: no place, no layer to read a map from."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.last = nn.Linear(3, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, 3, S, S) to (N, outputs), or (N,) for one."""
        logits: Tensor = self.last(inputs.mean(dim=(2, 3)))
        return logits[:, 0] if logits.shape[1] == 1 else logits


class FlatDetector(NetworkDetector):
    """Any network will do."""

    kind = "flat"


def flat(names: tuple[str, ...], fake: tuple[str, ...]) -> FlatDetector:
    """A random one with these classes."""
    network = Flat(len(names))
    reinitialise(network, seed=3)
    return FlatDetector(network, Preprocessing(16, std=(0.01, 0.01, 0.01)), Classes(names, fake))


@pytest.fixture
def images() -> NDArray[np.uint8]:
    """uint8 (6, 16, 16, 3)."""
    return np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3)).astype(np.uint8)


def raw(detector: FlatDetector, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What the network itself gives, by numpy."""
    weight, bias = (tensor.double().numpy() for tensor in detector.network.last.parameters())
    return images.mean(axis=(1, 2)) / 2.55 @ weight.T + bias


@pytest.mark.parametrize(
    ("names", "fake"),
    [
        (("FAKE", "REAL"), ("FAKE",)),
        (("real", "sd"), ("sd",)),
        (("photo", "gan", "diffusion"), ("gan", "diffusion")),
        (("gan", "photo", "diffusion", "scan"), ("diffusion", "gan")),
    ],
)
def test_the_margin_is_logsumexp_of_real_less_that_of_fake(
    names: tuple[str, ...], fake: tuple[str, ...], images: NDArray[np.uint8]
) -> None:
    detector = flat(names, fake)
    logits = raw(detector, images)
    is_fake = np.isin(names, fake)
    groups = np.stack([logsumexp(logits[:, group], axis=1) for group in (is_fake, ~is_fake)], axis=1)
    np.testing.assert_allclose(detector.logits(images), groups, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(detector.margins(images), groups[:, 1] - groups[:, 0], rtol=1e-4, atol=1e-4)
    # the probability of REAL is that of all REAL classes together under the network's own softmax
    share = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))[:, ~is_fake].sum(axis=1)
    np.testing.assert_allclose(detector.p_real(detector.margins(images)), share, atol=1e-5)


@pytest.mark.parametrize(("fake", "sign"), [((), 1), (("it",), -1)])
def test_with_one_output_it_is_the_logit_or_its_negative(
    fake: tuple[str, ...], sign: int, images: NDArray[np.uint8]
) -> None:
    detector = flat(("it",), fake)
    np.testing.assert_allclose(detector.margins(images), sign * raw(detector, images)[:, 0], rtol=1e-4, atol=1e-4)
    assert (detector.logits(images)[:, 0 if sign > 0 else 1] == 0).all()


def test_without_layers_it_can_predict_and_has_neither_features_nor_maps(images: NDArray[np.uint8]) -> None:
    detector = flat(("FAKE", "REAL"), ("FAKE",))
    assert detector.capabilities == {Capability.PREDICTIONS, Capability.GRADIENTS}
    assert (detector.layers, detector.target_layer, detector.channels) == ({}, "", 0)
    found = detector.full_pass(images)
    assert (found.features, found.maps) == (None, None)
    np.testing.assert_allclose(found.margins, detector.margins(images))
    with pytest.raises(ValueError, match="no layers to read a map from"):
        found.needed_maps  # noqa: B018


def test_what_follows_the_target_layer_may_write_into_its_output(images: NDArray[np.uint8]) -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    reinitialise(network, seed=0)
    before, after = (FlatDetector(network, Preprocessing(16), Classes(), target_layer=layer) for layer in ("0", "1"))
    assert before.layers == {"0": (14, 14), "1": (14, 14)}
    found = after.full_pass(images)
    # a mean and a linear layer follow: the mean of a map is the margin but for the bias
    bias = float(network[4].bias[1] - network[4].bias[0])
    np.testing.assert_allclose(found.needed_maps.mean(axis=(1, 2)) + bias, found.margins, atol=1e-4)
    # before the rectifier negative values weigh nothing less, but the verdict is the same
    earlier = before.full_pass(images)
    np.testing.assert_allclose(earlier.margins, found.margins, atol=1e-5)
    assert (earlier.needed_maps != found.needed_maps).any()
    assert not network[0]._forward_hooks
    assert not network[1]._forward_hooks


def test_scores_are_the_logits_with_gradients(images: NDArray[np.uint8]) -> None:
    detector = flat(("photo", "gan", "diffusion"), ("gan", "diffusion"))
    inputs = detector.inputs(images).requires_grad_(True)
    scores = detector.scores(inputs)
    np.testing.assert_allclose(scores.detach().numpy(), detector.logits(images), atol=1e-4)
    (gradient,) = torch.autograd.grad((scores[:, 1] - scores[:, 0]).sum(), inputs)
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize(
    ("classes", "layer", "sentence"),
    [
        (Classes(("a", "b", "c"), ("a",)), None, "gives 2 outputs for 3 classes"),
        (Classes(), "last", "has no layer 'last' with positions"),
    ],
)
def test_a_network_of_another_shape_is_named(classes: Classes, layer: str | None, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        FlatDetector(Flat(2), Preprocessing(16), classes, target_layer=layer)


def test_a_network_that_takes_no_such_images_is_named() -> None:
    with pytest.raises(ValueError, match="accepts no images of 16 x 16 pixels"):
        FlatDetector(nn.Sequential(nn.Flatten(), nn.Linear(5, 2)), Preprocessing(16), Classes())


@pytest.mark.parametrize(
    ("names", "fake"),
    [((), ()), (("a", "a"), ("a",)), (("a", "b"), ()), (("a", "b"), ("a", "b")), (("a", "b"), ("c",))],
)
def test_classes_that_cannot_be_are_refused(names: tuple[str, ...], fake: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="class"):
        Classes(names, fake)


def test_new_weights_follow_the_seed_and_leave_the_global_generator() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    network.register_parameter("token", nn.Parameter(torch.linspace(-3, 3, 50)))
    before = weights_sha256(network)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    reinitialise(network, seed=1)
    assert torch.rand(1) == expected
    first = weights_sha256(network)
    reinitialise(network, seed=1)
    assert first != before
    # what no module initialises is as wide as it was
    assert 0.5 < float(network.token.detach().std()) / float(torch.linspace(-3, 3, 50).std()) < 1.5


def test_a_network_that_views_its_positions_as_one_row_is_taken_in_torchs_usual_format(
    images: NDArray[np.uint8],
) -> None:
    class Viewed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 4, 3)
            self.last = nn.Linear(4 * 14 * 14, 2)

        def forward(self, inputs: Tensor) -> Tensor:
            activations = self.first(inputs).relu()
            logits: Tensor = self.last(activations.view(activations.size(0), -1))
            return logits

    network = Viewed().eval()
    reinitialise(network, seed=0)
    with torch.inference_mode():
        logits = network(torch.from_numpy(images).permute(0, 3, 1, 2).contiguous() / 255).numpy()
    detector = FlatDetector(network, Preprocessing(16), Classes())
    assert detector.layers == {"first": (14, 14)}
    expected = logits[:, 1] - logits[:, 0]
    np.testing.assert_allclose(detector.margins(images), expected, atol=1e-4)
    np.testing.assert_allclose(detector.full_pass(images).margins, expected, atol=1e-4)


@pytest.mark.parametrize("names", [("it",), ("FAKE", "REAL")])
def test_a_network_that_squeezes_its_outputs_answers_for_one_image_and_for_several(
    names: tuple[str, ...], images: NDArray[np.uint8]
) -> None:
    class Squeezed(Flat):
        def forward(self, inputs: Tensor) -> Tensor:
            return self.last(inputs.mean(dim=(2, 3))).squeeze()

    network = Squeezed(len(names))
    reinitialise(network, seed=3)
    detector = FlatDetector(network, Preprocessing(16, std=(0.01, 0.01, 0.01)), Classes(names, names[:-1]))
    logits = raw(detector, images)
    expected = logits[:, -1] - (logits[:, 0] if len(names) > 1 else 0)
    for count in (1, len(images)):
        np.testing.assert_allclose(detector.margins(images[:count]), expected[:count], rtol=1e-4, atol=1e-4)
