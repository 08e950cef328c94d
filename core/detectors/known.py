"""Public detectors that are known by name: where they are, what they are, and their licence. Needs no torch."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from core.arrays import Record
from core.console import PROGRAM
from core.homes import SHIPPED

FILE = Path(__file__).with_name("known.toml")
# ordinary pictures that detectors call FAKE, by source and delivery
COUNTS = SHIPPED / "ordinary.csv"
AS_IT_IS = "as it is"


class Alarms(NamedTuple):
    """Ordinary photographs, and those of them that a detector calls FAKE at its authors' threshold."""

    photographs: int
    called_fake: int


class Known(BaseModel, extra="forbid", frozen=True):
    """A public detector.

    Attributes:
        title, page, licence: for people.
        address: of the file at a pinned commit; "" for a wheel.
        wheel: NAME==VERSION of a wheel that pip downloads from its index; "" for any other file.
        sha256, bytes: of the file.
        accuracy: on CIFAKE's 20,000 test images; None for one that was not trained on CIFAKE.
        classes, fake, threshold, preprocess: as in `Request`; the threshold is the authors'.
        kind: that reads the file of weights, a key of `core.detectors.registry.KINDS`, where there is no `encoder`.
        layers: of its network, see `core.detectors.layers`; None of another kind.
        encoder, head: the members of a .zip with an ONNX encoder, and with weights and bias of a linear head as JSON.
    """

    title: str
    page: str
    address: str = ""
    wheel: str = ""
    sha256: str
    bytes: int
    licence: str
    accuracy: float | None = None
    classes: tuple[str, ...]
    fake: tuple[str, ...]
    threshold: float | None = None
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


@cache
def false_alarms() -> dict[str, dict[str, Alarms]]:
    """Return the counts that ship, by detector and by name of the delivery, "as it is" for none; empty without them."""
    import pandas as pd  # noqa: PLC0415 - a name is looked up without it

    alarms: dict[str, dict[str, Alarms]] = {}
    if COUNTS.is_file():
        photographs = pd.read_csv(COUNTS).query("label == 'REAL'")
        for (detector, delivery), rows in photographs.groupby(["detector", "delivery"], sort=False):
            counted = Alarms(int(rows["pictures"].sum()), int(rows["authors"].sum()))
            alarms.setdefault(detector, {})[delivery] = counted
    return alarms


def caution_of(manifest: Record) -> str:
    """Return the sentence on the false alarms of the detector of a manifest, or of that of a run; "" if unmeasured."""
    counted = _counted(str(manifest.get("known")))
    return f"It called {counted} FAKE." if counted else ""


def _counted(name: str) -> str:
    if name not in false_alarms():
        return ""
    own = false_alarms()[name][AS_IT_IS]
    return f"{own.called_fake} of {own.photographs} ordinary photographs"


def known_rows() -> list[dict[str, Any]]:
    """Return a row of each for a list, with the command that adds it."""
    return [
        {
            "name": name,
            "what": published.title,
            "CIFAKE accuracy": published.accuracy or "",
            "MB": round(published.bytes / 2**20, 1),
            "licence": published.licence,
            "false alarms": _counted(name),
            "command": f"{PROGRAM} detectors add {name}",
        }
        for name, published in known_detectors().items()
    ]
