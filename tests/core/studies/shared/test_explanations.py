"""Which explainers studies judge, also one that a test adds, and the cache of their explanations."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from core.explainers.cam import GRADCAM
from core.explainers.lime import LIME, Lime, LimeSettings
from core.runs.run import read_run
from core.storage.atomic import cache_dir
from core.studies.runner import run_study
from core.studies.shared.explanations import explain_all, judged, method_of, methods_in
from core.studies.store import read_study
from core.studies.study import find_study
from tests.core.explainers.toy import BRIGHT, registered

# study -> a column that it has of every method, {} for its name
STUDIES = {
    "agreement": "{}_rank",
    "stability": "{}_noise_rank",
    "randomisation": "{}_other_rank",
}
FEW = {"networks": 2, "others": 3, "lime_others": 2}
SETTINGS = LimeSettings(n_samples=64)


@pytest.fixture
def bright():
    with registered(BRIGHT):
        yield


def result_of(name, source):
    study = find_study(name)
    few = {key: FEW[key] for key in FEW if key in study.parameters}
    return read_study(run_study(study.with_parameters(few), source, images=4), read_run(source.run))


def test_all_that_give_a_map_for_some_hundred_passes_are_judged(bright):
    methods = judged()
    assert {"gradcam", "lime", "lime_grid", "integrated_gradients", "bright"} <= set(methods)
    # a pass a channel is too much for thousands of images
    assert "exact" not in methods
    for column, method in {"lime_grid_noise": "lime_grid", "lime_noise": "lime", "limes_noise": None}.items():
        assert method_of(column, methods) == method


def test_every_study_has_values_of_an_added_explainer(patched, bright, monkeypatch):
    monkeypatch.setattr("core.studies.shared.explanations.explainers", lambda: (GRADCAM, BRIGHT))
    tables = {name: result_of(name, patched).table for name in STUDIES}
    for name, column in STUDIES.items():
        assert set(methods_in(tables[name], column)) == {"bright"} | ({"gradcam"} if name != "agreement" else set())
        assert tables[name].drop(columns="id").astype(float).notna().any().all()
    # it has no seed, hardly sees the noise, and does not depend on what the detector has learned
    assert "bright_seed_rank" not in tables["stability"]
    assert (tables["stability"]["bright_noise_rank"] > 0.9).all()
    levels = [name for name in tables["randomisation"] if method_of(name, judged()) == "bright"]
    assert_allclose(
        tables["randomisation"][[name for name in levels if name[7:] not in ("other_rank", "edges_rank")]], 1
    )
    curves = result_of("faithfulness", patched).table
    assert curves[curves["method"] == "bright"]["area"].notna().all()


def test_explanations_are_cached_and_what_is_damaged_is_computed_again(tiny_detector, pixels):
    batches = []

    class Counting(Lime):
        def explain_batch(self, detector, pixels, settings, **options):
            batches.append(len(pixels))
            yield from super().explain_batch(detector, pixels, settings, **options)

    def explain(*numbers, settings=SETTINGS):
        return explain_all(tiny_detector, pixels[list(numbers)], Counting(), settings)

    def files():
        return sorted((cache_dir() / "explanations").rglob("*.npz"))

    (first,) = explain(0)
    expected = LIME.explain_fully(tiny_detector, pixels[0], SETTINGS)
    assert_allclose(first.values, expected.values, rtol=1e-6)
    again, *_ = explain(0, 1, 2)
    for name, value in vars(first).items():
        assert_array_equal(value, getattr(again, name))
    explain(0, settings=LimeSettings(n_samples=64, seed=1))
    assert batches == [1, 2, 1]
    assert len(files()) == 4
    whole = {file: file.read_bytes() for file in files()}
    # a power cut may leave a file short, empty, or with zeros in it
    for damage in (lambda data: data[:-40], lambda _data: b"", lambda data: data[:200] + bytes(40) + data[240:]):
        batches.clear()
        for file, data in whole.items():
            file.write_bytes(damage(data))
        for _ in range(2):
            assert_array_equal(explain(0)[0].values, first.values)
        assert batches == [1]


def test_methods_of_equal_values_are_one_where_they_are_cams():
    values = np.random.default_rng(0).normal(size=200)
    table = pd.DataFrame({"gradcam_x": values, "layercam_x": values, "lime_x": values, "xgradcam_x": values})
    table.loc[:3, "layercam_x"] += 1
    table.loc[:20, "xgradcam_x"] += 1
    # a tenth of XGrad-CAM's values differ; LIME is another method whatever its values
    assert methods_in(table, "{}_x") == {"gradcam": "Grad-CAM, Layer-CAM", "xgradcam": "XGrad-CAM", "lime": "LIME"}
