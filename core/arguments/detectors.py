"""List, rename and remove the detectors on this machine; `add` adds one that others made.

python -m core detectors list --known
python -m core detectors rename mine better
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

A folder's name is the name: what is renamed is the folder, and its sealed manifest stays as it was written. A detector
that is renamed takes its runs along; one that is removed leaves them. What ships stays as it is.
"""

import argparse
from pathlib import Path

from core.arguments.managing import managing_parser
from core.choices import CROPS, FILTERS, OUTPUTS
from core.console import PROGRAM
from core.homes import DEFAULT, home


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line; `command` is add, list, rename or remove."""
    parser, commands = managing_parser("detector", __doc__)
    option = commands.add_parser("add", help="add a detector").add_argument
    option("name", help="that it gets; without a SOURCE one that is known, see `list --known`")
    option("source", nargs="?", help=f"see {PROGRAM} detectors --help")
    option("--weights", type=Path, help="for timm: and the like: a .safetensors, or a .pth of plain tensors")
    option("--classes", type=_names, help="the outputs' names in order: real,fake; REAL for one that is high for REAL")
    option("--fake-classes", dest="fake", type=_names, help='those that are FAKE; "" where one output speaks for REAL')
    option("--outputs", choices=OUTPUTS, help="what the network gives")
    option("--threshold", type=float, help="above it one output's class, of several FAKE; default: 0.5, of logits 0")
    option("--output-name", help="of an ONNX file with several outputs, the one with the scores")
    option("--size", type=int, help="pixels along each side of the network's input")
    option("--resize", type=int, help="length of the shorter side before the centre is cut out")
    option("--crop", choices=CROPS, help="the central square, before or after resizing; none stretches, native cuts")
    option("--resize-like", choices=("torchvision", "pillow"), help="whose crops, which differ by a pixel, to follow")
    option("--interpolation", choices=FILTERS, help="filter of the resizing")
    option("--mean", type=_three, help="one number or three, subtracted from values of 0..1")
    option("--std", type=_three, help="one number or three, by which they are divided then")
    option("--target-layer", help="the layer to explain instead of the one that is found")
    option("--temperature", type=float, default=1.0, help="margins are divided by it for probabilities; default: 1")
    option("--check", metavar="DATA", help="an image set whose folders or labels say REAL and FAKE, with a test split")
    option("--run-code", dest="may_run_code", action="store_true", help="of py: or function:, whatever it does")
    option("--out", type=Path, default=home(), help=f"folder that gets detectors/; default: {DEFAULT}")
    option("--replace", action="store_true", help="overwrite a detector of this name")
    return parser.parse_args(arguments)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _three(text: str) -> tuple[float, ...]:
    values = tuple(map(float, text.split(",")))
    return values * 3 if len(values) == 1 else values
