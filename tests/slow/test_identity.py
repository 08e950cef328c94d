"""A detector is what its weights and settings make it, whatever its manifest claims to be."""

import json
import shutil
from contextlib import closing

import pytest

from core.detectors.identity import find_maker, identify, identify_all
from core.detectors.storage import load_detector
from core.homes import SHIPPED
from core.images.preprocessing import Preprocessing
from core.report.run_report import maker_of
from core.runs.folders import find_detectors
from core.runs.run import read_run
from core.storage.limits import MANIFEST
from core.studies.runner import Source, StudyError
from dashboard import catalogue
from dashboard.jobs import Request, Worker
from tests import damage as d
from tests.conftest import make_detector, textured
from tests.core.test_damage import DETECTOR, RUN
from tests.dashboard.test_jobs import answered

pytestmark = pytest.mark.slow

PIXELS = textured(1, fine=True, seed=5)


def normalise(folder):
    """Let a detector of the same weights see pictures darker and flatter."""
    manifest = json.loads((folder / MANIFEST).read_text())
    # those that ship are of an earlier version
    key = "preprocess" if "preprocess" in manifest else "normalisation"
    seen = manifest[key]
    changed = {"mean": [value + 0.6 for value in seen["mean"]], "std": [3 * value for value in seen["std"]]}
    d.reseal(folder, **{key: seen | changed})


def soften(folder):
    """Let a detector of the same weights be unsure of everything."""
    d.reseal(folder, temperature=50.0)


@pytest.fixture
def impostor(home):
    """A function that puts a changed copy of the detector before it in the list."""

    def make(change):
        folder = home / "detectors" / "a copy"
        shutil.copytree(home / "detectors" / DETECTOR, folder)
        change(folder)
        return folder

    return make


@pytest.mark.parametrize("change", [normalise, soften])
def test_a_run_knows_its_detector_by_more_than_weights(home, impostor, change):
    folder = impostor(change)
    run = read_run(home / "runs" / RUN)
    own = identify(home / "detectors" / DETECTOR)
    other = identify(folder)
    assert catalogue.maker(run).name == DETECTOR
    assert own.identity.weights_sha256 == other.identity.weights_sha256
    assert own.identity.made(run.manifest)
    assert not other.identity.made(run.manifest)
    with pytest.raises(StudyError, match="is not the detector that made"):
        Source(run.path, folder, device="cpu").open()
    assert maker_of(run) == own.manifest


def test_two_detectors_share_no_answer(home, impostor):
    with closing(Worker(lease=60)) as worker:
        for folder in (impostor(normalise), home / "detectors" / DETECTOR):
            request = Request(folder, identify(folder).identity, "image", "predictions")
            answer = answered(worker, str(folder), request, PIXELS).answer
            assert answer.margins == pytest.approx(load_detector(folder, device="cpu").margins(PIXELS), abs=1e-5)


def test_what_ships_comes_before_a_user_s_folders(tmp_path):
    shutil.copytree(SHIPPED / "detectors" / "sample", tmp_path / "detectors" / "sample")
    normalise(tmp_path / "detectors" / "sample")
    run = read_run(SHIPPED / "runs" / "sample@sample-test").manifest
    for homes in ((tmp_path, SHIPPED), (SHIPPED, tmp_path)):
        detectors = find_detectors(homes)
        assert [*detectors] == [*find_detectors((SHIPPED,)), "sample (own)"]
        assert detectors["sample"] == SHIPPED / "detectors" / "sample"
        # and the user's own can be had still
        assert detectors["sample (own)"] == tmp_path / "detectors" / "sample"
        assert find_maker(run, identify_all(detectors)[0]) == "sample"


def test_an_identity_is_what_the_network_computes(home):
    for folder in (home / "detectors" / DETECTOR, SHIPPED / "detectors" / "sample"):
        assert load_detector(folder, device="cpu").identity == identify(folder).identity
    sides = [make_detector(width=4, preprocessing=Preprocessing(side)).identity.fingerprint for side in (32, 48)]
    assert sides[0] != sides[1]
