"""Make a run of an existing detector on another image set.

python -m core predict swift --data sample
"""

import argparse
import sys
from dataclasses import replace

from core.commands import TEST_DATA, add_device, add_fake_classes, add_out, add_skip_bad, names
from core.console import PROGRAM, command, importing, parser_of, show_progress

NAME = f"{PROGRAM} predict"
# what is left after Ctrl-C
STOPPED = "no run was written; finished shards are kept, give the same command again"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = parser_of("predict", __doc__)
    parser.add_argument("detector", help="name of a detector, or its folder")
    parser.add_argument("--data", required=True, help=TEST_DATA)
    add_fake_classes(parser)
    help_ = "generators that the detector was trained on; default: those that its training has named"
    parser.add_argument("--seen", type=names, metavar="A,B", help=help_)
    parser.add_argument("--name", help="of the image set in the run's name; default: its folder's or file's own")
    add_out(parser, "gets runs/")
    add_device(parser)
    add_skip_bad(parser)
    parser.add_argument("--replace", action="store_true", help="overwrite a run of this name, and remove its studies")
    parser.add_argument("--json", action="store_true", help="print metrics, warning and the run's folder as JSON")
    return parser.parse_args(arguments)


@command(NAME, parse, stopped=STOPPED)
def main(options: argparse.Namespace) -> None:
    """Write the run that the command line asks for."""
    with importing(NAME):
        from core.runs.folders import find_detector

        folder = find_detector(options.detector, options.out)

        from core.detectors.storage import load_detector
        from core.images.image_set import DataPath, split_of
        from core.images.loading import load_with_bar, reading_bar
        from core.runs.pictures import find_training_set
        from core.runs.run import read_run
        from core.runs.summary import print_run
        from core.runs.writing import write_run
        from core.storage.limits import is_plain_name

    name = options.name
    if name and (not is_plain_name(name) or "@" in name or split_of(name) == "train"):
        raise ValueError(f"a set's name has no slash and no @ and does not end in -train, unlike {name!r}")
    data = DataPath(options.data, options.fake_classes)
    detector = load_detector(folder, device=options.device)
    images = load_with_bar(data, "test", fit=detector.preprocessing, skip_bad=options.skip_bad)
    images = replace(images, name=name or images.name)
    absent = set(options.seen or ()).difference(images.rows.get("source", ()))
    if absent:
        raise ValueError(f"{images.name} has no source {', '.join(sorted(absent))}, which --seen names")
    with reading_bar("train") as progress:
        training = find_training_set(detector, data, progress=progress)
    train_sha256 = None
    if training is None:
        print(f"{NAME}: the training images are missing, so leaks were not checked.", file=sys.stderr)
    else:
        train_sha256 = frozenset(training.rows["sha256"])
    with show_progress("testing") as progress:
        path = write_run(
            options.out,
            detector,
            images,
            train_sha256=train_sha256,
            ship_images=options.data == "sample",
            seen=options.seen or detector.manifest.get("training_sources"),
            replace=options.replace,
            progress=progress,
        )
    print_run(read_run(path), as_json=options.json)
