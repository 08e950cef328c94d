"""Detectors from a name of timm's or torchvision's networks and a file of weights."""

import math
from typing import Any

import torch
import torchvision
from torch import nn

from core.arrays import Record
from core.detectors.registry import Brought, Kind, Request, SourceError, load_weights, read_tensors, require
from core.images.preprocessing import SIDES
from core.storage.limits import first_line

# timm's `crop_mode` -> `Preprocessing.crop`
CROPS = {"center": "after", "squash": "none"}
# without the two that have a second classifier and normalise their input a second time
NAMES = set(torchvision.models.list_models(module=torchvision.models)) - {"googlenet", "inception_v3"}


def _build_timm(config: Record) -> nn.Module:
    """Build a network of timm with random weights; a name is only looked up, nothing is downloaded."""
    name = config["name"]
    size = config["size"]
    timm = require("timm", f"timm:{name}")
    # other forms of a name reach for a hub or a folder
    if not isinstance(name, str) or ":" in name or "/" in name or not timm.is_model(name):
        raise SourceError(f"timm {timm.__version__} has no network {name!r}; timm.list_models() lists them")
    options = {"num_classes": int(config["outputs"])}
    if size is not None:
        # vision transformers are built for one size
        options["img_size"] = int(size)
    try:
        network = timm.create_model(name, pretrained=False, **options)
    except Exception as error:  # noqa: BLE001 - each network of timm refuses a size in its own way
        raise SourceError(f"timm {timm.__version__} cannot build {name} ({first_line(error)})") from None
    return _adapted(network, config)


def _build_torchvision(config: Record) -> nn.Module:
    """Build a network of torchvision with random weights."""
    name = config["name"]
    if name not in NAMES:
        raise SourceError(
            f"torchvision {torchvision.__version__} has no classification network {name!r} that can be used here; "
            "torchvision.models.list_models() lists them"
        )
    return _adapted(torchvision.models.get_model(name, weights=None, num_classes=int(config["outputs"])), config)


def _adapted(network: nn.Module, config: Record) -> nn.Module:
    """Adapt the stem of a network that was trained here."""
    if config.get("stem") is None:
        return network
    return adapt_stem(network, config["stem"])


def _read(request: Request) -> Brought:
    """Read weights for a network; preprocessing of timm's or torchvision's own weights of this name is suggested."""
    if request.weights is None or request.classes is None:
        missing = {"--weights": request.weights, "--classes": request.classes}
        options = " and ".join(option for option, value in missing.items() if value is None)
        raise SourceError(f"{request.source} does not say everything; say it with {options}")
    library, _, name = request.source.partition(":")
    config = {"name": name, "outputs": len(request.classes)}
    if library == "timm":
        config["size"] = None
        network = _build_timm(config)
        size = request.preprocess.get("size")
        pretrained = getattr(network, "pretrained_cfg", {})
        if size not in (None, pretrained.get("input_size", (3, None, None))[1]) and pretrained.get("fixed_input_size"):
            config["size"] = size
            network = _build_timm(config)
        preprocess = timm_preprocessing(pretrained, size)
    else:
        network = _build_torchvision(config)
        preprocess = torchvision_preprocessing(name)
    load_weights(network, read_tensors(request.weights), request.weights)
    return Brought(network, config, outputs="logits", usual=preprocess)


def timm_preprocessing(pretrained: Record, size: int | None) -> dict[str, Any]:
    """Return the preprocessing of timm's own evaluation transform.

    Args:
        pretrained: a network's `pretrained_cfg`.
        size: input size in pixels instead of the stated one, or None.
    """
    fields = {key: pretrained[key] for key in ("mean", "std", "interpolation") if pretrained.get(key) is not None}
    _, height, width = pretrained.get("input_size") or (3, None, None)
    crop = CROPS.get(pretrained.get("crop_mode", "center"))
    if height is None or height != width or crop is None:
        return fields
    side = size or height
    resize = math.floor(side / (pretrained.get("crop_pct") or 1.0))
    # `Preprocessing` has no centre crop after squashing, so the user must state a crop
    if crop == "none" and resize != side:
        return {**fields, "size": side}
    return {**fields, "size": side, "resize": resize, "crop": crop}


def torchvision_preprocessing(name: str) -> dict[str, Any]:
    """Return the preprocessing on which all of torchvision's own weights of this name agree; empty if it has none."""
    presets = [weights.transforms() for weights in torchvision.models.get_model_weights(name)]
    if not presets:
        return {}
    stated: list[dict[str, Any]] = [
        {
            "size": preset.crop_size[0],
            "resize": preset.resize_size[0],
            "interpolation": preset.interpolation.value,
            "mean": tuple(preset.mean),
            "std": tuple(preset.std),
        }
        for preset in presets
    ]
    fields: dict[str, Any] = {"crop": "after"}
    for key, value in stated[0].items():
        # None is to be stated by the user
        fields[key] = value if all(other[key] == value for other in stated) else None
    return fields


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
    convolutions = {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    name = next(iter(convolutions), "")
    if not name or convolutions[name].in_channels != 3 or convolutions[name].groups != 1:
        raise ValueError("it has no convolution of colour images to begin with; name a convolutional network")
    first = convolutions[name]
    size = min(3, *first.kernel_size)
    bias = first.bias is not None
    network.set_submodule(name, nn.Conv2d(3, first.out_channels, size, stride=1, padding=size // 2, bias=bias))
    pools = [name for name, module in network.named_modules() if isinstance(module, nn.MaxPool2d)]
    # a single one belongs to the stem (ResNet, DenseNet); several, as in VGG, are the network's own downsampling
    if len(pools) == 1:
        network.set_submodule(pools[0], nn.Identity())
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros(2, 3, side, side))
    except (RuntimeError, ValueError, AssertionError) as error:
        raise ValueError(f"it does not take images of {side} x {side} pixels ({first_line(error)})") from None
    return network.train()


TIMM = Kind("timm", build=_build_timm, read=_read)
TORCHVISION = Kind("torchvision", build=_build_torchvision, read=_read)
