"""Finding runs and detectors on disk, by name."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from core.runs.validation import is_plain_name
from core.system.files import printable
from core.system.folders import MANIFEST, ContractError, restore_all

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "assets"
# the folders that hold detectors/ and runs/
HOMES = (ROOT, SHIPPED)


def find_runs(homes: tuple[Path, ...] = HOMES) -> dict[str, Path]:
    """Names and folders of all runs, a user's own first; a folder without a manifest is none."""
    return _find(homes, "runs")


def find_detectors(homes: tuple[Path, ...] = HOMES) -> dict[str, Path]:
    """Names and folders of all detectors, those that ship first; a folder without a manifest is none.

    A detector that has the name of one before it is found as `NAME (own)`.
    """
    return _find(tuple(sorted(homes, key=lambda home: home != SHIPPED)), "detectors", shadowed="{} (own)")


def misnamed(homes: tuple[Path, ...], kind: str) -> dict[str, str]:
    """A sentence on each folder of a "run" or a "detector" whose name hides it, by what can be shown of that name."""
    paths = (path for home in _distinct(homes) for path in _folders(home / f"{kind}s"))
    return {
        printable(path.name): f"{printable(str(path))} has a name that cannot be shown; rename the folder"
        for path in paths
        if not is_plain_name(path.name)
    }


def find_named(name: str, known: Mapping[str, Path], kind: str) -> Path:
    """The folder that a command's user means: a name among `known`, or else a folder's own path.

    Args:
        name: a name or a path.
        known: from `find_runs` or `find_detectors`.
        kind: "run" or "detector", for the sentence.

    Raises:
        ContractError: there is none of that name.
    """
    if name in known:
        return known[name]
    if (Path(name) / MANIFEST).is_file():
        return Path(name)
    there = ", ".join(known) or "none"
    raise ContractError(f"there is no {kind} {name!r} in {kind}s/ or assets/{kind}s/; there is {there}")


def _find(homes: tuple[Path, ...], folder: str, *, shadowed: str = "{}") -> dict[str, Path]:
    # one whose manifest is damaged is found too, so that who opens it is told what is wrong with it
    found: dict[str, Path] = {}
    for path in (path for home in _distinct(homes) for path in _folders(home / folder)):
        if is_plain_name(path.name):
            found.setdefault(path.name if path.name not in found else shadowed.format(path.name), path)
    return found


def _distinct(homes: tuple[Path, ...]) -> Iterable[Path]:
    return {home.resolve(): home for home in homes}.values()


def _folders(parent: Path) -> Iterator[Path]:
    with suppress(OSError):
        restore_all(parent)
        visible = [child for child in parent.iterdir() if not child.name.startswith(".")]
        yield from filter(_has_manifest, sorted(visible))


def _has_manifest(folder: Path) -> bool:
    try:
        (folder / MANIFEST).stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        # one that may not be looked into is found, too
        return True
    return True
