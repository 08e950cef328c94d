"""Class activation maps: torchcam's methods on any layer of a detector, and copies of detectors for private hooks."""

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torchcam import methods

from core.arrays import Float32, Pixels
from core.detectors.target_layers import HOOKS, to_grid
from core.images.labels import CLASSES, FAKE, REAL

if TYPE_CHECKING:
    from core.detectors.detector import Detector


class GradCAMpp(methods.GradCAMpp):
    """Grad-CAM++ with the weights of Chattopadhay et al. (2018), equation 19.

    torchcam 0.5 divides a copy and discards it, so its weights are sums of cubed gradients. The equation is for layers
    after a ReLU; elsewhere activations can sum below 0, and places with a denominator of 0 or less get no weight.
    """

    def _get_weights(self, class_idx: Any, scores: Tensor, eps: float = 1e-8, **kwargs: Any) -> list[Tensor]:  # noqa: ARG002
        self._backprop(scores, class_idx, **kwargs)
        weights = []
        for gradient, activation in zip(self.hook_g, self.hook_a, strict=True):
            total = activation.sum(dim=(2, 3), keepdim=True)
            # the squared gradient cancels between numerator and denominator
            below = 2 + total * gradient
            share = torch.where((gradient > 0) & (below > 0), gradient / below, 0.0)
            weights.append(share.sum(dim=(2, 3)))
        return weights


METHODS = {name: getattr(methods, name) for name in ("GradCAM", "LayerCAM", "XGradCAM")} | {"GradCAMpp": GradCAMpp}


def activation_maps(
    detector: "Detector",
    pixels: Pixels,
    *,
    layer: str,
    method: str,
    target: str,
    signed: bool,
) -> Float32:
    """Compute maps of N images at once, not normalised, larger where the evidence for the target is stronger.

    Args:
        detector: its network has torchcam's hooks during the call only.
        pixels: uint8 (N, side, side, 3).
        layer: a key of `detector.layers`.
        method: a key of `METHODS`.
        target: "margin", or the class whose score is explained.
        signed: for the margin only: True for evidence for REAL minus evidence for FAKE, False for torchcam's own maps,
            which end in a ReLU.

    Returns:
        float32 (N, h, w), of the layer's size.
    """
    inputs = detector.inputs(pixels)
    network = detector.network
    with HOOKS:
        # before torchcam's own hook, so that the graph of gradients begins at this output and nothing below is recorded
        watched = network.get_submodule(layer)
        handles = [watched.register_forward_hook(_detached)]
        try:
            shape = (3, detector.side, detector.side)
            with torch.enable_grad(), METHODS[method](network, layer, input_shape=shape) as extractor:
                # after torchcam's own hook, which keeps the output: pass on a copy, as later layers may write in place
                handles.append(watched.register_forward_hook(_copied))
                maps = _extracted(extractor, detector.scores(inputs), target=target, signed=signed)[0]
        finally:
            for handle in handles:
                handle.remove()
    return maps.detach().float().cpu().numpy()


def _detached(_layer: Any, _inputs: Any, output: Tensor) -> Tensor:
    return output.detach().requires_grad_(True)


def _copied(_layer: Any, _inputs: Any, output: Tensor) -> Tensor:
    return output.clone()


def token_maps(detector: "Detector", pixels: Pixels, *, target: str) -> Float32:
    """Average Layer-CAM of a transformer's patch tokens over its blocks, for N images at once.

    Args:
        detector: with `tokens`.
        pixels, target: as for `activation_maps`; of the margin, evidence for REAL minus evidence for FAKE.

    Returns:
        float32 (N, h, h), a value a patch.
    """
    inputs = detector.inputs(pixels).requires_grad_(True)
    layers: list[Any] = list(detector.tokens)
    with HOOKS, torch.enable_grad(), methods.LayerCAM(detector.network, layers, reshape_transform=to_grid) as extractor:
        maps = _extracted(extractor, detector.scores(inputs), target=target, signed=True)
    return torch.stack(maps).mean(dim=0).detach().float().cpu().numpy()


def _extracted(extractor: Any, scores: Tensor, *, target: str, signed: bool) -> list[Tensor]:
    """Return a map of each of the extractor's layers, (N, h, w)."""
    how = {"scores": scores, "normalized": False}
    if target != "margin":
        return list(extractor(class_idx=CLASSES.index(target), **how))
    if not signed:
        return list(extractor(targets=_margin, **how))
    # what speaks for less what speaks against: each has been through torchcam's ReLU
    toward_real = extractor(targets=_margin, retain_graph=True, **how)
    toward_fake = extractor(targets=_negative_margin, **how)
    return [real - fake for real, fake in zip(toward_real, toward_fake, strict=True)]


def _margin(scores: Tensor) -> Tensor:
    return scores[REAL] - scores[FAKE]


def _negative_margin(scores: Tensor) -> Tensor:
    return -_margin(scores)


def twin(detector: "Detector") -> "Detector":
    """Copy a detector with its own modules around the same weights.

    Hooks on the copy stay off the original, and its passes run no hooks of the original, so a `cancel` that is called
    between two of its batches may use the original.
    """
    own = copy.copy(detector)
    with HOOKS:
        weights = {id(tensor): tensor for tensor in (*detector.network.parameters(), *detector.network.buffers())}
        own.network = copy.deepcopy(detector.network, weights)
    return own
