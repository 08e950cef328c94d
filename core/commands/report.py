"""Write the report of a run as one HTML file.

python -m core report swift@cifake-test --out FILE
"""

import argparse
from pathlib import Path

from core.console import PROGRAM, command, importing, parser_of

NAME = f"{PROGRAM} report"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = parser_of("report", __doc__)
    parser.add_argument("run", help="name of the run, or its folder")
    parser.add_argument("--out", type=Path, required=True, help="the HTML file to write")
    return parser.parse_args(arguments)


@command(NAME, parse)
def main(options: argparse.Namespace) -> None:
    """Write the report that the command line asks for."""
    with importing(NAME):
        from core.runs.folders import find_run

        folder = find_run(options.run)

        from core.report.run_report import report_of
        from core.runs.run import read_run
        from core.storage.atomic import write_text

    write_text(options.out, report_of(read_run(folder)))
    print(f"Written to {options.out}")
