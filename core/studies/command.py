"""Compute a study of a run; its file is written beside the run, and its findings are printed.

python -m core study audit --run swift@cifake-test --data data/cifake
python -m core study faithfulness --images 1000 --engine ray
python -m core study faithfulness --run swift@cifake-test --maps maps.npy
python -m core study probes --run swift@cifake-test --only-missing
python -m core study probes --run swift@cifake-test --conclude
python -m core study --list
"""

import argparse
import json
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from tqdm import tqdm

from core.console import progress_to
from core.images.image_set import DATA_HELP, FAKE_HELP
from core.runs.folders import find_named, find_runs
from core.runs.run import read_run
from core.storage import TakenError, WriteError, only_writer
from core.studies.faithfulness import OWN_COLUMNS, with_maps
from core.studies.ray_engine import add_engine, check_engine, ray_engine
from core.studies.registry import STUDIES, find_study
from core.studies.runner import conclude_again, run_study
from core.studies.source import find_source
from core.studies.store import find_stored, read_study, study_path
from core.studies.study import Study, StudyError

# columns that are named where some were added
SHOWN = 6


def main(arguments: list[str] | None = None) -> int:
    """Compute the studies that the command line names; returns the exit status."""
    options = parse(arguments)
    if options.list or not (options.study or options.conclude):
        for name in STUDIES:
            print(f"{name:14} {find_study(name).question}")
        return 0
    again = "finished shards are kept, give the same command again"
    try:
        _make_all(options)
    except (ValueError, TakenError) as error:
        print(f"core study: {error}", file=sys.stderr)
        return 2
    except WriteError as error:
        print(f"core study: {error}; {again}.", file=sys.stderr)
        return 2
    except OSError as error:
        cause = f"{error.filename or 'a file'} cannot be used ({error.strerror or error})"
        print(f"core study: {cause}; {again}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\ncore study: stopped; {again}.", file=sys.stderr)
        return 130
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m core study", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", nargs="*", help="names of studies; `--list` shows them")
    parser.add_argument("--list", action="store_true", help="print the names and questions of all studies")
    parser.add_argument("--run", default="swift@cifake-test", help="name of the run, or its folder")
    parser.add_argument(
        "--data",
        help=f"{DATA_HELP}, 'github', 'kaggle', 'sample' or 'cifake-test'; default: data/cifake, else what "
        "was downloaded, else the test set that ships",
    )
    parser.add_argument("--fake-classes", default="", metavar="A,B", help=FAKE_HELP)
    parser.add_argument(
        "--images",
        type=int,
        help="at most N images, errors (up to half of N) and right answers",
    )
    parser.add_argument("--seed", type=int, default=0, help="of that choice")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    add_engine(parser)
    parser.add_argument(
        "--maps",
        type=Path,
        metavar="FILE.npy",
        help="maps of your own to judge as one more method: a map for each image of the run in its order, float "
        "(images, height, width), positive towards REAL",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--only-missing",
        "--missing",
        action="store_true",
        help="compute only the columns that the file lacks, with its parameters and for its images",
    )
    what.add_argument(
        "--conclude",
        action="store_true",
        help="only make the findings again from the values that the files have; of all studies where none is named",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="another parameter of the study"
    )
    options = parser.parse_args(arguments)
    check_engine(parser, options)
    return options


def _make_all(options: argparse.Namespace) -> None:
    """Make every study that was named, one after the other."""
    run = find_named(options.run, find_runs(), "run")
    if options.conclude and not options.study:
        options.study = [name for name in STUDIES if study_path(run, name).is_file()]
    # what cannot be done is said before the first study has taken an hour
    studies = [_declared(options, name, run) for name in options.study]
    for study, own in studies:
        # a second process would write its file over what the first has added to the one that both began with
        with only_writer(study_path(run, study.name), remedy="wait for it, then give the same command again"):
            _make(options, study, run, own)


def _declared(options: argparse.Namespace, name: str, run: Path) -> tuple[Study, Collection[str]]:
    """The study with its parameters, and the columns of the user's own maps."""
    study, path = find_study(name), study_path(run, name)
    if (options.only_missing or options.maps is not None) and path.is_file():
        given = read_study(path, read_run(run)).about.get("parameters", {})
        study = study.with_parameters({key: given[key] for key in study.parameters if key in given})
    study = study.with_parameters(dict(map(parse_parameter, options.set)))
    return (study, ()) if options.maps is None else (with_maps(study, options.maps, read_run(run)), OWN_COLUMNS)


def _make(options: argparse.Namespace, study: Study, run: Path, own: Collection[str]) -> None:
    """Make one study, with a progress bar; the columns `own` are computed again."""
    path = study_path(run, study.name)
    if options.conclude:
        conclude_again(path, read_run(run))
        _report(path, "Concluded again")
        return
    stored = find_stored(study, run, again=own) if options.only_missing or (own and options.images is None) else None
    if options.only_missing and stored is None:
        raise StudyError(
            f"the file of the study {study.name} cannot be completed: it is missing, damaged or about other "
            "parameters, or must be made as a whole; leave --only-missing out to make it again"
        )
    if stored is not None and not stored.missing:
        _report(path, "Nothing is missing")
        return
    source = find_source(run, data=options.data, fake_classes=options.fake_classes.split(","), device=options.device)
    with tqdm(total=0, unit=" image", smoothing=0.1, disable=None) as bar:
        run_study(
            study,
            source,
            images=options.images,
            seed=options.seed,
            stored=stored,
            engine=ray_engine(options.address) if options.engine == "ray" else None,
            progress=progress_to(bar),
        )
    _report(path, "Written" if stored is None else f"Added {_named(stored.missing)}")


def _named(columns: Collection[str]) -> str:
    """Name columns, as far as they fit into a line."""
    first, rest = sorted(columns)[:SHOWN], len(columns) - SHOWN
    return f"{', '.join(first)} and {rest} more columns" if rest > 0 else ", ".join(first)


def _report(path: Path, done: str) -> None:
    """Print what was done to a study's file, and the headlines of its findings."""
    print(f"{done}: {path}")
    for finding in read_study(path, read_run(path.parents[1])).findings:
        print(f"  {' '.join(filter(None, (finding.question, finding.subject, finding.headline)))}")


def parse_parameter(text: str) -> tuple[str, Any]:
    """Split NAME=VALUE; the value is read as JSON, or else as text."""
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value
