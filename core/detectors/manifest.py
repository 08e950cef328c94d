"""A detector's manifest as data, including those of older versions. Needs no torch."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.detectors.capabilities import Capability
from core.detectors.classes import Classes, Outputs
from core.images.preprocessing import SIDES, Preprocessing
from core.storage import MANIFEST, ContractError

# implied by manifests from before detectors had kinds: one network, one size, two classes
OLD_ARCH = "resnet18-cifar"
OLD_SIDE = 32
OLD_LAYERS = {"layer1": (32, 32), "layer2": (16, 16), "layer3": (8, 8), "layer4": (4, 4)}
OLD_LAYER = "layer4"
OLD_KIND = "resnet"
OLD_OUTPUTS: Outputs = "logits"


@dataclass(frozen=True)
class About:
    """The parts of a detector's manifest that determine its answers.

    Attributes:
        kind: a key of `core.detectors.registry.KINDS`.
        config: settings from which that kind builds its network.
        preprocessing: from an image to the network's input.
        classes: of the outputs.
        target_layer: the default layer to explain, one of `layers`; "" where there is none.
        temperature: margins are divided by it before they become probabilities.
        layers: names of layers that maps can be computed from -> positions (height, width), as found when it was saved.
        capabilities: those of the detector when it was saved.
    """

    kind: str
    config: Mapping[str, Any]
    preprocessing: Preprocessing
    classes: Classes
    target_layer: str
    temperature: float
    layers: Mapping[str, tuple[int, int]]
    capabilities: frozenset[Capability]

    @property
    def side(self) -> int:
        """Pixels along each side of the square input."""
        return self.preprocessing.size

    def beyond_old(self) -> str:
        """Serialise as JSON what outputs and maps depend on besides weights, normalisation and temperature.

        Returns "" for the paper's network at 32 pixels, the only one that the oldest manifests could describe.
        """
        preprocess = {key: value for key, value in asdict(self.preprocessing).items() if key not in ("mean", "std")}
        own = [self.kind, preprocess, list(self.classes.names), list(self.classes.fake), self.target_layer]
        # manifests from before outputs could be probabilities do not name them
        own += [] if self.classes.outputs == OLD_OUTPUTS else [self.classes.outputs]
        # width and groups follow from the weights
        config = {} if self.kind == OLD_KIND else dict(self.config)
        return "" if own == _OLD and not config else json.dumps([*own, config], sort_keys=True)

    def as_manifest(self) -> dict[str, Any]:
        """Return the same as JSON-able keys of a manifest."""
        return {
            "architecture": {"kind": self.kind, **self.config},
            "preprocess": asdict(self.preprocessing),
            "classes": list(self.classes.names),
            "fake": list(self.classes.fake),
            "outputs": self.classes.outputs,
            "target_layer": self.target_layer,
            "temperature": self.temperature,
            "layers": {name: list(size) for name, size in self.layers.items()},
            "capabilities": sorted(self.capabilities),
        }


def describe(path: Path, manifest: Mapping[str, Any]) -> About:
    """Read and check a manifest.

    Args:
        path: the detector's folder, for error messages.
        manifest: as read.

    Raises:
        ContractError: something is missing or impossible; the message names the file.
    """
    try:
        return _old(manifest) if "architecture" not in manifest else _new(manifest)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        what = f"{error}" if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise ContractError(
            f"{path / MANIFEST} lacks architecture, preprocessing, classes or temperature, or says what cannot be "
            f"({what}); restore it"
        ) from None


def _new(manifest: Mapping[str, Any]) -> About:
    architecture = dict(manifest["architecture"])
    kind, layer = architecture.pop("kind"), manifest["target_layer"]
    names, fake = manifest["classes"], manifest["fake"]
    if not all(isinstance(one, list) and all(isinstance(name, str) for name in one) for one in (names, fake)):
        raise ValueError("classes and fake must be lists of names")
    if not isinstance(kind, str) or not isinstance(layer, str):
        raise ValueError("the kind and the target layer must be names")
    layers = {str(name): _positions(size) for name, size in manifest["layers"].items()}
    if layer not in layers and (layer or layers):
        raise ValueError(f"the target layer {layer!r} is not one of its layers")
    able = frozenset(map(Capability, manifest["capabilities"]))
    preprocessing = Preprocessing.of(manifest["preprocess"])
    classes = Classes(tuple(names), tuple(fake), manifest.get("outputs", OLD_OUTPUTS))
    return About(kind, architecture, preprocessing, classes, layer, _temperature(manifest), layers, able)


def _old(manifest: Mapping[str, Any]) -> About:
    if manifest.get("arch", OLD_ARCH) != OLD_ARCH:
        raise ValueError(f"arch {manifest['arch']!r} is not known")
    normalisation = manifest["normalisation"]
    preprocessing = Preprocessing.of({**_OLD_PREPROCESS, "mean": normalisation["mean"], "std": normalisation["std"]})
    config = {"width": manifest["width"]}
    temperature, able = _temperature(manifest), frozenset(Capability)
    return About(OLD_KIND, config, preprocessing, Classes(), OLD_LAYER, temperature, OLD_LAYERS, able)


_OLD_PREPROCESS = {"size": OLD_SIDE, "resize": OLD_SIDE, "crop": "before", "interpolation": "bicubic"}
_OLD = [OLD_KIND, _OLD_PREPROCESS, ["FAKE", "REAL"], ["FAKE"], OLD_LAYER]


def _positions(size: Any) -> tuple[int, int]:
    height, width = size
    if not all(isinstance(one, int) and 0 < one <= SIDES[-1] for one in (height, width)):
        raise ValueError(f"a layer cannot have {size!r} positions")
    return height, width


def _temperature(manifest: Mapping[str, Any]) -> float:
    temperature = float(manifest["temperature"])
    if not math.isfinite(temperature) or temperature <= 0:
        raise ValueError(f"temperature must be above 0, not {temperature}")
    return temperature
