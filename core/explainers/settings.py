"""Settings of explainers: frozen dataclasses whose fields declare their labels, help texts and valid values.

Pages draw a widget for each field, the command line reads `key=value` and files store plain JSON, all without knowing
the methods. A settings type declares its fields with `setting`; an instance is validated when it is created:

    @dataclass(frozen=True)
    class BlurSettings(ExplainerSettings):
        sigma: float = setting(2.0, label="Blur", help="Standard deviation in pixels.", low=0.1, high=16)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any, Literal, TypeVar

from core.detectors.manifest import Offers
from core.images.labels import ClassName

KEY = "setting"
Target = Literal["margin", "REAL", "FAKE"]
TARGETS: dict[Target, str] = {"margin": "the margin", "FAKE": "FAKE alone", "REAL": "REAL alone"}


class ExplanationError(ValueError):
    """An explanation that cannot be made; the message says why and what to do, in one sentence."""


@dataclass(frozen=True)
class SettingField:
    """One setting, as a widget or a command line needs to know it.

    Attributes:
        name: of the dataclass field, the URL parameter and the command-line key.
        label: for a widget.
        help: what it does, in a sentence or two.
        kind: int, float or str.
        default: its value unless another is given.
        low, high: inclusive limits of a number; None for no limit.
        choices: all valid values; empty where `low` and `high` bound a number, or any text is valid.
        offers: the values on a number's slider, which may be only some of the valid ones.
        names: value -> display text; a value that is not in it is shown as it is.
        applies_if: other setting -> its values for which this one has any effect.
        advanced: True for a widget that belongs behind "More".
        of_layers: True where the choices are the detector's layers, "" being its own target layer.
    """

    name: str
    label: str
    help: str
    kind: type
    default: Any
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    offers: tuple[Any, ...] = ()
    names: Mapping[Any, str] = field(default_factory=dict)
    applies_if: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    advanced: bool = False
    of_layers: bool = False

    def check(self, value: Any) -> None:
        """Refuse a value that does not fit.

        Raises:
            ExplanationError: naming the setting, what fits, and the value.
        """
        if self.choices:
            if value not in self.choices:
                raise ExplanationError(f"{self.name} must be one of {', '.join(map(str, self.choices))}, not {value!r}")
            return
        if self.kind is str:
            if not isinstance(value, str):
                raise ExplanationError(f"{self.name} must be a text, not {value!r}")
            return
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole and (self.kind is int or not isinstance(value, float)):
            raise ExplanationError(f"{self.name} must be a {'whole ' if self.kind is int else ''}number, not {value!r}")
        # a comparison that "not a number" fails too
        if not (self.low is None or value >= self.low) or not (self.high is None or value <= self.high):
            raise ExplanationError(f"{self.name} must be {self.limits}, not {value}")

    @property
    def limits(self) -> str:
        """The valid values in words, such as "from 2 to 5000" or "one of mean, blur, black"."""
        if self.choices:
            return "one of " + ", ".join(map(str, self.choices))
        if self.low is not None and self.high is not None:
            return f"from {_number(self.low)} to {_number(self.high)}"
        if self.low is not None:
            return f"at least {_number(self.low)}"
        return "a layer of the detector" if self.of_layers else "any"

    def parse(self, text: str) -> Any:
        """The value that a text of a URL or a command line stands for.

        Raises:
            ExplanationError: it stands for none that fits.
        """
        try:
            value = self.kind(text)
        except ValueError:
            raise ExplanationError(f"{self.name} must be {self.limits}, not {text!r}") from None
        self.check(value)
        return value

    def text(self, value: Any) -> str:
        """Write a value as `parse` reads it."""
        return _number(value) if self.kind is float else str(value)

    def told(self, value: Any) -> str:
        """A value for a reader."""
        return self.names.get(value, self.text(value))

    def applies(self, values: Mapping[str, Any]) -> bool:
        """Check whether it is used at all, given the values of the other settings."""
        return all(values.get(other) in allowed for other, allowed in self.applies_if.items())


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def setting(
    default: Any,
    *,
    label: str,
    help: str,
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[Any] = (),
    offers: Sequence[Any] = (),
    names: Mapping[Any, str] | None = None,
    applies_if: Mapping[str, tuple[Any, ...]] | None = None,
    advanced: bool = False,
    of_layers: bool = False,
) -> Any:
    """A field of a settings dataclass; the arguments are the attributes of `SettingField`.

    Where `names` are given and neither `choices` nor `offers`, the names' keys are the choices.
    """
    chosen = tuple(choices) or (() if of_layers or offers else tuple(names or ()))
    known = SettingField(
        "", label, help, type(default), default, low, high, chosen, tuple(offers), dict(names or {}),
        dict(applies_if or {}), advanced, of_layers,
    )  # fmt: skip
    return field(default=default, metadata={KEY: known})


@dataclass(frozen=True)
class ExplainerSettings:
    """Base of every explainer's settings: hashable, and every field fits once it is made.

    Raises:
        ExplanationError: a value that does not fit.
    """

    def __post_init__(self) -> None:
        for one in describe(type(self)):
            one.check(getattr(self, one.name))


S = TypeVar("S", bound=ExplainerSettings)


@cache
def _declared(settings: type[ExplainerSettings]) -> tuple[SettingField, ...]:
    """The fields as the type declares them."""
    return tuple(replace(one.metadata[KEY], name=one.name) for one in fields(settings))


def describe(settings: type[ExplainerSettings], offers: Offers | None = None) -> tuple[SettingField, ...]:
    """The fields of a settings type, in order.

    Args:
        settings: the type.
        offers: a detector, or what is known of one: its layers become the choices of settings that name a layer.
    """
    # mypy takes the hash of its instances for that of a type
    found = _declared(settings)  # type: ignore[arg-type]
    if offers is None:
        return found
    # "" is the detector's own target layer, and is labelled with its name
    height, width = offers.layers.get(offers.target_layer, (0, 0))
    layers = {"": f"{offers.target_layer} ({height} x {width})"} | {
        name: f"{name} ({rows} x {columns})"
        for name, (rows, columns) in offers.layers.items()
        if name != offers.target_layer
    }
    return tuple(
        replace(one, choices=tuple(layers), names=layers) if one.of_layers and offers.layers else one for one in found
    )


def told_settings(settings: ExplainerSettings) -> dict[str, str]:
    """Label -> value of every setting that is read, both for a reader."""
    values = to_json(settings)
    return {
        one.label: one.told(values[one.name]) or "the detector's own"
        for one in describe(type(settings))
        if one.applies(values)
    }


def to_json(settings: ExplainerSettings) -> dict[str, Any]:
    """Name -> value, plain JSON."""
    return {one.name: getattr(settings, one.name) for one in fields(settings)}


def from_json(kind: type[S], kept: Mapping[str, Any]) -> S:
    """Restore settings from `to_json`; those that are not in it get their defaults.

    Raises:
        ExplanationError: a setting that this type does not have, or a value that does not fit.
    """
    _refuse_unknown(kind, kept)
    return kind(**kept)


def from_parameters(kind: type[S], texts: Mapping[str, str]) -> S:
    """Read settings from texts, name -> text.

    Raises:
        ExplanationError: the first that is not known or makes no sense.
    """
    _refuse_unknown(kind, texts)
    return kind(**{one.name: one.parse(texts[one.name]) for one in describe(kind) if one.name in texts})


def _refuse_unknown(kind: type[ExplainerSettings], given: Mapping[str, Any]) -> None:
    known = [one.name for one in fields(kind)]
    for name in given:
        if name not in known:
            raise ExplanationError(f"there is no setting {name!r}; these are known: {', '.join(known)}")


def one_side(target: Target) -> ClassName:
    """Return the class that a one-sided map of a target shows."""
    return "FAKE" if target == "FAKE" else "REAL"
