"""Find runs and detectors on disk by name, and the commands that make and show them."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from core.console import PROGRAM, join
from core.storage import MANIFEST, ContractError, is_plain_name, restore_all

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "assets"
# the folders that hold detectors/ and runs/
HOMES = (ROOT, SHIPPED)


def command_homes() -> tuple[Path, ...]:
    """Return the folders that commands look in: $TELLTALE_HOME, as the dashboard does, then the project and assets."""
    return (Path(own), *HOMES) if (own := os.environ.get("TELLTALE_HOME")) else HOMES


def find_runs(homes: tuple[Path, ...] | None = None) -> dict[str, Path]:
    """Find all runs by name, a user's own first; a folder without a manifest is not one.

    Args:
        homes: folders that hold runs/; those that commands look in by default.
    """
    return _find(command_homes() if homes is None else homes, "runs")


def find_detectors(homes: tuple[Path, ...] | None = None) -> dict[str, Path]:
    """Find all detectors by name, shipped ones first; a folder without a manifest is not one.

    A detector with the name of an earlier one is found as `NAME (own)`. The argument is that of `find_runs`.
    """
    homes = command_homes() if homes is None else homes
    return _find(tuple(sorted(homes, key=lambda home: home != SHIPPED)), "detectors", shadowed="{} (own)")


def find_named(name: str, paths: Mapping[str, Path], kind: str) -> Path:
    """Find the folder that a user names on the command line: a name among `paths`, or else a path.

    Args:
        name: a name or a path.
        paths: from `find_runs` or `find_detectors`.
        kind: "run" or "detector", for the error message.

    Raises:
        ContractError: there is none of that name.
    """
    if name in paths:
        return paths[name]
    if (Path(name) / MANIFEST).is_file():
        # a bare name has no parents; a link keeps its name, which is the run's
        return Path(os.path.abspath(name))  # noqa: PTH100
    names = ", ".join(paths) or "none"
    raise ContractError(f"there is no {kind} {name!r} in {kind}s/ or assets/{kind}s/; there is {names}")


def _find(homes: tuple[Path, ...], folder: str, *, shadowed: str = "{}") -> dict[str, Path]:
    # one with a damaged manifest is found too, so that opening it says what is wrong
    paths: dict[str, Path] = {}
    for path in (path for home in _distinct(homes) for path in _folders(home / folder)):
        if is_plain_name(path.name):
            paths.setdefault(path.name if path.name not in paths else shadowed.format(path.name), path)
    return paths


def _distinct(homes: tuple[Path, ...]) -> Iterable[Path]:
    return {os.path.realpath(home): home for home in homes}.values()


# os.scandir, because every page lists these folders and pathlib takes several times longer
def _folders(parent: Path) -> Iterator[Path]:
    with suppress(OSError):
        restore_all(parent)
        with os.scandir(parent) as entries:
            visible = sorted(entry.name for entry in entries if not entry.name.startswith("."))
        yield from filter(_has_manifest, (parent / name for name in visible))


def _has_manifest(folder: Path) -> bool:
    try:
        (folder / MANIFEST).stat()
    except OSError as error:
        # one without permission has one too
        return not isinstance(error, FileNotFoundError | NotADirectoryError)
    return True


def dashboard_command(home: Path) -> str:
    """Return the shell command that shows the detectors and runs in a folder."""
    return f"{PROGRAM} {join(['serve', *([] if home.resolve() == ROOT else ['--home', str(home.resolve())])])}"
