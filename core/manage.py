"""List, rename and remove the runs, or the detectors, on this machine; what ships stays as it is."""

import argparse
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from core.console import PROGRAM, command, print_rows
from core.detectors.adding import main as add_detector
from core.detectors.known import known_rows
from core.detectors.manifest import check_detector_name
from core.homes import SHIPPED, homes
from core.images.sources import remembered
from core.runs.folders import find_detectors, find_named, find_runs
from core.runs.run import check_manifest
from core.scores import main as add_scores
from core.storage.atomic import refuse_taken, sibling
from core.storage.limits import ContractError, is_plain_name
from core.storage.seals import read_manifest

FIND: dict[str, Callable[[tuple[Path, ...]], dict[str, Path]]] = {"run": find_runs, "detector": find_detectors}


def detectors(options: argparse.Namespace) -> int:
    """Add a detector, or list, rename or remove those that are here."""
    if options.command == "add":
        return add_detector(options)
    return command(f"{PROGRAM} detectors")(partial(_manage, "detector"))(options)


def runs(options: argparse.Namespace) -> int:
    """Make a run from a table of scores, or list, rename or remove runs."""
    if options.command == "add":
        return add_scores(options)
    return command(f"{PROGRAM} runs")(partial(_manage, "run"))(options)


def _manage(kind: str, options: argparse.Namespace) -> None:
    folders = FIND[kind]((options.out, *homes()))
    if options.command == "list":
        known = kind == "detector" and options.known
        rows = known_rows() if known else [_describe(kind, name, path) for name, path in folders.items()]
        print_rows(rows, as_json=options.json)
        return
    path = find_named(options.name, folders, kind)
    if SHIPPED in path.resolve().parents:
        raise ValueError(f"{path.name} ships with Telltale and stays as it is")
    if options.command == "rename":
        rename(kind, path, options.to)
    else:
        remove(path, sure=options.yes)


def _describe(kind: str, name: str, path: Path) -> dict[str, Any]:
    """Return a row of the list: what a run or a detector is, and where it and its pictures are."""
    row: dict[str, Any] = dict.fromkeys(
        ("name", *(("set", "images", "date", "accuracy", "pictures") if kind == "run" else ("parameters",))), ""
    )
    row |= {"name": name, "MB": "", "folder": str(path), "problem": ""}
    try:
        manifest = read_manifest(path, kind)
        if kind == "run":
            check_manifest(path, manifest)
    except ContractError as error:
        return row | {"problem": str(error)}
    if kind == "run":
        place = "with the run" if "images.npy" in manifest["files"] else remembered(manifest["set_fingerprint"])
        accuracy = manifest["metrics"].get("all", {}).get("accuracy")
        row |= {"set": manifest["set"], "images": manifest["images"], "date": manifest["created"][:10]}
        row |= {"pictures": place or ""}
        row |= {"accuracy": round(accuracy, 4)} if isinstance(accuracy, float) else {}
    else:
        row |= {"parameters": manifest.get("parameters", "")}
    return row | {"MB": round(sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 2**20, 1)}


def rename(kind: str, path: Path, name: str) -> None:
    """Rename the folder of a run or a detector, and of the runs beside a detector that begin with its name.

    Raises:
        ValueError: the name cannot be one; TakenError: something has it.
    """
    if kind == "detector":
        check_detector_name(name)
    elif not is_plain_name(name) or not all(name.partition("@")[::2]):
        raise ValueError(f"a run is named DETECTOR@SET, without slashes, not {name!r}")
    moves = {path: path.with_name(name)}
    if kind == "detector":
        own = (path.parents[1] / "runs").glob(f"{path.name}@*")
        moves |= {run: run.with_name(f"{name}@{run.name.partition('@')[2]}") for run in own}
    for new in moves.values():
        refuse_taken(new)
    for old, new in moves.items():
        old.rename(new)
        print(f"{old.name} is now {new}")


def remove(path: Path, *, sure: bool) -> None:
    """Remove a folder, at once for all readers.

    Raises:
        ValueError: nobody has said that it may be lost.
    """
    if not sure:
        studies = len(list(path.glob("studies/[!.]*.parquet")))
        raise ValueError(f"{path} and {studies} studies in it would be lost; say so with --yes")
    gone = path.rename(sibling(path))
    shutil.rmtree(gone)
    print(f"Removed: {path}")
