"""A run of a random detector on made images, and small studies of it."""

import shutil

import numpy as np
import pandas as pd
import pytest

from core.explainers.cam import GRADCAM
from core.explainers.lime import LIME
from core.findings.contrast import Contrast, Finding, Measure
from core.studies.runner import Source, run_study
from core.studies.shared import explanations
from core.studies.study import Study, find_study
from tests.conftest import balanced, make_detector, make_set, mixed
from tests.core.trust_cues import patch_detector, patch_images, write_source
from tests.shared import made_once


def made_set(n=60):
    """`n` images, half of each class, in three categories."""
    return make_set(mixed(n))


def mixed_detector(pixels):
    """A random detector that calls half of `pixels` REAL, and is right more often than not."""
    return balanced(make_detector(seed=6, manifest={"name": "tiny"}), pixels)


@pytest.fixture
def source(tmp_path_factory, tmp_path):
    """Where copies of `tiny@made-test`, 60 images with their pixels, and of its detector lie."""
    return source_of(shutil.copytree(made_once(tmp_path_factory, "made", write_made), tmp_path / "home"))


def source_of(home):
    """The run and the detector that `write_made` has written."""
    return Source(home / "runs" / "tiny@made-test", home / "detectors" / "tiny")


def write_made(home, n=60):
    """Write the run, on `n` images, and its detector."""
    images = made_set(n)
    return write_source(home, mixed_detector(images.pixels), images)


@pytest.fixture(scope="session")
def probed(tmp_path_factory):
    """The same with the study of its probes, to be read only."""

    def make(folder):
        run_study(find_study("probes"), write_made(folder))

    return source_of(made_once(tmp_path_factory, "probed", make))


@pytest.fixture(scope="session")
def patched(tmp_path_factory):
    """Images in which one patch decides, and the network that looks at it."""
    return write_source(tmp_path_factory.mktemp("home"), patch_detector(), make_set(patch_images()))


@pytest.fixture(scope="module")
def two_methods():
    """Only Grad-CAM and LIME are judged; test_explanations.py covers the other methods of the registry."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explanations, "explainers", lambda: (GRADCAM, LIME))
        yield


def brightness(context, rows, parameters):
    """The mean pixel and the detector's margin of each image."""
    pixels = context.pixels[rows]
    means = pixels.mean(axis=(1, 2, 3))
    return pd.DataFrame(
        {
            "id": context.run.predictions["id"].to_numpy()[rows],
            "brightness": means.astype(np.float32) * parameters["scale"],
            "margin": context.detector.margins(pixels),
            "bright": means > 128,
            "half": np.where(means > 128, "bright", None),
        }
    )


def conclude(run, table, _parameters):
    """The mean brightness."""
    mean = float(table["brightness"].mean())
    return [Finding("mean", "How bright?", "faithfulness", (Contrast("image", "", Measure(mean, n=len(run))),))]


BRIGHTNESS = Study(
    name="brightness",
    title="Brightness",
    question="How bright is each image?",
    columns={"brightness": "0 to 255", "margin": "of the image", "bright": "above 128", "half": "bright or nothing"},
    control="none",
    compute=brightness,
    conclude=conclude,
    parameters={"scale": 1.0},
    explore=("brightness",),
    shard=16,
)
