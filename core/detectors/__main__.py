"""Add a detector that others made.

python -m core.detectors add mine FOLDER
python -m core.detectors add mine timm:resnet18 --weights mine.safetensors --classes real,fake

SOURCE is one of: a folder of transformers (config.json, preprocessor_config.json, safetensors); timm:NAME or
torchvision:NAME with --weights; FILE.onnx; py:MODULE:FUNCTION with --run-code. What a source does not say of its
preprocessing and classes is asked for.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, get_args

from core.console import progress_to, started, starting

if __name__ == "__main__":
    # the imports below take seconds
    starting("core.detectors")

from tqdm import tqdm

from core.detectors.adapters.adapter import OpenError, Request
from core.detectors.adapters.adding import add
from core.detectors.adapters.description import Checked, describe_in_words
from core.detectors.classes import Outputs
from core.detectors.network import NetworkDetector
from core.images.decoding import RESAMPLING
from core.images.preprocessing import Crop
from core.runs.folders import ROOT, predict_command
from core.runs.validation import check_detector_name
from core.storage import WriteError, printable


def main(arguments: list[str] | None = None) -> int:
    """Add the detector that the command line names and return the exit status."""
    options = _parser().parse_args(arguments)
    given = {key: getattr(options, key) for key in ("size", "resize", "crop", "interpolation", "mean", "std", "scale")}
    request = Request(
        options.source,
        weights=options.weights,
        classes=options.classes,
        fake=options.fake_classes,
        outputs=options.outputs,
        output_name=options.output_name,
        preprocess={key: value for key, value in given.items() if value is not None},
        may_run_code=options.run_code,
    )
    path, found = options.out / "detectors" / options.name, dict[str, str]()

    def tell(detector: NetworkDetector, checked: Checked) -> None:
        found.update(describe_in_words(detector, checked))
        if not options.json:
            print(*(f"{heading}: {printable(words)}" for heading, words in found.items()), sep="\n")

    try:
        # before it becomes part of a path
        check_detector_name(options.name)
        with tqdm(unit=" picture", leave=False, disable=None if options.check and not options.json else True) as bar:
            add(
                path,
                request,
                data=options.check,
                target_layer=options.target_layer,
                temperature=options.temperature,
                replace=options.replace,
                progress=progress_to(bar),
                tell=tell,
            )
    except KeyboardInterrupt:
        print("\ncore.detectors: stopped; no detector was added.", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        return _refuse(error, as_json=options.json)
    if options.json:
        print(json.dumps({"found": found}))
    else:
        print(f"Written: {path}\nNext: {predict_command(path, out=options.out)}")
    return 0


def _refuse(error: ValueError | OSError, *, as_json: bool) -> int:
    """Say why no detector was added, and return the exit status."""
    sentence = str(error)
    if isinstance(error, OSError) and not isinstance(error, WriteError | FileExistsError):
        sentence = f"{error.filename or 'a file'} cannot be used ({error.strerror or error})"
    sentence = f"{printable(sentence).rstrip('.')}."
    if as_json:
        print(json.dumps({"error": sentence, "options": error.options if isinstance(error, OpenError) else []}))
    else:
        print(f"core.detectors: {sentence}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m core.detectors", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    adding = commands.add_parser("add", help="add a detector", description="Add a detector that others made.")
    adding.add_argument("name", help="that it gets")
    adding.add_argument("source", help="see python -m core.detectors --help")
    adding.add_argument(
        "--weights", type=Path, help="for timm: and the like: a .safetensors, or a .pth of plain tensors"
    )
    adding.add_argument("--classes", type=_names, help="the outputs' names in their order, with commas between them")
    adding.add_argument("--fake-classes", type=_names, help='those that are FAKE; "" where one output speaks for REAL')
    adding.add_argument("--outputs", choices=get_args(Outputs), help="what the network gives")
    adding.add_argument("--output-name", help="of an ONNX file with several outputs, the one with the scores")
    adding.add_argument("--size", type=int, help="pixels along each side of the network's input")
    adding.add_argument("--resize", type=int, help="length of the shorter side before the centre is cut out")
    adding.add_argument(
        "--crop",
        choices=get_args(Crop),
        help="cut out the central square before or after resizing, or none: stretch the picture",
    )
    adding.add_argument("--interpolation", choices=tuple(RESAMPLING), help="filter of the resizing")
    adding.add_argument("--mean", type=_three, help="one number or three, subtracted from the scaled values")
    adding.add_argument("--std", type=_three, help="one number or three, by which they are divided then")
    adding.add_argument("--scale", type=_scale, help="factor from 0..255 to the values that are normalised (1/255)")
    adding.add_argument("--target-layer", help="the layer to explain instead of the one that is found")
    adding.add_argument("--temperature", type=float, default=1.0, help="margins are divided by it for probabilities")
    adding.add_argument("--check", metavar="DATA", help="pictures with known answers: an image set with a test split")
    adding.add_argument("--run-code", action="store_true", help="for py: only; the code may do whatever you may do")
    adding.add_argument("--out", type=Path, default=ROOT, help="folder that gets detectors/")
    adding.add_argument(
        "--json", action="store_true", help="print what was found, or what is wrong, as one line of JSON"
    )
    adding.add_argument("--replace", action="store_true", help="overwrite a detector of this name")
    return parser


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _three(text: str) -> tuple[float, ...]:
    values = tuple(float(value) for value in text.split(","))
    if len(values) not in (1, 3):
        raise argparse.ArgumentTypeError("must be one number, or three with commas between them")
    return values * (3 // len(values))


def _scale(text: str) -> float:
    above, _, below = text.partition("/")
    divisor = float(below or 1)
    value: Any = float(above) / divisor if divisor else 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0, for instance 1/255 or 1")
    return float(value)


if __name__ == "__main__":
    started()
    sys.exit(main())
