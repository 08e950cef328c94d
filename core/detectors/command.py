"""Add a detector that others made.

python -m core detectors add mine FOLDER
python -m core detectors add mine model.onnx --size 224 --mean 0.5 --std 0.5 ... --check my-pictures/
python -m core detectors add mine timm:resnet18 --weights mine.safetensors --classes real,fake

SOURCE is one of: a folder of transformers (config.json, preprocessor_config.json, safetensors); timm:NAME or
torchvision:NAME with --weights; FILE.onnx; py:MODULE:FUNCTION with --run-code. What a source does not say of its
preprocessing and classes is asked for; --check tries the result on pictures whose answers are known.
"""

import argparse
import sys
from fractions import Fraction
from pathlib import Path
from typing import get_args

from tqdm import tqdm

from core.console import join, progress_to
from core.detectors.adding import add, describe_in_words
from core.detectors.manifest import Outputs, check_detector_name
from core.detectors.registry import Request
from core.images.decoding import RESAMPLING
from core.images.preprocessing import Crop
from core.storage import WriteError, printable

ROOT = Path(__file__).parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Add the detector that the command line names and return the exit status."""
    options = _parser().parse_args(arguments)
    fields = {key: getattr(options, key) for key in ("size", "resize", "crop", "interpolation", "mean", "std", "scale")}
    request = Request(
        options.source,
        weights=options.weights,
        classes=options.classes,
        fake=options.fake_classes,
        outputs=options.outputs,
        output_name=options.output_name,
        preprocess={key: value for key, value in fields.items() if value is not None},
        may_run_code=options.run_code,
    )
    path = options.out / "detectors" / options.name
    try:
        # before it becomes part of a path
        check_detector_name(options.name)
        with tqdm(unit=" picture", leave=False, disable=None if options.check else True) as progress_bar:
            add(
                path,
                request,
                data=options.check,
                target_layer=options.target_layer,
                temperature=options.temperature,
                replace=options.replace,
                progress=progress_to(progress_bar),
                report=lambda detector, checked: print(
                    *(
                        f"{heading}: {printable(text)}"
                        for heading, text in describe_in_words(detector, checked).items()
                    ),
                    sep="\n",
                ),
            )
    except KeyboardInterrupt:
        print("\ncore detectors: stopped; no detector was added.", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        sentence = str(error)
        if isinstance(error, OSError) and not isinstance(error, WriteError | FileExistsError):
            sentence = f"{error.filename or 'a file'} cannot be used ({error.strerror or error})"
        print(f"core detectors: {printable(sentence).rstrip('.')}.", file=sys.stderr)
        return 2
    out = [] if options.out == ROOT else ["--out", str(options.out)]
    print(f"Written: {path}\nNext: {join(['python', '-m', 'core', 'predict', str(path), '--data', 'DATA', *out])}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m core detectors", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    adding = commands.add_parser("add", help="add a detector", description="Add a detector that others made.")
    adding.add_argument("name", help="that it gets")
    adding.add_argument("source", help="see python -m core detectors --help")
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
    adding.add_argument("--scale", type=_number, help="factor from 0..255 to the values that are normalised (1/255)")
    adding.add_argument("--target-layer", help="the layer to explain instead of the one that is found")
    adding.add_argument("--temperature", type=float, default=1.0, help="margins are divided by it for probabilities")
    adding.add_argument("--check", metavar="DATA", help="pictures with known answers: an image set with a test split")
    adding.add_argument("--run-code", action="store_true", help="for py: only; the code may do whatever you may do")
    adding.add_argument("--out", type=Path, default=ROOT, help="folder that gets detectors/")
    adding.add_argument("--replace", action="store_true", help="overwrite a detector of this name")
    return parser


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _number(text: str) -> float:
    try:
        return float(Fraction(text))
    except ZeroDivisionError:
        raise argparse.ArgumentTypeError("cannot be divided by 0") from None


def _three(text: str) -> tuple[float, ...]:
    values = tuple(map(_number, text.split(",")))
    return values * 3 if len(values) == 1 else values
