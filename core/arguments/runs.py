"""List, rename and remove the runs on this machine; `add` makes one from a table of scores.

python -m core runs list
python -m core runs rename swift@images-test swift@holiday
python -m core runs remove swift@holiday --yes
python -m core runs add theirs scores.csv --data my-pictures
python -m core runs add theirs scores.parquet --data my-pictures --outputs logits --threshold 1.7

A folder's name is the name: what is renamed is the folder, and its sealed manifest stays as it was written. What ships
stays as it is. The table of `add` has a column `path` or `sha256` and a column `score`: P(FAKE) or, with --outputs
logits, any number.
"""

import argparse
from pathlib import Path

from core.arguments.managing import managing_parser
from core.arguments.shared import TEST_DATA, add_fake_classes
from core.choices import OUTPUTS
from core.homes import DEFAULT, home


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line; `command` is add, list, rename or remove."""
    parser, commands = managing_parser("run", __doc__)
    adding = commands.add_parser("add", help="make a run of a detector that is not here, from a table of its scores")
    option = adding.add_argument
    option("name", help="of the detector")
    option("scores", type=Path, help="a .csv or .parquet")
    option("--data", required=True, help=TEST_DATA)
    add_fake_classes(adding)
    option("--classes", choices=("FAKE", "REAL"), default="FAKE", help="what a high score speaks for; default: FAKE")
    option("--outputs", choices=OUTPUTS, default="probabilities", help="the scores; default: probabilities")
    option("--threshold", type=float, help="above it they speak for that class; default: 0.5, of logits 0")
    option("--size", type=int, help="pixels a side of the images on pages; default: their own, at most 256")
    option("--skip-bad", action="store_true", help="leave out files that cannot be used or have no score")
    option("--out", type=Path, default=home(), help=f"folder that gets runs/; default: {DEFAULT}")
    option("--replace", action="store_true", help="overwrite a run of this name, and remove its studies")
    option("--json", action="store_true", help="print metrics, warnings and the run's folder as JSON")
    return parser.parse_args(arguments)
