"""A detector is what its weights and settings make it, whatever its manifest claims to be."""

import json
import shutil
from contextlib import closing

import pytest
from safetensors.torch import load_file, save_file

from core.detectors.identity import Identity, find_maker, identify, identify_all
from core.detectors.manifest import Classes
from core.detectors.storage import load_detector
from core.homes import SHIPPED
from core.images.preprocessing import Preprocessing
from core.report.run_report import gather
from core.runs.folders import find_detectors, find_named
from core.runs.run import read_run
from core.storage.limits import MANIFEST
from core.studies.runner import Source, StudyError
from dashboard import catalogue
from dashboard.jobs import PredictRequest, Request, Worker
from tests import damage as d
from tests.conftest import make_detector, textured
from tests.core.test_damage import DETECTOR, RUN, refusal
from tests.dashboard.test_jobs import answered

pytestmark = pytest.mark.slow

PIXELS = textured(1, fine=True, seed=5)


def flip(folder):
    """Let a detector say the opposite, and leave the claims of its manifest as they are."""
    file = folder / "weights.safetensors"
    tensors = load_file(file)
    for name in ("fc.weight", "fc.bias"):
        tensors[name] = tensors[name].flip(0).contiguous()
    save_file(tensors, file)
    d.reseal(folder)


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


def test_other_weights_under_a_claim_are_refused(home, impostor):
    folder = impostor(flip)
    for read in (lambda: load_detector(folder, device="cpu"), lambda: identify(folder)):
        assert "claims other weights than weights.safetensors holds" in refusal(read)
    known, refused = identify_all(find_detectors((home,)))
    assert set(known) == {DETECTOR, "other"}
    assert set(refused) == {"a copy"}


@pytest.mark.parametrize("change", [normalise, soften])
def test_a_run_knows_its_detector_by_more_than_weights(home, impostor, change):
    folder = impostor(change)
    run = read_run(home / "runs" / RUN)
    own, other = identify(home / "detectors" / DETECTOR), identify(folder)
    assert catalogue.maker(run).name == DETECTOR
    assert own.identity.weights_sha256 == other.identity.weights_sha256
    assert own.identity.made(run.manifest)
    assert not other.identity.made(run.manifest)
    with pytest.raises(StudyError, match="is not the detector that made"):
        Source(run.path, folder, device="cpu").open()
    assert gather(run)["detector"] == own.manifest


def test_a_run_of_an_earlier_version_prefers_its_own_name(home, impostor):
    impostor(normalise)
    detectors, _ = identify_all(find_detectors((home,)))
    older = {key: value for key, value in read_run(home / "runs" / RUN).manifest.items() if "fingerprint" not in key}
    assert next(iter(detectors)) == "a copy"
    assert all(detectors[name].identity.made(older) for name in ("a copy", DETECTOR))
    assert find_maker(older, detectors) == DETECTOR
    assert find_maker(older | {"temperature": 3.0}, detectors) is None


def test_two_detectors_share_no_answer(home, impostor):
    with closing(Worker(lease=60)) as worker:
        for folder in (impostor(normalise), home / "detectors" / DETECTOR):
            request = Request(folder, identify(folder).identity, "image", PredictRequest())
            answer = answered(worker, str(folder), request, PIXELS).answer
            assert answer.margins == pytest.approx(load_detector(folder, device="cpu").margins(PIXELS), abs=1e-5)


def test_what_ships_comes_before_a_user_s_folders(tmp_path):
    shutil.copytree(SHIPPED / "detectors" / "sample", tmp_path / "detectors" / "sample")
    normalise(tmp_path / "detectors" / "sample")
    run = read_run(SHIPPED / "runs" / "sample@sample-test").manifest
    for homes in ((tmp_path, SHIPPED), (SHIPPED, tmp_path)):
        detectors = find_detectors(homes)
        assert [*detectors] == [*find_detectors((SHIPPED,)), "sample (own)"]
        assert find_named("sample", detectors, "detector") == SHIPPED / "detectors" / "sample"
        # and the user's own can be had still
        assert detectors["sample (own)"] == tmp_path / "detectors" / "sample"
        assert find_maker(run, identify_all(detectors)[0]) == "sample"


def test_an_identity_is_what_the_network_computes(home):
    for folder in (home / "detectors" / DETECTOR, SHIPPED / "detectors" / "sample"):
        assert load_detector(folder, device="cpu").identity == identify(folder).identity
    # whatever is different, so is the fingerprint
    base = make_detector(width=4).identity
    others = [
        make_detector(width=4, seed=1).identity,
        *(
            Identity(**{**vars(base), name: value})
            for name, value in (("mean", (0.1, 0.0, 0.0)), ("std", (1.0, 1.0, 2.0)), ("temperature", 2.0))
        ),
        make_detector(width=4, classes=Classes(("photo", "made"), ("made",))).identity,
        make_detector(width=4, classes=Classes(("FAKE", "REAL"), ("REAL",))).identity,
        make_detector(width=4, preprocessing=Preprocessing(48)).identity,
        make_detector(width=4, preprocessing=Preprocessing(32, interpolation="box")).identity,
        make_detector(width=4, target_layer="layer3").identity,
    ]
    assert len({one.fingerprint for one in (base, *others)}) == 10
