"""The commands, one file a noun; here is what several have in common: options, and what is done with folders."""

import argparse
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.console import parser_of, print_rows
from core.homes import DEFAULT, SHIPPED, home, homes

# the run that studies, thresholds and findings are of where none is named
RUN = "swift@cifake-test"
DATA = "a folder, .zip, .tar, .csv or .parquet of images (see docs/data.md)"
TEST_DATA = f"{DATA}, 'github', 'sample' or 'cifake-test'"


def add_fake_classes(parser: argparse.ArgumentParser) -> None:
    """Add --fake-classes, which goes with --data."""
    help_ = "classes that are FAKE, where folders or labels do not say so"
    parser.add_argument("--fake-classes", default=(), type=names, metavar="A,B", help=help_)


def names(text: str) -> tuple[str, ...]:
    """Read A,B as names; blank ones are none."""
    stripped = (name.strip() for name in text.split(","))
    return tuple(filter(None, stripped))


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add --device."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps; default: auto")


def add_skip_bad(parser: argparse.ArgumentParser) -> None:
    """Add --skip-bad."""
    parser.add_argument("--skip-bad", action="store_true", help="leave out files that cannot be used")


def add_out(parser: argparse.ArgumentParser, folders: str) -> None:
    """Add --out, a folder that gets, or has, other folders."""
    parser.add_argument("--out", type=Path, default=home(), help=f"folder that {folders}; default: {DEFAULT}")


def noun_parser(
    kind: str, description: str | None
) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser, argparse.ArgumentParser]:
    """Make the parser of a noun, with the commands add, list, rename and remove.

    Args:
        kind: "run" or "detector".
        description: of the noun's help.

    Returns:
        The parser, and those of `add` and `list`, to which options are still added.
    """
    parser = parser_of(f"{kind}s", description)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    adding = commands.add_parser("add", help=f"add a {kind}")
    listing = commands.add_parser("list", help=f"list {kind}s")
    renaming = commands.add_parser("rename", help=f"rename a {kind}")
    removing = commands.add_parser("remove", help=f"remove a {kind}")
    listing.add_argument("--json", action="store_true", help="as JSON")
    for part in (renaming, removing):
        part.add_argument("name", help="as `list` shows it, or a folder")
    renaming.add_argument("to", help="its new name")
    removing.add_argument("--yes", action="store_true", help="remove it, not only say what would be lost")
    for part in (listing, renaming, removing):
        add_out(part, f"has {kind}s/")
    return parser, adding, listing


def find_run(name: str) -> Path:
    """Find the run that a command line names, so that a wrong name is refused before libraries that take seconds.

    Raises:
        ContractError: there is none of that name.
    """
    from core.runs.folders import find_named, find_runs

    return find_named(name, find_runs(), "run")


def find_detector(name: str, *parents: Path) -> Path:
    """Find a detector like `find_run` a run; in `parents`, too."""
    from core.runs.folders import find_detectors, find_named

    return find_named(name, find_detectors((*parents, *homes())), "detector")


def manage(
    options: argparse.Namespace,
    kind: str,
    columns: Sequence[str],
    describe: Callable[[Path], Mapping[str, Any]],
    moves: Callable[[Path, str], Mapping[Path, Path]],
) -> None:
    """List, rename or remove runs or detectors.

    Args:
        options: from the parser of `noun_parser`.
        kind: "run" or "detector".
        columns: that `describe` fills.
        describe: what a folder is; of a damaged one it raises ContractError.
        moves: the new path of a folder that gets another name, and of those that go with it.

    Raises:
        ContractError: there is none of that name.
        TakenError: something has one of the new names.
        ValueError: the folder ships with Telltale, or nobody has said that it may be lost.
    """
    from core.runs.folders import find_detectors, find_named, find_runs
    from core.storage.atomic import refuse_taken

    find = find_runs if kind == "run" else find_detectors
    folders = find((options.out, *homes()))
    if options.command == "list":
        rows = [_row_of(name, path, columns, describe) for name, path in folders.items()]
        print_rows(rows, as_json=options.json)
        return
    path = find_named(options.name, folders, kind)
    if SHIPPED in path.resolve().parents:
        raise ValueError(f"{path.name} ships with Telltale and stays as it is")
    if options.command == "remove":
        _remove(path, sure=options.yes)
        return
    renamed = moves(path, options.to)
    for new in renamed.values():
        refuse_taken(new)
    for old, new in renamed.items():
        old.rename(new)
        print(f"{old.name} is now {new}")


def _row_of(
    name: str, path: Path, columns: Sequence[str], describe: Callable[[Path], Mapping[str, Any]]
) -> dict[str, Any]:
    """Say what a run or detector is, its size, where it lies, and what is wrong with it."""
    from core.storage.limits import ContractError

    row: dict[str, Any] = {"name": name, **dict.fromkeys(columns, ""), "MB": "", "folder": str(path), "problem": ""}
    try:
        row |= describe(path)
        files = [file for file in path.rglob("*") if file.is_file()]
        row["MB"] = round(sum(file.stat().st_size for file in files) / 2**20, 1)
    except ContractError as error:
        row["problem"] = str(error)
    return row


def _remove(path: Path, *, sure: bool) -> None:
    """Remove a folder, at once for all readers."""
    from core.storage.atomic import sibling

    if not sure:
        studies = len(list(path.glob("studies/[!.]*.parquet")))
        raise ValueError(f"{path} and {studies} studies in it would be lost; say so with --yes")
    hidden = path.rename(sibling(path))
    shutil.rmtree(hidden)
    print(f"Removed: {path}")
