"""Recipes: every hyper-parameter of a training, with its network, learning rate, precision and augmentation."""

import tomllib
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from core.detectors.registry import find_kind
from core.detectors.resnet import build_network
from core.images.encoding import jpeg
from core.perturbations.masking import FILLS, mask_batch

# how fine detail is removed as a cue: the share of images that each of three edits is applied to; all get at least one
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

# fields that older recipes lacked
LATER = ("arch", "without_cue", "without_cue_share", "masked_share", "start", "start_sha256")
# `fitted` adapts to sets of fewer images
FEW = 2000
# then, batches an epoch and the fewest images in one, steps in all, and the share that is held out
BATCHES = 8
LEAST_BATCH = 4
STEPS = 400
MOST_EPOCHS = 60
HELD_OUT = 0.2
# pixels in a batch, which take about 3.5 kB each with the gradients of `swift`
MOST_PIXELS = 2**17
MOST_PIXELS_GPU = 2**23
# the network of the paper, of any width
PAPERS = "resnet"


@dataclass(frozen=True)
class Recipe:
    """Every hyper-parameter of a training.

    Attributes:
        width: channels of the first stage of the paper's network.
        epochs: passes over the training images.
        batch_size: images per step; the last batch of an epoch is left out when it is a single image.
        optimizer: "adam" (Kingma & Ba 2015) or "sgd" with Nesterov momentum 0.9.
        learning_rate: the peak of the schedule.
        schedule: "constant", or "one-cycle": linear up over `warmup` of all steps, then linear down to 0.
        warmup: share of steps, 0..1.
        weight_decay: on convolution and classifier weights, not on biases or batch normalisation.
        label_smoothing: 0..1, of the cross-entropy.
        flip: mirror half of the images left to right.
        shift: translate each image by up to this many pixels, edges reflected.
        colour: gain, saturation and channel-order augmentation (only for tiny sets; it hides colour as a cue).
        average: decay per step of an exponential moving average of the weights, which becomes the detector; 0 for none.
        normalise: "unit" only divides by 255, "dataset" also subtracts the set's mean and divides by its deviation.
        validation: share of the training images held out by file hash, to fit the temperature and compare recipes.
        precision: "auto" is bfloat16 autocast on GPUs and CPUs with units for it (AVX-512 BF16), float32 elsewhere.
        seed: of weights, order and augmentation, 0 to 2 ** 40 - 1.
        arch: "resnet" is the paper's; "patch:SIDE" scores patches (sides: `core.detectors.local_networks.PATCH_SIDES`);
            "torchvision:NAME" or "timm:NAME" is another, whose stem is adapted to small images.
        without_cue: remove fine detail as a cue: images are low-passed, resampled or JPEG-compressed at random.
        without_cue_share: of the images for which it is removed, above 0 to 1.
        masked_share: share of the images of which random parts are covered, by a random fill each, 0 to 1.
        start: name of a detector of this network whose weights the training begins with; "" for random ones.
        start_sha256: of those weights.
    """

    name: str
    width: Annotated[int, Field(ge=1)] = 32
    epochs: Annotated[int, Field(ge=1)] = 10
    batch_size: Annotated[int, Field(ge=2)] = 128
    optimizer: Literal["adam", "sgd"] = "sgd"
    learning_rate: Annotated[float, Field(gt=0)] = 0.2
    schedule: Literal["constant", "one-cycle"] = "one-cycle"
    warmup: float = 0.15
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    flip: bool = True
    shift: Annotated[int, Field(ge=0, lt=32)] = 0
    colour: bool = False
    average: float = 0.999
    normalise: Literal["unit", "dataset"] = "dataset"
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.05
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    # torch takes seeds of 64 bits, and every epoch has its own
    seed: Annotated[int, Field(ge=0, lt=2**40)] = 0
    arch: str = PAPERS
    without_cue: bool = False
    without_cue_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    masked_share: Annotated[float, Field(ge=0, le=1)] = 0.0
    start: str = ""
    start_sha256: str = ""

    def settings(self) -> dict[str, Any]:
        """Return the recipe as JSON-able data; fields that older recipes lacked are left out at their defaults."""
        usual = {field.name: field.default for field in fields(self) if field.name in LATER}
        given = {key: value for key, value in asdict(self).items() if key not in usual or value != usual[key]}
        # stored too, because another strength makes it another training
        if self.without_cue:
            given["without_cue_by"] = STRENGTHS
        return given


FILE = Path(__file__).with_name("recipes.toml")
RECIPES = {name: Recipe(name, **given) for name, given in tomllib.loads(FILE.read_text(encoding="utf-8")).items()}


def fitted(recipe: Recipe, images: int, side: int, *, is_gpu: bool = False) -> Recipe:
    """Fit a recipe to a small set, or to images so large that its batches would not fit into memory.

    Args:
        recipe: as it is for many images of 32 x 32 pixels.
        images: of the training set.
        side: of them, in pixels.
        is_gpu: whether the device has memory of its own.

    Returns:
        The same for `FEW` images or more that fit; else with smaller batches at a learning rate that is as much lower,
        and of few images more epochs, more of them held out, and colours that vary.
    """
    pixels = MOST_PIXELS_GPU if is_gpu else MOST_PIXELS
    batch = min(recipe.batch_size, max(LEAST_BATCH, pixels // side**2))
    if images < FEW:
        batch = min(batch, max(LEAST_BATCH, images // BATCHES))
        epochs = min(MOST_EPOCHS, -(-STEPS * batch // images))
        held_out = max(recipe.validation, HELD_OUT)
        recipe = replace(recipe, colour=True, validation=held_out, epochs=max(recipe.epochs, epochs))
    if recipe.optimizer == "sgd":
        recipe = replace(recipe, learning_rate=recipe.learning_rate * batch / recipe.batch_size)
    return replace(recipe, batch_size=batch)


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Return the learning rate of step `step` (0..steps - 1)."""
    if recipe.schedule == "constant":
        return recipe.learning_rate
    rising = max(1.0, recipe.warmup * steps)
    falling = max(1.0, steps - rising)
    return recipe.learning_rate * min((step + 1) / rising, (steps - step) / falling, 1.0)


def architecture_of(recipe: Recipe, side: int) -> tuple[str, dict[str, object]]:
    """Return the kind of a recipe's detector and the settings from which that kind rebuilds its network.

    Raises:
        ValueError: `recipe.arch` has none of the forms that `Recipe` describes.
    """
    if recipe.arch == PAPERS:
        return PAPERS, {"width": recipe.width}
    library, _, name = recipe.arch.partition(":")
    if library == "patch" and name.isdigit():
        return library, {"field": int(name)}
    if library not in ("torchvision", "timm") or not name:
        raise ValueError(f"arch is {PAPERS}, patch:SIDE, torchvision:NAME or timm:NAME, not {recipe.arch!r}")
    config: dict[str, object] = {"name": name, "outputs": 2, "stem": side}
    if library == "timm":
        config["size"] = None
    return library, config


def build_for(recipe: Recipe, side: int) -> nn.Module:
    """Build a recipe's network with random weights; torch's global generator is not touched."""
    kind, config = architecture_of(recipe, side)
    if kind == PAPERS:
        return build_network(recipe.width, seed=recipe.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return find_kind(kind).build(config)


def autocast(recipe: Recipe, device: torch.device) -> torch.autocast:
    """Autocast in the precision of `precision_on`."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision_on(recipe, device) == "bfloat16")


def precision_on(recipe: Recipe, device: torch.device) -> Literal["float32", "bfloat16"]:
    """Choose the precision: with "auto" bfloat16 where the hardware has units for it; elsewhere it is far slower."""
    if recipe.precision != "auto":
        return recipe.precision
    fast = device.type == "cpu" and torch.cpu.get_capabilities().get("avx512_bf16")
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if fast else "float32"


def augment(recipe: Recipe, pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Augment float pixels (N, 3, S, S) in 0..255 as the recipe says; blur and JPEG are for `without_cue` alone."""
    if recipe.flip:
        flipped = _draw(pixels, 0.5, generator)
        pixels = torch.where(flipped, pixels.flip(-1), pixels)
    if recipe.shift:
        pixels = _shifted(pixels, recipe.shift, generator)
    if recipe.colour:
        pixels = _recoloured(pixels, generator)
    if recipe.masked_share:
        pixels = with_masks(pixels, recipe.masked_share, generator)
    if recipe.without_cue:
        chosen = _draw(pixels, recipe.without_cue_share, generator)
        pixels = torch.where(chosen, without_fine_detail(pixels, generator), pixels)
    return pixels


def _draw(pixels: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Draw a share of the images: bool (N, 1, 1, 1)."""
    chosen = torch.rand(len(pixels), generator=generator) < share
    return chosen.to(pixels.device).view(-1, 1, 1, 1)


def _shifted(pixels: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Move each image by up to `most` pixels down and across; the border is reflected."""
    side = pixels.shape[-1]
    down, across = torch.randint(0, 2 * most + 1, (2, len(pixels)), generator=generator).to(pixels.device)
    windows = F.pad(pixels, (most,) * 4, mode="reflect").unfold(2, side, 1).unfold(3, side, 1)
    return windows[torch.arange(len(pixels), device=pixels.device), :, down, across].contiguous()


def _recoloured(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Exchange the channels of each image, and scale its colour and each channel."""
    n = len(pixels)
    order = torch.rand(n, 3, generator=generator).argsort(1).to(pixels.device)
    pixels = pixels.gather(1, order.view(n, 3, 1, 1).expand_as(pixels))
    gain = (0.7 + 0.6 * torch.rand(n, 3, 1, 1, generator=generator)).to(pixels.device)
    saturation = (1.5 * torch.rand(n, 1, 1, 1, generator=generator)).to(pixels.device)
    grey = pixels.mean(1, keepdim=True)
    return ((grey + (pixels - grey) * saturation) * gain).clamp(0, 255)


def with_masks(pixels: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Cover random cells of a grid in a share of a batch, 10 to 80 % of an image, by one of all fills each.

    Args:
        pixels: float (N, 3, S, S) of 0..255.
        share: of the images that are masked, 0 to 1.
        generator: on the CPU.

    Returns:
        The same shape; masked images in whole grey levels.
    """
    random = np.random.default_rng(int(torch.randint(2**31, (), generator=generator)))
    chosen = np.flatnonzero(random.random(len(pixels)) < share)
    masked = pixels.clone()
    for at in chosen:
        image = pixels[at].round().byte().permute(1, 2, 0).contiguous().cpu().numpy()
        cells = int(random.integers(3, 9))
        cell = np.arange(len(image)) * cells // len(image)
        keep = random.random((1, cells * cells)) >= random.uniform(0.1, 0.8)
        fill = list(FILLS)[random.integers(len(FILLS))]
        regions = np.add.outer(cells * cell, cell)
        covered = mask_batch(image, regions, keep=keep, fill=fill, seed=int(random.integers(2**31)))
        masked[at] = torch.from_numpy(covered[0]).permute(2, 0, 1).to(pixels)
    return masked


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
    low, high = torch.tensor([RADII, SIDES, QUALITIES]).T.unsqueeze(-1)
    radii, sides, qualities = torch.lerp(low, high, torch.rand(3, n, generator=generator))
    filters = torch.randint(len(FILTERS), (n,), generator=generator)
    pixels = _low_passed(pixels, chosen[0].to(pixels.device), radii.to(pixels.device))
    sides = sides.mul(pixels.shape[-1]).round().int()
    # images that are treated alike are resampled together
    for side, number in set(zip(sides[chosen[1]].tolist(), filters[chosen[1]].tolist(), strict=True)):
        here = torch.nonzero(chosen[1] & (sides == side) & (filters == number)).flatten().to(pixels.device)
        how = FILTERS[number]
        small = F.interpolate(pixels[here], size=(side, side), mode=how, antialias=how in ("bilinear", "bicubic"))
        large = F.interpolate(small, size=pixels.shape[-2:], mode="bilinear").clamp(0, 255)
        pixels = pixels.index_copy(0, here, large)
    whole = pixels.permute(0, 2, 3, 1).round().clamp(0, 255).byte().cpu().numpy()
    for index in torch.nonzero(chosen[2]).flatten().tolist():
        whole[index] = jpeg(whole[index], int(qualities[index].round()))
    return torch.from_numpy(whole).permute(0, 3, 1, 2).to(pixels)


def _low_passed(pixels: Tensor, chosen: Tensor, radii: Tensor) -> Tensor:
    side = pixels.shape[-1]
    across = torch.fft.rfftfreq(side, device=pixels.device)
    up = torch.fft.fftfreq(side, device=pixels.device)
    # half a cycle a pixel is radius 16
    kept = 32 * torch.hypot(up[:, None], across) <= radii.view(-1, 1, 1, 1)
    passed = torch.fft.irfft2(torch.fft.rfft2(pixels) * kept, s=(side, side)).clamp(0, 255)
    return torch.where(chosen.view(-1, 1, 1, 1), passed, pixels)
