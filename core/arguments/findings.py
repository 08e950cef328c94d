"""Print the findings of a run's studies as a Markdown table or as JSON, or write them for all shipped runs.

python -m core findings swift@cifake-test
python -m core findings swift@cifake-test probes.detail-FAKE 'faithfulness.*-FAKE'
python -m core findings swift@cifake-test probes --json
python -m core findings --write docs/results.md
python -m core findings --readme README.md
"""

import argparse
from pathlib import Path

from core.arguments.shared import RUN
from core.console import parser_of


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = parser_of("findings", __doc__)
    parser.add_argument("run", nargs="?", default=RUN, help="name of the run, or its folder; default: %(default)s")
    parser.add_argument(
        "study", nargs="*", help="studies, or findings as STUDY.KEY, in which * stands for anything; default: all"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as data")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write what the shipped runs found")
    parser.add_argument(
        "--readme", type=Path, metavar="FILE", help="write the table of the most important findings into it"
    )
    return parser.parse_args(arguments)
