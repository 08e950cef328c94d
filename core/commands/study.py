"""Compute a study of a run; its file is written beside the run, and its findings are printed.

python -m core study audit --run swift@cifake-test --data data/cifake
python -m core study faithfulness --images 1000 --engine ray
python -m core study swift@cifake-test --recommended
python -m core study probes --run swift@cifake-test --only-missing
python -m core study probes --run swift@cifake-test --conclude
python -m core study probes bands --run swift@cifake-test --conclude --trainings swift-s1@cifake-test
python -m core study --list
"""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.commands import RUN, TEST_DATA, add_device, add_fake_classes
from core.console import PROGRAM, command, importing, parser_of, print_rows, show_progress

if TYPE_CHECKING:
    from core.findings.contrast import Finding
    from core.runs.run import Run
    from core.studies.runner import Source
    from core.studies.study import Study

NAME = f"{PROGRAM} study"
AGAIN = "finished shards are kept, give the same command again"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = parser_of("study", __doc__)
    add = parser.add_argument
    add("study", nargs="*", help="names of studies; `--list` shows them; with --recommended the run's name")
    add("--list", action="store_true", help="print the names and questions of all studies")
    add("--json", action="store_true", help="print the list, or what was found, as JSON")
    add("--run", default=RUN, help="name of the run, or its folder; default: %(default)s")
    add("--data", help=f"{TEST_DATA}; default: where they were last read, else data/cifake, else what was downloaded, "
        "else the test set that ships")  # fmt: skip
    add_fake_classes(parser)
    add("--images", type=int, metavar="N", help="most images, up to half of them errors; default: all")
    add("--simple", action="store_true", help="draw them at random: narrower intervals of rates, fewer errors to see")
    add("--seed", type=int, default=0, help="of that choice, a whole number; default: 0")
    add_device(parser)
    help_ = "ray: all cores and GPUs at once; default: local"
    add("--engine", choices=("local", "ray"), default="local", help=help_)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--only-missing", action="store_true", help="compute only the columns that the "
                      "file lacks, with its parameters and for its images")  # fmt: skip
    what.add_argument("--conclude", action="store_true", help="only make the findings again from the values that the "
                      "files have; of all studies where none is named")  # fmt: skip
    what.add_argument("--recommended", action="store_true", help="all studies that pages read and the run lacks, of a "
                      "sample of its images, after a table of how long each will take")  # fmt: skip
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="another parameter of the study")
    add("--trainings", nargs="+", default=[], metavar="RUN", help="with --conclude: runs of the same recipe from other "
        "seeds; what their studies found is added as a choice, and stays")  # fmt: skip
    options = parser.parse_args(arguments)
    if options.recommended and options.study:
        if len(options.study) > 1 or options.set:
            parser.error("--recommended takes the name of one run, and no parameters")
        options.run = options.study[0]
        options.study = []
    return options


@command(NAME, parse, stopped=AGAIN)
def main(options: argparse.Namespace) -> None:
    """Compute the studies that the command line names."""
    if options.list or not (options.study or options.conclude or options.recommended):
        from core.studies.study import STUDIES, find_study

        rows = [{"study": name, "question": find_study(name).question} for name in STUDIES]
        print_rows(rows, as_json=options.json)
        return
    with importing(NAME):
        from core.runs.folders import find_run

        folder = find_run(options.run)

        from core.findings.contrast import to_json
        from core.runs.run import read_run
        from core.storage.atomic import only_writer
        from core.studies import runner  # noqa: F401 - torch, for what is computed below
        from core.studies.store import study_path
        from core.studies.study import StudyError

    run = read_run(folder)
    findings: list[Finding] = []
    if options.recommended:
        studies = _recommended(options, run)
    else:
        studies = _named(options, run)
    for study in studies:
        # a second process would write its file over what the first has added to the one that both began with
        with only_writer(study_path(run.path, study.name)):
            try:
                findings += _make(options, study, run)
            except StudyError as error:
                # the others do not depend on it
                if not options.recommended:
                    raise
                print(f"{NAME}: {study.name} was not made: {error}", file=sys.stderr)
    if options.json:
        print(to_json(findings))


def _named(options: argparse.Namespace, run: "Run") -> "list[Study]":
    """Return the studies that are asked for; what cannot be done is refused before the first has taken an hour."""
    from core.studies.store import read_study, study_path
    from core.studies.study import STUDIES, find_study

    names = options.study
    if options.conclude and not names:
        names = [name for name in STUDIES if study_path(run.path, name).is_file()]
    changes = dict(map(parse_parameter, options.set))
    studies = []
    for name in names:
        study = find_study(name)
        path = study_path(run.path, name)
        if options.only_missing and path.is_file():
            given = read_study(path, run).about.get("parameters", {})
            study = study.with_parameters({key: given[key] for key in study.parameters if key in given})
        studies.append(study.with_parameters(changes))
    return studies


def _recommended(options: argparse.Namespace, run: "Run") -> "list[Study]":
    """Plan the studies that the run lacks, and print how long each will take."""
    from core.studies.recommended import plan, rows_of
    from core.studies.study import ENOUGH

    with show_progress("timing", unit="studies") as progress:
        plans = plan(run, _source(options, run), images=options.images or ENOUGH, progress=progress)
    if not options.json:
        print_rows(rows_of(plans))
    return [planned.study for planned in plans if not planned.refusal]


def _make(options: argparse.Namespace, study: "Study", run: "Run") -> "Sequence[Finding]":
    """Make one study, with a progress bar; returns its findings, which are printed unless JSON is."""
    from core.findings.answer import answer_of
    from core.runs.run import open_run
    from core.studies.store import conclude_again, read_study, study_path

    path = study_path(run.path, study.name)
    if options.conclude:
        done = "Concluded again"
        result = conclude_again(path, run, [open_run(name) for name in options.trainings])
    else:
        done = _compute(options, study, run)
        result = read_study(path, run)
    if not options.json:
        for finding in result.findings:
            about = " ".join(filter(None, (finding.question, finding.subject, finding.group)))
            print(f"  {about}: {answer_of(finding)}")
        print(f"{done}: {path}")
    return result.findings


def _compute(options: argparse.Namespace, study: "Study", run: "Run") -> str:
    """Compute one study, or what its file lacks; returns in a few words what was done."""
    from core.studies.ray_engine import ENGINES
    from core.studies.runner import run_study
    from core.studies.store import find_stored
    from core.studies.study import ENOUGH, StudyError

    stored = None
    done = "Written"
    if options.only_missing:
        stored = find_stored(study, run)
        if stored is None:
            raise StudyError(
                f"the file of the study {study.name} cannot be completed: it is missing, damaged or about other "
                "parameters, or must be made as a whole; leave --only-missing out to make it again"
            )
        missing = study.missing(stored.table)
        if not missing:
            return "Nothing is missing"
        done = f"Added {', '.join(missing)}"
    images = options.images
    if options.recommended:
        images = None if study.whole else images or ENOUGH
    with show_progress(study.name) as progress:
        run_study(
            study,
            _source(options, run),
            images=images,
            simple=options.simple,
            seed=options.seed,
            stored=stored,
            engine=ENGINES[options.engine],
            progress=progress,
        )
    return done


def _source(options: argparse.Namespace, run: "Run") -> "Source":
    from core.studies.runner import find_source

    return find_source(run.path, data=options.data, fake_classes=options.fake_classes, device=options.device)


def parse_parameter(text: str) -> tuple[str, Any]:
    """Split NAME=VALUE; the value is read as JSON, or else as text."""
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value
