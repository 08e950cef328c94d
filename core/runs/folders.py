"""Folders of runs and detectors: find them by name, and state when and with what they were made."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from core.homes import SHIPPED, homes
from core.storage.atomic import restore_all
from core.storage.limits import MANIFEST, ContractError, is_plain_name

# the libraries that results depend on
LIBRARIES = (
    "torch", "torchvision", "torchcam", "lime", "scikit-image", "scikit-learn", "scipy", "imagehash", "numpy", "pandas",
    "pillow", "captum", "timm", "transformers", "onnxruntime",
)  # fmt: skip


def find_runs(parents: tuple[Path, ...] | None = None) -> dict[str, Path]:
    """Find all runs by name, a user's own first; a folder without a manifest is not one.

    Args:
        parents: folders that hold runs/; default: `core.homes.homes`.
    """
    return _find(parents or homes(), "runs")


def find_detectors(parents: tuple[Path, ...] | None = None) -> dict[str, Path]:
    """Find all detectors by name, shipped ones first; a folder without a manifest is not one.

    A detector with the name of an earlier one is found as `NAME (own)`. The argument is that of `find_runs`.
    """
    parents = parents or homes()
    shipped = [parent for parent in parents if parent == SHIPPED]
    return _find((*shipped, *parents), "detectors", shadowed="{} (own)")


def find_run(name: str | Path) -> Path:
    """Find the folder of a run that a user names: its name, or else a path.

    Raises:
        ContractError: there is none of that name.
    """
    return _find_named(str(name), find_runs(), "run")


def find_detector(name: str | Path, *parents: Path) -> Path:
    """Find a detector like `find_run` a run; in `parents`, too."""
    return _find_named(str(name), find_detectors((*parents, *homes())), "detector")


def _find_named(name: str, paths: Mapping[str, Path], kind: str) -> Path:
    if name in paths:
        return paths[name]
    if (Path(name) / MANIFEST).is_file():
        # a bare name has no parents; a link keeps its name, which is the run's
        return Path(os.path.abspath(name))  # noqa: PTH100
    names = ", ".join(paths) or "none"
    raise ContractError(f"there is no {kind} {name!r}; there is {names}")


def _find(parents: tuple[Path, ...], folder: str, *, shadowed: str = "{}") -> dict[str, Path]:
    # one with a damaged manifest is found too, so that opening it says what is wrong
    paths: dict[str, Path] = {}
    for parent in {os.path.realpath(parent): parent for parent in parents}.values():
        for path in _folders(parent / folder):
            if is_plain_name(path.name):
                name = path.name
                if path.name in paths:
                    name = shadowed.format(path.name)
                paths.setdefault(name, path)
    return paths


# os.scandir, because every page lists these folders and pathlib takes several times longer
def _folders(parent: Path) -> Iterator[Path]:
    with suppress(OSError):
        restore_all(parent)
        with os.scandir(parent) as entries:
            visible = sorted(entry.name for entry in entries if not entry.name.startswith("."))
        # of one without permission pathlib would raise
        yield from (parent / name for name in visible if os.path.isfile(parent / name / MANIFEST))  # noqa: PTH113


def made_now() -> dict[str, Any]:
    """Return what files say of their making: `created`, the time, and `versions` of the libraries."""
    return {"created": datetime.now(UTC).isoformat(timespec="seconds"), "versions": library_versions()}


@cache
def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that results depend on, read once: that takes milliseconds for each."""
    versions = dict.fromkeys(LIBRARIES, "absent")
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions
