"""Train small networks on versions of an image set that keep one cue each, and test them on all versions.

python -m core cues --data data/cifake
python -m core cues --data data/cifake --limit 2000 --seeds 1       a quick look

Each network is kept as soon as it is tested: the same command goes on where a stopped one was.
"""

import argparse
from pathlib import Path

from core.arguments.shared import DATA, add_fake_classes, add_skip_bad
from core.console import parser_of
from core.homes import DEFAULT, home


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = parser_of("cues", __doc__)
    parser.add_argument("--data", required=True, help=f"{DATA}, with training and test images, or 'sample'")
    add_fake_classes(parser)
    help_ = "such as everything, low-8 or grey; default: all; of a wrong one the message names all"
    parser.add_argument("--versions", nargs="+", metavar="VERSION", help=help_)
    parser.add_argument("--seeds", type=int, default=3, help="networks for each version, default 3")
    parser.add_argument("--limit", type=int, help="train on N images and test on N / 5, for a quick look")
    parser.add_argument(
        "--out", type=Path, default=home(), help=f"folder that gets cues/SET.parquet; default: {DEFAULT}"
    )
    add_skip_bad(parser)
    options = parser.parse_args(arguments)
    for name, least in (("seeds", 1), ("limit", 10)):
        value = getattr(options, name)
        if value is not None and value < least:
            parser.error(f"--{name} must be at least {least}, not {value}")
    return options
