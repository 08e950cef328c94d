"""Find the rule by which a detector's verdicts are judged, and write it beside a run of it.

python -m core.studies.judgement --run swift@cifake-test --data data/cifake --generators FOLDER
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from core.console import progress_to, started, starting

if __name__ == "__main__":
    # the libraries below take seconds to read
    starting("core.studies.judgement")

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from core.detectors.detector import Detector
from core.detectors.identity import find_maker, identify_all
from core.detectors.storage import load_detector
from core.images.decoding import ImageError, decode, pixels_sha256
from core.images.image_set import DATA_HELP, FAKE_HELP, DataPath, ImageSet, Split
from core.images.labels import CLASSES
from core.images.loading import load_with_bar, read_files, reading_bar
from core.images.out_of_distribution import AS_DRAWN, read_generators
from core.runs.folders import command_homes, find_detectors, find_named, find_runs
from core.runs.metrics import is_fresh
from core.runs.run import Run, read_run
from core.storage import WriteError
from core.studies.judgement.calibrating import Asked, ask, groups_of_transfer, make_rule
from core.studies.judgement.familiarity import Space, thinned
from core.studies.judgement.judge import setting_of
from core.studies.judgement.rule import Group, Rule, Setting, rule_path, write_rule
from core.studies.neighbours.reference import find_training_set, is_sample
from core.studies.store import read_study, study_path
from core.studies.study import StudyError
from core.training.held_out import validation_split

IMAGES = 1000
# pictures of each generator
EACH = 100
# files of the detector's own kind whose size is looked at
MEASURED = 50
# of the draw of own images
SEED = 0


def main(arguments: list[str] | None = None) -> int:
    """Write the rule that the command line asks for; returns the exit status."""
    options = _parse(arguments)
    try:
        run = read_run(find_named(options.run, find_runs(), "run"))
        detector = _maker(run, options.device)
        rule = calibrate(
            run,
            detector,
            data=DataPath(options.data, options.fake_classes.split(",")) if options.data else None,
            generators=options.generators,
            images=options.images,
            transfer=options.transfer,
        )
        path = options.out or rule_path(run.path)
        write_rule(path, rule)
    except KeyboardInterrupt as stopped:
        # a download says itself what is kept of it
        print(f"\ncore.studies.judgement: stopped; {str(stopped) or 'nothing was written'}.", file=sys.stderr)
        return 130
    except (ValueError, OSError, WriteError) as error:
        print(f"core.studies.judgement: {error}", file=sys.stderr)
        return 2
    print(told(rule))
    print(f"Written: {path}")
    return 0


def calibrate(
    run: Run, detector: Detector, *, data: str | None, generators: Path | None, images: int, transfer: bool = True
) -> Rule:
    """Find the rule of a detector from images that it was not trained on: held out, or else those of its run.

    Args:
        run: whose images distances are measured to.
        detector: that made it.
        data: where the images that the detector was trained on are, of which it has held some out; else the run's own.
        generators: a folder of other generators' pictures of the detector's size; None where there is none.
        images: of the detector's own kind, at most; 2 or more.
        transfer: use what the study `transfer` of the run has counted.

    Raises:
        StudyError, DatasetError, OutOfDistributionError, ContractError: what is missing, in one sentence.
    """
    if images < 2:
        raise StudyError(f"--images must be at least 2, one that a limit is from and one to try it on, not {images}")
    found, what, skip = _own_images(run, detector, data, images)
    pixels, labels = np.asarray(found.pixels), found.labels
    split: Split = run.split if skip else "train"
    # the sample is found without `data`, which may be another set
    named = None if not skip and is_sample(detector.manifest) else data
    setting = _setting(detector, named, split, found.rows["name"].tolist())
    own: dict[str, Asked] = {
        name: _ask(detector, pixels[labels == number], setting, f"{name} {what}") for number, name in enumerate(CLASSES)
    }
    drawn = [] if generators is None else read_generators(generators, detector.preprocessing)
    at_side = setting_of(detector.preprocessing, detector.side, detector.side)
    others = {one.name: _ask(detector, one.pixels[AS_DRAWN][:EACH], at_side, one.name) for one in drawn}
    counted = _transfer(run, transfer, bool(others))
    made: dict[str, Any] = {
        "own": what,
        "images": len(pixels),
        "of_each_generator": EACH,
        "seed": SEED,
        "fingerprint": found.fingerprint,
        "generators": {one.name: pixels_sha256(one.pixels[AS_DRAWN][:EACH]) for one in drawn},
        "transfer": bool(counted),
        "device": str(detector.device),
        "versions": {name: version(name) for name in ("numpy", "pillow", "torch")},
    }
    return make_rule(
        detector,
        run.name,
        Space.of(run),
        own=own,
        others=others,
        transfer=counted,
        what=what,
        made=made,
        sources=_sources(found) if found.name.startswith("sample-") else None,
        skip=skip,
    )


def told(rule: Rule) -> str:
    """A rule as text: each limit with its rates, and each group with what its pictures are given."""
    lines = []
    for name, limit in (("features", rule.features), ("statistics", rule.statistics)):
        if limit is not None:
            misses = f", misses {limit.misses.share:.1%} of {limit.misses.images}" if limit.misses.images else ""
            lines.append(
                f"{name}: limit {limit.value:.4f}, false alarms {limit.false_alarms.share:.1%} of "
                f"{limit.false_alarms.images}{misses}"
            )
    for one in rule.groups:
        given = ", ".join(f"{label} {one.share(label):.1%}" for label in CLASSES)
        lines.append(f"{one.setting:10} {one.label}  {one.name} ({one.images} of {one.sources}): {given}")
    return "\n".join(lines)


def _own_images(run: Run, detector: Detector, data: str | None, images: int) -> tuple[ImageSet, str, int]:
    """Load images that the detector was not trained on: those held out of its training set, else the run's own.

    Returns:
        The images; what they are, in words; and `skip` for `find_limits`: 1 if they are the run's own, else 0.

    Raises:
        StudyError: `data` holds neither.
    """
    recipe = detector.manifest.get("recipe", {})
    with reading_bar("train") as progress:
        training = find_training_set(detector, data, progress=progress)
    if training is not None and recipe.get("validation"):
        held = validation_split(
            training.rows["sha256"].to_numpy(), training.labels, recipe["validation"], seed=recipe["seed"]
        )
        # of few images of a class none may have been held out
        if all(held[training.labels == label].any() for label in range(len(CLASSES))):
            return _draw(training, np.flatnonzero(held), images), f"images held out of {training.name}", 0
    own = load_with_bar(data or "cifake-test", run.split, fit=detector.preprocessing, skip_bad=True)
    if own.fingerprint != run.manifest["set_fingerprint"]:
        raise StudyError(
            f"{data or 'cifake-test'} holds neither the images that {detector.name} was trained on nor those of "
            f"{run.name}; name one of them with --data"
        )
    # each must itself be among those that distances are measured to, so that its own is what is skipped
    among = run.predictions.iloc[:: thinned(len(run))]
    among = among.loc[is_fresh(among), "id"]
    rows = np.flatnonzero(own.rows["id"].isin(among))
    if not len(rows):
        raise StudyError(f"{detector.name} was trained on every image of {run.name}; name a run on other images")
    return _draw(own, rows, images), f"images of {own.name}", 1


def _draw(found: ImageSet, rows: NDArray[np.intp], images: int) -> ImageSet:
    return found.subset(np.sort(np.random.default_rng(SEED).permutation(rows)[:images]))


def _sources(found: ImageSet) -> dict[str, int]:
    """The photographs behind images of the sample gallery, by class: its categories."""
    return {name: int(found.rows["category"][found.labels == label].nunique()) for label, name in enumerate(CLASSES)}


def _setting(detector: Detector, data: str | None, split: Split, names: Sequence[str]) -> Setting:
    """How most files of the detector's own kind become its pixels; of a set that it finds by itself, its own size."""
    steps, found = detector.preprocessing, Counter[Setting]()
    for content in read_files(data, split, names[:: max(1, len(names) // MEASURED)]) if data else ():
        with suppress(ImageError):
            found[setting_of(steps, *decode(content).shape[:2])] += 1
    return found.most_common(1)[0][0] if found else setting_of(steps, detector.side, detector.side)


def _ask(detector: Detector, pixels: NDArray[np.uint8], setting: Setting, what: str) -> Asked:
    with tqdm(total=len(pixels), unit=" image", desc=what, leave=False, disable=None) as bar:
        return ask(detector, pixels, setting=setting, say=progress_to(bar))


def _transfer(run: Run, wanted: bool, drawn: bool) -> list[Group]:
    path = study_path(run.path, "transfer")
    if not wanted or not path.is_file():
        return []
    return groups_of_transfer(read_study(path, run).table, run.preprocessing, imitations=not drawn)


def _maker(run: Run, device: str) -> Detector:
    found = find_detectors((run.path.parents[1], *command_homes()))
    name = find_maker(run.manifest, identify_all(found)[0])
    if name is None:
        raise StudyError(f"the detector that made {run.name} is not here; put it into detectors/")
    return load_detector(found[name], device=device)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default="swift@cifake-test", help="name of a run of the detector, or its folder")
    parser.add_argument("--data", help=f"images that it was trained on, or the run's: {DATA_HELP}")
    parser.add_argument("--fake-classes", default="", metavar="A,B", help=FAKE_HELP)
    parser.add_argument("--generators", type=Path, help="a folder with other generators' pictures of its size")
    parser.add_argument("--images", type=int, default=IMAGES, help="images of its own kind")
    parser.add_argument("--no-transfer", dest="transfer", action="store_false", help="leave the study transfer out")
    parser.add_argument("--out", type=Path, help="file to write; by default beside the run")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    started()
    sys.exit(main())
