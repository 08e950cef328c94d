"""A small home with two of everything, so that one's files can be put in the other's place."""

import os
from pathlib import Path

from core.detectors.resnet import round_to_float16
from core.detectors.storage import save_detector
from core.runs.writing import write_run
from core.studies.runner import Source, run_study
from tests.conftest import make_detector
from tests.core.studies.conftest import BRIGHTNESS
from tests.dashboard.conftest import image_set


def make_home(home: Path, cache: Path) -> None:
    """Detectors `tiny` and `other`, a run of each on 24 images with its pictures, and a study of each run.

    Args:
        home: where to.
        cache: where the study keeps its shards meanwhile.
    """
    before = os.environ.get("TELLTALE_CACHE")
    os.environ["TELLTALE_CACHE"] = str(cache)
    try:
        for seed, name in enumerate(("tiny", "other")):
            detector = make_detector(width=4, seed=seed)
            round_to_float16(detector.network)
            history = [{"epoch": 1, "loss": 0.7, "train_accuracy": 0.5}]
            detector.manifest = {"name": name, "recipe": {"name": name}, "history": history}
            save_detector(home / "detectors" / name, detector, model_card=f"# Detector `{name}`\n")
            run = write_run(home, detector, image_set("made-test", 24), ship_images=True)
            run_study(BRIGHTNESS, Source(run, home / "detectors" / name, device="cpu"))
    finally:
        if before is None:
            del os.environ["TELLTALE_CACHE"]
        else:
            os.environ["TELLTALE_CACHE"] = before
