"""List the detectors on this machine; `add` adds one that others made.

python -m core detectors list --known
python -m core detectors add dnt
python -m core detectors add mine FOLDER
python -m core detectors add mine model.onnx --size 224 --mean 0.5 --std 0.5 ... --check my-pictures/
python -m core detectors add mine timm:resnet18 --weights mine.safetensors --classes real,fake --size 224 ...
python -m core detectors add mine function:score.py:predict --run-code --size 224

SOURCE is one of: a folder of transformers (config.json, preprocessor_config.json, safetensors); timm:NAME or
torchvision:NAME with --weights; FILE.onnx; py:FILE.py:FUNCTION, which returns a network; function:FILE.py:FUNCTION,
which returns P(FAKE) of an image's path, or a list of them of a list of paths. The last two run code, with --run-code.
What a source does not say of its preprocessing and classes is asked for; --check tries the result on pictures whose
answers are known.

A folder's name is the name: a detector is renamed or removed as its folder is.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.commands import add_out, names, noun_parser, print_folders
from core.console import PROGRAM, command, importing, print_rows, quote, show_progress
from core.images.labels import CROPS, FILTERS, OUTPUTS

if TYPE_CHECKING:
    from core.detectors.registry import Request

NAME = f"{PROGRAM} detectors"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line; `command` is add or list."""
    parser, adding, listing = noun_parser("detector", __doc__)
    listing.add_argument("--known", action="store_true", help="public ones that can be added by their name")
    option = adding.add_argument
    option("name", help="that it gets; without a SOURCE one that is known, see `list --known`")
    option("source", nargs="?", help=f"see {NAME} --help")
    option("--weights", type=Path, help="for timm: and the like: a .safetensors, or a .pth of plain tensors")
    option("--classes", type=names, help="the outputs' names in order: real,fake; REAL for one that is high for REAL")
    option("--fake-classes", dest="fake", type=names, help='those that are FAKE; "" where one output speaks for REAL')
    option("--outputs", choices=OUTPUTS, help="what the network gives")
    option("--threshold", type=float, help="above it one output's class, of several FAKE; default: 0.5, of logits 0")
    option("--output-name", help="of an ONNX file with several outputs, the one with the scores")
    option("--size", type=int, help="pixels along each side of the network's input")
    option("--resize", type=int, help="length of the shorter side before the centre is cut out")
    option(
        "--crop",
        choices=CROPS,
        help="the central square, before or after resizing; before_fit and after_floor round like Pillow and "
        "transformers, the others like torchvision; none stretches, native cuts",
    )
    option("--interpolation", choices=FILTERS, help="filter of the resizing")
    option("--mean", type=_three, help="one number or three, subtracted from values of 0..1")
    option("--std", type=_three, help="one number or three, by which they are divided then")
    option("--target-layer", help="the layer to explain instead of the default one")
    option("--temperature", type=float, default=1.0, help="margins are divided by it for probabilities; default: 1")
    option("--check", metavar="DATA", help="an image set whose folders or labels say REAL and FAKE, with a test split")
    option("--run-code", dest="may_run_code", action="store_true", help="of py: or function:, whatever it does")
    add_out(adding, "gets detectors/")
    option("--replace", action="store_true", help="overwrite a detector of this name")
    return parser.parse_args(arguments)


def _three(text: str) -> tuple[float, ...]:
    values = tuple(map(float, text.split(",")))
    if len(values) == 1:
        return values * 3
    return values


@command(NAME, parse)
def main(options: argparse.Namespace) -> None:
    """Add a detector, or list those that are here."""
    if options.command == "add":
        add(options)
    elif options.known:
        from core.detectors.known import known_rows

        print_rows(known_rows(), as_json=options.json)
    else:
        from core.runs.folders import find_detectors

        print_folders(find_detectors(), ("parameters",), _describe, as_json=options.json)


def _describe(path: Path) -> dict[str, Any]:
    """Return how many parameters a detector has; raises ContractError."""
    from core.storage.atomic import read_manifest

    return {"parameters": read_manifest(path, "detector").get("parameters", "")}


def add(options: argparse.Namespace) -> None:
    """Add a detector, one that is known or one of a source, and print its model card."""
    with importing(NAME):
        from core.detectors.known import find_known
        from core.detectors.manifest import check_detector_name
        from core.storage.atomic import refuse_taken

        # before it becomes part of a path
        check_detector_name(options.name)
        path = options.out / "detectors" / options.name
        name = "" if options.source else options.name
        if name:
            about = find_known(name)
            if not options.replace:
                refuse_taken(path)
            print(f"{about.title}, {about.page}\nLicence: {about.licence}", file=sys.stderr, flush=True)

        from core.detectors.adding import add as add_detector
        from core.detectors.adding import fetch

    if name:
        with show_progress("downloading", unit="bytes") as progress:
            request = fetch(name, progress=progress)
    else:
        request = _stated(options)
    with show_progress("adding", unit="steps") as step, show_progress("checking") as progress:
        add_detector(
            path,
            request,
            known=name,
            data=options.check,
            target_layer=options.target_layer,
            temperature=options.temperature,
            replace=options.replace,
            progress=progress,
            step=step,
        )
    print((path / "README.md").read_text(encoding="utf-8"))
    print(f"Next: {PROGRAM} predict {quote(str(path))} --data DATA\nWritten: {path}")


def _stated(options: argparse.Namespace) -> "Request":
    """Return what the command line states of a source."""
    from core.detectors.registry import Request

    given = vars(options)
    steps = ("size", "resize", "crop", "interpolation", "mean", "std")
    return Request(
        options.source,
        weights=options.weights,
        classes=options.classes,
        fake=options.fake,
        outputs=options.outputs,
        threshold=options.threshold,
        output_name=options.output_name,
        preprocess={step: given[step] for step in steps if given[step] is not None},
        may_run_code=options.may_run_code,
    )
