"""Train a detector: fit, write the detector, test it once, and write its run.

python train.py --data sample                 a small detector on the sample gallery, minutes
python train.py --data data/cifake            the `swift` recipe on CIFAKE; --data github downloads it first (43 MB)
python train.py --data cifake.zip --recipe paper --resume
python train.py --data data/cifake --arch timm:resnet34 --name mine
python train.py --data data/cifake --join swift robust --name both
"""

import argparse
import glob
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from core.console import progress_to, started, starting

if __name__ == "__main__":
    # the imports below take seconds
    starting("train.py")

from tqdm import tqdm

from core.detectors.manifest import check_detector_name
from core.detectors.network import NetworkDetector
from core.detectors.storage import load_detector, save_detector
from core.images.image_set import DATA_HELP, FAKE_HELP, DataPath, DatasetError, ImageSet, Split
from core.images.loading import check_image_set, side_of
from core.images.terminal import fetch_with_bar, load_with_bar
from core.runs.folders import ROOT, command_homes, dashboard_command, find_detectors, find_named, predict_command
from core.runs.metrics import result_table
from core.runs.run import read_run
from core.runs.writing import check_testable, run_folder, write_run
from core.storage import ContractError, WriteError, only_writer, read_manifest
from core.training.checkpoints import TrainingInterrupted, checkpoint_file, forget_checkpoint
from core.training.fit import TOLD_EVERY, fit
from core.training.joining import join
from core.training.model_card import is_untested, model_card
from core.training.recipe import RECIPES, Recipe
from core.training.writing import write_trained

# fields of `Recipe` that are no options
NOT_GIVEN = ("name", "start_sha256")


class Untested(RuntimeError):
    """A detector that was written but whose test failed; the message says how to make its run."""


def main(arguments: list[str] | None = None) -> int:
    """Train as the command line says and return the exit status."""
    options = parse(arguments)
    try:
        train(options)
    except (DatasetError, TrainingInterrupted, ContractError, FileExistsError, ValueError, Untested) as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 130 if isinstance(error.__cause__, KeyboardInterrupt) else 2
    except WriteError as error:
        then = "give the same command again" if options.join else "go on with --resume: what was finished is kept"
        print(f"train.py: {error}, then {then}.", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"train.py: {error.filename or 'a file'} cannot be used ({error.strerror or error}); "
              "see to that and give the same command again, with --resume if it trains.", file=sys.stderr)  # fmt: skip
        return 2
    except KeyboardInterrupt as stopped:
        kept = str(stopped) or (
            "nothing is kept" if options.join else "every finished epoch is kept, go on with --resume"
        )
        print(f"\ntrain.py: stopped; {kept}.", file=sys.stderr)
        return 130
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line; every field of `Recipe` is an option that overrides it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help=f"{DATA_HELP}, 'github', 'kaggle', or 'sample'")
    parser.add_argument("--fake-classes", default="", metavar="A,B", help=FAKE_HELP)
    parser.add_argument("--recipe", choices=RECIPES, help="default: swift, and sample for --data sample")
    parser.add_argument("--name", help="of the detector; default: the recipe's")
    parser.add_argument("--out", type=Path, default=ROOT, help="folder that gets detectors/ and runs/")
    parser.add_argument("--checkpoints", type=Path, help="default: in the user's cache folder")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--limit", type=int, help="train on N images and test on N / 5, for a quick try")
    parser.add_argument(
        "--skip-bad", action="store_true", help="leave out files that cannot be used instead of refusing the set"
    )
    before = parser.add_mutually_exclusive_group()
    before.add_argument("--resume", action="store_true", help="continue from the last checkpoint")
    before.add_argument("--restart", action="store_true", help="discard an existing checkpoint")
    before.add_argument(
        "--join", nargs="+", metavar="NAME", help="train nothing: join detectors that held out the same images into one"
    )
    parser.add_argument(
        "--replace", action="store_true", help="overwrite a detector and run of this name, and remove its studies"
    )
    overrides = parser.add_argument_group("hyper-parameters, in place of the recipe's")
    for field in (one for one in fields(Recipe) if one.name not in NOT_GIVEN):
        kind = type(field.default)
        action: Any = argparse.BooleanOptionalAction if kind is bool else "store"
        extra: dict[str, Any] = {} if kind is bool else {"type": kind}
        overrides.add_argument("--" + field.name.replace("_", "-"), default=None, action=action, **extra)
    options = parser.parse_args(arguments)
    given = any(getattr(options, one.dest) is not None for one in overrides._group_actions)
    if options.join and (given or options.recipe):
        parser.error("--join trains nothing, so it takes no recipe and no hyper-parameters")
    return options


def train(options: argparse.Namespace) -> None:
    """Load the images, train and write the detector, test it, and print its run's metrics."""
    if options.limit is not None and options.limit < 2:
        raise ValueError(f"--limit must be at least 2, an image of each class, not {options.limit}")
    options.data = DataPath(options.data, options.fake_classes.split(","))
    recipe = recipe_of(options)
    # before images are read, so that a name that is not there costs no minutes
    members = [named(one, options) for one in options.join or ()]
    start = named(recipe.start, options) if recipe.start else None
    if start is not None:
        recipe = replace(recipe, start=start.name, start_sha256=start.sha256)
    name = options.name or ("joined" if options.join else recipe.name)
    check_detector_name(name)
    with only_writer(options.out / "detectors" / name):
        if not options.resume:
            refuse_existing(options, name)
        if options.data == "github":
            options.data = fetch_with_bar()
        # find missing files and bad images before the training, not after it
        check_image_set(options.data, "test")
        train_set = load(options, "train")
        # 0 where none can be read; loading them says why
        if (side := side_of(options.data, "test")) not in (0, train_set.side):
            raise DatasetError(
                f"The training images of {options.data} have {train_set.side} pixels a side and its test images "
                f"{side}; resize one of them."
            )
        test_set = load(options, "test")
        check_testable(test_set)
        detector = finished(options, name, recipe, train_set)
        if detector is None:
            # a folder that --resume cannot continue must not be overwritten either
            refuse_existing(options, name)
            joined = join_and_write(options, name, train_set, members) if members else None
            detector = joined or fit_and_write(options, name, recipe, train_set, start)
        else:
            print(f"Continuing after epoch {recipe.epochs} of {recipe.epochs}: the detector is written.")
        run = test_and_write(options, detector, train_set, test_set)
    print(result_table(read_run(run).manifest["metrics"]["all"], beside_paper=test_set.name.startswith("cifake")))
    print(f"\nWritten: {options.out / 'detectors' / name} and {run}\nSee it: {dashboard_command(options.out)}")


def fit_and_write(
    options: argparse.Namespace, name: str, recipe: Recipe, train_set: ImageSet, start: NetworkDetector | None
) -> NetworkDetector:
    """Train and write the detector, so that nothing that follows can lose it."""
    settings = ", ".join(f"{key} {value}" for key, value in recipe.settings().items() if key != "name")
    print(f"{recipe.name}: {len(train_set)} training images, {recipe.epochs} epochs; {settings}")
    with tqdm(total=0, unit=" step", smoothing=0.05, disable=None) as bar:
        trained = fit(
            recipe,
            train_set,
            start=start,
            device=options.device,
            resume=options.resume,
            restart=options.restart,
            checkpoints=options.checkpoints,
            report=lambda text: write(bar, text),
            progress=lambda done, total, text: advance(bar, done, total, text),
        )
    made = {"recipe": recipe.settings(), "history": trained.history, "computed_in": trained.computed_in}
    path = options.out / "detectors" / name
    try:
        write_trained(path, trained.detector, train_set, made, replace=options.replace)
    except FileExistsError as error:
        raise FileExistsError(f"{error} with --resume: what was trained is kept") from None
    forget_checkpoint(recipe, train_set, checkpoints=options.checkpoints)
    return trained.detector


def join_and_write(
    options: argparse.Namespace, name: str, train_set: ImageSet, members: Sequence[NetworkDetector]
) -> NetworkDetector:
    """Join detectors, print how each counts and how accurate it is on the images held out, and write the result."""
    detector = join(members, train_set)
    for one in (*detector.manifest["members"], {"name": name, **detector.manifest}):
        weight = f"weight {one['weight']:.3f}" if "weight" in one else "joined"
        print(f"{one['name']:20} {weight:14} validation accuracy {one['val_accuracy']:.4f}")
    write_trained(options.out / "detectors" / name, detector, train_set, detector.manifest, replace=options.replace)
    return detector


def named(name: str, options: argparse.Namespace) -> NetworkDetector:
    """Load a detector by its name or folder; those of --out are found too."""
    known = find_detectors((options.out, *command_homes()))
    return load_detector(find_named(name, known, "detector"), device=options.device)


def finished(options: argparse.Namespace, name: str, recipe: Recipe, train_set: ImageSet) -> NetworkDetector | None:
    """Load this training's detector if --resume finds it finished but not yet tested; otherwise return None."""
    path = options.out / "detectors" / name
    if not options.resume or not path.exists():
        return None
    # with --replace, a detector whose test is done is the one to be replaced, whatever became of the checkpoint
    if options.replace and (checkpoint_file(recipe, train_set, options.checkpoints).exists() or not is_untested(path)):
        return None
    manifest = read_manifest(path, "detector")
    same = manifest.get("recipe") == recipe.settings()
    if not same or manifest.get("training_set_fingerprint") != train_set.fingerprint:
        return None
    return load_detector(path, device=options.device)


def refuse_existing(options: argparse.Namespace, name: str) -> None:
    """Refuse existing output before the training, not after it."""
    for path in (options.out / "detectors" / name, *(options.out / "runs").glob(f"{glob.escape(name)}@*")):
        if path.exists() and not options.replace:
            rest = "" if options.resume or options.join else ", or --resume if only its test is missing"
            raise FileExistsError(f"{path} exists; choose another --name or pass --replace{rest}")


def recipe_of(options: argparse.Namespace) -> Recipe:
    """Return the chosen recipe with the command line's overrides."""
    chosen = options.recipe or ("sample" if options.data == "sample" else "swift")
    given = {field.name: getattr(options, field.name) for field in fields(Recipe) if field.name not in NOT_GIVEN}
    return replace(RECIPES[chosen], **{key: value for key, value in given.items() if value is not None})


def load(options: argparse.Namespace, split: Split) -> ImageSet:
    """Load a split, reduced to --limit."""
    images = load_with_bar(options.data, split, skip_bad=options.skip_bad)
    if options.limit is None:
        return images
    return images.limited(options.limit if split == "train" else max(2, options.limit // 5))


def test_and_write(
    options: argparse.Namespace, detector: NetworkDetector, train_set: ImageSet, test_set: ImageSet
) -> Path:
    """Test a detector: write its run, or reuse an existing one, and add the metrics to its model card."""
    folder = options.out / "detectors" / detector.name
    path = run_folder(options.out, detector.name, test_set)
    try:
        # one that will be replaced need not be readable
        old = read_run(path).manifest if path.exists() and not options.replace else {}
        # it is of this test too, whose images may have changed meanwhile
        known = old.get("set_fingerprint") == test_set.fingerprint and detector.identity.made(old)
        # otherwise the run is done, and the training is being resumed after it stopped before updating the model card
        if not known:
            path = predict(options, detector, train_set, test_set)
        card = model_card(detector.manifest, read_run(path).manifest)
    except KeyboardInterrupt as error:
        raise Untested(f"stopped; {remedy(options, folder, path)}") from error
    except Exception as error:
        # whatever the error, the message says where the detector is
        what = str(error) if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: {error}"
        raise Untested(f"the test failed ({what}); {remedy(options, folder, path)}") from error
    if known and card == (folder / "README.md").read_text(encoding="utf-8"):
        refuse_existing(options, folder.name)
    save_detector(folder, detector, model_card=card, replace=True)
    return path


def remedy(options: argparse.Namespace, folder: Path, run: Path) -> str:
    """Say where the detector is whose test failed, and which command makes its run."""
    if options.limit is not None and not options.join:
        instead = " in place of --restart" if options.restart else ""
        return f"the detector is kept in {folder}; give the same command with --resume{instead} to make its run"
    command = predict_command(
        folder, str(options.data), out=options.out, device=options.device, fake_classes=options.fake_classes,
        skip_bad=options.skip_bad, replace=run.exists(),
    )  # fmt: skip
    return f"the detector is kept in {folder}, make its run with: {command}"


def predict(options: argparse.Namespace, detector: NetworkDetector, train_set: ImageSet, test_set: ImageSet) -> Path:
    """Write the run of a detector on the test set."""
    hashes = frozenset(train_set.rows["sha256"])
    with tqdm(total=len(test_set), unit=" image", desc="testing", leave=False, disable=None) as bar:
        return write_run(
            options.out,
            detector,
            test_set,
            train_sha256=hashes,
            ship_images=options.data == "sample",
            replace=options.replace,
            progress=progress_to(bar),
        )


def write(bar: "tqdm[Any]", text: str) -> None:
    """Write a line above a progress bar, at once where it goes to a file."""
    bar.write(text)
    sys.stdout.flush()


def advance(bar: "tqdm[Any]", done: int, total: int, text: str) -> None:
    """Move the progress bar of a training; a resumed one starts at the steps that are already done."""
    if not bar.n and done > TOLD_EVERY:
        # otherwise these would count towards the speed and make the remaining time look too short
        bar.initial = bar.n = bar.last_print_n = done
    progress_to(bar)(done, total, text)


if __name__ == "__main__":
    started()
    sys.exit(main())
