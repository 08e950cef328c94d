"""An augmentation that takes fine detail away as a cue: random low-pass filters, resampling and JPEG."""

import torch
import torch.nn.functional as F
from torch import Tensor

from core.perturbations.photometric import compressed

# share of images that each of the three edits is applied to; every image gets at least one
SHARE = 0.5
# of the low-pass, in sixteenths of the Nyquist frequency
RADII = (5.0, 14.0)
# side to shrink to before enlarging again, as a share of the image's side
SIDES = (0.4, 0.95)
QUALITIES = (30, 90)
FILTERS = ("nearest", "bilinear", "bicubic", "area")
STRENGTHS = (
    f"each of three at {SHARE} and never none: low-pass at radius {RADII[0]:g} to {RADII[1]:g}, resampling at "
    f"{SIDES[0]} to {SIDES[1]} by {', '.join(FILTERS)}, JPEG {QUALITIES[0]} to {QUALITIES[1]}; whole grey levels"
)


def without_fine_detail(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Low-pass, resample or compress every image of a batch, each at random strength; many in more than one way.

    Args:
        pixels: float (N, 3, S, S) of 0..255.
        generator: on the CPU.

    Returns:
        The same form, in whole grey levels as pictures on disk are.
    """
    n = len(pixels)
    chosen = torch.rand(3, n, generator=generator) < SHARE
    # an image without any edit would keep the cue, so it gets one at random
    only = torch.randint(3, (n,), generator=generator)
    chosen |= ~chosen.any(0) & (torch.arange(3)[:, None] == only)
    strength = torch.rand(3, n, generator=generator)
    filters = torch.randint(len(FILTERS), (n,), generator=generator)
    pixels = _low_passed(pixels, chosen[0].to(pixels.device), _between(strength[0], *RADII).to(pixels.device))
    sides = _between(strength[1], *SIDES).mul(pixels.shape[-1]).round().int()
    # images that are treated alike are resampled together
    for side in set(sides[chosen[1]].tolist()):
        for number in range(len(FILTERS)):
            here = torch.nonzero(chosen[1] & (sides == side) & (filters == number)).flatten().to(pixels.device)
            if len(here):
                pixels = pixels.index_copy(0, here, _resampled(pixels[here], side, FILTERS[number]))
    return _compressed(pixels, chosen[2], _between(strength[2], *QUALITIES).round().int())


def _between(strength: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * strength


def _low_passed(pixels: Tensor, chosen: Tensor, radii: Tensor) -> Tensor:
    side = pixels.shape[-1]
    across, up = torch.fft.rfftfreq(side, device=pixels.device), torch.fft.fftfreq(side, device=pixels.device)
    # half a cycle a pixel is radius 16
    radius = 32 * torch.hypot(up[:, None], across)
    kept = (radius <= radii.view(-1, 1, 1, 1)) | ~chosen.view(-1, 1, 1, 1)
    passed: Tensor = torch.fft.irfft2(torch.fft.rfft2(pixels) * kept, s=(side, side))
    return torch.where(chosen.view(-1, 1, 1, 1), passed.clamp(0, 255), pixels)


def _resampled(pixels: Tensor, side: int, how: str) -> Tensor:
    smooth = {"antialias": True} if how in ("bilinear", "bicubic") else {}
    small = F.interpolate(pixels, size=(side, side), mode=how, **smooth)  # type: ignore[arg-type]
    return F.interpolate(small, size=pixels.shape[-2:], mode="bilinear").clamp(0, 255)


def _compressed(pixels: Tensor, chosen: Tensor, qualities: Tensor) -> Tensor:
    whole = pixels.permute(0, 2, 3, 1).round().clamp(0, 255).byte().cpu().numpy()
    made = whole.copy()
    for index in torch.nonzero(chosen).flatten().tolist():
        made[index] = compressed(whole[index : index + 1], int(qualities[index]))[0]
    return torch.from_numpy(made).permute(0, 3, 1, 2).to(pixels)
