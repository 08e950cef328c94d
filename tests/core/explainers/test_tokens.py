"""Maps of patch tokens: torchcam's Layer-CAM of all blocks equals what autograd gives, of any library's transformer."""

import numpy as np
import pytest
import timm
import torch
import torchvision
import transformers

from core.detectors.detector import Detector
from core.detectors.libraries import Logits
from core.detectors.manifest import Capability, Classes
from core.explainers.cam import TOKENS, TokenSettings
from core.images.preprocessing import Preprocessing
from tests.core.any_detector import pictures
from tests.core.detectors.made import spread


def make_network(library, side, outputs):
    """A transformer of two blocks with patches of 8 pixels."""
    if library == "timm":
        sized = {"img_size": side, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2, "reg_tokens": 2}
        return timm.models.VisionTransformer(**sized, num_classes=outputs)
    if library == "torchvision":
        sized = {"image_size": side, "patch_size": 8, "num_layers": 2, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 32}
        return torchvision.models.VisionTransformer(**sized, num_classes=outputs)
    sized = {"image_size": side, "patch_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16}
    config = transformers.ViTConfig(**sized, intermediate_size=32, num_labels=outputs)
    return Logits(transformers.ViTForImageClassification(config))


def make_vit(side=48, outputs=2, library="timm"):
    """A detector of one of them, with random weights."""
    torch.manual_seed(0)
    network = spread(make_network(library, side, outputs), seed=1)
    names = ("FAKE", "REAL")[:outputs]
    return Detector(network, Preprocessing(side, mean=(0.5,) * 3, std=(0.25,) * 3), Classes(names, ("FAKE",)))


@pytest.mark.parametrize("library", ["timm", "torchvision", "transformers"])
def test_it_is_the_layer_cam_of_every_block(library):
    detector, images = make_vit(library=library), pictures(2, fine=True, seed=3)
    # two norms in each block but the last, whose second one, with the final one, sees the class token alone
    assert len(detector.tokens) == 3
    assert Capability.PATCH_TOKENS in detector.capabilities
    seen = {}
    for name in detector.tokens:
        norm = detector.network.get_submodule(name)
        norm.register_forward_hook(lambda _module, _inputs, output, name=name: seen.update({name: output}))
    inputs = detector.inputs(images).requires_grad_(True)
    scores = detector.scores(inputs)
    margin = scores[:, 1] - scores[:, 0]
    gradients = torch.autograd.grad(margin.sum(), list(seen.values()))
    expected = np.zeros((2, 36))
    for tokens, gradient in zip(seen.values(), gradients, strict=True):
        for sign in (1, -1):
            toward = ((sign * gradient).relu() * tokens).sum(dim=2).relu().detach().numpy()[:, -36:]
            expected += sign * toward / len(seen)
    found = list(TOKENS.explain_batch(detector, images, TokenSettings()))
    np.testing.assert_allclose([one.values for one in found], expected.reshape(2, 6, 6), rtol=1e-3, atol=1e-5)
    assert np.abs(expected).max() > 1e-3
    # no hook of torchcam's is left
    assert all(len(norm._forward_hooks) <= 2 for norm in map(detector.network.get_submodule, detector.tokens))
