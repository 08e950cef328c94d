"""Train a detector, test it once, and write it with its run.

python train.py --data sample                 a small detector on the sample gallery, minutes
python train.py --data data/cifake            the `swift` recipe on CIFAKE; --data github downloads it first (43 MB)
python train.py --data cifake.zip --recipe paper --resume
python train.py --data data/cifake --arch patch:9 --name patch
python train.py --data data/cifake --arch timm:resnet34 --name mine
python train.py --data data/cifake --join swift robust --name both
python train.py --data data/cifake --join swift fine mixed fine2 fine3 --best 3
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from core.arguments.shared import DATA, add_device, add_fake_classes, add_skip_bad
from core.console import PROGRAM
from core.homes import DEFAULT, home

# the command as it was typed
TYPED = "python train.py" if Path(sys.argv[0]).name == "train.py" else f"{PROGRAM} train"
RECIPES = ("paper", "swift", "robust", "patch", "masked", "sample")
# fields of `core.training.recipe.Recipe` that are options: their type and what they are
HYPER_PARAMETERS: dict[str, tuple[type, str]] = {
    "epochs": (int, "passes over the training images"),
    "learning_rate": (float, "the peak of the schedule, above 0"),
    "batch_size": (int, "images a step"),
    "width": (int, "channels of the first stage of the paper's network"),
    "arch": (str, "resnet, patch:SIDE with 5, 9, 13 or 17 pixels, torchvision:NAME or timm:NAME"),
    "start": (str, "detector whose weights the training begins with"),
    "shift": (int, "pixels by which images are moved at most"),
    "without_cue": (bool, "degrade fine detail at random"),
    "without_cue_share": (float, "of the images for which it is degraded, above 0 to 1"),
    "masked_share": (float, "of the images of which parts are covered, 0 to 1"),
    "validation": (float, "share of the training images that is held out, 0 to below 1"),
    "precision": (str, "of the arithmetic: auto, float32 or bfloat16"),
    "seed": (int, "of weights, order and augmentation, a whole number"),
}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line; hyper-parameters that are not given are missing."""
    text, raw = (__doc__ or "").replace("python train.py", TYPED), argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog=TYPED, description=text, formatter_class=raw)
    parser.add_argument("--data", required=True, help=f"{DATA}, 'github', or 'sample'")
    add_fake_classes(parser)
    add_skip_bad(parser)
    parser.add_argument("--limit", type=int, help="train on N images and test on N / 5, for a quick try")
    parser.add_argument("--name", help="of the detector; default: the recipe's")
    parser.add_argument(
        "--out", type=Path, default=home(), help=f"folder that gets detectors/ and runs/; default: {DEFAULT}"
    )
    parser.add_argument("--replace", action="store_true", help="overwrite a detector and run of this name")
    add_device(parser)
    parser.add_argument("--json", action="store_true", help="print metrics, warnings and folders as JSON")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--resume", action="store_true", help="continue from the last checkpoint")
    how.add_argument("--join", nargs="+", metavar="NAME", help="train nothing: join detectors that held out the same")
    parser.add_argument("--best", type=int, metavar="N", help="join the N with the least log-loss on held-out images")
    parser.add_argument("--recipe", choices=RECIPES, help="default: swift; sample for --data sample, patch for patch:")
    overrides = parser.add_argument_group("hyper-parameters", "in place of the recipe's, which are the defaults")
    for name, (type_, help_) in HYPER_PARAMETERS.items():
        kind: dict[str, Any] = {"action": "store_true"} if type_ is bool else {"type": type_}
        overrides.add_argument("--" + name.replace("_", "-"), default=argparse.SUPPRESS, help=help_, **kind)
    return parser.parse_args(arguments)
