"""A run of a detector that exists already on another image set.

python -m core.predict swift --data sample
"""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from core.dataset import DatasetError, load_image_set
from core.detector import load_detector
from core.run import ROOT, find_detectors, write_run
from core.storage import ContractError, WriteError


def main(arguments: list[str] | None = None) -> int:
    """Write the run that the command line asks for; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("detector", help="a name from detectors/ or assets/detectors/")
    parser.add_argument("--data", required=True, help="CIFAKE's folder or .zip, 'kaggle', or 'sample'")
    parser.add_argument("--out", type=Path, default=ROOT, help="folder that gets runs/")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--replace", action="store_true", help="overwrite a run of this name")
    options = parser.parse_args(arguments)
    found = find_detectors((options.out, ROOT, ROOT / "assets"))
    try:
        if options.detector not in found:
            raise ContractError(f"there is no detector {options.detector}; there are {', '.join(found) or 'none'}")
        detector = load_detector(found[options.detector], device=options.device)
        images = load_image_set(options.data, "test")
        with tqdm(total=len(images), unit=" image", leave=False, disable=None) as bar:
            path = write_run(
                options.out,
                detector,
                images,
                ship_images=options.data == "sample",
                replace=options.replace,
                progress=lambda done, _: bar.update(done - bar.n),
            )
    except (DatasetError, ContractError, FileExistsError) as error:
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


if __name__ == "__main__":
    sys.exit(main())
