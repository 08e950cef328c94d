"""Detectors from a name of timm's or torchvision's networks and a file of weights."""

import math
from collections.abc import Mapping
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from core.detectors.registry import (
    Brought,
    Kind,
    Request,
    SourceError,
    first_line,
    load_weights,
    read_tensors,
    require,
    stated,
)
from core.images.preprocessing import SIDES

# timm's `crop_mode` -> `Preprocessing.crop`
CROPS = {"center": "after", "squash": "none"}
NAMES = tuple(torchvision.models.list_models(module=torchvision.models))
# networks of torchvision with a second classifier for training, which takes no weights of its own here; they normalise
# a second time inside, but only with torchvision's own weights, and a file does not say whether
AUXILIARY = {"googlenet": {"init_weights": False}, "inception_v3": {"init_weights": False}}


def _build_timm(config: Mapping[str, Any]) -> nn.Module:
    """Build a network of timm with random weights; a name is only looked up, nothing is downloaded."""
    name, outputs, size = stated(config, "name", "outputs", "size")
    timm = require("timm", f"timm:{name}")
    # other forms of a name reach for a hub or a folder
    if not isinstance(name, str) or ":" in name or "/" in name or not timm.is_model(name):
        raise SourceError(f"timm {timm.__version__} has no network {name!r}; timm.list_models() lists them")
    # vision transformers are built for one size
    sized = {} if size is None else {"img_size": int(size)}
    try:
        network: nn.Module = timm.create_model(name, pretrained=False, num_classes=int(outputs), **sized)
    except Exception as error:  # noqa: BLE001 - each network of timm refuses a size in its own way
        raise SourceError(f"timm {timm.__version__} cannot build {name} ({first_line(error)})") from None
    return network if config.get("stem") is None else adapt_stem(network, config["stem"])


def _build_torchvision(config: Mapping[str, Any]) -> nn.Module:
    """Build a network of torchvision with random weights."""
    name, outputs = stated(config, "name", "outputs")
    if name not in NAMES:
        raise SourceError(
            f"torchvision {torchvision.__version__} has no classification network {name!r}; "
            "torchvision.models.list_models() lists them"
        )
    stem, options = config.get("stem"), AUXILIARY.get(name, {})
    if stem is not None and options:
        # training here computes the loss of the main output only
        options = {**options, "aux_logits": False}
    network: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=int(outputs), **options)
    return network if stem is None else adapt_stem(network, stem)


def _read_timm(request: Request) -> Brought:
    """Read weights for a network of timm; preprocessing is that of the name's `pretrained_cfg`."""
    name, outputs, tensors = _needed(request)
    config = {"name": name, "outputs": outputs, "size": None}
    network, size = _build_timm(config), request.preprocess.get("size")
    pretrained = getattr(network, "pretrained_cfg", {})
    if size not in (None, pretrained.get("input_size", (3, None, None))[1]) and pretrained.get("fixed_input_size"):
        config["size"] = size
        network = _build_timm(config)
    load_weights(network, tensors)
    return Brought(network, config, timm_preprocessing(network, size), outputs="logits")


def _read_torchvision(request: Request) -> Brought:
    """Read weights for a network of torchvision; preprocessing is that of torchvision's own weights of this name."""
    name, outputs, tensors = _needed(request)
    config = {"name": name, "outputs": outputs}
    network = _build_torchvision(config)
    load_weights(network, tensors)
    return Brought(network, config, torchvision_preprocessing(name), outputs="logits")


def _needed(request: Request) -> tuple[str, int, dict[str, Tensor]]:
    """Return the network's name, its number of outputs and the weights, which only the user knows."""
    needed = {"--weights": request.weights, "--classes": request.classes}
    if request.weights is None or request.classes is None:
        options = ", ".join(option for option, value in needed.items() if value is None)
        raise SourceError(f"{request.source} does not say everything; say it with {options}")
    return request.source.partition(":")[2], len(request.classes), read_tensors(request.weights)


def timm_preprocessing(network: nn.Module, size: int | None) -> dict[str, Any]:
    """Return the preprocessing of timm's own evaluation transform for the network's `pretrained_cfg`.

    Args:
        network: from timm.
        size: input size in pixels instead of the stated one, or None.
    """
    pretrained: Mapping[str, Any] = getattr(network, "pretrained_cfg", {})
    fields: dict[str, Any] = {"scale": 1 / 255}
    fields |= {key: pretrained[key] for key in ("mean", "std", "interpolation") if pretrained.get(key) is not None}
    _, height, width = pretrained.get("input_size") or (3, None, None)
    if height is None or height != width or pretrained.get("crop_mode", "center") not in CROPS:
        return fields
    side = size or height
    crop, share = CROPS[pretrained.get("crop_mode", "center")], pretrained.get("crop_pct") or 1.0
    resize = math.floor(side / share)
    # `Preprocessing` has no centre crop after squashing, so the user must state a crop
    if crop == "none" and resize != side:
        return {**fields, "size": side}
    return {**fields, "size": side, "resize": resize, "crop": crop}


def torchvision_preprocessing(name: str) -> dict[str, Any]:
    """Return the preprocessing on which all of torchvision's own weights of this name agree; empty if it has none."""
    presets = [weights.transforms() for weights in torchvision.models.get_model_weights(name)]
    if not presets:
        return {}
    found: dict[str, set[Any]] = {
        "size": {preset.crop_size[0] for preset in presets},
        "resize": {preset.resize_size[0] for preset in presets},
        "interpolation": {preset.interpolation.value for preset in presets},
    }
    fields: dict[str, Any] = {key: values.pop() for key, values in found.items() if len(values) == 1}
    if name not in AUXILIARY:
        fields |= {"mean": tuple(presets[0].mean), "std": tuple(presets[0].std)}
    # None is to be stated by the user
    square = {"crop": "after"} if {"size", "resize"} <= set(fields) else {"resize": None}
    return {"scale": 1 / 255} | fields | square


def adapt_stem(network: nn.Module, side: object) -> nn.Module:
    """Adapt a network's stem to small images, as the paper does: stride 1 in the first convolution, no max-pooling.

    The new convolution has random weights and a kernel of at most 3 x 3. A network's only max-pooling is removed.

    Args:
        network: a convolutional network, changed in place.
        side: of the images in pixels, checked with a forward pass.

    Raises:
        ValueError: the network has no such stem, or does not accept such images.
    """
    if not isinstance(side, int) or side not in SIDES:
        raise ValueError(f"its images have a side of {side!r}")
    name, first = next(((n, m) for n, m in network.named_modules() if isinstance(m, nn.Conv2d)), ("", None))
    if first is None or first.in_channels != 3 or first.groups != 1:
        raise ValueError("it has no convolution of colour images to begin with; name a convolutional network")
    size, bias = min(3, *first.kernel_size), first.bias is not None
    network.set_submodule(name, nn.Conv2d(3, first.out_channels, size, stride=1, padding=size // 2, bias=bias))
    pools = [name for name, module in network.named_modules() if isinstance(module, nn.MaxPool2d)]
    # a single one belongs to the stem (ResNet, DenseNet); several, as in VGG, are the network's own downsampling
    if len(pools) == 1:
        network.set_submodule(pools[0], nn.Identity())
    was = network.training
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros(2, 3, side, side))
    except (RuntimeError, ValueError, AssertionError) as error:
        raise ValueError(f"it does not take images of {side} x {side} pixels ({first_line(error)})") from None
    return network.train(was)


TIMM = Kind(
    "timm",
    build=_build_timm,
    source="timm:NAME with --weights FILE",
    takes=lambda source: source.startswith("timm:"),
    read=_read_timm,
)
TORCHVISION = Kind(
    "torchvision",
    build=_build_torchvision,
    source="torchvision:NAME with --weights FILE",
    takes=lambda source: source.startswith("torchvision:"),
    read=_read_torchvision,
)
