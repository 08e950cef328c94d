"""Judge one image and print the answer, with `--json` all that it rests on; `--out` writes explanations to files.

python -m core explain picture.jpg
python -m core explain picture.jpg --method lime --set fill=black --out explained
"""

import argparse
from pathlib import Path

from core.arguments.shared import add_device
from core.choices import FILTERS
from core.console import parser_of
from core.images.palette import PALETTES


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = parser_of("explain", __doc__)
    add = parser.add_argument
    add("image", type=Path, nargs="?", help="an image file: PNG, JPEG, WebP, GIF, AVIF, HEIC, BMP or TIFF")
    add("--out", type=Path, help="the folder to write explanations to; without it, the answer is printed")
    add("--json", action="store_true", help="print the judgement and its deliveries as JSON")
    help_ = "a method of --list, as often as wanted; default: gradcam and lime"
    add("--method", action="append", metavar="NAME", help=help_)
    help_ = "a setting of --list, for every method that has it or for one"
    add("--set", action="append", default=[], metavar="[METHOD.]KEY=VALUE", help=help_)
    add("--list", action="store_true", help="show every method with its settings")
    add("--detector", default="swift", help="name of a detector, or its folder; default: swift")
    add_device(parser)
    add("--palette", choices=PALETTES, default="class", help="colours of the two classes; default: class")
    help_ = "filter for images of another size; default: the detector's own"
    add("--resampling", choices=FILTERS, help=help_)
    options = parser.parse_args(arguments)
    if options.image is None and not options.list:
        parser.error("say which IMAGE to explain, or --list the methods")
    if options.json and options.resampling:
        parser.error("--json judges the image under every filter; leave out --resampling")
    return options
