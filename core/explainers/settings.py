"""Settings of explainers: frozen pydantic models, whose labels, help texts and offered values are in settings.toml.

Defaults and limits stand in each method's own settings class, beside the method.
Pages draw a widget for each field, the command line reads `key=value` and files store plain JSON, all without knowing
the methods. A method from elsewhere declares what is shown beside the field:

    class BlurSettings(ExplainerSettings):
        sigma: float = setting(2.0, low=0.1, high=16, label="Blur", help="How blurred the copy is.", offers=(1, 2, 4))
"""

import tomllib
from collections import ChainMap
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.arrays import Record
from core.detectors.manifest import About
from core.images.labels import FAKE, REAL, ClassName

Target = Literal["margin", "FAKE", "REAL"]
# class -> field -> attributes of `SettingField`
SHOWN: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


class ExplanationError(ValueError):
    """An explanation that cannot be made; the message says why and what to do, in one sentence."""


class ExplainerSettings(BaseModel):
    """Base of every explainer's settings: hashable, and every field fits once it is made.

    `model_dump` gives plain JSON, name -> value, and `Settings(**values)` restores it, with defaults for what is not in
    it.

    Raises:
        ExplanationError: a value that does not fit, or a setting that this type does not have.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            fields = {field.name: field for field in describe(type(self))}
            if name not in fields:
                raise ExplanationError(f"there is no setting {name!r}; these are known: {', '.join(fields)}") from None
            raise ExplanationError(f"{name} must be {fields[name].limits}, not {first['input']!r}") from None

    def changed(self, **values: Any) -> Self:
        """Copy the settings with other values.

        Raises:
            ExplanationError: a value that does not fit.
        """
        return type(self)(**{**self.model_dump(), **values})


def setting(default: Any, *, low: float | None = None, high: float | None = None, **shown: Any) -> Any:
    """Declare a field of `ExplainerSettings`; `shown` are attributes of its `SettingField` that are not in the file."""
    return Field(default, ge=low, le=high, json_schema_extra={"low": low, "high": high, **shown})


@dataclass(frozen=True, kw_only=True)
class SettingField:
    """One setting, as a widget or a command line needs to know it.

    Attributes:
        name: of the model's field, the URL parameter and the command-line key.
        kind: int, float or str.
        default: its value unless another is given.
        label: for a widget.
        help: what it does, in a sentence or two.
        low, high: inclusive limits of a number; None for no limit.
        choices: all valid values; empty where `low` and `high` bound a number, or any text is valid.
        offers: the values on a number's slider, which may be only some of the valid ones.
        names: text of a value -> display text; a value that is not in it is shown as it is.
        applies_if: other setting -> its values for which this one has any effect.
        advanced: True for a widget that belongs behind "More".
        of_layers: True where the choices are the detector's layers, "" being its own target layer.
    """

    name: str
    kind: type
    default: Any
    label: str = ""
    help: str = ""
    low: float | None = None
    high: float | None = None
    choices: Sequence[Any] = ()
    offers: Sequence[Any] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    applies_if: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    advanced: bool = False
    of_layers: bool = False

    @property
    def limits(self) -> str:
        """The valid values in words, such as "from 2 to 5000" or "one of mean, blur, black"."""
        if self.choices:
            return "one of " + ", ".join(map(str, self.choices))
        if self.of_layers:
            return "a layer of the detector"
        if self.low is None:
            return "any"
        if self.high is None:
            return f"at least {self.text(self.low)}"
        return f"from {self.text(self.low)} to {self.text(self.high)}"

    def text(self, value: Any) -> str:
        """Write a value as a URL or a command line has it."""
        if self.kind is float:
            return str(float(value)).removesuffix(".0")
        return str(value)

    def display(self, value: Any) -> str:
        """Write a value for a reader."""
        return self.names.get(self.text(value), self.text(value))

    def applies(self, values: Record) -> bool:
        """Check whether it is used at all, given the values of the other settings."""
        return all(values.get(other) in allowed for other, allowed in self.applies_if.items())


def describe(settings: type[ExplainerSettings], offers: About | None = None) -> tuple[SettingField, ...]:
    """Describe the fields of a settings type, in order.

    Args:
        settings: the type.
        offers: the description of a detector: its layers become the choices of settings that name a layer.
    """
    # under the class of a field, or else its nearest base
    in_file = ChainMap(*(SHOWN.get(base.__name__, {}) for base in settings.__mro__))
    described = []
    for name, info in settings.model_fields.items():
        shown: dict[str, Any] = {"choices": get_args(info.annotation), **in_file.get(name, {})}
        shown.update(info.json_schema_extra)  # type: ignore[arg-type]
        if shown.get("of_layers") and offers is not None and offers.layers:
            names = _names_of_layers(offers)
            shown.update(choices=tuple(names), names=names)
        described.append(SettingField(name=name, kind=type(info.default), default=info.default, **shown))
    return tuple(described)


def _names_of_layers(offers: About) -> dict[str, str]:
    """Name a detector's layers with their sizes; "" is its own target layer, which comes first."""
    names = {"": offers.target_layer} | {layer: layer for layer in offers.layers if layer != offers.target_layer}
    for key, layer in names.items():
        height, width = offers.layers[layer]
        names[key] = f"{layer} ({height} x {width})"
    return names


def settings_text(settings: ExplainerSettings) -> str:
    """Write the settings that are read in a line, for a reader: "Samples: 256; Seed: 0"."""
    values = settings.model_dump()
    readable = []
    for described in describe(type(settings)):
        if described.applies(values):
            value = described.display(values[described.name]) or "the detector's own"
            readable.append(f"{described.label}: {value}")
    return "; ".join(readable)


S = TypeVar("S", bound=ExplainerSettings)


def from_parameters(kind: type[S], texts: Mapping[str, str]) -> S:
    """Read settings from texts, name -> text.

    Raises:
        ExplanationError: the first that is not known or makes no sense.
    """
    values: dict[str, Any] = dict(texts)
    for described in describe(kind):
        if described.name in texts:
            # what is no number stays a text, which the settings refuse
            with suppress(ValueError):
                values[described.name] = described.kind(texts[described.name])
    return kind(**values)


def class_of_target(target: Target) -> ClassName:
    """Return the class that a high score of a target means: REAL for the margin, which is above 0 for REAL."""
    return "FAKE" if target == "FAKE" else "REAL"


def towards_real(scores: Any, target: str) -> Any:
    """Return a class's score, or else the margin, in the direction of REAL: (N,) of an array or tensor (N, 2)."""
    if target == "FAKE":
        return -scores[:, FAKE]
    if target == "REAL":
        return scores[:, REAL]
    return scores[:, REAL] - scores[:, FAKE]
