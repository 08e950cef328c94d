import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import classification_report, roc_auc_score

from core.images.image_set import ImageSet
from core.images.loading import load_image_set
from core.runs.metrics import area_under_roc, metrics, without_leaks_and_repeats
from core.runs.run import Run, read_run
from core.runs.writing import write_run
from core.storage import MANIFEST, SEAL, ContractError, sealed, sha256_of
from tests.conftest import make_detector

ROOT = Path(__file__).parents[3]


@pytest.fixture
def images(cifake: Path) -> ImageSet:
    copy = cifake / "test/REAL/0001 (2).jpg"
    (cifake / "test/REAL/0900.jpg").write_bytes(copy.read_bytes())
    return load_image_set(cifake, "test")


@pytest.fixture
def run(images: ImageSet, tmp_path: Path) -> Run:
    leaked = frozenset(images.rows["sha256"][:3])
    path = write_run(tmp_path, make_detector(temperature=1.5), images, train_sha256=leaked, ship_images=True)
    return read_run(path)


def test_a_run_holds_what_the_detector_says(run: Run, images: ImageSet) -> None:
    detector = make_detector()
    frame = run.predictions
    assert run.name == "unnamed@cifake-test"
    np.testing.assert_array_equal(frame["margin"], detector.margins(np.asarray(images.pixels)))
    np.testing.assert_allclose(frame["logit_real"] - frame["logit_fake"], frame["margin"], atol=1e-6)
    np.testing.assert_allclose(frame["p_real"], 1 / (1 + np.exp(-frame["margin"].astype(float) / 1.5)), atol=1e-6)
    assert ((frame["predicted"] == "REAL") == (frame["margin"] > 0)).all()
    assert frame["name"].tolist() == images.rows["name"].tolist()
    assert (run.images == images.pixels).all()
    np.testing.assert_allclose(run.maps.mean(axis=(1, 2)) + run.manifest["bias"], frame["margin"], atol=1e-2)
    assert run.features is not None
    assert run.features.shape == (25, 16)


def test_leaks_and_repeats_are_flagged_and_left_out_of_clean(run: Run) -> None:
    assert run.manifest["leaked"] == 3
    assert run.manifest["repeats"] == 1
    assert len(without_leaks_and_repeats(run.predictions)) == 21
    assert run.manifest["metrics"]["clean"] == metrics(without_leaks_and_repeats(run.predictions))
    assert run.manifest["metrics"]["all"]["images"] == 25


def test_metrics_are_scikit_learns(run: Run) -> None:
    ours = metrics(run.predictions)
    truth, verdict = (run.predictions[column].astype(str) for column in ("label", "predicted"))
    report = classification_report(truth, verdict, output_dict=True, zero_division=0)
    assert ours["accuracy"] == report["accuracy"]
    for name in ("FAKE", "REAL"):
        assert ours["per_class"][name]["f1"] == report[name]["f1-score"]
        assert ours["per_class"][name]["support"] == report[name]["support"]
    confusion = pd.crosstab(run.predictions["label"], run.predictions["predicted"], dropna=False)
    assert ours["confusion"] == confusion.to_numpy().tolist()
    assert ours["auroc"] == pytest.approx(roc_auc_score(truth == "REAL", run.predictions["margin"]), abs=1e-12)
    ties = pd.DataFrame({"label": list("RFRF"), "margin": [1.0, 1.0, 2.0, 0.5]})
    is_real = (ties["label"] == "R").to_numpy()
    assert area_under_roc(is_real, ties["margin"].to_numpy()) == roc_auc_score(is_real, ties["margin"]) == 0.875


def test_metrics_of_one_class_and_of_nothing(run: Run) -> None:
    frame = run.predictions
    assert metrics(frame[frame["label"] == "REAL"])["auroc"] is None
    assert metrics(frame[:0]) == {"images": 0}


def test_a_run_is_never_changed_unless_asked(run: Run, images: ImageSet, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="exists already"):
        write_run(tmp_path, make_detector(), images)
    write_run(tmp_path, make_detector(), images, replace=True)
    assert read_run(run.path).images is None


def _reseal(path: Path, name: str | None = None, **fields: Any) -> None:
    manifest = json.loads((path / MANIFEST).read_text()) | fields
    if name is not None:
        manifest["files"][name] = sha256_of(path / name)
    (path / MANIFEST).write_text(json.dumps(sealed(manifest)))


def test_a_run_without_a_seal_opens_only_where_it_is_old(run: Run) -> None:
    manifest = {key: value for key, value in run.manifest.items() if key != SEAL}
    assert run.sealed
    (run.path / MANIFEST).write_text(json.dumps(manifest | {"schema": 1}))
    assert not read_run(run.path).sealed
    (run.path / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ContractError, match=r"manifest\.json has lost its seal"):
        read_run(run.path)


@pytest.mark.parametrize(
    ("column", "change", "sentence"),
    [
        (
            "predicted",
            lambda values: values.where(values.index != 0, "REAL" if values[0] == "FAKE" else "FAKE"),
            "margin",
        ),
        ("p_real", lambda values: values.where(values.index != 0, 1 - values[0]), "p_real that does not follow"),
    ],
)
def test_a_column_that_contradicts_another_is_refused(run: Run, column: str, change: Any, sentence: str) -> None:
    file = run.path / "predictions.parquet"
    run.predictions.assign(**{column: change(run.predictions[column])}).to_parquet(file, index=False)
    _reseal(run.path, file.name)
    with pytest.raises(ContractError, match=sentence):
        read_run(run.path)


def test_numbers_that_follow_from_the_rows_are_computed_whatever_the_manifest_says(run: Run) -> None:
    forged = json.loads(json.dumps(run.manifest["metrics"]))
    forged["all"]["accuracy"] = forged["clean"]["per_class"]["FAKE"]["f1"] = 1.0
    _reseal(run.path, metrics=forged, leaked=0, repeats=0)
    again = read_run(run.path).manifest
    assert [again[key] for key in ("metrics", "leaked", "repeats")] == [run.manifest["metrics"], 3, 1]


@pytest.mark.parametrize("name", ["maps.npy", "features.npy", "images.npy"])
def test_an_open_run_survives_that_its_files_are_cut_short(run: Run, name: str) -> None:
    code = f"""
import os, sys
from pathlib import Path
from core.runs.run import read_run
run = read_run(Path(sys.argv[1]))
for name in run.manifest["files"]:
    os.truncate(run.path / name, 0)
print(float(run.{name.removesuffix(".npy")}.astype(float).sum()))
"""
    expected = float(getattr(run, name.removesuffix(".npy")).astype(float).sum())
    done = subprocess.run([sys.executable, "-c", code, run.path], cwd=ROOT, capture_output=True, check=False, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, str(expected)), done.stderr


@pytest.mark.parametrize("array", [np.zeros(()), np.zeros(25), np.zeros((24, 4, 4)), np.full((25, 4, 4), np.nan)])
def test_maps_that_do_not_fit_the_rows_are_refused(run: Run, array: np.ndarray) -> None:
    np.save(run.path / "maps.npy", array)
    _reseal(run.path, "maps.npy")
    with pytest.raises(ContractError, match="does not hold the maps of 25 images"):
        read_run(run.path)
