"""The device that a detector computes on, and its fastest batch size there."""

import time
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

N = TypeVar("N", bound=nn.Module)
# of a batch: 2,048 images of 128 pixels a side, 32 of 1,024
MOST_PIXELS = 2**25
# seconds of a batch on a CPU after which no larger one is tried
SLOW = 1.0


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
    convolutions = (module for module in network.modules() if isinstance(module, nn.Conv2d))
    strided = (one for one in convolutions if one.kernel_size == (1, 1) and one.stride != (1, 1))
    return (
        torch.contiguous_format if any(one.in_channels // one.groups < 16 for one in strided) else torch.channels_last
    )


def place(network: N, device: torch.device, memory_format: torch.memory_format) -> N:
    """Move a network's weights to a device and into a memory format, in place; returns the network."""
    # torch's own signature has no memory format without a dtype
    move: Callable[..., N] = network.to
    return move(device, memory_format=memory_format)


def measure_batch_size(
    forward: Callable[[Tensor], Tensor],
    device: torch.device,
    *,
    side: int,
    memory_format: torch.memory_format = torch.channels_last,
    candidates: tuple[int, ...] | None = None,
    images: int | None = None,
) -> int:
    """Find the candidate batch size with the most images per second on this machine; takes a second or two.

    Args:
        forward: the function to time, on `device`.
        device: to compute on.
        side: of the images, in pixels.
        memory_format: of the batches, from `fastest_format`.
        candidates: batch sizes, ascending; when None, some that suit the device. Those after the first that does not
            fit into its memory are not tried.
        images: number to pass through the network for each; when None, enough to tell them apart.

    Raises:
        torch.OutOfMemoryError: not even the first candidate fits into the device's memory.
    """
    fast = device.type == "cuda"
    most = max(1, MOST_PIXELS // side**2)
    if candidates is None:
        usual = (64, 128, 256, 512, 1024, 2048) if fast else (64, 128, 256)
        candidates = tuple(size for size in usual if size <= most) or (most,)
    images = images or min(8192 if fast else 512, 4 * most)
    rates: dict[int, float] = {}
    with torch.inference_mode():
        for size in candidates:
            try:
                batch = torch.zeros(size, 3, side, side, device=device).to(memory_format=memory_format)
                begun = time.perf_counter()
                # reading a value waits for an asynchronous device
                float(forward(batch)[0, 0])
                if not fast and (took := time.perf_counter() - begun) > SLOW:
                    # of a network as slow as this, batches save nothing
                    rates[size] = size / took
                    break
                start = time.perf_counter()
                for _ in range(max(1, images // size)):
                    float(forward(batch)[0, 0])
            except torch.OutOfMemoryError:
                if not rates:
                    raise
                break
            rates[size] = max(1, images // size) * size / (time.perf_counter() - start)
    return max(rates, key=lambda size: rates[size])
