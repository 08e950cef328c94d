"""The commands, one file a noun; here is what several have in common: options, and folders that are listed."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.console import parser_of, print_rows
from core.homes import DEFAULT, home

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
    """Add --out, a folder that gets other folders."""
    parser.add_argument("--out", type=Path, default=home(), help=f"folder that {folders}; default: {DEFAULT}")


def noun_parser(
    kind: str, description: str | None
) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser, argparse.ArgumentParser]:
    """Make the parser of a noun, with the commands add and list.

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
    listing.add_argument("--json", action="store_true", help="as JSON")
    return parser, adding, listing


def print_folders(
    folders: Mapping[str, Path],
    columns: Sequence[str],
    describe: Callable[[Path], Mapping[str, Any]],
    *,
    as_json: bool,
) -> None:
    """Print what runs or detectors are, where they lie, and what is wrong with them.

    Args:
        folders: theirs by name.
        columns: that `describe` fills.
        describe: what a folder is; of a damaged one it raises ContractError.
        as_json: print JSON.
    """
    from core.storage.limits import ContractError

    rows = []
    for name, path in folders.items():
        row: dict[str, Any] = {"name": name, **dict.fromkeys(columns, ""), "folder": str(path), "problem": ""}
        try:
            row |= describe(path)
        except ContractError as error:
            row["problem"] = str(error)
        rows.append(row)
    print_rows(rows, as_json=as_json)
