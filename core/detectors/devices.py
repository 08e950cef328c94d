"""The device that a detector computes on, its memory format and its batches."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

N = TypeVar("N", bound=nn.Module)
# of a batch: 512 images of 128 pixels a side, 8 of 1,024
MOST_PIXELS = 2**23


def pick_device(name: str = "auto") -> torch.device:
    """Choose the device: the named one, or with "auto" CUDA, then MPS, then the CPU; float32 is exact on all.

    Raises:
        ValueError: there is no such device here.
    """
    # else convolutions on CUDA would be computed in TF32, with 10 bits, and still be called float32
    torch.backends.cudnn.allow_tf32 = False
    if name != "auto":
        try:
            device = torch.device(name)
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError):
            raise ValueError(f"there is no device {name!r} here; leave it out, or say cpu") from None
        return device
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def fastest_format(network: nn.Module, device: torch.device) -> torch.memory_format:
    """Choose the memory format of a network and its batches: channels last, unless torch fails with it.

    In that format, the backward pass of a strided 1 x 1 convolution with few input channels writes out of bounds on
    CPUs. Seen with torch 2.13: with AVX-512 and images larger than 32 pixels, 4 and 8 channels crash and 16 do not;
    with AVX2 alone, 4 to 7 channels crash, even at 32 pixels. On Apple GPUs the backward pass of batch normalisation is
    wrong in it, or fails (PyTorch issue 175189).
    """
    if device.type == "mps":
        return torch.contiguous_format
    convolutions = (layer for layer in network.modules() if isinstance(layer, nn.Conv2d))
    for layer in convolutions:
        if layer.kernel_size == (1, 1) != layer.stride and layer.in_channels // layer.groups < 16:
            return torch.contiguous_format
    return torch.channels_last


def move_network(network: N, device: torch.device, memory_format: torch.memory_format) -> N:
    """Move a network's weights to a device and into a memory format, in place; returns the network."""
    # torch's own signature has no memory format without a dtype
    move: Callable[..., N] = network.to
    return move(device, memory_format=memory_format)


def batch_size(device: torch.device, side: int) -> int:
    """Return how many images of `side` x `side` pixels to pass through a network at once."""
    return max(1, min(1024 if device.type == "cuda" else 128, MOST_PIXELS // side**2))
