"""A small home with two of everything, so that one's files can be put in the other's place."""

import pytest

from core.runs.writing import write_run
from core.studies.runner import Source, run_study
from tests.conftest import make_detector, write_detector
from tests.core.studies.conftest import BRIGHTNESS
from tests.dashboard.conftest import image_set


def make_home(home, cache):
    """Detectors `tiny` and `other`, a run of each on 24 images with its pictures, and a study of each run.

    Args:
        home: where to.
        cache: where the study keeps its shards meanwhile.
    """
    history = [{"epoch": 1, "loss": 0.7, "train_accuracy": 0.5}]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TELLTALE_CACHE", str(cache))
        for seed, name in enumerate(("tiny", "other")):
            detector = make_detector(width=4, seed=seed, manifest={"recipe": {"name": name}, "history": history})
            write_detector(home, name, detector)
            run = write_run(home, detector, image_set("made-test", 24), ship_images=True)
            run_study(BRIGHTNESS, Source(run, home / "detectors" / name, device="cpu"))
