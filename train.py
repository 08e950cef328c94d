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
import glob
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TextIO

from core.console import PROGRAM, command, show_progress, starting

if __name__ == "__main__":
    # the imports below take seconds
    starting("train.py")

from tqdm import tqdm

from core.detectors.detector import Detector, pick_device
from core.detectors.manifest import check_detector_name
from core.detectors.storage import load_detector, save_detector
from core.homes import DEFAULT, home, homes
from core.images.image_set import DATA_HELP, FAKE_HELP, DataPath, DatasetError, ImageSet, Split
from core.images.labels import FAKE
from core.images.loading import load_with_bar
from core.runs.folders import find_detectors, find_named
from core.runs.run import read_run
from core.runs.summary import print_run
from core.runs.warnings import warnings_of
from core.runs.writing import library_versions, write_run
from core.storage import only_writer, refuse_taken
from core.training.fit import checkpoint_file, fit
from core.training.held_out import join
from core.training.model_card import model_card
from core.training.recipe import RECIPES, Recipe, fitted

TYPED = "python train.py" if __name__ == "__main__" else f"{PROGRAM} train"
# fields of `Recipe` that are options
HYPER_PARAMETERS = {
    "epochs": "passes over the training images",
    "learning_rate": "the peak of the schedule, above 0",
    "batch_size": "images a step",
    "width": "channels of the first stage of the paper's network",
    "arch": "resnet, patch:SIDE with 5, 9, 13 or 17 pixels, torchvision:NAME or timm:NAME",
    "start": "detector whose weights the training begins with",
    "shift": "pixels by which images are moved at most",
    "without_cue": "degrade fine detail at random",
    "without_cue_share": "of the images for which it is degraded, above 0 to 1",
    "masked_share": "of the images of which parts are covered, 0 to 1",
    "validation": "share of the training images that is held out, 0 to below 1",
    "precision": "of the arithmetic: auto, float32 or bfloat16",
    "seed": "of weights, order and augmentation, a whole number",
}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line; hyper-parameters that are not given are missing."""
    text, raw = (__doc__ or "").replace("python train.py", TYPED), argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog=TYPED, description=text, formatter_class=raw)
    parser.add_argument("--data", required=True, help=f"{DATA_HELP}, 'github', or 'sample'")
    parser.add_argument("--fake-classes", default="", metavar="A,B", help=FAKE_HELP)
    parser.add_argument("--skip-bad", action="store_true", help="leave out files that cannot be used")
    parser.add_argument("--limit", type=int, help="train on N images and test on N / 5, for a quick try")
    parser.add_argument("--name", help="of the detector; default: the recipe's")
    parser.add_argument(
        "--out", type=Path, default=home(), help=f"folder that gets detectors/ and runs/; default: {DEFAULT}"
    )
    parser.add_argument("--replace", action="store_true", help="overwrite a detector and run of this name")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps; default: auto")
    parser.add_argument("--json", action="store_true", help="print metrics, warnings and folders as JSON")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--resume", action="store_true", help="continue from the last checkpoint")
    how.add_argument("--join", nargs="+", metavar="NAME", help="train nothing: join detectors that held out the same")
    parser.add_argument("--best", type=int, metavar="N", help="join the N with the least log-loss on held-out images")
    parser.add_argument("--recipe", choices=RECIPES, help="default: swift; sample for --data sample, patch for patch:")
    overrides = parser.add_argument_group("hyper-parameters", "in place of the recipe's, which are the defaults")
    for name, default in ((field.name, field.default) for field in fields(Recipe) if field.name in HYPER_PARAMETERS):
        kind: Any = {"action": "store_true"} if default is False else {"type": type(default)}
        help_ = HYPER_PARAMETERS[name]
        overrides.add_argument("--" + name.replace("_", "-"), default=argparse.SUPPRESS, help=help_, **kind)
    return parser.parse_args(arguments)


@command(TYPED.removeprefix("python "), stopped="the same command with --resume goes on after the last finished epoch")
def main(arguments: list[str] | None = None) -> None:
    """Load the images, train or join, test, and write the detector and its run."""
    options = parse(arguments)
    given = {name: getattr(options, name) for name in HYPER_PARAMETERS if name in options}
    if options.join and (options.recipe or given):
        raise ValueError("--join trains nothing, so it takes no recipe and no hyper-parameters")
    if options.best is not None and not options.join:
        raise ValueError("--best N chooses among the detectors of --join; name them")
    usual = "sample" if options.data == "sample" else "swift"
    usual = "patch" if given.get("arch", "").startswith("patch:") else usual
    recipe = replace(RECIPES[options.recipe or usual], **given)
    # before images are read, so that a name that does not exist costs no minutes
    members = [load_named(name, options) for name in options.join or ()]
    start = load_named(recipe.start, options) if recipe.start else None
    if start is not None:
        given |= {"start": start.name, "start_sha256": start.sha256}
        recipe = replace(recipe, **given)
    name = options.name or ("joined" if members else recipe.name)
    check_detector_name(name)
    folder = options.out / "detectors" / name
    with only_writer(folder):
        runs = () if options.resume else (options.out / "runs").glob(f"{glob.escape(name)}@*")
        for path in () if options.replace else (folder, *runs):
            refuse_taken(path)
        train_set, test_set = load_sets(options)
        if not (members or options.recipe or options.data == "sample"):
            on_gpu = pick_device(options.device).type != "cpu"
            recipe = replace(fitted(RECIPES[usual], len(train_set), train_set.side, is_gpu=on_gpu), **given)
        if members:
            detector: Detector = join(members, train_set, size=options.best)
        else:
            detector = fit_with_bar(options, recipe, train_set, start)
        seen = None
        if "source" in train_set.rows:
            seen = sorted(train_set.rows["source"][train_set.labels == FAKE].dropna().unique())
        for row in detector.manifest.get("members", ()):
            accuracy = f"validation accuracy {row['val_accuracy']:.4f}"
            print(f"{row['name']:20} weight {row['weight']:.3f}  {accuracy}", file=progress_stream(options))
        detector.manifest = {
            "name": name,
            **detector.manifest,
            "training_set": train_set.name,
            "training_images": len(train_set),
            "training_set_fingerprint": train_set.fingerprint,
            **({} if seen is None else {"training_sources": seen}),
            "skipped": list(train_set.skipped),
            "versions": library_versions(),
            **detector.about.as_manifest(),
        }
        with show_progress("testing") as progress:
            path = write_run(
                options.out,
                detector,
                test_set,
                train_sha256=frozenset(train_set.rows["sha256"]),
                ship_images=options.data == "sample",
                seen=seen,
                replace=options.replace or options.resume,
                progress=progress,
            )
        run = read_run(path)
        warnings = [f"\n**{warning}**\n" for warning in warnings_of(run)]
        card = model_card(detector.manifest, run.manifest) + "".join(warnings)
        save_detector(folder, detector, model_card=card, replace=options.replace)
        # not before: until here it is what --resume goes on from
        checkpoint_file(recipe, train_set).unlink(missing_ok=True)
    print_run(run, detector=folder, as_json=options.json)


def progress_stream(options: argparse.Namespace) -> TextIO:
    """Return where the training is followed: not among the JSON."""
    return sys.stderr if options.json else sys.stdout


def load_named(name: str, options: argparse.Namespace) -> Detector:
    """Load a detector by its name or folder; those of --out are found too."""
    detectors = find_detectors((options.out, *homes()))
    return load_detector(find_named(name, detectors, "detector"), device=options.device)


def load_sets(options: argparse.Namespace) -> tuple[ImageSet, ImageSet]:
    """Load the training and the test images, reduced to --limit; what is wrong with either is found before training."""
    if options.limit is not None and options.limit < 2:
        raise ValueError(f"--limit must be at least 2, an image of each class, not {options.limit}")
    data = DataPath(options.data, options.fake_classes.split(","))

    def load(split: Split, limit: int | None) -> ImageSet:
        return load_with_bar(data, split, skip_bad=options.skip_bad, limit=limit).needing_both()

    test_set = load("test", options.limit and max(2, options.limit // 5))
    train_set = load("train", options.limit)
    if train_set.side != test_set.side:
        raise DatasetError(
            f"The training images of {options.data} have {train_set.side} pixels a side and its test images "
            f"{test_set.side}; resize one of them."
        )
    return train_set, test_set


def fit_with_bar(options: argparse.Namespace, recipe: Recipe, train_set: ImageSet, start: Detector | None) -> Detector:
    """Train with a progress bar."""
    settings = ", ".join(f"{key} {value}" for key, value in recipe.settings().items() if key != "name")
    print(
        f"{recipe.name}: {len(train_set)} training images, {recipe.epochs} epochs; {settings}",
        file=progress_stream(options),
    )
    with show_progress("training", unit="steps") as progress:

        def report(text: str) -> None:
            tqdm.write(text, file=progress_stream(options))
            # at once, where it goes to a file
            progress_stream(options).flush()

        how = {"device": options.device, "resume": options.resume, "progress": progress}
        return fit(recipe, train_set, start=start, report=report, **how)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
