"""Public detectors that are known by name: where they are, what they are, and their licence. Needs no torch."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from core.console import PROGRAM

FILE = Path(__file__).with_name("known.toml")


class Trial(BaseModel):
    """The verdicts of a detector on ordinary pictures at its threshold.

    Attributes:
        pictures: what they are.
        real, called_fake: photographs, and those of them that it calls FAKE.
        fake, recognised: generated pictures, and those of them that it calls FAKE; 0 where there were none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    pictures: str
    real: int
    called_fake: int
    fake: int
    recognised: int

    @property
    def sentence(self) -> str:
        """Both rates for a reader, false alarms first."""
        generated = f", and {self.recognised} of {self.fake} generated pictures" if self.fake else ""
        return f"On {self.pictures} it called {self.called_fake} of {self.real} photographs FAKE{generated}."


class Known(BaseModel):
    """A public detector.

    Attributes:
        title, page, licence: for people.
        address: of the file at a pinned commit; "" for a wheel.
        wheel: NAME==VERSION of a wheel that pip downloads from its index; "" for any other file.
        sha256, bytes: of the file.
        accuracy: on CIFAKE's 20,000 test images; None for one that was not trained on CIFAKE.
        classes, fake, threshold, preprocess: as in `Request`; the threshold is the authors'.
        tested: its false alarms, where they were measured.
        kind: that reads the file of weights, a key of `core.detectors.registry.KINDS`, where there is no `encoder`.
        layers: of its network, see `core.detectors.sources.layers`; None of another kind.
        encoder, head: the members of a .zip with an ONNX encoder, and with weights and bias of a linear head as JSON.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: str
    page: str
    address: str = ""
    wheel: str = ""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    bytes: int
    licence: str
    accuracy: float | None = None
    classes: tuple[str, ...]
    fake: tuple[str, ...]
    threshold: float | None = None
    tested: Trial | None = None
    preprocess: dict[str, Any]
    kind: str = "layers"
    layers: list[list[Any]] | None = None
    encoder: str = ""
    head: str = ""


@cache
def known_detectors() -> dict[str, Known]:
    """Return all of them by name."""
    return {name: Known(**entry) for name, entry in tomllib.loads(FILE.read_text(encoding="utf-8")).items()}


def find_known(name: str) -> Known:
    """Return the one of this name.

    Raises:
        ValueError: there is none.
    """
    if name not in known_detectors():
        raise ValueError(f"no detector is known as {name!r}: give a SOURCE, or one of {', '.join(known_detectors())}")
    return known_detectors()[name]


def caution_of(manifest: Mapping[str, Any]) -> str:
    """Return the sentence on the false alarms of the detector of a manifest, or of that of a run; "" if unmeasured."""
    known = known_detectors().get(str(manifest.get("known")))
    return known.tested.sentence if known and known.tested else ""


def known_rows() -> list[dict[str, Any]]:
    """Return a row of each for a list, with the command that adds it."""
    return [
        {
            "name": name,
            "what": known.title,
            "CIFAKE accuracy": known.accuracy or "",
            "MB": round(known.bytes / 2**20, 1),
            "licence": known.licence,
            "false alarms": f"{known.tested.called_fake} of {known.tested.real} photographs" if known.tested else "",
            "command": f"{PROGRAM} detectors add {name}",
        }
        for name, known in known_detectors().items()
    ]
