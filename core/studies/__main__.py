"""Ask a study of a run; the answer is written beside the run. What the file has already is kept.

python -m core.studies audit --run swift@cifake-test --data data/cifake
python -m core.studies faithfulness --images 1000 --engine ray
python -m core.studies faithfulness --run swift@cifake-test --maps maps.npy
python -m core.studies probes --run swift@cifake-test --all
python -m core.studies --list
"""

import argparse
import json
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from core.console import progress_to, started, starting

if __name__ == "__main__":
    # the libraries below take seconds to read
    starting("core.studies")

from tqdm import tqdm

from core.detectors.identity import find_maker, identify_all
from core.findings.words import tell
from core.images.cifake import is_fetched, is_shipped
from core.images.image_set import DATA_HELP, FAKE_HELP, DataPath
from core.images.sources import SHIPPED, SHIPPED_FOLDER
from core.runs.folders import ROOT, command_homes, find_detectors, find_named, find_runs
from core.runs.run import Run, read_run
from core.storage import TakenError, WriteError, only_writer
from core.studies.engine_options import add_engine, check_engine
from core.studies.faithfulness import OWN_COLUMNS, with_maps
from core.studies.kept import describe_again, find_kept, sample_of, settings_of
from core.studies.ray_engine import ray_engine
from core.studies.registry import STUDIES, find_study
from core.studies.runner import Source, run_study
from core.studies.store import conclude_again, read_study, study_path
from core.studies.study import Study, StudyError

FOLDER = ROOT / "data" / "cifake"
# columns that are named where some were added
SHOWN = 6


def main(arguments: list[str] | None = None) -> int:
    """Make the study that the command line asks for; returns the exit status."""
    options = parse(arguments)
    if options.list or not options.study:
        for name in STUDIES:
            print(f"{name:14} {find_study(name).question}")
        return 0
    try:
        make(options)
    except (ValueError, TakenError) as error:
        print(f"core.studies: {error}", file=sys.stderr)
        return 2
    except WriteError as error:
        print(f"core.studies: {error}, then {_again(options)}: finished shards are kept.", file=sys.stderr)
        return 2
    except OSError as error:
        what = f"{error.filename or 'a file'} cannot be used ({error.strerror or error})"
        print(f"core.studies: {what}; finished shards are kept, {_again(options)}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\ncore.studies: stopped; finished shards are kept, {_again(options)}.", file=sys.stderr)
        return 130
    return 0


def _again(options: argparse.Namespace) -> str:
    """How to go on; what is written would be computed once more by --all."""
    written = f" without {', '.join(options.written)}, already written" if options.all and options.written else ""
    return f"give the same command again{written}"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="*", help="names of studies; `--list` shows them")
    parser.add_argument("--list", action="store_true", help="say which studies there are")
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
        "--missing",
        action="store_true",
        help="compute only the columns that the file lacks, for the images that it is about, and refuse where it "
        "cannot be completed (without this it is then made again)",
    )
    what.add_argument(
        "--conclude", action="store_true", help="only make the findings again from the values that the file has"
    )
    what.add_argument("--all", action="store_true", help="compute every column again")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="another parameter of the study"
    )
    given = parser.parse_args(arguments)
    check_engine(parser, given)
    # names of studies, for `main`
    given.written = []
    return given


def make(options: argparse.Namespace) -> None:
    """Every study that was named, one after the other."""
    run = find_named(options.run, find_runs(), "run")
    asked: list[tuple[Study, Collection[str]]] = []
    # what cannot be done is said before the first study has taken an hour
    for name in options.study:
        study = find_study(name)
        # a file keeps the settings that are not named
        there = {} if options.all or options.images is not None else settings_of(study, run)
        study = study.with_parameters(there | dict(map(parse_parameter, options.set)))
        if options.maps is None:
            asked.append((study, ()))
        else:
            asked.append((with_maps(study, options.maps, read_run(run)), OWN_COLUMNS))
    for name, (study, own) in zip(options.study, asked, strict=True):
        # a second process would write its file over what the first has added to the one that both began with
        with only_writer(study_path(run, name), remedy="wait for it, then give the same command again"):
            make_one(options, study, run, own)
        options.written.append(name)


def make_one(options: argparse.Namespace, study: Study, run: Path, own: Collection[str]) -> None:
    """One study, with a progress bar; the columns `own` are computed again."""
    if options.conclude:
        conclude_again(study_path(run, study.name), read_run(run))
        tell_of(study_path(run, study.name), read_run(run), "Concluded again")
        return
    kept = None if options.all else find_kept(study, run, images=options.images, seed=options.seed, again=own)
    if options.missing and kept is None and study_path(run, study.name).is_file():
        raise StudyError(
            f"the file of the study {study.name} cannot be completed: it is about other images or parameters, is "
            "damaged, or must be made as a whole; --all makes it again"
        )
    if kept is not None and not kept.missing:
        tell_of(describe_again(study, run, kept), read_run(run), "Nothing is missing (--all computes it again)")
        return
    images, seed = options.images, options.seed
    # a file of another version is made again for the images that it is about
    if kept is None and images is None and not options.all and not options.set and (sample := sample_of(study, run)):
        images, seed = sample
    with tqdm(total=0, unit=" image", smoothing=0.1, disable=None) as bar:
        path = run_study(
            study,
            find_source(options),
            images=images,
            seed=seed,
            kept=kept,
            engine=ray_engine(options.address) if options.engine == "ray" else None,
            progress=progress_to(bar),
        )
    tell_of(path, read_run(run), "Written" if kept is None else f"Added {_named(kept.missing)}")


def _named(columns: Collection[str]) -> str:
    """Columns by name, as far as they fit into a line."""
    first, rest = sorted(columns)[:SHOWN], len(columns) - SHOWN
    return f"{', '.join(first)} and {rest} more columns" if rest > 0 else ", ".join(first)


def tell_of(path: Path, run: Run, done: str) -> None:
    """Print what was done to a study's file, and its findings."""
    print(f"{done}: {path}")
    for finding in read_study(path, run).findings:
        print(f"  {tell(finding).full}")


def find_source(options: argparse.Namespace) -> Source:
    """The run, its detector and its images."""
    found = find_runs()
    run = find_named(options.run, found, "run")
    manifest = read_run(run).manifest
    made_by = manifest["detector"]
    homes = (run.parents[1], *command_homes(), *(path.parents[1] for path in found.values()))
    detectors, refused = identify_all(find_detectors(homes))
    maker = find_maker(manifest, detectors)
    if maker is None:
        absent = f"the detector {made_by} that made {run.name} is not here; there are {', '.join(detectors)}"
        raise StudyError(refused.get(made_by, absent))
    data = DataPath(options.data, options.fake_classes.split(",")) if options.data else _default_data()
    return Source(run, detectors[maker].path, data, options.device)


def _default_data() -> str | None:
    """Return the default place of CIFAKE; what was unpacked or downloaded has the training images too."""
    if FOLDER.is_dir():
        return str(FOLDER)
    if is_fetched():
        return "github"
    return SHIPPED if is_shipped(SHIPPED_FOLDER) else None


def parse_parameter(text: str) -> tuple[str, Any]:
    """NAME=VALUE, the value as JSON or else as text."""
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


if __name__ == "__main__":
    started()
    sys.exit(main())
