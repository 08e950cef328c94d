import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from core.images.labels import verdict_of
from core.images.loading import load_image_set
from core.images.preprocessing import SIDES, Preprocessing
from core.runs.metrics import is_fresh, metrics
from core.runs.run import distinct_names, open_run, read_run, same_images
from core.runs.writing import write_run
from core.storage.atomic import SEAL, sealed
from core.storage.limits import MANIFEST, ContractError
from tests.conftest import make_detector
from tests.damage import reseal

ROOT = Path(__file__).parents[3]


def test_a_run_that_is_here_opens_by_its_name():
    assert open_run("sample@sample-test").name == "sample@sample-test"
    with pytest.raises(ContractError):
        open_run("nobody@nothing")


@pytest.fixture
def images(cifake):
    copy = cifake / "test/REAL/0001 (2).jpg"
    (cifake / "test/REAL/0900.jpg").write_bytes(copy.read_bytes())
    return load_image_set(cifake, "test")


@pytest.fixture
def run(images, tmp_path):
    leaked = frozenset(images.rows["sha256"][:3])
    path = write_run(tmp_path, make_detector(temperature=1.5), images, train_sha256=leaked, ship_images=True)
    return read_run(path)


def test_a_run_holds_what_the_detector_says(run, images):
    detector = make_detector()
    frame = run.predictions
    assert run.name == "unnamed@images-test"
    assert_array_equal(frame["margin"], detector.margins(images.pixels))
    assert_allclose(frame["logit_real"] - frame["logit_fake"], frame["margin"], atol=1e-6)
    assert_allclose(frame["p_real"], 1 / (1 + np.exp(-frame["margin"].astype(float) / 1.5)), atol=1e-6)
    assert ((frame["predicted"] == "REAL") == (frame["margin"] > 0)).all()
    assert frame["name"].tolist() == images.rows["name"].tolist()
    assert (run.images == images.pixels).all()
    assert_allclose(run.maps.mean(axis=(1, 2)) + run.manifest["bias"], frame["margin"], atol=1e-2)
    assert run.features.shape == (25, 16)


@pytest.mark.parametrize("limit", [64, 2**26])
def test_only_large_arrays_are_mapped(run, monkeypatch, limit):
    monkeypatch.setattr("core.runs.run.LARGE", limit)
    assert isinstance(read_run(run.path).maps, np.memmap) == (limit == 64)


def test_a_margin_of_zero_is_fake(images, tmp_path):
    detector = make_detector()
    detector.network.fc.weight.zero_()
    detector.network.fc.bias.zero_()
    run = read_run(write_run(tmp_path, detector, images))
    assert set(run.predictions["margin"]) == {0}
    assert set(run.predictions["predicted"]) == {verdict_of(0.0)} == {"FAKE"}


def test_leaks_and_repeats_are_flagged_and_left_out_of_clean(run):
    assert run.manifest["leaked"] == 3
    assert run.manifest["repeats"] == 1
    clean = run.predictions[is_fresh(run.predictions)]
    assert len(clean) == 21
    assert run.manifest["metrics"]["clean"] == metrics(clean)
    assert run.manifest["metrics"]["all"]["images"] == 25


def test_a_run_is_never_changed_unless_asked(run, images, tmp_path):
    with pytest.raises(FileExistsError, match="exists already"):
        write_run(tmp_path, make_detector(), images)
    write_run(tmp_path, make_detector(), images, replace=True)
    assert read_run(run.path).images is None


@pytest.mark.parametrize("part", ["weight", "bias"])
def test_numbers_that_could_not_be_read_replace_no_run(run, images, tmp_path, part):
    detector = make_detector()
    # too large for the difference, and infinite already
    getattr(detector.network.fc, part).fill_(3e38)[0] *= -1
    with pytest.raises(ValueError, match="unnamed@images-test would have no usable column"):
        write_run(tmp_path, detector, images, replace=True)
    assert read_run(run.path).manifest == run.manifest


def test_a_run_without_a_seal_opens_only_where_it_is_old(run):
    manifest = {key: value for key, value in run.manifest.items() if key != SEAL}
    assert run.sealed
    (run.path / MANIFEST).write_text(json.dumps(manifest | {"schema": 1}))
    assert not read_run(run.path).sealed
    (run.path / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ContractError, match=r"manifest\.json has lost its seal"):
        read_run(run.path)


def text(values, missing=None):
    return values.astype(object).where(values.index != missing, None)


NUMBERS = ("margin", "logit_fake", "logit_real", "p_real")
# column -> what no run has there, made of its own values
BAD = [
    *[(name, lambda values: range(len(values))) for name in ("id", "name", "sha256", "category", "source")],
    *[(name, lambda values: text(values, 3)) for name in ("id", "name", "sha256", "label", "predicted")],
    *[(name, lambda values: values.astype(int)) for name in ("in_train", "is_repeat")],
    ("id", lambda values: text(values).where(values.index != 1, values[0])),
    ("label", lambda values: text(values).where(values.index != 1, "fake")),
    ("category", lambda values: [["a"]] * len(values)),
    *[(name, lambda values: values.astype(str)) for name in (*NUMBERS, "brightness")],
    *[(name, lambda values: values.where(values.index != 3, np.inf)) for name in NUMBERS],
]


def refused(run, frame, sentence):
    file = run.path / "predictions.parquet"
    frame.to_parquet(file, index=False)
    reseal(run.path)
    with pytest.raises(ContractError, match=sentence) as caught:
        read_run(run.path)
    assert str(file) in str(caught.value)


def test_a_table_with_an_unusable_column_is_refused(run):
    frame = run.predictions.assign(source="a camera")
    first = run.predictions.index == 0
    for column, change in BAD:
        refused(run, frame.assign(**{column: change(frame[column])}), f"no usable column {column};")
    other = "REAL" if frame["predicted"][0] == "FAKE" else "FAKE"
    refused(run, frame.assign(predicted=text(frame["predicted"]).where(~first, other)), "on the other side of 0 than")
    near = frame["p_real"].astype(float)
    refused(run, frame.assign(p_real=near.where(~first, near[0] + 3e-6)), "p_real that does not follow")
    for name in ("logit_fake", "logit_real"):
        refused(run, frame.assign(**{name: frame[name] + np.where(first, 1e-4, 0)}), "margin that does not follow")
    refused(run, frame.drop(columns=["sha256", "is_repeat"]), "has no column sha256")
    refused(run, frame[1:], "25")
    # what may be
    file = run.path / "predictions.parquet"
    frame.assign(category=text(frame["category"], 3), p_real=near.where(~first, near[0] + 5e-7)).to_parquet(file)
    reseal(run.path)
    assert read_run(run.path).predictions["category"].isna().sum() == 1


def test_an_unusable_manifest_is_refused_and_an_old_one_is_not(run):
    before = json.loads((run.path / MANIFEST).read_text())
    for field, value in (("temperature", 0.0), ("images", -1), ("created", 3), ("skipped", 3), ("bias", "much")):
        reseal(run.path, **{field: value})
        with pytest.raises(ContractError, match=rf"manifest\.json has no usable {field};"):
            read_run(run.path)
        reseal(run.path, **{field: before[field]})
    assert (run.side, run.split, run.target_layer, run.leaks_checked) == (32, "test", "layer4", True)
    assert_array_equal(run.is_real, run.predictions["label"] == "REAL")
    assert_array_equal(run.predicted_real, run.predictions["margin"] > 0)
    fresh = ("preprocess", "target_layer", "detector_fingerprint", "device", "leaks_checked", SEAL)
    plain = {key: value for key, value in before.items() if key not in fresh}
    (run.path / MANIFEST).write_text(json.dumps(sealed(plain)))
    old = read_run(run.path)
    assert (old.preprocessing, old.target_layer, old.leaks_checked) == (Preprocessing(32), "layer4", True)
    assert not replace(old, manifest={**plain, "leaks_checked": False}).leaks_checked
    assert_array_equal(old.needed_maps, old.maps)
    with pytest.raises(ContractError, match="unnamed@images-test has no maps"):
        _ = replace(old, maps=None).needed_maps
    for listed, sentence in (("maps.npy", r"lists no maps.npy"), ("predictions.parquet", r"does not list predictions")):
        reseal(run.path, files={name: digest for name, digest in plain["files"].items() if name != listed})
        with pytest.raises(ContractError, match=sentence):
            read_run(run.path)
    del plain["files"]["maps.npy"]
    reseal(run.path, files=plain["files"], target_layer=None)
    assert read_run(run.path).maps is None


def test_runs_are_told_apart_by_detector_or_name(run):
    def of(folder, detector, fingerprint):
        return replace(run, path=Path(folder), manifest={"detector": detector, "set_fingerprint": fingerprint})

    a = of("a@s", "a", "f")
    b = of("b@s", "b", "f")
    other = of("a@t", "a", "g")
    pairs = (a, b), (a, other), (a, a), (a, of("c@s", "a", "f"))
    names = ["a", "b"], ["a@s", "a@t"], ["a", "a"], ["a@s", "c@s"]
    assert tuple(map(distinct_names, pairs)) == names
    same = of(f"../{Path.cwd().name}/a@s", "a", "f")
    assert [same_images(a, run) for run in (b, other, same)] == [True, False, False]


def test_numbers_that_follow_from_the_rows_are_computed_whatever_the_manifest_says(run):
    forged = json.loads(json.dumps(run.manifest["metrics"]))
    forged["all"]["accuracy"] = forged["clean"]["per_class"]["FAKE"]["f1"] = 1.0
    reseal(run.path, metrics=forged, leaked=0, repeats=0)
    again = read_run(run.path).manifest
    assert [again[key] for key in ("metrics", "leaked", "repeats")] == [run.manifest["metrics"], 3, 1]


def test_an_open_run_survives_that_its_files_are_cut_short(run):
    code = """
import os, sys
from pathlib import Path
from core.runs.run import read_run
run = read_run(Path(sys.argv[1]))
for name in run.manifest["files"]:
    os.truncate(run.path / name, 0)
print(*(float(array.astype(float).sum()) for array in (run.maps, run.features, run.images)))
"""
    expected = [float(array.astype(float).sum()) for array in (run.maps, run.features, run.images)]
    done = subprocess.run([sys.executable, "-c", code, run.path], cwd=ROOT, capture_output=True, check=True, text=True)
    assert [*map(float, done.stdout.split())] == expected


@pytest.mark.parametrize(
    "name, array",
    [
        *[("maps", np.zeros(of, "f4")) for of in (25, (24, 4, 4), (25, 0, 4), (25, 1, SIDES[-1] + 1))],
        ("maps", np.full((25, 4, 4), np.nan)), ("maps", np.zeros((25, 4, 4), int)),
        *[("features", np.zeros(of, "f4")) for of in ((24, 4), 25)], ("features", np.zeros((25, 4), int)),
        *[("images", np.zeros((25, *of, 3), kind)) for *of, kind in ((32, 32, "f4"), (16, 16, "u1"), (32, "u1"))],
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_the_rows_are_refused(run, name, array):
    fitting = {"maps": np.zeros((25, 1, SIDES[-1])), "features": np.full((25, 1), np.nan), "images": run.images}[name]
    np.save(run.path / f"{name}.npy", fitting)
    reseal(run.path)
    assert_array_equal(getattr(read_run(run.path), name), fitting)
    np.save(run.path / f"{name}.npy", array)
    reseal(run.path)
    with pytest.raises(ContractError, match=rf"{name}.npy does not hold the {name} of 25"):
        read_run(run.path)
