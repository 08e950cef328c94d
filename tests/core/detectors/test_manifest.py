"""Manifests of this version and of older ones, and the identity of what they describe."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Barrier, BrokenBarrierError

import numpy as np
import pytest

from core.detectors import identity
from core.detectors.identity import Identity, find_maker, hash_weights, identify, identify_all
from core.detectors.manifest import Classes, check_detector_name, describe
from core.detectors.storage import load_detector, save_detector
from core.images.preprocessing import Preprocessing
from core.storage.atomic import SEAL
from core.storage.limits import MANIFEST, ContractError
from tests.conftest import make_detector, textured
from tests.damage import reseal

OLD = {
    "arch": "resnet18-cifar",
    "width": 2,
    "normalisation": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]},
    "temperature": 1.5,
}
ABOUT = describe(Path("d"), OLD)


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": {"kind": ["resnet"]}},
        {"preprocess": {"size": 10**9}},
        {"fake": ["NONE"]},
        {"target_layer": "layer9"},
        {"layers": {"layer4": [4, 10**9]}},
        {"capabilities": ["flying"]},
        {"temperature": float("inf")},
    ],
)
def test_a_manifest_that_cannot_be_is_refused(changes):
    with pytest.raises(ContractError, match=r"d/manifest\.json .*; restore it"):
        describe(Path("d"), ABOUT.as_manifest() | changes)


# as detectors were written before there were kinds, other sources, and these modules
def test_detectors_of_older_versions_open(tmp_path):
    images = textured(5, fine=True, seed=1)
    detector = make_detector(
        preprocessing=Preprocessing(32, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6)), temperature=1.5
    )
    save_detector(tmp_path / "oldest", detector, model_card="")
    manifest = json.loads((tmp_path / "oldest" / MANIFEST).read_text())
    assert manifest["name"] == "oldest"
    oldest = {key: value for key, value in manifest.items() if key not in (*detector.about.as_manifest(), SEAL)}
    # without a seal, too
    (tmp_path / "oldest" / MANIFEST).write_text(json.dumps(oldest | OLD | {"schema": 1}))
    found = load_detector(tmp_path / "oldest", device="cpu")
    np.testing.assert_array_equal(found.margins(images), detector.margins(images))
    assert found.identity == detector.identity == identify(tmp_path / "oldest").identity
    # as the runs of then state it
    assert found.identity.rest == ""
    assert detector.about == ABOUT
    # some state no architecture's name either
    assert describe(Path("d"), {key: value for key, value in OLD.items() if key != "arch"}) == ABOUT
    for wrong in (OLD | {"arch": "resnet50"}, {key: value for key, value in OLD.items() if key != "width"}):
        with pytest.raises(ContractError):
            describe(Path("d"), wrong)


def test_a_detector_is_read_once_though_many_ask_at_once(tmp_path, monkeypatch):
    save_detector(tmp_path / "d", make_detector(), model_card="")
    second, begun = Barrier(2), []
    read = identity.read_weights

    def read_slowly(*args):
        begun.append(args)
        with suppress(BrokenBarrierError):
            second.wait(0.5)
        return read(*args)

    monkeypatch.setattr(identity, "read_weights", read_slowly)
    with ThreadPoolExecutor(3) as pool:
        assert len(set(pool.map(lambda path: identify(path).identity, [tmp_path / "d"] * 3))) == 1
    assert len(begun) == 1


def test_an_identity_follows_the_files_whatever_their_times_say(tmp_path):
    save_detector(tmp_path / "d", make_detector(seed=1), model_card="")
    save_detector(tmp_path / "e", make_detector(seed=2), model_card="")
    first = identify(tmp_path / "d")
    assert identify(tmp_path / "d") is first
    for name in ("weights.safetensors", MANIFEST):
        file = tmp_path / "d" / name
        times, data = file.stat(), (tmp_path / "e" / name).read_bytes()
        # written in place and its times set back: only ctime tells, which no owner can set
        file.write_bytes(data.ljust(times.st_size) if name == MANIFEST else data)
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
        after = file.stat()
        assert (after.st_ino, after.st_mtime_ns) == (times.st_ino, times.st_mtime_ns)
    assert identify(tmp_path / "d").identity.weights_sha256 == identify(tmp_path / "e").identity.weights_sha256
    (tmp_path / "d" / "weights.safetensors").write_bytes(b"")
    with pytest.raises(ContractError, match="is not the file that was written"):
        identify(tmp_path / "d")


@pytest.mark.parametrize("name", ["", ".a", "a/b", "a@b", "line\nend", "\udcff", "x" * 121])
def test_a_name_that_no_folder_can_have_is_refused(name):
    check_detector_name("my detector-2")
    with pytest.raises(ValueError, match="a detector cannot be named"):
        check_detector_name(name)


def test_a_hash_of_weights_is_of_their_names_and_float32_values():
    values = np.arange(3, dtype=np.float16)
    given = (
        ("a", values),
        ("a", values.astype(np.float32)),
        ("b", values),
        ("a", values + 1),
        ("a", values.astype(np.uint8)),
    )
    hashes = [hash_weights(dict([pair])) for pair in given]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 4


def test_weights_that_a_manifest_claims_are_those_that_are_there(tmp_path):
    save_detector(tmp_path / "d", make_detector(), model_card="")
    reseal(tmp_path / "d", weights_sha256="0" * 64)
    for read in (identify, load_detector):
        with pytest.raises(ContractError, match="claims other weights"):
            read(tmp_path / "d")


def test_a_description_survives_its_manifest():
    about = replace(ABOUT, classes=Classes(outputs="probabilities", threshold=0.3), capabilities=frozenset())
    for described in (ABOUT, about):
        assert describe(Path("d"), described.as_manifest()) == described


@pytest.mark.parametrize(
    "fields",
    [
        {"names": ("a", "a")},
        {"names": ()},
        {"names": ("a", "b"), "fake": ()},
        {"names": ("a", "b"), "fake": ("a", "b")},
        {"names": ("a", "b"), "fake": ("c",)},
        {"names": ("a",), "outputs": "probabilities", "threshold": 0.0},
        {"names": ("a",), "outputs": "probabilities", "threshold": 1.0},
    ],
)
def test_classes_that_cannot_be_are_refused(fields):
    with pytest.raises(ValueError, match="class|among|FAKE|above 0 and below 1"):
        Classes(**{"fake": ("a",), **fields})
    classes = Classes(("a", "b", "c", "d"), ("d", "b"))
    assert (classes.fake_outputs, classes.real_outputs) == ((1, 3), (0, 2))


CHANGES = (
    {"temperature": 1.6},
    {"target_layer": "layer3"},
    {"preprocessing": replace(ABOUT.preprocessing, mean=(0.1, 0.2, 0.4))},
    {"preprocessing": replace(ABOUT.preprocessing, std=(0.4, 0.5, 0.7))},
    {"preprocessing": replace(ABOUT.preprocessing, interpolation="box")},
    {"classes": Classes(("FAKE", "REAL"), ("REAL",))},
    {"classes": Classes(("a", "REAL"), ("a",))},
    {"classes": Classes(outputs="probabilities")},
    {"classes": Classes(threshold=0.25)},
    {"kind": "timm"},
    {"kind": "timm", "config": {"name": "a"}},
)


def test_whatever_an_answer_depends_on_makes_another_identity():
    first = Identity.of("abc", ABOUT)
    # width follows from the weights
    assert first == Identity.of("abc", replace(ABOUT, config={"width": 4}))
    others = [Identity.of("abd", ABOUT), *(Identity.of("abc", replace(ABOUT, **changes)) for changes in CHANGES)]
    assert len({one.fingerprint for one in (first, *others)}) == 2 + len(CHANGES)
    run = {"detector_fingerprint": first.fingerprint}
    assert first.made(run)
    assert not any(other.made(run) for other in others)


def test_of_several_that_may_have_made_a_run_the_one_that_it_names_did(tmp_path):
    for name, mean in (("a", 0.4), ("b", 0.5), ("c", 0.5)):
        save_detector(tmp_path / name, make_detector(preprocessing=Preprocessing(32, mean=(mean,) * 3)), model_card="")
    (tmp_path / "d").mkdir()
    known, refused = identify_all({f"my {name}": tmp_path / name for name in "abcd"})
    assert list(refused) == ["my d"]
    assert [detector.name for detector in known.values()] == list(known) == ["my a", "my b", "my c"]
    identity = known["my b"].identity
    older = {"detector_sha256": identity.weights_sha256, "temperature": identity.temperature}
    assert find_maker(older, known) == "my a"
    assert find_maker(older | {"detector": "my c"}, known) == "my c"
    assert find_maker(older | {"detector": "my d"}, known) == "my a"
    assert find_maker(older | {"detector_fingerprint": identity.fingerprint}, known) == "my b"
    assert find_maker(older | {"temperature": 3.0}, known) is None
