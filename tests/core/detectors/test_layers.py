"""Layers with positions, and norms of tokens that are read as such without a change of the network's outputs."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.detectors.detector import Detector
from core.detectors.layers import expose_tokens, find_layers
from core.detectors.manifest import Classes
from core.images.preprocessing import Preprocessing


class Block(nn.Module):
    """Norm, attention, norm, two layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.layers = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, tokens, C) to the same."""
        normed = self.norm1(tokens)
        tokens = tokens + self.attention(normed, normed, normed, need_weights=False)[0]
        out: Tensor = tokens + self.layers(self.norm2(tokens))
        return out


class Vision(nn.Module):
    """A vision transformer for 32 x 32 pixels in patches of 8, which reads its class token or the mean."""

    def __init__(self, *, before: int = 1, mean: bool = False, width: int = 8) -> None:
        super().__init__()
        self.mean, self.before = mean, before
        self.patches = nn.Conv2d(3, width, 8, stride=8)
        self.tokens = nn.Parameter(torch.randn(1, before, width))
        self.position = nn.Parameter(torch.randn(1, 16 + before, width))
        self.blocks = nn.Sequential(Block(width), Block(width))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, 3, 32, 32) to (N, 2)."""
        patches = self.patches(inputs).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.tokens.expand(len(inputs), -1, -1), patches], dim=1) + self.position
        tokens = self.norm(self.blocks(tokens))
        logits: Tensor = self.head(tokens.mean(dim=1) if self.mean else tokens[:, 0])
        return logits


class VisionDetector(Detector):
    """Any network will do."""

    kind = "vision"


def vision(*, before: int = 1, mean: bool = False, layer: str | None = None) -> VisionDetector:
    """A random one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Vision(before=before, mean=mean)
    return VisionDetector(network, Preprocessing(32, std=(0.3,) * 3), Classes(), target_layer=layer)


@pytest.fixture
def images() -> np.ndarray:
    """uint8 (3, 32, 32, 3)."""
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("before", "mean", "layer"),
    [
        (1, False, "blocks.1.norm1.places"),
        (5, False, "blocks.1.norm1.places"),
        (1, True, "norm.places"),
        (0, True, "norm.places"),
    ],
)
def test_the_last_norm_is_found_on_whose_patches_the_answer_depends(
    before: int, mean: bool, layer: str, images: np.ndarray
) -> None:
    detector = vision(before=before, mean=mean)
    assert detector.target_layer == layer
    assert detector.layers == {layer: (4, 4)}
    plain = Vision(before=before, mean=mean).eval()
    plain.load_state_dict(detector.network.state_dict())
    with torch.no_grad():
        np.testing.assert_array_equal(
            plain(detector.inputs(images)).numpy(), detector.network(detector.inputs(images)).numpy()
        )


def test_its_map_is_the_gradient_of_the_margin_times_the_tokens(images: np.ndarray) -> None:
    detector, seen = vision(), []
    norm = detector.network.blocks[1].norm1
    handle = norm.register_forward_hook(
        lambda _norm, _inputs, output: seen.append(output.detach().requires_grad_(True)) or seen[-1], prepend=True
    )
    scores = detector.scores(detector.inputs(images))
    handle.remove()
    (gradient,) = torch.autograd.grad((scores[:, 1] - scores[:, 0]).sum(), seen)
    tokens, slopes = seen[0][:, 1:].detach(), gradient[:, 1:]
    expected = (tokens * slopes.sum(dim=1, keepdim=True)).sum(dim=2).reshape(3, 4, 4)
    found = detector.full_pass(images)
    np.testing.assert_allclose(found.needed_maps, expected.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.features, tokens.mean(dim=1).numpy(), atol=1e-6)
    assert np.abs(expected.numpy()).max() > 1e-3


def test_channels_that_come_last_are_read_as_places() -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches, self.norm, self.head = nn.Conv2d(3, 6, 8, stride=8), nn.LayerNorm(6), nn.Linear(6, 2)

        def forward(self, inputs: Tensor) -> Tensor:
            out: Tensor = self.head(self.norm(self.patches(inputs).permute(0, 2, 3, 1)).mean(dim=(1, 2)))
            return out

    network, image = Last().eval(), torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        before = network(image)
    expose_tokens(network, image, None)
    assert find_layers(network, image) == (2, {"patches": (6, 4, 4), "norm.places": (6, 4, 4)})
    with torch.no_grad():
        assert torch.equal(network(image), before)
