"""Detectors from a name of torchvision's classification networks and a file of weights."""

from collections.abc import Mapping
from typing import Any

import torchvision
from torch import nn
from torchvision.transforms import InterpolationMode

from core.detectors.adapters.adapter import Adapter, Brought, OpenError, Request, SourceError, stated
from core.detectors.adapters.network_kind import make_kind
from core.detectors.adapters.weights_file import load_weights, read_tensors
from core.detectors.network import NetworkDetector
from core.detectors.stem import adapt_stem

PREFIX = "torchvision:"
NAMES = tuple(torchvision.models.list_models(module=torchvision.models))
# that have a second classifier for training, which takes no weights of its own here
AUXILIARY = {"googlenet": {"init_weights": False}, "inception_v3": {"init_weights": False}}
# networks that normalise a second time inside, but only with torchvision's own weights; a file does not say whether
TWICE = ("googlenet", "inception_v3")


class TorchvisionDetector(NetworkDetector):
    """A network of torchvision."""

    kind = "torchvision"


def build(config: Mapping[str, Any]) -> nn.Module:
    """Build the network with random weights."""
    name, outputs = stated(config, "name", "outputs")
    if name not in NAMES:
        raise ValueError(f"torchvision {torchvision.__version__} has no classification network {name!r}")
    stem, options = config.get("stem"), AUXILIARY.get(name, {})
    if stem is not None and options:
        # training here computes the loss of the main output only
        options = {**options, "aux_logits": False}
    network: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=int(outputs), **options)
    return network if stem is None else adapt_stem(network, stem)


def read(request: Request) -> Brought:
    """Read the weights; preprocessing is that of torchvision's own weights of this name."""
    name = request.source.removeprefix(PREFIX)
    if name not in NAMES:
        raise SourceError(
            f"torchvision {torchvision.__version__} has no classification network {name!r}; "
            "torchvision.models.list_models() lists them"
        )
    if request.weights is None or request.classes is None:
        given = {"--weights": request.weights, "--classes": request.classes}
        raise OpenError(request.source, tuple(option for option, value in given.items() if value is None))
    config = {"name": name, "outputs": len(request.classes)}
    network = build(config)
    load_weights(network, read_tensors(request.weights), request.weights.name)
    return Brought(network, config, preprocess_of(name), outputs="logits")


def preprocess_of(name: str) -> dict[str, Any]:
    """Return the preprocessing on which all of torchvision's own weights of this name agree; empty if it has none.

    Without mean and std for `TWICE`, where these depend on the file of weights.
    """
    presets = [weights.transforms() for weights in torchvision.models.get_model_weights(name)]
    if not presets:
        return {}
    preset = presets[0]
    interpolation: InterpolationMode = preset.interpolation
    found: dict[str, Any] = {} if name in TWICE else {"mean": tuple(preset.mean), "std": tuple(preset.std)}
    if len({one.crop_size[0] for one in presets}) == 1:
        found["size"] = preset.crop_size[0]
    if len({(one.crop_size[0], one.resize_size[0]) for one in presets}) == 1:
        found |= {"resize": preset.resize_size[0], "crop": "after"}
    else:
        # to be stated
        found["resize"] = None
    if len({one.interpolation for one in presets}) == 1:
        found["interpolation"] = interpolation.value
    return found | {"scale": 1 / 255}


KIND = make_kind(
    TorchvisionDetector,
    build,
    Adapter(f"{PREFIX}NAME with --weights FILE", lambda source: source.startswith(PREFIX), read),
    describe=lambda config: f"{config.get('name')} of torchvision",
)
