"""Train a detector, test it once, and write it with its run: `python train.py --help`."""

import argparse
import glob
import sys
from dataclasses import replace
from typing import TextIO

from core.arguments.train import HYPER_PARAMETERS, TYPED, parse
from core.console import command, show_progress, starting

if __name__ == "__main__":
    typed_options = parse(sys.argv[1:])
    # the imports below take seconds
    starting("train.py")

from tqdm import tqdm

from core.detectors.detector import Detector, pick_device
from core.detectors.manifest import check_detector_name
from core.detectors.storage import load_detector, save_detector
from core.homes import homes
from core.images.image_set import DataPath, DatasetError, ImageSet, Split
from core.images.labels import FAKE
from core.images.loading import load_with_bar
from core.runs.folders import find_detectors, find_named
from core.runs.run import read_run
from core.runs.summary import print_run
from core.runs.warnings import warnings_of
from core.runs.writing import library_versions, write_run
from core.storage.atomic import only_writer, refuse_taken
from core.training.fit import checkpoint_file, fit
from core.training.held_out import join
from core.training.model_card import model_card
from core.training.recipe import RECIPES, Recipe, fitted


@command(
    TYPED.removeprefix("python ") if TYPED == "python train.py" else TYPED,
    parse,
    stopped="the same command with --resume goes on after the last finished epoch",
)
def main(options: argparse.Namespace) -> None:
    """Load the images, train or join, test, and write the detector and its run."""
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
    sys.exit(main(typed_options))
