"""Compute a study of a run; its file is written beside the run, and its findings are printed.

python -m core study audit --run swift@cifake-test --data data/cifake
python -m core study faithfulness --images 1000 --engine ray
python -m core study swift@cifake-test --recommended
python -m core study probes --run swift@cifake-test --only-missing
python -m core study probes --run swift@cifake-test --conclude
python -m core study --list
"""

import argparse

from core.arguments.shared import RUN, TEST_DATA, add_device, add_engine, add_fake_classes
from core.console import parser_of


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = parser_of("study", __doc__)
    add = parser.add_argument
    add("study", nargs="*", help="names of studies; `--list` shows them; with --recommended the run's name")
    add("--list", action="store_true", help="print the names and questions of all studies")
    add("--json", action="store_true", help="print the list, or what was found, as JSON")
    add("--run", default=RUN, help="name of the run, or its folder; default: %(default)s")
    add("--data", help=f"{TEST_DATA}; default: where they were last read, else data/cifake, else what was downloaded, "
        "else the test set that ships")  # fmt: skip
    add_fake_classes(parser)
    add("--images", type=int, metavar="N", help="most images, up to half of them errors; default: all")
    add("--simple", action="store_true", help="draw them at random: narrower intervals of rates, fewer errors to see")
    add("--seed", type=int, default=0, help="of that choice, a whole number; default: 0")
    add_device(parser)
    add_engine(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--only-missing", "--missing", action="store_true", help="compute only the columns that the "
                      "file lacks, with its parameters and for its images")  # fmt: skip
    what.add_argument("--conclude", action="store_true", help="only make the findings again from the values that the "
                      "files have; of all studies where none is named")  # fmt: skip
    what.add_argument("--recommended", action="store_true", help="all studies that pages read and the run lacks, of a "
                      "sample of its images, after a table of how long each will take")  # fmt: skip
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="another parameter of the study")
    options = parser.parse_args(arguments)
    if options.recommended and options.study:
        if len(options.study) > 1 or options.set:
            parser.error("--recommended takes the name of one run, and no parameters")
        options.run, options.study = options.study[0], []
    return options
