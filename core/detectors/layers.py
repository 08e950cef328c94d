"""The layers of any network that have places: found by one pass, and read with their gradients."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from core.detectors.tokens import Places

# held by whoever has hooks on a shared network, or copies it: one map at a time
HOOKS = threading.Lock()


class Found(NamedTuple):
    """The outputs and layers of a network, seen in one pass.

    Attributes:
        outputs: how many it gives an image; 0 where it gives something else than a tensor.
        sizes: module name -> positions (height, width), of every module whose output has places, in the order of the
            pass.
        channels: module name -> channels, of the same.
    """

    outputs: int
    sizes: dict[str, tuple[int, int]]
    channels: dict[str, int]

    def layers(self, wanted: str | None) -> dict[str, tuple[int, int]]:
        """The last module of each size, and the wanted one."""
        last = {size: name for name, size in self.sizes.items()}
        return {name: size for name, size in self.sizes.items() if last[size] == name or name == wanted}


def look_through(network: nn.Module, image: Tensor) -> Found:
    """Pass one image through a network and see which modules keep its places.

    Args:
        network: in evaluation mode.
        image: float32 (1, 3, S, S).

    Raises:
        RuntimeError: it takes no such image.
    """
    sizes: dict[str, tuple[int, int]] = {}
    channels: dict[str, int] = {}
    sure: set[str] = set()

    def note(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and output.ndim == 4 and max(output.shape[2:]) > 1:
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
        # heads of attention, and channels that come last, look like places: a convolution must have had their number
        known = {sizes[name] for name in sure}
        sizes = {name: size for name, size in sizes.items() if size in known and (name in sure or size[0] == size[1])}
    return Found(outputs.reshape(1, -1).shape[1] if isinstance(outputs, Tensor) else 0, sizes, channels)


def margin_map(layer: nn.Module, margins: Callable[[Tensor], Tensor], inputs: Tensor) -> tuple[Tensor, Tensor]:
    """A layer's output, and its map: Grad-CAM's for the margin before its ReLU, times the number of positions.

    Selvaraju et al. 2017. Where a mean over the positions and a linear layer follow, a map's mean is the margin but for
    the bias (class activation mapping, Zhou et al. 2016).

    Args:
        layer: with an output (N, C, h, w); carries a hook meanwhile and none afterwards.
        margins: from inputs to (N,), through the layer.
        inputs: (N, 3, S, S).

    Returns:
        (N, C, h, w) and (N, h, w).
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
    """The outputs that a layer gives meanwhile, each the beginning of a graph of gradients."""
    seen: list[Tensor] = []

    def watch(_layer: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        # nothing below is recorded; a copy goes on, because what follows may write into it
        seen.append(output.detach().clone().requires_grad_(True))
        return seen[-1].clone()

    handle = layer.register_forward_hook(watch)
    try:
        yield seen
    finally:
        handle.remove()
