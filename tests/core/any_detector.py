"""A home with a detector of a kind that the project does not know, at 48 x 48 pixels with one output, and its run."""

from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest

from core.detectors.registry import KINDS
from core.detectors.storage import save_detector
from core.images.encoding import encode_png
from core.images.loading import load_image_set
from core.runs.writing import write_run
from core.studies.runner import Source, run_study
from core.studies.study import STUDIES, find_study
from tests.conftest import textured
from tests.core.detectors.plain import SIDE, make_plain

NAME = "plain"
pictures = partial(textured, side=SIDE)


@contextmanager
def plain_kind():
    """Temporarily register kind `plain`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(KINDS, NAME, "tests.core.detectors.plain:KIND")
        yield


def write_set(root):
    """A folder of PNG files, of each class 8 for training and 20 for tests."""
    for split, n in (("train", 8), ("test", 20)):
        for label, fine in (("FAKE", False), ("REAL", True)):
            folder = root / split / label
            folder.mkdir(parents=True)
            for number, image in enumerate(pictures(n, fine=fine, seed=fine + 2 * (split == "test"))):
                (folder / f"{('cat', 'dog')[number % 2]}-{number}.png").write_bytes(encode_png(image))
    return root


# images per study, unless it needs the whole set
IMAGES = 3
FEW = {"others": 4, "lime_others": 2, "networks": 2, "subsample": 40, "most": 3, "clouds": 1, "crops": 5}


def source_of(home):
    """The run that `write_home` has written."""
    return Source(home / "runs" / f"{NAME}@set-test", home / "detectors" / NAME, str(home / "set"))


def ask_studies(source, names):
    """Write a small file of each of some studies."""
    for name in names:
        study = find_study(name)
        few = {key: value for key, value in FEW.items() if key in study.parameters}
        run_study(study.with_parameters(few), source, images=None if study.whole else IMAGES)


def write_studies(home):
    """The same home, with a small file of every study but that of detectors that add up patches."""
    ask_studies(write_home(home), [name for name in STUDIES if name != "truth"])


def write_home(home):
    """`plain@set-test` with its pictures, and the detector that made it; half of its verdicts are REAL."""
    data = write_set(home / "set")
    images = load_image_set(data, "test")
    detector = make_plain()
    detector.network.head[2].bias.data += np.median(detector.margins(images.pixels))
    detector = type(detector)(
        detector.network, detector.preprocessing, detector.classes, config=detector.config, manifest={"name": NAME}
    )
    save_detector(home / "detectors" / NAME, detector, model_card="# Detector `plain`\n")
    write_run(home, detector, images, ship_images=True)
    return source_of(home)
