"""Make a run of an existing detector on another image set.

python -m core predict swift --data sample
"""

import argparse
from pathlib import Path

from core.arguments.shared import TEST_DATA, add_device, add_engine, add_fake_classes, add_skip_bad
from core.console import parser_of
from core.homes import DEFAULT, home


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = parser_of("predict", __doc__)
    parser.add_argument("detector", help="name of a detector, or its folder")
    parser.add_argument("--data", required=True, help=TEST_DATA)
    add_fake_classes(parser)
    parser.add_argument(
        "--seen", type=lambda text: text.split(","), metavar="A,B",
        help="generators that the detector was trained on; default: those that its training has named",
    )  # fmt: skip
    parser.add_argument("--name", help="of the image set in the run's name; default: its folder's or file's own")
    parser.add_argument("--out", type=Path, default=home(), help=f"folder that gets runs/; default: {DEFAULT}")
    add_device(parser)
    add_engine(parser)
    add_skip_bad(parser)
    parser.add_argument("--replace", action="store_true", help="overwrite a run of this name, and remove its studies")
    parser.add_argument("--json", action="store_true", help="print metrics, warning and the run's folder as JSON")
    return parser.parse_args(arguments)
