"""How much of REAL against FAKE is in each cue: train one small network on each version of an image set.

python -m core.studies.cues --data data/cifake
python -m core.studies.cues --data data/cifake --limit 2000 --seeds 1       a quick look
python -m core.studies.cues --data data/cifake --engine ray                 all cores and GPUs at once
python -m core.studies.cues --list                                          the versions
python -m core.studies.cues --table cifake-test                             the results as a Markdown table
python -m core.studies.cues --update README.md

Each network is kept as soon as it is tested: the same command, without --restart, goes on where a stopped one was.
Started twice at a time, both work on the same file.
"""

import argparse
import sys
from pathlib import Path

from core.console import progress_to, started, starting

if __name__ == "__main__":
    # the libraries below take seconds to read
    starting("core.studies.cues")

from tqdm import tqdm

from core.findings.readme import update
from core.images.image_set import DATA_HELP, FAKE_HELP, DataPath
from core.runs.folders import ROOT
from core.storage import WriteError
from core.studies.cues.results import FOLDER, find_results, read_results
from core.studies.cues.table import markdown_table
from core.studies.cues.versions import VERSIONS
from core.studies.engine_options import add_engine, check_engine
from core.studies.study import StudyError

SEEDS = 3


def main(arguments: list[str] | None = None) -> int:
    """Run the command; what goes wrong is one sentence on standard error and exit status 2."""
    options = parse(arguments)
    try:
        if options.list:
            print("\n".join(f"{key:12}  {one.keeps}" for key, one in VERSIONS.items()))
        elif options.table:
            print(written(options.table))
        elif options.update:
            update(options.update, lambda given: written(parse(list(given)).table), command="core.studies.cues")
        else:
            run(options)
    except KeyboardInterrupt as stopped:
        again = "the same command without --restart" if options.restart else "the same command"
        kept = str(stopped) or f"every finished network is kept, {again} goes on"
        print(f"\ncore.studies.cues: stopped; {kept}.", file=sys.stderr)
        return 130
    except (ValueError, OSError, WriteError) as error:
        print(f"core.studies.cues: {error}", file=sys.stderr)
        return 2
    return 0


def run(options: argparse.Namespace) -> None:
    """Train and test what is not there yet."""
    # torch is read only here
    from core.images.terminal import load_with_bar  # noqa: PLC0415
    from core.studies.cues.on_ray import networks_on_ray  # noqa: PLC0415
    from core.studies.cues.running import Plan, run_on  # noqa: PLC0415
    from core.training.checkpoints import TrainingInterrupted  # noqa: PLC0415

    data = DataPath(options.data, options.fake_classes.split(","))
    plan = Plan(
        versions=tuple(options.versions or VERSIONS),
        seeds=tuple(range(options.seeds)),
        limit=options.limit,
        across=options.across,
        skip_bad=options.skip_bad,
    )
    # before the images are read, so that a Ray that is not there costs no minutes
    engine = networks_on_ray(data, plan, options.address) if options.engine == "ray" else None
    train_set = load_with_bar(data, "train", skip_bad=options.skip_bad)
    test_set = load_with_bar(data, "test", skip_bad=options.skip_bad)
    with tqdm(total=0, unit=" step", leave=False, disable=None) as bar:
        try:
            path = run_on(
                train_set,
                test_set,
                plan,
                folder=options.out / FOLDER,
                restart=options.restart,
                say=bar.write,
                steps=progress_to(bar),
                engine=engine,
            )
        except TrainingInterrupted as error:
            raise StudyError(f"{error} Every network before it is kept.") from error
    print(f"Written to {path}")


def written(name: str) -> str:
    """The table of the study of an image set, or of a file."""
    found = find_results()
    path = found.get(name, Path(name))
    if not path.is_file():
        raise ValueError(f"there is no study of the cues of {name!r}; there is {', '.join(found) or 'none'}")
    results = read_results(path)
    if results.table.empty:
        raise ValueError(f"{path} holds no network yet; give the command that began it again")
    return markdown_table(results)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m core.studies.cues", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", help=f"{DATA_HELP}, with training and test images, or 'sample'")
    parser.add_argument("--fake-classes", default="", metavar="A,B", help=FAKE_HELP)
    parser.add_argument("--versions", nargs="+", choices=VERSIONS, metavar="VERSION", help="default: all, see --list")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"networks for each version, default {SEEDS}")
    parser.add_argument("--limit", type=int, help="train on N images and test on N / 5, for a quick look")
    parser.add_argument("--across", type=int, default=4000, help="test images of the matrix, default 4000")
    parser.add_argument("--out", type=Path, default=ROOT, help=f"folder that gets {FOLDER}/SET.parquet")
    add_engine(parser)
    parser.add_argument(
        "--skip-bad", action="store_true", help="leave out files that cannot be used instead of refusing the set"
    )
    parser.add_argument("--restart", action="store_true", help="discard what there is")
    parser.add_argument("--list", action="store_true", help="print the versions and stop")
    parser.add_argument("--table", metavar="SET", help="print the results of an image set, or of a file")
    parser.add_argument("--update", type=Path, metavar="FILE", help="write the tables in a Markdown file again")
    options = parser.parse_args(arguments)
    if not (options.data or options.list or options.table or options.update):
        parser.error("name the images with --data")
    check_engine(parser, options)
    for name, least in (("seeds", 1), ("across", 2), ("limit", 10)):
        if (value := getattr(options, name)) is not None and value < least:
            parser.error(f"--{name} must be at least {least}, not {value}")
    return options


if __name__ == "__main__":
    started()
    sys.exit(main())
