"""What a benchmark measured: rows, and what they were measured on."""

import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import torch

NOTHING = "-"


@dataclass(frozen=True)
class Settings:
    """What every part is measured with.

    Attributes:
        detector: name or folder.
        data: CIFAKE's folder or zip, or "sample": where images come from.
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
