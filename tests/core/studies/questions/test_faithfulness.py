"""On a network that looks at one patch, explanations name it and controls do not; every number is computed twice."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from scipy.stats import ttest_rel
from sklearn.metrics import auc

from core.explainers.lime import LIME, LimeSettings
from core.explainers.measures import centre_map, deletion_curves, segment_values
from core.explainers.segmentation import segment
from core.findings.answer import certain_side
from core.findings.contrast import find
from core.runs.run import read_run
from core.studies.former import present_table
from core.studies.questions.faithfulness import (
    BASELINES,
    CONTROLS,
    DIRECTIONS,
    FILLS,
    KEYS,
    MARGINS,
    NONE,
    choice_value,
    conclude,
    make_study,
    mean_curves,
    scores_of,
)
from core.studies.runner import run_study
from core.studies.shared.explanations import Pass
from core.studies.shared.groups import Cells
from core.studies.store import find_stored, read_study, write_sealed, write_study

pytestmark = pytest.mark.usefixtures("two_methods")
METHODS = ("gradcam", "lime")


def contrast_of(finding, direction, fill, control):
    """The contrast under one direction, fill and control."""
    value = choice_value(direction, fill, control)
    return next(contrast for contrast in finding.contrasts if contrast.value == value)


def rows_of(table, *key):
    """The rows of one method, control, fill and direction: an image each."""
    return table[(table[KEYS] == list(key)).all(axis=1)].reset_index(drop=True)


@pytest.fixture(scope="module")
def result(patched, two_methods):
    return read_study(run_study(make_study(), patched), read_run(patched.run))


def test_the_patch_goes_first_and_every_control_falls_behind(patched, result):
    assert list(result.table.columns) == ["id", *make_study().columns, "weight"]
    for verdict, fill, direction, control in product(("FAKE", "REAL"), ("mean", "blur"), DIRECTIONS, CONTROLS):
        contrast = contrast_of(result.finding(f"gradcam-{verdict}"), direction, fill, control)
        assert certain_side(contrast.difference) == 1
    # the first of eight parts is the patch: with it the margin goes, under each fill that erases it
    curves = rows_of(result.table, "gradcam", NONE, "mean", "deletion")
    assert (curves["step_0_margin"] > 2.8).all()
    assert (curves["step_1_margin"] < 0.05).all()
    assert rows_of(result.table, NONE, "random", "mean", "deletion")["step_1_margin"].median() > 1.4
    for method, verdict in product(METHODS, ("FAKE", "REAL")):
        finding = result.finding(f"{method}-{verdict}")
        assert certain_side(finding.difference) == 1
        assert finding.group == verdict
        assert finding.measure.n == 8
        # baselines stand beside both controls
        assert len(finding.contrasts) == len(DIRECTIONS) * len(FILLS) * len(CONTROLS)
        assert finding.difference.value == min(
            contrast_of(finding, "deletion", "mean", control).difference.value for control in CONTROLS
        )
        assert set(finding.beside) == set(BASELINES.values())


def test_rows_are_the_curves_signed_toward_the_verdict(patched, result):
    context = patched.open()
    for row in (1, 12):
        image = context.pixels[row]
        sign = 1 if row >= 8 else -1
        grid = segment(image, method="grid", n_segments=64)
        chance = np.random.default_rng((0, row)).random(64)
        values = np.stack([segment_values(centre_map(32, 32)[None], grid)[0], chance])
        expected = deletion_curves(context.detector.margins, image, grid, values=values, fills=FILLS, steps=8)
        for (number, method), (at, fill), direction in product(
            enumerate(("centre", "random")), enumerate(FILLS), DIRECTIONS
        ):
            curve = sign * expected[number, at, DIRECTIONS.index(direction)]
            computed = rows_of(result.table, NONE, method, fill, direction).loc[row]
            assert_allclose(computed[MARGINS].astype(float), curve, rtol=2e-3, atol=2e-3)
            assert computed["area"] == pytest.approx(auc(np.arange(9) / 8, curve), abs=5e-3)


def test_controls_are_as_coarse_as_the_map(patched, result):
    """Another image's map averaged by hand over the parts that the map has."""
    context = patched.open()
    row = 12
    image = context.pixels[row]
    detector = context.detector
    cells = Cells(context.run)
    grid = segment(image, method="grid", n_segments=64)
    other = np.asarray(context.run.needed_maps[cells.others(row, 1)[0]], np.float64)
    large = np.asarray(Image.fromarray(other.astype(np.float32)).resize((32, 32), Image.Resampling.BILINEAR))
    regions = LIME.explain_fully(detector, image, LimeSettings()).regions
    means = np.array([large[regions == number].mean() for number in range(regions.max() + 1)])
    quarter = large.reshape(4, 8, 4, 8).mean(axis=(1, 3))
    again = np.asarray(Image.fromarray(quarter).resize((32, 32), Image.Resampling.BILINEAR))
    for (method, values), fill in product({"lime": means[regions], "gradcam": again}.items(), FILLS):
        heights = np.array([values[grid == number].mean() for number in range(64)])
        expected = deletion_curves(detector.margins, image, grid, values=heights[None], fills=[fill], steps=8)
        for curve, direction in zip(expected[0, 0], DIRECTIONS, strict=True):
            area = np.trapezoid(curve, dx=1 / 8)
            computed = rows_of(result.table, method, "other", fill, direction).loc[row]
            assert computed["area"] == pytest.approx(area, rel=2e-3, abs=4e-3)
            assert computed[MARGINS].isna().all()
    # a map as fine as the grid has the plain controls
    fine, coarse = (Pass(np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)) for side in (8, 2))
    scores = scores_of(context, cells, 3, grid=grid, passes={"fine": fine, "coarse": coarse}, seed=0)
    for control in CONTROLS:
        assert_array_equal(scores["fine", control], scores[NONE, control])
        assert len(np.unique(scores["coarse", control].reshape(8, 8)[:2, :2].round(9))) == 1


def test_only_the_methods_that_a_file_lacks_are_computed(patched, result):
    run = read_run(patched.run)
    before = result.table[result.table["method"] != "lime"]
    write_study(result.path, before, result.about)
    stored = find_stored(make_study(), run)
    assert stored is not None
    assert make_study().missing(stored.table) == ["lime"]
    after = read_study(run_study(make_study(), patched, stored=stored), run).table
    pd.testing.assert_frame_equal(after[: len(before)], before.reset_index(drop=True))
    added = result.table[result.table["method"] == "lime"].reset_index(drop=True)
    pd.testing.assert_frame_equal(after[len(before) :].reset_index(drop=True), added)


@pytest.fixture
def wide(result):
    """The same values as files once had them: a row an image, a column a point."""
    columns = {}
    for (method, control, fill, direction), rows in result.table.set_index("id").groupby(KEYS, sort=False):
        if NONE not in (method, control):
            columns[f"{direction}_{control}_as_{method}_{fill}"] = rows["area"]
            continue
        points = rows[MARGINS] if direction == "deletion" else rows[MARGINS[::-1]]
        columns |= {"start": points.iloc[:, 0], f"filled_{fill}": points.iloc[:, 8]}
        order = method if control == NONE else control
        columns |= {f"{direction}_{order}_{fill}_{step}": rows[MARGINS[step]] for step in range(1, 8)}
    return pd.DataFrame(columns).reset_index().assign(weight=np.float32(1))


def test_choices_are_the_paired_difference_from_each_control(patched, result):
    called = pd.Series(read_run(patched.run).predictions.set_index("id")["predicted"])
    for method, fill, direction, control in product(METHODS, FILLS, DIRECTIONS, CONTROLS):
        own, beside = (rows_of(result.table, method, order, fill, direction) for order in (NONE, control))
        sign = 1 if direction == "insertion" else -1
        for verdict, mine in called[own["id"]].reset_index().groupby("predicted").groups.items():
            paired = ttest_rel(sign * own["area"][mine], sign * beside["area"][mine]).confidence_interval()
            found = contrast_of(result.finding(f"{method}-{verdict}"), direction, fill, control).difference
            assert (found.low, found.high) == pytest.approx(tuple(paired))


def test_a_file_with_a_column_a_point_opens_as_rows(patched, result, wide, tmp_path):
    path = tmp_path / "runs" / "d@s" / "studies" / "faithfulness.parquet"
    path.parent.mkdir(parents=True)
    about = {"study": "faithfulness", "schema": 3, "version": 1, "whole": False, "images": 16, "columns": {}}
    write_sealed(path, wide, about)
    table = read_study(path).table
    order = ["id", *KEYS]
    now, before = (rows.sort_values(order).reset_index(drop=True) for rows in (table, result.table))
    pd.testing.assert_frame_equal(now, before)
    curves = mean_curves(table, read_run(patched.run)).set_index(["group", "method", "fill", "direction"])
    for order, key in {"edges": (NONE, "edges"), "lime": ("lime", NONE)}.items():
        curve = curves.loc["FAKE", order, "blur", "insertion"]["value"]
        # the first eight images are FAKE
        assert_allclose(curve, rows_of(result.table, *key, "blur", "insertion")[MARGINS][:8].astype(float).mean())


def test_a_file_from_before_coarse_controls_and_a_fill_is_concluded_as_it_is(patched, wide):
    old = wide[[name for name in wide if "_as_" not in name and not name.endswith("road") and "_road_" not in name]]
    weights = np.resize([1, 3], len(old))
    table = present_table("faithfulness", old.assign(weight=weights))
    finding = find(conclude(read_run(patched.run), table, {}), "lime-FAKE")
    assert len(finding.contrasts) == 12
    # the control as fine as the grid
    contrast = contrast_of(finding, "deletion", "mean", "random")
    areas = rows_of(table, NONE, "random", "mean", "deletion")["area"]
    assert contrast.control.measure.value == pytest.approx(-np.average(areas[:8], weights=weights[:8]))
