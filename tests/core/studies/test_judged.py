"""Every explainer of the registry is judged, also one that a test adds; files from before it keep what they have."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from core.detectors.manifest import Capability
from core.explainers.agreement import segment_values
from core.explainers.deletion import deletion_curves
from core.explainers.lime.segmentation import segment
from core.explainers.registry import explainers, registered
from core.report.__main__ import main as report
from core.runs.run import read_run
from core.studies.explanations import MOST, has_seed, judged, method_of, methods_in
from core.studies.faithfulness_curves import (
    FILLS,
    curve_column,
    curve_of,
    leads,
)
from core.studies.kept import find_kept
from core.studies.registry import find_study
from core.studies.runner import Source, run_study
from core.studies.store import read_study, study_path
from tests.core.explainers.toy import BRIGHT, BrightSettings

STUDIES = ("faithfulness", "agreement", "stability", "sanity")
FEW = {"networks": 2, "others": 3, "lime_others": 2}


@pytest.fixture
def bright() -> Iterator[None]:
    with registered(BRIGHT):
        yield


def asked(name: str, source: Source) -> Path:
    study = find_study(name)
    return run_study(study.with_parameters({key: FEW[key] for key in FEW if key in study.parameters}), source, images=4)


@pytest.fixture(scope="module")
def tables(patched: Source) -> dict[str, pd.DataFrame]:
    """The tables of the studies, in which the toy is judged, too."""
    with registered(BRIGHT):
        return {name: read_study(asked(name, patched), read_run(patched.run)).table for name in STUDIES}


def test_all_that_give_a_map_for_some_hundred_passes_are_judged(bright: None) -> None:
    found = judged()
    assert list(found) == [one.name for one in explainers(with_map=True) if one.cost(one.settings()) <= MOST]
    assert {"gradcam", "lime", "lime_grid", "integrated_gradients", "bright"} <= set(found)
    # a pass a channel is too much for thousands of images
    assert "scorecam" not in found
    assert [has_seed(found[name]) for name in ("gradcam", "lime", "bright")] == [False, True, False]


def test_a_column_belongs_to_the_explainer_with_the_longest_name_that_it_begins_with() -> None:
    assert method_of("lime_grid_noise", judged()) == "lime_grid"
    assert method_of("lime_noise", judged()) == "lime"
    assert method_of("gradcampp_fc", judged()) == "gradcampp"
    assert method_of("limes_noise", judged()) is None


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_values_of_every_explainer(name: str, tables: dict[str, pd.DataFrame], bright: None) -> None:
    table = tables[name]
    column = {
        "faithfulness": "deletion_{}_mean_1",
        "agreement": "{}_rank",
        "stability": "{}_noise",
        "sanity": "{}_other",
    }[name]
    without = {"agreement": {"gradcam", "lime"}}.get(name, set())
    assert set(methods_in(table, column)) == set(judged()) - without
    numbers = table.drop(columns="id").astype(float)
    assert numbers.notna().any().all()


def test_an_explainer_that_is_added_is_all_that_an_old_file_lacks(
    patched: Source, bright: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = find_study("faithfulness")
    monkeypatch.setattr("core.studies.explanations.explainers", lambda with_map: explainers(with_map=True)[:1])
    path = run_study(study, patched, images=4)
    monkeypatch.undo()
    monkeypatch.setattr(
        "core.studies.explanations.explainers", lambda with_map: (*explainers(with_map=True)[:1], BRIGHT)
    )
    before = read_study(path)
    kept = find_kept(study, patched.run)
    assert kept is not None
    assert kept.missing == {name for name in study.columns if "bright" in name.split("_")}
    run = read_run(patched.run)
    after = read_study(run_study(study, patched, kept=kept), run)
    pd.testing.assert_frame_equal(after.table[before.table.columns], before.table, check_exact=True)
    # its curves are those of its own maps
    context = patched.open()
    row = int(pd.Index(run.predictions["id"]).get_loc(after.table["id"][2]))
    image = np.asarray(context.pixels[row])
    sign = 1 if run.predictions["predicted"][row] == "REAL" else -1
    grid = segment(image, method="grid", n_segments=64)
    values = segment_values(sign * BRIGHT.explain_fully(context.detector, image, BrightSettings()).map[None], grid)
    chance = np.random.default_rng((0, row)).random(64)
    expected = deletion_curves(
        context.detector.margins, image, grid, values=np.stack([values[0], chance]), fills=FILLS, steps=8
    )
    for at, fill in enumerate(FILLS):
        found = curve_of(after.table, "deletion", "bright", fill)[2]
        np.testing.assert_allclose(found, sign * expected.deletion[0, at], rtol=2e-3, atol=2e-3)
    assert set(leads(after.table, run)["method"]) == {"gradcam", "bright"}
    assert {finding.details["name"] for finding in after.findings} == {"Grad-CAM", "Brightness"}
    # and it is in the report
    assert report([str(patched.run), "--out", str(tmp_path / "report.html")]) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Brightness" in page


def test_numbers_of_an_added_explainer_are_scipys(
    patched: Source, tables: dict[str, pd.DataFrame], bright: None
) -> None:
    context, run, found = patched.open(), read_run(patched.run), tables
    row = int(pd.Index(run.predictions["id"]).get_loc(found["agreement"]["id"][0]))
    image = np.asarray(context.pixels[row])
    grid = segment(image, method="grid", n_segments=64)
    own = segment_values(BRIGHT.explain_fully(context.detector, image).map[None], grid)[0]
    kept = segment_values(np.asarray(run.maps[[row]], np.float32), grid)[0]
    assert found["agreement"]["bright_rank"][0] == pytest.approx(spearmanr(own, kept)[0], abs=1e-4)
    # it has no seed, hardly sees the noise, and does not care what the detector has learned
    assert "bright_seed" not in found["stability"]
    assert (found["stability"]["bright_noise"] > 0.9).all()
    levels = [name for name in found["sanity"] if method_of(name, judged()) == "bright"]
    np.testing.assert_allclose(found["sanity"][[one for one in levels if one[7:] not in ("other", "edges")]], 1)


def test_what_cannot_explain_a_detector_has_columns_without_values_and_no_findings(
    patched: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = type(patched.open().detector)
    able = frozenset({Capability.PREDICTIONS, Capability.LAYERS, Capability.INSTANT_MAP})
    monkeypatch.setattr(detector, "capabilities", property(lambda _self: able))
    for name in ("faithfulness", "agreement"):
        answer = read_study(asked(name, patched), read_run(patched.run))
        assert set(find_study(name).columns) <= set(answer.table)
        assert "Integrated Gradients" not in {finding.details.get("name") for finding in answer.findings}
        lacking = [one for one in answer.table if "integrated" in one.split("_") or one.startswith("integrated")]
        assert answer.table[lacking].isna().all().all()
    table = read_study(study_path(patched.run, "faithfulness")).table
    assert table[curve_column("deletion", "integrated_gradients", "blur", 1)].isna().all()
    assert table[curve_column("deletion", "lime", "blur", 1)].notna().all()
