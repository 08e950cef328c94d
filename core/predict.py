"""Make a run of an existing detector on another image set.

python -m core.predict swift --data sample
"""

import argparse
import sys
from pathlib import Path

from core.console import progress_to, started, starting

if __name__ == "__main__":
    # the imports below take seconds
    starting("core.predict")

from tqdm import tqdm

from core.detectors.detector import Detector
from core.detectors.storage import load_detector
from core.images.image_set import DATA_HELP, FAKE_HELP, DataPath
from core.images.loading import load_with_bar, reading_bar
from core.runs.folders import ROOT, command_homes, find_detectors, find_named
from core.runs.writing import run_folder, write_run
from core.storage import TakenError, WriteError
from core.studies.neighbours.reference import find_training_set


def main(arguments: list[str] | None = None) -> int:
    """Write the run that the command line asks for and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("detector", help="a name in detectors/ or assets/detectors/, or a folder")
    parser.add_argument(
        "--data",
        required=True,
        help=f"{DATA_HELP}, 'github', 'kaggle', 'sample' or 'cifake-test'",
    )
    parser.add_argument("--fake-classes", default="", metavar="A,B", help=FAKE_HELP)
    parser.add_argument("--out", type=Path, default=ROOT, help="folder that gets runs/")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument(
        "--skip-bad", action="store_true", help="leave out files that cannot be used instead of refusing the set"
    )
    parser.add_argument("--replace", action="store_true", help="overwrite a run of this name, and remove its studies")
    options = parser.parse_args(arguments)
    data = DataPath(options.data, options.fake_classes.split(","))
    found = find_detectors((options.out, *command_homes()))
    try:
        detector = load_detector(find_named(options.detector, found, "detector"), device=options.device)
        images = load_with_bar(data, "test", fit=detector.preprocessing, skip_bad=options.skip_bad)
        trained_on = _trained_on(detector, data)
        if trained_on is None:
            print("core.predict: the training images are missing, so leaks were not checked.", file=sys.stderr)
        with tqdm(total=len(images), unit=" image", leave=False, disable=None) as bar:
            path = write_run(
                options.out,
                detector,
                images,
                train_sha256=trained_on,
                ship_images=options.data == "sample",
                replace=options.replace,
                progress=progress_to(bar),
            )
    except KeyboardInterrupt as stopped:
        print(f"\ncore.predict: stopped; {str(stopped) or 'no run was written'}.", file=sys.stderr)
        return 130
    except TakenError:
        there = run_folder(options.out, detector.name, images)
        print(
            f"core.predict: {there} exists already; name another folder with --out, rename the image set, or pass "
            "--replace, which removes that run with its studies.",
            file=sys.stderr,
        )
        return 2
    except (ValueError, FileExistsError) as error:
        print(f"core.predict: {error}", file=sys.stderr)
        return 2
    except WriteError as error:
        print(f"core.predict: {error}, then give the same command again.", file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"core.predict: {error.filename or 'a file'} cannot be used ({error.strerror or error}).", file=sys.stderr
        )
        return 2
    print(f"Written: {path}")
    return 0


def _trained_on(detector: Detector, data: str) -> frozenset[str] | None:
    """Return the hashes of the files that a detector was trained on, None where they are not in `data`."""
    with reading_bar("train") as progress:
        found = find_training_set(detector, data, progress=progress)
    return None if found is None else frozenset(found.rows["sha256"])


if __name__ == "__main__":
    started()
    sys.exit(main())
