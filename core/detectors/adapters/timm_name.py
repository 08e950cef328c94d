"""Detectors from a name of timm's networks (PyTorch Image Models) and a file of weights."""

import math
from collections.abc import Mapping
from typing import Any

from torch import nn

from core.detectors.adapters.adapter import Adapter, Brought, OpenError, Request, SourceError, require, stated
from core.detectors.adapters.network_kind import make_kind
from core.detectors.adapters.weights_file import load_weights, read_tensors
from core.detectors.network import NetworkDetector
from core.detectors.stem import adapt_stem

PREFIX = "timm:"
# timm's `crop_mode` -> `Preprocessing.crop`
CROPS = {"center": "after", "squash": "none"}


class TimmDetector(NetworkDetector):
    """A network of timm."""

    kind = "timm"


def build(config: Mapping[str, Any]) -> nn.Module:
    """Build the network with random weights; a name is only looked up, nothing is downloaded."""
    name, outputs, size = stated(config, "name", "outputs", "size")
    timm = require("timm", f"{PREFIX}{name}")
    # other forms of a name reach for a hub or a folder
    if not isinstance(name, str) or ":" in name or "/" in name or not timm.is_model(name):
        raise SourceError(f"timm {timm.__version__} has no network {name!r}; timm.list_models() lists them")
    # vision transformers are built for one size
    sized = {} if size is None else {"img_size": int(size)}
    try:
        network: nn.Module = timm.create_model(name, pretrained=False, num_classes=int(outputs), **sized)
    except Exception as error:  # noqa: BLE001 - each network of timm refuses a size in its own way
        raise SourceError(f"timm {timm.__version__} cannot build {name} ({error or type(error).__name__})") from None
    return network if config.get("stem") is None else adapt_stem(network, config["stem"])


def read(request: Request) -> Brought:
    """Read the weights; preprocessing is that of the name's `pretrained_cfg`."""
    name, size = request.source.removeprefix(PREFIX), request.preprocess.get("size")
    if request.weights is None or request.classes is None:
        given = {"--weights": request.weights, "--classes": request.classes}
        raise OpenError(request.source, tuple(option for option, value in given.items() if value is None))
    config = {"name": name, "outputs": len(request.classes), "size": None}
    network = build(config)
    stated_size = getattr(network, "pretrained_cfg", {}).get("input_size", (3, None, None))[1]
    if size is not None and size != stated_size and getattr(network, "pretrained_cfg", {}).get("fixed_input_size"):
        config["size"] = size
        network = build(config)
    load_weights(network, read_tensors(request.weights), request.weights.name)
    return Brought(network, config, preprocess_of(network, size), outputs="logits")


def preprocess_of(network: nn.Module, size: int | None) -> dict[str, Any]:
    """Return the preprocessing of timm's own evaluation transform for the network's `pretrained_cfg`.

    Args:
        network: from timm.
        size: input size in pixels instead of the stated one, or None.
    """
    said: Mapping[str, Any] = getattr(network, "pretrained_cfg", {})
    found: dict[str, Any] = {"scale": 1 / 255}
    found |= {key: said[key] for key in ("mean", "std", "interpolation") if said.get(key) is not None}
    _, height, width = said.get("input_size") or (3, None, None)
    if height is None or height != width or said.get("crop_mode", "center") not in CROPS:
        return found
    side = size or height
    crop, share = CROPS[said.get("crop_mode", "center")], said.get("crop_pct") or 1.0
    resize = math.floor(side / share)
    # `Preprocessing` has no centre crop after squashing, so the user must state a crop
    if crop == "none" and resize != side:
        return {**found, "size": side}
    return {**found, "size": side, "resize": resize, "crop": crop}


KIND = make_kind(
    TimmDetector,
    build,
    Adapter(f"{PREFIX}NAME with --weights FILE", lambda source: source.startswith(PREFIX), read),
    describe=lambda config: f"{config.get('name')} of timm",
)
