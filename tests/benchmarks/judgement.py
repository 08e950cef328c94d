"""Judge pictures whose class is known: for each set and answer, how often it is given and how often it is right.

python -m tests.benchmarks.judgement --large ../shared/generators_large --imitations ../shared/generators

The first table is of sets that a detector's rule (`python -m core.studies.judgement`) was not tuned on: CIFAKE's test
images, pictures that generators drew large, and the photographs of the sample gallery and of scikit-image. The study
`transfer` has counted some of them, so answers are also given without what it counted. The exit status is 1 where an
answer is right in less than 95 % of a set. The second table is of pictures that are hard on purpose: photographs that
somebody has shrunk to the detector's size before, and imitations of CIFAKE's REAL class.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage import data as skimage_data
from tqdm import tqdm

from core.detectors.detector import Detector
from core.detectors.storage import load_detector
from core.findings.finding import Measure
from core.findings.intervals import clustered_share
from core.findings.numbers import share
from core.images import out_of_distribution as ood
from core.images.decoding import ImageError, crop_square, decode, resize
from core.images.labels import CLASSES
from core.images.loading import load_image_set
from core.images.preprocessing import Preprocessing
from core.runs.folders import find_detectors, find_runs
from core.storage import read_bytes
from core.studies.judgement.familiarity import Space
from core.studies.judgement.judge import Judgement, judge
from core.studies.judgement.judging import find_rule, judge_picture
from core.studies.judgement.rule import Rule, read_rule

ANSWERS = ("FAKE-like", "REAL-like", "Cannot tell")
BAR = 0.95
# what scikit-image ships that a camera took of a scene, beside those of the sample gallery
SCENES = ("brick", "camera", "clock_motion", "coins", "grass", "gravel", "moon", "motorcycle_right", "page", "text")
Picture = tuple[str, str, NDArray[np.uint8]]


@dataclass(frozen=True)
class Judged:
    """One picture: its source, what it is, and its judgement by the whole rule and without the study `transfer`."""

    source: str
    label: str
    found: Judgement
    alone: Judgement


def main(arguments: list[str] | None = None) -> int:
    """Print both tables; 1 if an answer in the first is right too rarely."""
    options = _parse(arguments)
    detector = load_detector(find_detectors()[options.detector])
    found = find_rule(detector.identity, find_runs().values())
    if found is None:
        print(f"{options.detector} has no rule; make one with `python -m core.studies.judgement`", file=sys.stderr)
        return 2
    space = Space.of(found[1])
    rule = read_rule(options.rule) if options.rule else found[0]
    # an image of the run is its own nearest there
    own = replace(space, skip=1)
    sets = [("CIFAKE's test images", _cifake(options.images), own)]
    if options.large:
        sets.append(("drawn large by generators", _large(options.large), space))
    sets.append(("photographs, whole", _photographs(), space))
    sets.append(("photographs, squares of them", _squares(options.crops), space))
    fair = _table("Not tuned on", sets, detector, rule)
    hard = [
        (f"squares shrunk before ({name})", _shrunk(options.crops // 4, detector.side, name), space)
        for name in ("bicubic", "nearest")
    ]
    if options.imitations:
        hard.append(("drawn at this size by generators", _imitations(options.imitations, detector.side), space))
    _table("Hard on purpose", hard, detector, rule)
    return int(not fair)


def _table(title: str, sets: list[tuple[str, Iterator[Picture], Space]], detector: Detector, rule: Rule) -> bool:
    """Print a table; True where each answer that is given is right often enough."""
    print(
        f"\n| {title} | images | answer | given | right | given without transfer | right |\n|{' --- |' * 7}", flush=True
    )
    without = replace(rule, groups=tuple(one for one in rule.groups if one.held))
    fair = True
    for name, pictures, space in sets:
        judged = []
        for source, label, picture in tqdm(pictures, desc=name, leave=False, disable=None):
            seen, found = judge_picture(detector, picture, (rule, space))
            judged.append(Judged(source, label, found, judge(without, space, seen)))
        for answer in ANSWERS:
            cells = []
            for found in ([one.found for one in judged], [one.alone for one in judged]):
                given = np.array([one.answer == answer for one in found])
                right = np.array([one.label == answer.removesuffix("-like") for one in judged])[given]
                known = answer != "Cannot tell" and len(right) > 0
                fair &= not known or float(right.mean()) >= BAR
                cells += [str(share(_share(given, judged))), str(share(_share(right, judged, given))) if known else ""]
            print(f"| {name} | {len(judged)} | {answer} | {' | '.join(cells)} |", flush=True)
        counts = Counter(one.found.reasons[0].key for one in judged)
        print(f"{name}, first reason: {', '.join(f'{key} {n}' for key, n in counts.most_common())}", file=sys.stderr)
    return fair


def _share(hits: NDArray[np.bool_], judged: list[Judged], among: NDArray[np.bool_] | None = None) -> Measure:
    """A share with its interval over independent sources."""
    sources = np.array([one.source for one in judged])
    _, codes = np.unique(sources if among is None else sources[among], return_inverse=True)
    return Measure.of(clustered_share(hits, codes))


def _cifake(images: int) -> Iterator[Picture]:
    found = load_image_set("cifake-test", "test")
    for row in np.sort(np.random.default_rng(1).permutation(len(found))[:images]):
        yield found.rows["id"].iloc[row], CLASSES[found.labels[row]], np.asarray(found.pixels[row])


def _large(folder: Path) -> Iterator[Picture]:
    found = False
    for path in sorted(folder.iterdir()):
        ending = next((one for one in ood.ARCHIVES if path.name.endswith(one)), None)
        for data in ood.files_of(path, 20 * 2**20) if ending else ():
            if data is not None:
                found = True
                yield path.name, "FAKE", decode(data)
    if not found:
        raise SystemExit(f"{folder} holds no .tar or .tar.xz of pictures")


def _imitations(folder: Path, side: int) -> Iterator[Picture]:
    for one in ood.read_generators(folder, Preprocessing(side)):
        for image in one.pixels[ood.AS_DRAWN][::10]:
            yield one.name, "FAKE", image


def _photographs() -> Iterator[Picture]:
    yield from ((name, "REAL", picture) for name, picture in _of_sample().items())
    folder = Path(skimage_data.__file__).parent
    for name in SCENES:
        try:
            yield name, "REAL", decode(read_bytes(next(folder.glob(f"{name}.*"))))
        except (StopIteration, ImageError):
            continue


def _of_sample() -> dict[str, NDArray[np.uint8]]:
    """Read the photographs behind the sample gallery by name, uint8 (height, width, 3); absent ones are left out."""
    about = json.loads(ood.MANIFEST.read_text(encoding="utf-8"))
    found = {name: ood.read_photograph(one) for name, one in about["photographs"].items()}
    return {name: picture for name, picture in found.items() if picture is not None}


def _squares(crops: int) -> Iterator[Picture]:
    """The first squares of these photographs, equally many of each size."""
    about = json.loads(ood.MANIFEST.read_text(encoding="utf-8"))
    for name, picture in _of_sample().items():
        for left, top, edge in ood.crop_boxes(about, name, crops):
            yield name, "REAL", picture[top : top + edge, left : left + edge]


def _shrunk(crops: int, side: int, filter_: str) -> Iterator[Picture]:
    for name, label, square in _squares(crops):
        yield name, label, resize(crop_square(square), side, resampling=filter_)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", default="swift", help="its name")
    parser.add_argument("--rule", type=Path, help="file of another rule than the one beside its run")
    parser.add_argument("--images", type=int, default=2000, help="of CIFAKE's test set")
    parser.add_argument("--crops", type=int, default=100, help="squares of each photograph of the sample gallery")
    parser.add_argument("--large", type=Path, help="folder of pictures that generators drew large")
    parser.add_argument("--imitations", type=Path, help="folder of pictures that they drew at the detector's size")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
