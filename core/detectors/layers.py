"""Layers with spatial output: finding those of any network in one forward pass, and computing margin maps from them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from core.detectors.tokens import Places

# held while a shared network has hooks or is being copied, so that maps are computed one at a time
HOOKS = threading.Lock()
POOLING = nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d


class Found(NamedTuple):
    """A network's number of outputs and its layers with spatial output, found in one forward pass.

    Attributes:
        outputs: outputs per image; 0 if the network does not return a tensor.
        sizes: module name -> positions (height, width), for every module with spatial output, in order of execution.
        channels: module name -> channels, for at least the same modules.
    """

    outputs: int
    sizes: dict[str, tuple[int, int]]
    channels: dict[str, int]

    def layers(self, wanted: str | None) -> dict[str, tuple[int, int]]:
        """The last module of each size, and the wanted one."""
        last = {size: name for name, size in self.sizes.items()}
        return {name: size for name, size in self.sizes.items() if last[size] == name or name == wanted}


def look_through(network: nn.Module, image: Tensor) -> Found:
    """Run one image through a network and find the modules with a spatial output, (1, C, h, w) larger than 1 x 1.

    Args:
        network: in evaluation mode.
        image: float32 (1, 3, S, S).

    Raises:
        RuntimeError: the network does not accept the image.
    """
    sizes: dict[str, tuple[int, int]] = {}
    channels: dict[str, int] = {}
    sure: set[str] = set()

    def note(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
            if not isinstance(output, Tensor):
                return
            before = inputs[0] if inputs else None
            if isinstance(module, POOLING) and isinstance(before, Tensor) and output.shape[-1] > before.shape[-1]:
                # it enlarges: its places repeat those of the layer before
                return
            if output.ndim == 4 and max(output.shape[2:]) > 1:
                # what is used twice counts where it is used last
                sizes.pop(name, None)
                sizes[name] = (int(output.shape[2]), int(output.shape[3]))
                channels[name] = int(output.shape[1])
                if isinstance(module, nn.Conv2d | Places):
                    sure.add(name)

        return hook

    handles = [module.register_forward_hook(note(name)) for name, module in network.named_modules() if name]
    try:
        with torch.inference_mode():
            outputs = network(image)
    finally:
        for handle in handles:
            handle.remove()
    if any(isinstance(module, nn.LayerNorm) for module in network.modules()):
        # attention heads and channels-last outputs look spatial too: keep only sizes that a convolution or Places has
        known = {sizes[name] for name in sure}
        sizes = {name: size for name, size in sizes.items() if size in known and (name in sure or size[0] == size[1])}
    return Found(outputs.reshape(1, -1).shape[1] if isinstance(outputs, Tensor) else 0, sizes, channels)


def margin_map(layer: nn.Module, margins: Callable[[Tensor], Tensor], inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Compute a layer's activations and margin map: Grad-CAM of the margin, without the ReLU, times h * w.

    Selvaraju et al. 2017. If only average pooling and a linear layer follow, a map's mean is the margin minus the bias
    (class activation mapping, Zhou et al. 2016).

    Args:
        layer: with output (N, C, h, w); hooked during the call only.
        margins: computes margins (N,) from inputs with a forward pass through the layer.
        inputs: (N, 3, S, S).

    Returns:
        Activations (N, C, h, w) and maps (N, h, w).
    """
    with torch.inference_mode(False), torch.enable_grad(), HOOKS, _watched(layer) as seen:
        # a tensor of inference mode takes part in no gradient
        total = margins(inputs.clone()).sum()
        activations = seen[-1]
        (gradient,) = torch.autograd.grad(total, activations)
    activations = activations.detach()
    return activations, (activations * gradient.sum(dim=(2, 3), keepdim=True)).sum(dim=1)


@contextmanager
def _watched(layer: nn.Module) -> Iterator[list[Tensor]]:
    """Record a layer's outputs while the context is open, each as a new leaf that requires gradients."""
    seen: list[Tensor] = []

    def watch(_layer: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        # detached, so that autograd skips earlier layers; later ones get a clone, because they may modify it
        seen.append(output.detach().clone().requires_grad_(True))
        return seen[-1].clone()

    handle = layer.register_forward_hook(watch)
    try:
        yield seen
    finally:
        handle.remove()
