"""What a benchmark measured: rows, what they were measured on, and the page that they become."""

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from core.storage import cache_dir, write_bytes_atomically

NOTHING = "-"
HEADINGS = ("What", "Ours", "Peer", "Ratio", "Target", "Limit: bare batched forwards")


@dataclass(frozen=True)
class Settings:
    """What every part is measured with.

    Attributes:
        detector: name or folder.
        data: CIFAKE's folder or zip, "kaggle" or "sample": where images come from.
        run: for the dashboard's pages.
        quick: so few images that a test can wait for them; such numbers say only that the command works.
    """

    detector: str = "swift"
    data: str = "data/cifake"
    run: str = "swift@cifake-test"
    quick: bool = False


@dataclass(frozen=True)
class Row:
    """One measured ratio, as it is shown.

    Attributes:
        what: was measured, on how much.
        ours: what this project needs for it.
        peer: what the other side needs, with its name and version.
        ratio: peer over ours unless it says otherwise.
        asked: what was aimed for.
        limit: what nobody can be faster than: the detector's bare batched forward passes over as many images.
    """

    what: str
    ours: str
    peer: str = NOTHING
    ratio: str = NOTHING
    asked: str = NOTHING
    limit: str = NOTHING

    def __str__(self) -> str:
        named = zip(
            ("", "peer: ", "ratio: ", "target: ", "bare forwards: "), list(asdict(self).values())[1:], strict=True
        )
        return f"{self.what}: " + "; ".join(f"{name}{value}" for name, value in named if value != NOTHING)


def shown(rows: Iterable[Row]) -> list[Row]:
    """The rows, each printed as soon as it is there."""
    found = []
    for row in rows:
        print(row, flush=True)
        found.append(row)
    return found


def named(package: str) -> str:
    """A package with its installed version."""
    return f"{package} {version(package)}"


def seconds(value: float) -> str:
    """A duration with three significant digits, so that a reader can recompute the ratio."""
    return f"{value:.3g} s" if value < 100 else f"{value:,.0f} s"


@dataclass(frozen=True)
class Record:
    """The rows of one part as one call measured them.

    Attributes:
        part: its name.
        rows: as measured.
        about: when, on what, with which settings, and how long it took.
    """

    part: str
    rows: Sequence[Row]
    about: Mapping[str, Any]

    @property
    def place(self) -> Path:
        """Where it is kept, so that parts can be measured one by one: apart for each machine, detector and setting."""
        same = {name: self.about[name] for name in ("machine", "detector_sha256", "settings")}
        key = hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()[:20]
        return cache_dir() / "benchmarks" / key / f"{self.part}.json"

    def keep(self) -> None:
        """Write it to its place."""
        text = json.dumps({"rows": [asdict(row) for row in self.rows], "about": self.about}, indent=1, allow_nan=False)
        write_bytes_atomically(self.place, lambda file: file.write_text(text, encoding="utf-8"))

    def kept(self) -> "Record | None":
        """What an earlier call kept in this one's place."""
        try:
            found = json.loads(self.place.read_text(encoding="utf-8"))
            return Record(self.part, [Row(**row) for row in found["rows"]], found["about"])
        except (OSError, ValueError, KeyError, TypeError):
            return None


def machine() -> str:
    """Describe the machine, on which all numbers but ratios depend."""
    return (
        f"{_processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, "
        f"{torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}, "
        f"{str(torch.get_default_dtype()).removeprefix('torch.')}, Python "
        f"{platform.python_version()}, {platform.system()}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def page(records: Sequence[Record], *, command: str) -> str:
    """BENCHMARKS.md of some records: all of one machine, detector and setting."""
    first = records[0].about
    quick = (
        "\n**Quick counts: these numbers say that the command works, and nothing else.**\n" if first["quick"] else ""
    )
    lines = [
        "# Benchmarks",
        "",
        f"Written by `{command}` from what it measured; do not edit. Both sides of a ratio ran in one call "
        "on the same machine, detector and images; where something is repeated the sides take turns and medians are "
        "shown. A ratio is the peer's cost over ours unless it says otherwise. “Target” is what we aim for: a smaller "
        "ratio misses it, or a larger one where it says “at most”. The last column is the time of bare batched forward "
        "passes over as many images, measured apart: a practical lower bound, under which noise can put ours by a few "
        "percent.",
        quick,
        f"- Machine: {first['machine']}",
        f"- Detector: {first['detector']}, weights sha256 `{first['detector_sha256']}`",
        f"- Images: {first['settings']['data']}",
        "",
        "| Part | " + " | ".join(HEADINGS) + " |",
        "| --- " * (1 + len(HEADINGS)) + "|",
    ]
    for record in records:
        for row in record.rows:
            cells = [record.part, *asdict(row).values()]
            lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    lines += ["", "| Part | Measured | Code | Took | What it compares |", "| --- " * 5 + "|"]
    for record in records:
        about = record.about
        lines.append(
            f"| {record.part} | {about['date']} | {about['commit']} | {about['seconds']:,.0f} s | {about['compares']} |"
        )
    return "\n".join(lines) + "\n"
