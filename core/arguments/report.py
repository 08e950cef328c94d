"""Write the report of a run as one HTML file.

python -m core report swift@cifake-test --out FILE
"""

import argparse
from pathlib import Path

from core.console import parser_of


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = parser_of("report", __doc__)
    parser.add_argument("run", help="name of the run, or its folder")
    parser.add_argument("--out", type=Path, required=True, help="the HTML file to write")
    return parser.parse_args(arguments)
