"""A detector as its manifest describes it, in today's form or an older one. Needs no torch."""

import json
from dataclasses import asdict, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.dataclasses import dataclass

from core.arrays import Record
from core.console import sentence_of
from core.images.labels import Outputs
from core.images.preprocessing import SIDES, Preprocessing
from core.storage.limits import MANIFEST, ContractError, is_plain_name

STRICT = ConfigDict(strict=True)
Side = Annotated[int, Field(gt=0, le=SIDES[-1])]
# of a new detector's name: its run's folder adds the image set's, and most file systems allow 255
MAX_NAME_BYTES = 120
# characters that divide a run's name, that some file systems refuse, or that pages and charts read as formatting
SIGNS = '@:*?"<>|`$[]'
# implied by manifests from before detectors had kinds: one network, one size, two classes
OLD_KIND = "resnet"
OLD_SIDE = 32
OLD_LAYERS = {"layer1": (32, 32), "layer2": (16, 16), "layer3": (8, 8), "layer4": (4, 4)}
OLD_LAYER = "layer4"
OLD_PREPROCESS = {"size": OLD_SIDE, "resize": OLD_SIDE, "crop": "before", "interpolation": "bicubic"}
OLD_OUTPUTS = "logits"
# changes of a margin up to this are rounding, on other devices and versions of libraries too
STEADY = 0.01


class Capability(StrEnum):
    """A property of detectors that explainers state as a need."""

    PREDICTIONS = "predictions"  # margins of a batch of pixels
    GRADIENTS = "gradients"  # differentiable scores of a batch of inputs
    LAYERS = "layers"  # named layers that hooks can read
    INSTANT_MAP = "instant map"  # a signed map from the forward pass itself
    PATCH_SCORES = "patch scores"  # scores of small patches, whose mean is the margin
    PATCH_TOKENS = "patch tokens"  # norms of patch tokens in several blocks of a transformer


# those of the paper's network, which manifests from before detectors had kinds imply
OLD_CAPABILITIES = tuple(able for able in Capability if able not in (Capability.PATCH_SCORES, Capability.PATCH_TOKENS))


@dataclass(frozen=True, config=STRICT)
class Classes:
    """The classes of a network, one per output.

    Attributes:
        names: one per output, in order; for a network with a single output, the class that it scores.
        fake: the names that count as FAKE; all others count as REAL.
        outputs: the type of the outputs, "logits" or "probabilities" (after a sigmoid or a softmax).
        threshold: above it, a single output's class is predicted, or of several classes FAKE: a probability, or a
            logit (of FAKE minus that of REAL); None for 0.5 or 0.
    """

    names: tuple[str, ...] = ("FAKE", "REAL")
    fake: tuple[str, ...] = ("FAKE",)
    outputs: Outputs = "logits"
    threshold: Annotated[float, Field(allow_inf_nan=False)] | None = None

    def __post_init__(self) -> None:
        if not self.names or len(set(self.names)) < len(self.names):
            raise ValueError("classes must be distinct names")
        if not set(self.fake) <= set(self.names):
            raise ValueError(f"{', '.join(map(repr, self.fake))} must be among the classes")
        if len(self.names) > 1 and not (self.fake_outputs and self.real_outputs):
            raise ValueError("of two or more classes at least one must be FAKE and one REAL")
        if self.threshold is not None and self.outputs == "probabilities" and not 0 < self.threshold < 1:
            raise ValueError(f"a threshold of probabilities must be above 0 and below 1, not {self.threshold:g}")

    @property
    def fake_outputs(self) -> tuple[int, ...]:
        """Indices of the outputs that speak for FAKE."""
        return tuple(number for number, name in enumerate(self.names) if name in self.fake)

    @property
    def real_outputs(self) -> tuple[int, ...]:
        """Indices of the outputs that speak for REAL."""
        return tuple(number for number, name in enumerate(self.names) if name not in self.fake)


@dataclass(frozen=True, config=STRICT)
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
    config: Record
    preprocessing: Preprocessing
    classes: Classes = Classes()
    target_layer: str = ""
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    layers: dict[str, tuple[Side, Side]] = field(default_factory=dict)
    capabilities: frozenset[Capability] = frozenset()

    @property
    def side(self) -> int:
        """Pixels along each side of the square input."""
        return self.preprocessing.size

    def beyond_old(self) -> str:
        """Serialise as JSON what outputs and maps depend on besides weights, normalisation and temperature.

        Returns "" for the paper's network at 32 pixels, the only one that the oldest manifests could describe.
        """
        preprocess = {key: value for key, value in asdict(self.preprocessing).items() if key not in ("mean", "std")}
        parts = [self.kind, preprocess, list(self.classes.names), list(self.classes.fake), self.target_layer]
        # manifests from before outputs could be probabilities do not name them
        if self.classes.outputs != OLD_OUTPUTS:
            parts.append(self.classes.outputs)
        if self.classes.threshold is not None:
            parts.append({"threshold": self.classes.threshold})
        # width and groups follow from the weights
        parts.append({} if self.kind == OLD_KIND else dict(self.config))
        if parts == [OLD_KIND, OLD_PREPROCESS, ["FAKE", "REAL"], ["FAKE"], OLD_LAYER, {}]:
            return ""
        return json.dumps(parts, sort_keys=True)

    def as_manifest(self) -> dict[str, Any]:
        """Return the same as JSON-able keys of a manifest."""
        fields = {
            "architecture": {"kind": self.kind, **self.config},
            "preprocess": asdict(self.preprocessing),
            "classes": list(self.classes.names),
            "fake": list(self.classes.fake),
            "outputs": self.classes.outputs,
            "threshold": self.classes.threshold,
            "target_layer": self.target_layer,
            "temperature": self.temperature,
            "layers": {name: list(size) for name, size in self.layers.items()},
            "capabilities": sorted(self.capabilities),
        }
        return {key: value for key, value in fields.items() if value is not None}


Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*$")]
Settings = dict[str, str | int | Number | bool | None]


class Epoch(BaseModel):
    """A row of a training's history."""

    model_config = ConfigDict(strict=True, extra="allow")
    __pydantic_extra__: dict[str, Number]
    epoch: Number


class Member(BaseModel):
    """A network that is part of a joined one."""

    model_config = STRICT
    name: Name
    recipe: Settings
    history: list[Epoch] = []
    weight: Number
    val_accuracy: Share


class Description(BaseModel):
    """The fields of a manifest that pages show; a detector that was not trained here has no recipe and no history."""

    model_config = STRICT
    name: Name = "unknown"
    recipe: Settings = {}
    history: list[Epoch] = []
    members: list[Member] = []
    val_accuracy: Share = 0
    training_set: Text = "unknown"
    training_set_fingerprint: Text = "unknown"
    training_images: Annotated[int, Field(ge=0)] = 0
    weights_sha256: Text = "unknown"
    noise: Annotated[Number, Field(ge=0)] = 0
    known: Text | None = None
    computed_in: Text = "unknown"


def describe(path: Path, manifest: Record) -> About:
    """Validate a detector's manifest.

    Args:
        path: the detector's folder, for error messages.
        manifest: as read.

    Raises:
        ContractError: something is missing or impossible; the message names the file.
    """
    try:
        Description.model_validate(manifest)
        fields = manifest if "architecture" in manifest else _upgraded(manifest)
        config = dict(fields["architecture"])
        layer = fields["target_layer"]
        layers = {name: tuple(size) for name, size in fields["layers"].items()}
        if layer not in layers and (layer or layers):
            raise ValueError(f"the target layer {layer!r} is not one of its layers")
        outputs = fields.get("outputs", OLD_OUTPUTS)
        return About(
            config.pop("kind"),
            config,
            Preprocessing.of(fields["preprocess"]),
            Classes(tuple(fields["classes"]), tuple(fields["fake"]), outputs, fields.get("threshold")),
            layer,
            fields["temperature"],
            layers,  # type: ignore[arg-type]
            frozenset(map(Capability, fields["capabilities"])),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        what = sentence_of(error) or repr(error)
        raise ContractError(f"{path / MANIFEST} describes no detector ({what}); restore it or add it again") from None


def _upgraded(manifest: Record) -> dict[str, Any]:
    """Complete a manifest from before detectors had kinds by what it implies."""
    if manifest.get("arch", "resnet18-cifar") != "resnet18-cifar":
        raise ValueError(f"arch {manifest['arch']!r} is not known")
    return {
        **manifest,
        "architecture": {"kind": OLD_KIND, "width": manifest["width"]},
        "preprocess": {**OLD_PREPROCESS, **manifest["normalisation"]},
        "classes": ["FAKE", "REAL"],
        "fake": ["FAKE"],
        "target_layer": OLD_LAYER,
        "layers": OLD_LAYERS,
        "capabilities": OLD_CAPABILITIES,
    }


def check_detector_name(name: str) -> None:
    """Refuse an unsuitable name for a new detector: it becomes part of paths, of run names and of sentences.

    Raises:
        ValueError: naming what it may not hold.
    """
    if not is_plain_name(name) or set(name) & set(SIGNS) or len(name.encode()) > MAX_NAME_BYTES:
        raise ValueError(
            f"a detector cannot be named {name!r}; give a name of at most {MAX_NAME_BYTES} bytes that does not begin "
            f"with a dot and holds none of / \\ {' '.join(SIGNS)}"
        )
