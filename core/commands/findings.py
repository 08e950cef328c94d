"""Print the findings of a run's studies as a Markdown table or as JSON, or write them for all shipped runs.

python -m core findings swift@cifake-test
python -m core findings swift@cifake-test probes.detail-FAKE faithfulness
python -m core findings swift@cifake-test probes --json
python -m core findings --write docs/results.md
python -m core findings --readme README.md
"""

import argparse
from pathlib import Path

from core.commands import RUN
from core.console import PROGRAM, command, importing, parser_of, quote

NAME = f"{PROGRAM} findings"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = parser_of("findings", __doc__)
    parser.add_argument("run", nargs="?", default=RUN, help="name of the run, or its folder; default: %(default)s")
    parser.add_argument("study", nargs="*", help="studies, or findings as STUDY.KEY; default: all")
    parser.add_argument("--json", action="store_true", help="print the findings as data")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write what the shipped runs found")
    parser.add_argument(
        "--readme", type=Path, metavar="FILE", help="write the table of the most important findings into it"
    )
    return parser.parse_args(arguments)


@command(NAME, parse)
def main(options: argparse.Namespace) -> None:
    """Print or write the findings that the command line names."""
    with importing(NAME):
        from core.runs.folders import find_run

        find_run(options.run)

        from core.findings.contrast import to_json
        from core.findings.table import findings_markdown
        from core.report.results import gather, insert_findings, write_results

    if options.write is not None:
        write_results(options.write)
        return
    if options.readme is not None:
        insert_findings(options.readme)
        return
    findings = gather(options.run, options.study)
    if options.json:
        print(to_json(findings))
    elif findings:
        print(findings_markdown(findings))
    else:
        print(f"{options.run} has no findings yet.\nNext: {PROGRAM} study {quote(options.run)} --recommended")
