"""Set the threshold by which a picture is judged, on images that the detector held out of its training.

python -m core judgement --run swift@cifake-test --data data/cifake
"""

import argparse

from core.arguments.shared import DATA, RUN, add_device, add_fake_classes
from core.console import parser_of


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = parser_of("judgement", __doc__)
    parser.add_argument("--run", default=RUN, help="a run of it; default: %(default)s")
    parser.add_argument("--data", required=True, help=f"images that it was trained on: {DATA}")
    add_fake_classes(parser)
    add_device(parser)
    return parser.parse_args(arguments)
