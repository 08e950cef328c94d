"""`list`, `rename` and `remove`, which runs and detectors share."""

import argparse
from pathlib import Path
from typing import Any

from core.console import parser_of
from core.homes import DEFAULT, home


def managing_parser(kind: str, description: str | None) -> tuple[argparse.ArgumentParser, Any]:
    """Make the parser of a noun, "run" or "detector", with these three commands; returns where more are added, too."""
    parser = parser_of(f"{kind}s", description)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    listing, renaming, removing = (
        commands.add_parser(name, help=f"{name} {kind}s") for name in ("list", "rename", "remove")
    )
    listing.add_argument("--json", action="store_true", help="as JSON")
    if kind == "detector":
        listing.add_argument("--known", action="store_true", help="public ones that can be added by their name")
    for part in (renaming, removing):
        part.add_argument("name", help="as `list` shows it, or a folder")
    renaming.add_argument("to", help="its new name")
    removing.add_argument("--yes", action="store_true", help="remove it, not only say what would be lost")
    for part in (listing, renaming, removing):
        part.add_argument("--out", type=Path, default=home(), help=f"folder that has {kind}s/; default: {DEFAULT}")
    return parser, commands
