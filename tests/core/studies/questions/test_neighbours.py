"""The study of neighbours: its table is that of a search written out, and its findings are scipy's numbers."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import pairwise

from core.images.loading import load_image_set
from core.runs.pictures import find_training_set
from core.runs.run import read_run
from core.studies.questions import neighbours
from core.studies.questions.neighbours import OWN, STUDY, conclude, searched
from core.studies.runner import run_study
from core.studies.store import read_study
from tests.conftest import write_cifake
from tests.core.findings.planted import choice
from tests.core.studies.conftest import made_set, mixed_detector
from tests.core.trust_cues import write_source


def made_table(source, k=5):
    return read_study(run_study(STUDY.with_parameters({"k": k}), source), read_run(source.run)).table


def cosine_distances(vectors):
    """Distances of all pairs; an image is infinitely far from itself."""
    distances = pairwise.cosine_distances(vectors.reshape(len(vectors), -1).astype(np.float64))
    np.fill_diagonal(distances, np.inf)
    return distances


def test_without_training_images_the_runs_own_are_searched(source):
    context = source.open()
    searched.cache_clear()
    run_study(replace(STUDY.with_parameters({"k": 5}), shard=7), source)
    # once for all shards
    assert searched.cache_info().misses == 1
    table = read_study(source.run / "studies" / "neighbours.parquet", read_run(source.run)).table
    run = context.run
    distances = cosine_distances(context.detector.full_pass(context.pixels).features.astype(np.float16))
    real, predicted = ((run.predictions[name] == "REAL").to_numpy() for name in ("label", "predicted"))
    ids = run.predictions["id"].to_numpy()
    for row in range(0, 60, 7):
        near = np.argsort(distances[row])[:5]
        values = table.iloc[row]
        share = real[near].mean()
        assert values["fake_share"] == pytest.approx(1 - share)
        assert values["neighbours_label"] == ("REAL" if share > 0.5 else "FAKE")
        assert values["is_agreeing"] == ((share > 0.5) == predicted[row])
        assert [values[f"near_{n}_id"] for n in range(1, 6)] == ids[near].tolist()
        assert values["nearest_distance"] == pytest.approx(distances[row, near[0]], abs=1e-4)
        others = np.where(predicted != predicted[row], distances[row], np.inf)
        assert values["near_other_id"] == ids[others.argmin()]
        assert values["other_distance"] == pytest.approx(others.min(), abs=1e-4)
    assert set(table["searched_set"]) == {OWN}
    assert set(table["candidates_count"]) == {60}
    near = np.argsort(cosine_distances(context.pixels), axis=1)[:, :5]
    by_pixels = np.where(real[near].mean(axis=1) > 0.5, "REAL", "FAKE")
    assert (table["pixels_label"].to_numpy(str) == by_pixels).mean() > 0.98
    # random labels are right about half the time
    assert 0.3 < ((table["shuffled_label"] == "REAL").to_numpy() == real).mean() < 0.7


def test_copies_of_a_file_are_not_its_neighbours(tmp_path):
    images = made_set()
    pixels = images.pixels.copy()
    rows = images.rows.copy()
    pixels[1], rows.loc[1, "sha256"] = pixels[0], rows.loc[0, "sha256"]
    table = made_table(write_source(tmp_path, mixed_detector(pixels), replace(images, pixels=pixels, rows=rows)), k=3)
    assert rows["id"][1] not in table[[f"near_{n}_id" for n in range(1, 6)]].iloc[0].tolist()
    assert table["nearest_distance"][0] > 0


def test_training_images_are_searched_where_they_are_available(tmp_path, monkeypatch):
    images = made_set()
    train = replace(made_set(40), name="made-train", split="train", fingerprint="f" * 64)
    detector = mixed_detector(images.pixels)
    detector.manifest = {"name": "tiny", "training_set": "made-train", "training_set_fingerprint": "f" * 64}
    source = replace(write_source(tmp_path, detector, images), data=str(write_cifake(tmp_path / "cifake", train=0)))
    # the attached set has none
    assert set(made_table(source)["searched_set"]) == {OWN}
    monkeypatch.setattr("core.runs.pictures.load_image_set", lambda *_, **__: train)
    table = made_table(source, k=6)
    assert set(table["searched_set"]) == {"made-train"}
    assert set(table["candidates_count"]) == {40}
    assert set(table[[f"near_{n}_id" for n in range(1, 6)]].to_numpy(str).ravel()) <= set(train.rows["id"])


def test_findings_are_shares_with_their_intervals(source, monkeypatch):
    monkeypatch.setattr(neighbours, "ENOUGH", 3)
    run = read_run(source.run)
    table = read_study(run_study(STUDY, source), run).table
    findings = {finding.key: finding for finding in conclude(run, table, STUDY.parameters)}
    predicted, label = (run.predictions[name].to_numpy() for name in ("predicted", "label"))
    for verdict in ("FAKE", "REAL"):
        own, pixels = (
            (table[f"{name}_label"].to_numpy(str) == verdict)[predicted == verdict] for name in ("neighbours", "pixels")
        )
        finding = findings[f"agree_{verdict.lower()}"]
        assert finding.measure.value == pytest.approx(own.mean())
        by_pixels = choice(finding, "control", "raw pixels")
        assert by_pixels.control.measure.value == pytest.approx(pixels.mean())
        random = table["shuffled_label"].to_numpy(str)[predicted == verdict] == verdict
        assert choice(finding, "control", "random labels").control.measure.value == pytest.approx(random.mean())
        # the same images twice: the interval of the difference is that of pairs
        paired = own.astype(float) - pixels
        half = stats.t.ppf(0.975, len(paired) - 1) * stats.sem(paired)
        assert (by_pixels.difference.value, by_pixels.difference.high) == pytest.approx(
            (paired.mean(), paired.mean() + half)
        )
    wrong = predicted != label
    agree = (table["neighbours_label"].to_numpy(str) == predicted)[wrong].mean()
    assert findings["errors"].measure.n == wrong.sum()
    assert findings["errors"].measure.value == pytest.approx(agree)
    far = table["nearest_distance"].to_numpy().argsort()[-6:]
    assert findings["far"].measure.n == 6
    assert findings["far"].measure.value == pytest.approx(wrong[far].mean())
    # with few candidates all others are neighbours
    for among, k in ((OWN, 2), ("made-train", 3)):
        few = next(conclude(run, table.assign(searched_set=among, candidates_count=3), STUDY.parameters))
        assert few.details["k"] == k
    run.predictions["predicted"] = run.predictions["label"]
    assert {finding.key for finding in conclude(run, table, STUDY.parameters)} == {"agree_fake", "agree_real", "truth"}


def test_the_training_set_is_that_of_the_manifest(cifake):
    train = load_image_set(cifake, "train")

    def found(name="cifake-train", fingerprint=train.fingerprint, data=cifake):
        manifest = {"training_set": name, "training_set_fingerprint": fingerprint}
        detector = SimpleNamespace(name="tiny", manifest=manifest, preprocessing=None)
        return find_training_set(detector, None if data is None else str(data))

    assert found().fingerprint == train.fingerprint
    few = train.limited(30)
    assert found(few.name, few.fingerprint).rows["name"].tolist() == few.rows["name"].tolist()
    for missing in (found(data=None), found(fingerprint=None), found(fingerprint="0" * 64), found(data=cifake / "no")):
        assert missing is None
