"""The one training command: fit, test once, precompute, write a detector and a run.

python train.py --data sample                 a small detector on the sample gallery, minutes
python train.py --data data/cifake            the `swift` recipe on CIFAKE
python train.py --data github                 the same; its authors' repository is fetched, 43 MB
python train.py --data cifake.zip --recipe paper --resume
"""

import argparse
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from core.detectors.model_card import model_card
from core.detectors.recipe import RECIPES, Recipe, precision_on
from core.detectors.resnet import ResNetDetector
from core.detectors.storage import save_detector
from core.detectors.training import TrainingInterrupted, fit, forget_checkpoint
from core.images.image_set import CLASSES, DatasetError, ImageSet, check_image_set, load_image_set, side_of
from core.runs.run import PAPER, ROOT, library_versions, read_run, write_run
from core.runs.validation import is_plain_name
from core.storage import ContractError, WriteError


def main(arguments: list[str] | None = None) -> int:
    """Train as the command line says; returns the exit status."""
    options = parse(arguments)
    try:
        train(options)
    except (DatasetError, TrainingInterrupted, ContractError, FileExistsError, ValueError) as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 2
    except WriteError as error:
        print(f"train.py: {error}, then go on with --resume: what was finished is kept.", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"train.py: {error.filename or 'a file'} cannot be used ({error.strerror or error}); "
              "what was finished is kept, go on with --resume.", file=sys.stderr)  # fmt: skip
        return 2
    except KeyboardInterrupt as stopped:
        kept = str(stopped) or "every finished epoch is kept, go on with --resume"
        print(f"\ntrain.py: stopped; {kept}.", file=sys.stderr)
        return 130
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line; every field of `Recipe` is an option that overrides it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="CIFAKE's folder or .zip, 'github', 'kaggle', or 'sample'")
    parser.add_argument("--recipe", choices=RECIPES, help="default: swift, and sample for --data sample")
    parser.add_argument("--name", help="of the detector; default: the recipe's")
    parser.add_argument("--out", type=Path, default=ROOT, help="folder that gets detectors/ and runs/")
    parser.add_argument("--checkpoints", type=Path, help="default: in the user's cache folder")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--limit", type=int, help="train on N images and test on N / 5, for a quick try")
    parser.add_argument("--skip-bad", action="store_true", help="leave out files that are no image of the set's size")
    before = parser.add_mutually_exclusive_group()
    before.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    before.add_argument("--restart", action="store_true", help="throw an existing checkpoint away")
    parser.add_argument("--replace", action="store_true", help="overwrite a detector and run of this name")
    overrides = parser.add_argument_group("hyper-parameters, in place of the recipe's")
    for field in fields(Recipe):
        if field.name == "name":
            continue
        kind = type(field.default)
        action: Any = argparse.BooleanOptionalAction if kind is bool else "store"
        extra: dict[str, Any] = {} if kind is bool else {"type": kind}
        overrides.add_argument("--" + field.name.replace("_", "-"), default=None, action=action, **extra)
    return parser.parse_args(arguments)


def train(options: argparse.Namespace) -> None:
    """Everything from pixels to a verified run."""
    if options.limit is not None and options.limit < 2:
        raise ValueError(f"--limit must be at least 2, an image of each class, not {options.limit}")
    recipe = recipe_of(options)
    name = options.name or recipe.name
    refuse_existing(options, name)
    if options.data == "github":
        options.data = fetch()
    # a missing test set is found now, but read only after training
    check_image_set(options.data, "test")
    train_set = load(options, "train")
    # where none can be read, reading them says why
    if (side := side_of(options.data, "test")) not in (0, train_set.side):
        raise DatasetError(
            f"The training images of {options.data} have {train_set.side} pixels a side and its test images {side}; "
            "resize one of them."
        )
    print(f"{recipe.name}: {len(train_set)} training images, {recipe.epochs} epochs; {settings(recipe)}")
    with tqdm(total=0, unit=" step", smoothing=0.05, disable=None) as bar:
        trained = fit(
            recipe,
            train_set,
            device=options.device,
            resume=options.resume,
            restart=options.restart,
            checkpoints=options.checkpoints,
            report=bar.write,
            progress=lambda done, total, text: show(bar, done, total, text),
        )
    detector = trained.detector
    detector.manifest = {
        **provenance(name, recipe, train_set, trained.history),
        "computed_in": f"{precision_on(recipe, detector.device)} on {detector.device.type}",
    }
    test_set = load(options, "test")
    run = test_and_write(options, detector, train_set, test_set)
    forget_checkpoint(recipe, train_set, checkpoints=options.checkpoints)
    print_table(read_run(run).manifest["metrics"]["all"], beside_paper=test_set.name.startswith("cifake"))
    print(f"\nWritten: {options.out / 'detectors' / name} and {run}")
    print("See it: streamlit run dashboard/app.py")


def refuse_existing(options: argparse.Namespace, name: str) -> None:
    """Say before the training, not after it, that the name is none or that something is in the way."""
    if not is_plain_name(name):
        raise ValueError(f"--name cannot be {name!r}; give one without slashes that begins with no dot")
    found = [options.out / "detectors" / name]
    if not options.resume:
        found += (options.out / "runs").glob(f"{name}@*")
    for path in found:
        if path.exists() and not options.replace:
            raise FileExistsError(f"{path} exists; choose another --name or pass --replace")


def recipe_of(options: argparse.Namespace) -> Recipe:
    """The chosen recipe with the command line's overrides."""
    chosen = options.recipe or ("sample" if options.data == "sample" else "swift")
    given = {field.name: getattr(options, field.name) for field in fields(Recipe) if field.name != "name"}
    return replace(RECIPES[chosen], **{key: value for key, value in given.items() if value is not None})


def settings(recipe: Recipe) -> str:
    """The recipe's hyper-parameters in a line."""
    return ", ".join(f"{key} {value}" for key, value in asdict(recipe).items() if key != "name")


def fetch() -> Path:
    """CIFAKE's .zip from its authors' repository, with a progress bar for each of its two parts."""
    from core.images.fetching import fetch_cifake  # noqa: PLC0415 - only this door needs the network

    with (
        tqdm(total=0, unit="B", unit_scale=True, desc="downloading", leave=False, disable=None) as download,
        tqdm(total=0, unit=" image", desc="checking", leave=False, disable=None) as check,
    ):
        try:
            return fetch_cifake(
                downloading=lambda done, total: show(download, done, total, ""),
                checking=lambda done, total: show(check, done, total, ""),
                say=download.write,
            )
        except WriteError as error:
            raise DatasetError(f"{error}, then run the same command again.") from None
        except KeyboardInterrupt:
            raise KeyboardInterrupt("what was downloaded is kept, the same command goes on with it") from None


def load(options: argparse.Namespace, split: Any) -> ImageSet:
    """A split with a progress bar, cut to --limit."""
    with tqdm(total=0, unit=" image", desc=f"reading {split}", leave=False, disable=None) as bar:
        images = load_image_set(
            options.data, split, skip_bad=options.skip_bad, progress=lambda done, total: show(bar, done, total, "")
        )
    if images.skipped:
        print(f"{len(images.skipped)} files of {split} were left out, first: {images.skipped[0]}")
    if options.limit is not None:
        images = images.limited(options.limit if split == "train" else max(2, options.limit // 5))
    return images


def provenance(name: str, recipe: Recipe, train_set: ImageSet, history: list[dict[str, float]]) -> dict[str, Any]:
    """What a detector's manifest says of how it came to be."""
    return {
        "name": name,
        "recipe": asdict(recipe),
        "history": history,
        "training_set": train_set.name,
        "training_images": len(train_set),
        "training_set_fingerprint": train_set.fingerprint,
        "skipped": list(train_set.skipped),
        "versions": library_versions(),
    }


def test_and_write(
    options: argparse.Namespace, detector: ResNetDetector, train_set: ImageSet, test_set: ImageSet
) -> Path:
    """The one look at the test set: predictions, maps and metrics, then detector and run on disk."""
    path: Path = options.out / "runs" / f"{detector.name}@{test_set.name}"
    if not path.exists() or options.replace or not detector.identity.made(read_run(path).manifest):
        path = predict(options, detector, train_set, test_set)
    # else a training that was stopped between run and detector is being resumed
    card = model_card(detector.manifest, read_run(path).manifest)
    save_detector(options.out / "detectors" / detector.name, detector, model_card=card, replace=options.replace)
    return path


def predict(options: argparse.Namespace, detector: ResNetDetector, train_set: ImageSet, test_set: ImageSet) -> Path:
    """The run of a detector on the test set, written."""
    hashes = frozenset(train_set.rows["sha256"])
    with tqdm(total=len(test_set), unit=" image", desc="testing", leave=False, disable=None) as bar:
        return write_run(
            options.out,
            detector,
            test_set,
            train_sha256=hashes,
            ship_images=options.data == "sample",
            replace=options.replace,
            progress=lambda done, total: show(bar, done, total, ""),
        )


def show(bar: "tqdm[Any]", done: int, total: int, text: str) -> None:
    """Move a progress bar to `done` of `total`."""
    bar.total = total
    bar.set_postfix_str(text, refresh=False)
    bar.update(done - bar.n)


def print_table(metrics: dict[str, Any], *, beside_paper: bool) -> None:
    """A table like the paper's Table 1 and the confusion matrix, and the paper's figures where the set is its own."""

    def paper(text: object) -> str:
        return f"(paper {text})" if beside_paper else ""

    print()
    for label in CLASSES:
        ours, theirs = metrics["per_class"][label], PAPER["per_class"][label]
        keys = ("precision", "recall", "f1")
        print(label, *(f" {key} {ours[key]:.3f} {paper(theirs[key])}" for key in keys), f" images {ours['support']}")
    auroc = "none" if metrics["auroc"] is None else f"{metrics['auroc']:.4f}"
    print(f"accuracy {metrics['accuracy']:.4f} {paper(PAPER['accuracy'])}")
    print(f"AUROC {auroc}  calibration error {metrics['ece']:.4f}")
    for label, ours, theirs in zip(CLASSES, metrics["confusion"], PAPER["confusion"], strict=True):
        print(f"true {label}: called FAKE {ours[0]}, called REAL {ours[1]} {paper(f'{theirs[0]}, {theirs[1]}')}")


if __name__ == "__main__":
    sys.exit(main())
