"""Adapt the stem of an ImageNet network to small images, as the paper does with ResNet-18."""

import torch
from torch import nn

from core.images.preprocessing import SIDES


def adapt_stem(network: nn.Module, side: object) -> nn.Module:
    """Adapt a network's stem to small images: stride 1 in the first convolution, and no max-pooling after it.

    The new convolution has random weights and a kernel of at most 3 x 3. A network's only max-pooling is removed.

    Args:
        network: a convolutional network, changed in place.
        side: of the images in pixels, checked with a forward pass.

    Raises:
        ValueError: the network has no such stem, or does not accept such images.
    """
    if not isinstance(side, int) or side not in SIDES:
        raise ValueError(f"its images have a side of {side!r}")
    name, first = next(
        ((name, module) for name, module in network.named_modules() if isinstance(module, nn.Conv2d)), ("", None)
    )
    if first is None or first.in_channels != 3 or first.groups != 1:
        raise ValueError("it has no convolution of colour images to begin with; name a convolutional network")
    size = min(3, *first.kernel_size)
    _replace(
        network,
        name,
        nn.Conv2d(3, first.out_channels, size, stride=1, padding=size // 2, bias=first.bias is not None),
    )
    pools = [name for name, module in network.named_modules() if isinstance(module, nn.MaxPool2d)]
    # a single one belongs to the stem (ResNet, DenseNet); several, as in VGG, are the network's own downsampling
    if len(pools) == 1:
        _replace(network, pools[0], nn.Identity())
    was = network.training
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros(2, 3, side, side))
    except (RuntimeError, ValueError, AssertionError) as error:
        raise ValueError(f"it does not take images of {side} x {side} pixels ({str(error).splitlines()[0]})") from None
    finally:
        network.train(was)
    return network


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, module)
