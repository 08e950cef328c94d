"""Print what the studies of a run found, as a Markdown table, in words or as data.

python -m core.findings swift@cifake-test
python -m core.findings swift@cifake-test probes.detail-FAKE agreement --words
python -m core.findings swift@cifake-test probes transfer --json
python -m core.findings swift@cifake-test 'faithfulness.*-FAKE' --words
python -m core.findings swift@cifake-test probes --brief
python -m core.findings --quality paper@cifake-test swift@cifake-test
python -m core.findings --versus paper@cifake-test swift@cifake-test
python -m core.findings --elsewhere paper@cifake-test swift@cifake-test robust@cifake-test
python -m core.findings --update README.md
"""

import argparse
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from core.console import started
from core.findings.claims import claim_status, sign_of
from core.findings.finding import Choice, Finding, Measure, to_json
from core.findings.lines import Line, joined
from core.findings.numbers import amount, of_unit, points
from core.findings.quantities import Unit
from core.findings.readme import quality, update
from core.findings.table import findings_markdown
from core.findings.words import tell
from core.runs.folders import find_named, find_runs
from core.runs.run import Run, read_run
from core.storage import WriteError
from core.studies.comparison import Comparison, elsewhere, pair_of
from core.studies.store import Found, find_studies
from core.studies.study import StudyError

HEADINGS = ("Study", "Finding", "Quantity", "Estimate", "n", "Control", "Difference", "Under other choices", "Status")
SIDES = {1: "+", -1: "−", 0: "0", None: "?"}


def main(arguments: list[str] | None = None) -> int:
    """Print the findings that the command line asks for; returns the exit status."""
    options = parse(arguments)
    try:
        if options.update is None:
            print(written(options))
        else:
            update(options.update, lambda arguments: written(parse(list(arguments))), command="core.findings")
    except ValueError as error:
        print(f"core.findings: {error}", file=sys.stderr)
        return 2
    except (OSError, WriteError) as error:
        print(f"core.findings: {error}; name a file that can be read and written", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ncore.findings: stopped.", file=sys.stderr)
        return 130
    return 0


def written(options: argparse.Namespace) -> str:
    """What the command line asks for as text."""
    if options.quality:
        return quality([read_run(find_named(name, find_runs(), "run")) for name in (options.run, *options.study)])
    if options.elsewhere:
        return elsewhere([compare(options.run, other) for other in options.study or ("",)])
    if options.versus:
        compared = compare(options.run, *options.study)
        rates = [finding for finding in compared.findings if finding.quantity in ("accuracy", "recall")]
        return findings_markdown([*rates, *compared.deliveries, *compared.other_images])
    findings = gather(options.run, options.study)
    if options.brief:
        return in_brief(findings)
    return to_json(findings) if options.json else (in_words if options.words else table)(findings)


def compare(first: str, second: str = "", *more: str) -> Comparison:
    """Two runs and their studies.

    Raises:
        ValueError: these are not two runs that are here, or one cannot be read, or they are on different images.
    """
    if not second or more:
        raise StudyError("name two runs to compare")
    (one, own), (other, others) = map(_studies_of, (first, second))
    return Comparison(pair_of(one, other), (own.answers.get, others.answers.get))


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", help="name of the run, or its folder")
    parser.add_argument(
        "study", nargs="*", help="studies, or findings as STUDY.KEY, in which * stands for anything; default: all"
    )
    parser.add_argument("--quality", action="store_true", help="print the metrics of the named runs instead")
    parser.add_argument(
        "--elsewhere", action="store_true", help="print what the runs' detectors get right on other images, in a table"
    )
    parser.add_argument("--versus", action="store_true", help="compare two runs on the same images in brief")
    parser.add_argument("--update", type=Path, metavar="FILE", help="write the blocks of a Markdown file again")
    parser.add_argument("--words", action="store_true", help="print the findings as a list of sentences")
    parser.add_argument("--brief", action="store_true", help="print them so, without controls and other strengths")
    parser.add_argument("--json", action="store_true", help="print the findings as data")
    options = parser.parse_args(arguments)
    if (options.run is None) == (options.update is None):
        parser.error("name a run, or a file with --update")
    return options


def _studies_of(name: str) -> tuple[Run, Found]:
    """A run and its studies.

    Raises:
        ValueError: there is no such run, or one of them cannot be read.
    """
    path = find_named(name, find_runs(), "run")
    run, found = _found(path, tuple(sorted((str(one), one.stat().st_mtime_ns) for one in path.rglob("*"))))
    if found.problems:
        raise StudyError(found.problems[0])
    return run, found


@lru_cache(maxsize=4)
def _found(path: Path, stamp: tuple[tuple[str, int], ...]) -> tuple[Run, Found]:  # noqa: ARG001 - the key
    """A run and its studies; the blocks of one file ask for many findings of the same few runs."""
    run = read_run(path)
    return run, find_studies(run)


def gather(name: str, studies: Sequence[str] = ()) -> list[Finding]:
    """Read all findings of a run, or only the named ones, in the order of the names.

    Args:
        name: of the run, or its folder.
        studies: names of studies, or of findings as `<study>.<key>`; a pattern with * may match nothing.

    Raises:
        ValueError: there is no such run or study, or one cannot be read.
    """
    _, found = _studies_of(name)
    every = {f"{study}.{one.key}": one for study, answer in found.answers.items() for one in answer.findings}
    chosen: list[Finding] = []
    for asked in studies:
        named = [one for name, one in every.items() if one.study == asked or fnmatchcase(name, asked)]
        if not named and "*" not in asked:
            raise StudyError(f"{name} has no study or finding {asked}; it has {', '.join(found.answers) or 'no study'}")
        chosen += named
    return chosen if studies else list(every.values())


def in_words(findings: Sequence[Finding]) -> str:
    """Findings as a Markdown list, each with its standing."""
    return "\n".join(f"- {tell(one).full}" for one in findings)


def in_brief(findings: Sequence[Finding]) -> str:
    """Findings as a Markdown list: the answer of each, and its standing where the answer does not say it."""
    return "\n".join(f"- {joined([told.answer, told.standing or Line()])}" for told in map(tell, findings))


def table(findings: Sequence[Finding]) -> str:
    """Findings as a Markdown table, each with its words beneath it."""
    lines = [f"| {' | '.join(HEADINGS)} |", f"|{' --- |' * len(HEADINGS)}"]
    for one in findings:
        lines.append(f"| {' | '.join(map(_escaped, _cells(one)))} |")
        # an empty study cell: the words belong to the row above
        lines.append(f"| | {_escaped(str(tell(one).whole))} |{' |' * (len(HEADINGS) - 2)}")
    return "\n".join(lines)


def _cells(one: Finding) -> list[str]:
    unit, stands = one.about.unit, claim_status(one)
    control = "" if one.control is None else f"{one.control.name}: {of_unit(one.control.measure, unit)}"
    choices = [f"{each.kind} {each.value}: {_lead(each, unit)} [{SIDES[sign_of(each)]}]" for each in one.choices]
    kinds = f" on {' and '.join(stands.on)}" if stands.on else ""
    side = {1: " above", -1: " below"}.get(stands.sign, "")
    return [
        one.study,
        one.key,
        one.about.label,
        str(of_unit(one.measure, unit)),
        ""
        if not one.measure.n
        else f"{one.measure.n:,}" + (f" in {one.measure.clusters:,}" if one.measure.clusters else ""),
        control,
        "" if one.difference is None else str(_difference(one.difference, unit)),
        "; ".join(choices),
        f"{stands.kind}{side}{kinds}",
    ]


def _difference(measure: Measure, unit: Unit) -> Line:
    return points(measure) if unit == "share" else amount(measure)


def _lead(one: Choice, unit: Unit) -> Line:
    return of_unit(one.measure, unit) if one.difference is None else _difference(one.difference, unit)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    started()
    sys.exit(main())
