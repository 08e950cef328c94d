"""List the runs on this machine; `add` makes one from a table of scores.

python -m core runs list
python -m core runs add theirs scores.csv --data my-pictures
python -m core runs add theirs scores.parquet --data my-pictures --outputs logits --threshold 1.7

A folder's name is the name: a run is renamed or removed as its folder is. The table of `add` has a column `path` or
`sha256` and a column `score`: P(FAKE) or, with --outputs logits, any number.
"""

import argparse
from pathlib import Path
from typing import Any

from core.commands import TEST_DATA, add_fake_classes, add_out, noun_parser, print_folders
from core.console import PROGRAM, command, importing
from core.images.labels import OUTPUTS

COLUMNS = ("set", "images", "date", "accuracy", "pictures")
NAME = f"{PROGRAM} runs"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line; `command` is add or list."""
    parser, adding, _ = noun_parser("run", __doc__)
    option = adding.add_argument
    option("name", help="of the detector, which need not be here")
    option("scores", type=Path, help="a .csv or .parquet")
    option("--data", required=True, help=TEST_DATA)
    add_fake_classes(adding)
    option("--classes", choices=("FAKE", "REAL"), default="FAKE", help="what a high score speaks for; default: FAKE")
    option("--outputs", choices=OUTPUTS, default="probabilities", help="the scores; default: probabilities")
    option("--threshold", type=float, help="above it they speak for that class; default: 0.5, of logits 0")
    option("--skip-bad", action="store_true", help="leave out files that cannot be used or have no score")
    add_out(adding, "gets runs/")
    option("--replace", action="store_true", help="overwrite a run of this name, and remove its studies")
    option("--json", action="store_true", help="print metrics, warnings and the run's folder as JSON")
    return parser.parse_args(arguments)


@command(NAME, parse)
def main(options: argparse.Namespace) -> None:
    """Make a run from a table of scores, or list runs."""
    if options.command == "add":
        add(options)
    else:
        from core.runs.folders import find_runs

        print_folders(find_runs(), COLUMNS, _describe, as_json=options.json)


def add(options: argparse.Namespace) -> None:
    """Write a run from a table of scores."""
    with importing(NAME):
        from core.storage.limits import check_file

        check_file(options.scores)

        from core.detectors.manifest import Classes, check_detector_name
        from core.images.image_set import DataPath
        from core.images.loading import load_with_bar
        from core.images.preprocessing import Preprocessing
        from core.runs.run import read_run
        from core.runs.scores import join_scores, logits_of, read_scores, shown_side
        from core.runs.summary import print_run
        from core.runs.writing import write_scores

    check_detector_name(options.name)
    fake = (options.classes,) if options.classes == "FAKE" else ()
    classes = Classes((options.classes,), fake, options.outputs, options.threshold)
    table = read_scores(options.scores)
    data = DataPath(options.data, options.fake_classes)
    fit = Preprocessing(shown_side(data))
    images = load_with_bar(data, "test", fit=fit, skip_bad=options.skip_bad)
    images, scores = join_scores(table, images, str(options.scores), skip_bad=options.skip_bad)
    logits = logits_of(scores, classes, str(options.scores))
    path = write_scores(options.out, options.name, images, logits, fit=fit, replace=options.replace)
    print_run(read_run(path), as_json=options.json)


def _describe(path: Path) -> dict[str, Any]:
    """Return what a run is of, and where its pictures are; raises ContractError."""
    from core.images.sources import remembered
    from core.runs.run import check_manifest
    from core.storage.atomic import read_manifest

    manifest = read_manifest(path, "run")
    check_manifest(path, manifest)
    pictures = "with the run"
    if "images.npy" not in manifest["files"]:
        pictures = remembered(manifest["set_fingerprint"]) or ""
    about = {"set": manifest["set"], "images": manifest["images"], "date": manifest["created"][:10]}
    accuracy = manifest["metrics"].get("all", {}).get("accuracy")
    if isinstance(accuracy, float):
        about["accuracy"] = round(accuracy, 4)
    return about | {"pictures": pictures}
