"""Print what the studies of a run found, as a Markdown table or as data.

python -m core.findings swift@cifake-test
python -m core.findings swift@cifake-test probes transfer --json > before.json
python -m core.findings swift@cifake-test --against before.json
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.findings.claims import sign_of, standing
from core.findings.finding import Choice, Finding, FindingError, Measure, from_json, to_json
from core.findings.lines import Line
from core.findings.numbers import amount, of_unit, points
from core.findings.quantities import Unit
from core.findings.words import tell
from core.runs.finding import find_named, find_runs
from core.runs.run import read_run
from core.studies.store import find_studies
from core.studies.study import StudyError

HEADINGS = ("Study", "Finding", "Quantity", "Estimate", "n", "Control", "Difference", "Under other choices", "Standing")
SIDES = {1: "+", -1: "−", 0: "0", None: "?"}


def main(arguments: list[str] | None = None) -> int:
    """Print the findings that the command line asks for; returns the exit status."""
    options = parse(arguments)
    try:
        findings = gather(options.run, options.study)
        if options.against is not None:
            changed = list(differences(_read(Path(options.against)), findings))
            print("\n".join(changed) or f"{len(findings)} findings are what they were.")
            return 1 if changed else 0
        print(to_json(findings) if options.json else table(findings))
    except ValueError as error:
        print(f"core.findings: {error}", file=sys.stderr)
        return 2
    return 0


def _read(file: Path) -> list[Finding]:
    try:
        return from_json(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise FindingError(f"{file} cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise FindingError(f"{file}: {error}") from None


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="name of the run, or its folder")
    parser.add_argument("study", nargs="*", help="names of studies; default: all that the run has")
    parser.add_argument("--json", action="store_true", help="print the findings as data")
    parser.add_argument("--against", metavar="FILE", help="say which numbers differ from those that --json printed")
    return parser.parse_args(arguments)


def gather(name: str, studies: Sequence[str] = ()) -> list[Finding]:
    """The findings of a run's studies, in the order in which each gives them.

    Raises:
        ValueError: there is no such run or study, or one cannot be read.
    """
    found = find_studies(read_run(find_named(name, find_runs(), "run")))
    if found.problems:
        raise StudyError(found.problems[0])
    for study in studies:
        if study not in found.answers:
            raise StudyError(f"{name} has no study {study}; it has {', '.join(found.answers) or 'none'}")
    chosen = [answer for study, answer in found.answers.items() if not studies or study in studies]
    return [one for answer in chosen for one in answer.findings]


def table(findings: Sequence[Finding]) -> str:
    """Findings as a Markdown table, each with its words beneath it."""
    lines = [f"| {' | '.join(HEADINGS)} |", f"|{' --- |' * len(HEADINGS)}"]
    for one in findings:
        lines.append(f"| {' | '.join(map(_escaped, _cells(one)))} |")
        # an empty study cell: the words belong to the row above
        lines.append(f"| | {_escaped(str(tell(one).whole))} |{' |' * (len(HEADINGS) - 2)}")
    return "\n".join(lines)


def _cells(one: Finding) -> list[str]:
    unit, stands = one.about.unit, standing(one)
    control = "" if one.control is None else f"{one.control.name}: {of_unit(one.control.measure, unit)}"
    choices = [f"{each.kind} {each.value}: {_lead(each, unit)} [{SIDES[sign_of(each)]}]" for each in one.choices]
    kinds = f" on {' and '.join(stands.on)}" if stands.on else ""
    side = {1: " above", -1: " below"}.get(stands.sign, "")
    return [
        one.study,
        one.key,
        one.about.label,
        str(of_unit(one.measure, unit)),
        f"{one.measure.n:,}" + (f" in {one.measure.clusters:,}" if one.measure.clusters else ""),
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


def differences(before: Sequence[Finding], after: Sequence[Finding]) -> Iterator[str]:
    """A sentence for each finding that is new, gone or of other numbers."""
    old, new = ({(one.study, one.key): one for one in each} for each in (before, after))
    for key in [*old, *(key for key in new if key not in old)]:
        name = " ".join(key)
        if key not in new:
            yield f"{name} is gone."
        elif key not in old:
            yield f"{name} is new."
        elif to_json([old[key]]) != to_json([new[key]]):
            yield f"{name} was {_short(old[key])}; it is {_short(new[key])}."


def _short(one: Finding) -> str:
    return f"{of_unit(one.measure, one.about.unit)}, {standing(one).kind}"


if __name__ == "__main__":
    sys.exit(main())
