"""Compute a study of a run; its file is written beside the run, and its findings are printed."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from core.arguments.study import parse
from core.console import PROGRAM, command, print_rows, show_progress
from core.findings.answer import answer_of
from core.findings.contrast import Finding, to_json
from core.runs.run import Run, open_run
from core.storage.atomic import only_writer
from core.studies.ray_engine import engine_of
from core.studies.recommended import plan, rows_of
from core.studies.registry import STUDIES, find_study
from core.studies.runner import Source, find_source, run_study
from core.studies.store import conclude_again, find_stored, read_study, study_path
from core.studies.study import ENOUGH, Study, StudyError

AGAIN = "finished shards are kept, give the same command again"


@command(f"{PROGRAM} study", parse)
def main(options: argparse.Namespace) -> None:
    """Compute the studies that the command line names."""
    if options.list or not (options.study or options.conclude or options.recommended):
        print_rows([{"study": name, "question": find_study(name).question} for name in STUDIES], as_json=options.json)
        return
    run = open_run(options.run)
    if options.conclude and not options.study:
        options.study = [name for name in STUDIES if study_path(run.path, name).is_file()]
    findings: list[Finding] = []
    try:
        studies = []
        # what cannot be done is said before the first study has taken an hour
        for name in options.study:
            study, path = find_study(name), study_path(run.path, name)
            if options.only_missing and path.is_file():
                given = read_study(path, run).about.get("parameters", {})
                study = study.with_parameters({key: given[key] for key in study.parameters if key in given})
            studies.append(study.with_parameters(dict(map(parse_parameter, options.set))))
        if options.recommended:
            studies = _recommended(options, run)
        for study in studies:
            # a second process would write its file over what the first has added to the one that both began with
            with only_writer(study_path(run.path, study.name)):
                try:
                    findings += _make(options, study, run)
                except StudyError as error:
                    # the others do not depend on it
                    if not options.recommended:
                        raise
                    print(f"{PROGRAM} study: {study.name} was not made: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(AGAIN) from None
    if options.json:
        print(to_json(findings))


def _recommended(options: argparse.Namespace, run: Run) -> list[Study]:
    """Plan the studies that the run lacks, and print how long each will take."""
    with show_progress("timing", unit="studies") as progress:
        plans = plan(run, _source(options, run), images=options.images or ENOUGH, progress=progress)
    if not options.json:
        print_rows(rows_of(plans))
    return [each.study for each in plans if not each.refusal]


def _make(options: argparse.Namespace, study: Study, run: Run) -> Sequence[Finding]:
    """Make one study, with a progress bar; returns its findings, which are printed unless JSON is."""
    path = study_path(run.path, study.name)
    if options.conclude:
        result, done = conclude_again(path, run), "Concluded again"
    else:
        done = _compute(options, study, run)
        result = read_study(path, run)
    if not options.json:
        for finding in result.findings:
            about = " ".join(filter(None, (finding.question, finding.subject, finding.group)))
            print(f"  {about}: {answer_of(finding)}")
        print(f"{done}: {path}")
    return result.findings


def _compute(options: argparse.Namespace, study: Study, run: Run) -> str:
    """Compute one study, or what its file lacks; returns in a few words what was done."""
    stored = find_stored(study, run) if options.only_missing else None
    if options.only_missing and stored is None:
        raise StudyError(
            f"the file of the study {study.name} cannot be completed: it is missing, damaged or about other "
            "parameters, or must be made as a whole; leave --only-missing out to make it again"
        )
    if stored is not None and not study.missing(stored.table):
        return "Nothing is missing"
    images = options.images
    if options.recommended:
        images = None if study.whole else images or ENOUGH
    source, engine = _source(options, run), engine_of(options)
    chosen = {"images": images, "simple": options.simple, "seed": options.seed}
    with show_progress(study.name) as progress:
        run_study(study, source, **chosen, stored=stored, engine=engine, progress=progress)
    return "Written" if stored is None else f"Added {', '.join(study.missing(stored.table))}"


def _source(options: argparse.Namespace, run: Run) -> Source:
    return find_source(run.path, data=options.data, fake_classes=options.fake_classes.split(","), device=options.device)


def parse_parameter(text: str) -> tuple[str, Any]:
    """Split NAME=VALUE; the value is read as JSON, or else as text."""
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value
