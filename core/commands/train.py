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
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.commands import DATA, add_device, add_fake_classes, add_out, add_skip_bad
from core.console import PROGRAM, command, importing, show_progress

if TYPE_CHECKING:
    from core.detectors.detector import Detector
    from core.images.image_set import ImageSet
    from core.training.recipe import Recipe

# the command as it was typed
TYPED = "python train.py" if Path(sys.argv[0]).name == "train.py" else f"{PROGRAM} train"
# in its messages
NAME = TYPED.removeprefix("python ") if TYPED == "python train.py" else TYPED
RECIPES = ("paper", "swift", "robust", "patch", "masked", "sample")
# fields of `core.training.recipe.Recipe` that are options: their type and what they are
HYPER_PARAMETERS = {
    "epochs": (int, "passes over the training images"),
    "learning_rate": (float, "the peak of the schedule, above 0"),
    "batch_size": (int, "images a step"),
    "width": (int, "channels of the first stage of the paper's network"),
    "arch": (str, "resnet, patch:SIDE (pixels of a patch), torchvision:NAME or timm:NAME"),
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
    text = (__doc__ or "").replace("python train.py", TYPED)
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog=TYPED, description=text, formatter_class=raw)
    parser.add_argument("--data", required=True, help=f"{DATA}, 'github', or 'sample'")
    add_fake_classes(parser)
    add_skip_bad(parser)
    parser.add_argument("--limit", type=int, help="train on N images and test on N / 5, for a quick try")
    parser.add_argument("--name", help="of the detector; default: the recipe's")
    add_out(parser, "gets detectors/ and runs/")
    parser.add_argument("--replace", action="store_true", help="overwrite a detector and run of this name")
    add_device(parser)
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


@command(NAME, parse, stopped="the same command with --resume goes on after the last finished epoch")
def main(options: argparse.Namespace) -> None:
    """Load the images, train or join, test, and write the detector and its run."""
    given = {name: getattr(options, name) for name in HYPER_PARAMETERS if name in options}
    if options.join and (options.recipe or given):
        raise ValueError("--join trains nothing, so it takes no recipe and no hyper-parameters")
    if options.best is not None and not options.join:
        raise ValueError("--best N chooses among the detectors of --join; name them")
    with importing(NAME):
        from core.runs.folders import find_detector

        members = [find_detector(name, options.out) for name in options.join or ()]
        start = find_detector(given["start"], options.out) if given.get("start") else None

        from core.detectors.detector import pick_device
        from core.detectors.manifest import check_detector_name
        from core.detectors.storage import load_detector, save_detector
        from core.runs.run import read_run
        from core.runs.summary import model_card, print_run, warnings_of
        from core.storage.atomic import only_writer, refuse_taken
        from core.training.fit import checkpoint_file
        from core.training.held_out import join
        from core.training.recipe import RECIPES, fitted

    joined = [load_detector(path, device=options.device) for path in members]
    first = None
    if start is not None:
        first = load_detector(start, device=options.device)
        given |= {"start": first.name, "start_sha256": first.sha256}
    usual = RECIPES[options.recipe or _usual(options, given)]
    recipe = replace(usual, **given)
    name = options.name or ("joined" if joined else recipe.name)
    check_detector_name(name)
    folder = options.out / "detectors" / name
    with only_writer(folder):
        if not options.replace:
            refuse_taken(folder)
        if not (options.replace or options.resume):
            for path in (options.out / "runs").glob(f"{glob.escape(name)}@*"):
                refuse_taken(path)
        train_set, test_set = load_sets(options)
        if joined:
            detector: Detector = join(joined, train_set, size=options.best)
        else:
            if not options.recipe and options.data != "sample":
                on_gpu = pick_device(options.device).type != "cpu"
                recipe = replace(fitted(usual, len(train_set), train_set.side, is_gpu=on_gpu), **given)
            detector = _fit(options, recipe, train_set, first)
        detector.manifest = {"name": name, **detector.manifest, **_about(detector, train_set)}
        run = read_run(_test(options, detector, train_set, test_set))
        warnings = [f"\n**{warning}**\n" for warning in warnings_of(run)]
        card = model_card(detector.manifest, run.manifest) + "".join(warnings)
        save_detector(folder, detector, model_card=card, replace=options.replace)
        # not before: until here it is what --resume goes on from
        checkpoint_file(recipe, train_set).unlink(missing_ok=True)
    print_run(run)
    print(f"Written: {folder}")


def _usual(options: argparse.Namespace, given: Mapping[str, Any]) -> str:
    """Return the name of the recipe where none is named."""
    if given.get("arch", "").startswith("patch:"):
        return "patch"
    return "sample" if options.data == "sample" else "swift"


def load_sets(options: argparse.Namespace) -> "tuple[ImageSet, ImageSet]":
    """Load the training and the test images, reduced to --limit; what is wrong with either is found before training."""
    from core.images.image_set import DataPath, DatasetError
    from core.images.loading import load_with_bar

    data = DataPath(options.data, options.fake_classes)
    few = None
    if options.limit is not None:
        if options.limit < 2:
            raise ValueError(f"--limit must be at least 2, an image of each class, not {options.limit}")
        few = max(2, options.limit // 5)
    test_set = load_with_bar(data, "test", skip_bad=options.skip_bad, limit=few).needing_both()
    train_set = load_with_bar(data, "train", skip_bad=options.skip_bad, limit=options.limit).needing_both()
    if train_set.side != test_set.side:
        raise DatasetError(
            f"The training images of {options.data} have {train_set.side} pixels a side and its test images "
            f"{test_set.side}; resize one of them."
        )
    return train_set, test_set


def _fit(options: argparse.Namespace, recipe: "Recipe", train_set: "ImageSet", start: "Detector | None") -> "Detector":
    """Train with a progress bar."""
    from tqdm import tqdm

    from core.training.fit import fit

    settings = ", ".join(f"{key} {value}" for key, value in recipe.settings().items() if key != "name")
    print(f"{recipe.name}: {len(train_set)} training images, {recipe.epochs} epochs; {settings}")

    def report(text: str) -> None:
        tqdm.write(text)
        # at once, where it goes to a file
        sys.stdout.flush()

    with show_progress("training", unit="steps") as progress:
        return fit(
            recipe,
            train_set,
            start=start,
            report=report,
            device=options.device,
            resume=options.resume,
            progress=progress,
        )


def _about(detector: "Detector", train_set: "ImageSet") -> dict[str, Any]:
    """Return what a detector's manifest says of its training images, of the libraries, and of itself."""
    from core.images.labels import FAKE
    from core.runs.folders import library_versions

    about = {
        "training_set": train_set.name,
        "training_images": len(train_set),
        "training_set_fingerprint": train_set.fingerprint,
    }
    if "source" in train_set.rows:
        generators = train_set.rows["source"][train_set.labels == FAKE]
        about["training_sources"] = sorted(generators.dropna().unique())
    about |= {"skipped": list(train_set.skipped), "versions": library_versions()}
    return about | detector.about.as_manifest()


def _test(options: argparse.Namespace, detector: "Detector", train_set: "ImageSet", test_set: "ImageSet") -> Path:
    """Test a new detector once, and write its run; returns the run's folder."""
    from core.runs.writing import write_run

    with show_progress("testing") as progress:
        return write_run(
            options.out,
            detector,
            test_set,
            train_sha256=frozenset(train_set.rows["sha256"]),
            ship_images=options.data == "sample",
            seen=detector.manifest.get("training_sources"),
            replace=options.replace or options.resume,
            progress=progress,
        )
