"""On a network that looks at one patch, explanations name it and controls do not; every number is computed twice."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn.metrics import auc

from core.explainers.agreement import segment_values
from core.explainers.deletion import centre_map, deletion_curves
from core.explainers.lime.regions import LIME, LimeSettings
from core.explainers.lime.segmentation import segment
from core.findings.answer import certain_side
from core.findings.contrast import find
from core.runs.run import read_run
from core.studies.questions.faithfulness import (
    BASELINES,
    CONTROLS,
    DIRECTIONS,
    FILLS,
    area_column,
    area_of,
    choice_value,
    conclude,
    curve_of,
    make_study,
    scores_of,
    under_fill,
)
from core.studies.runner import run_study
from core.studies.shared.explanations import Pass
from core.studies.shared.groups import Cells
from core.studies.store import read_study
from tests.core.trust_cues import made_run

pytestmark = pytest.mark.usefixtures("two_methods")
METHODS = ("gradcam", "lime")
GENERATOR = np.random.default_rng(0)
SIZE = 90
LABEL = GENERATOR.choice(["FAKE", "REAL"], SIZE)
CALLED = GENERATOR.choice(["FAKE", "REAL"], SIZE)
RUN = made_run(LABEL.tolist(), CALLED.tolist())


def contrast_of(finding, direction, fill, control):
    """The contrast under one direction, fill and control."""
    value = choice_value(direction, fill, control)
    return next(contrast for contrast in finding.contrasts if contrast.value == value)


@pytest.fixture(scope="module")
def result(patched, two_methods):
    return read_study(run_study(make_study(), patched), read_run(patched.run))


def test_the_patch_goes_first_and_every_control_falls_behind(patched, result):
    assert list(result.table.columns) == ["id", *make_study().columns, "weight"]
    for verdict, fill, direction, control in product(("FAKE", "REAL"), ("mean", "blur"), DIRECTIONS, CONTROLS):
        contrast = contrast_of(result.finding(f"gradcam-{verdict}"), direction, fill, control)
        assert certain_side(contrast.difference) == 1
    # the first of eight parts is the patch: with it the margin goes, under each fill that erases it
    curves = curve_of(result.table, "deletion", "gradcam", "mean")
    assert (curves[:, 0] > 2.8).all()
    assert (curves[:, 1] < 0.05).all()
    assert np.median(curve_of(result.table, "deletion", "random", "mean")[:, 1]) > 1.4
    for method, verdict in product(METHODS, ("FAKE", "REAL")):
        finding = result.finding(f"{method}-{verdict}")
        assert (certain_side(finding.difference), finding.group, finding.measure.n) == (1, verdict, 8)
        # both controls by name, and baselines beside them
        values = {choice_value(*chosen) for chosen in product(DIRECTIONS, FILLS, CONTROLS)}
        assert {contrast.value for contrast in finding.contrasts} == values
        assert finding.difference.value == min(
            contrast_of(finding, "deletion", "mean", control).difference.value for control in CONTROLS
        )
        assert {contrast.value for contrast in under_fill(finding, "blur").contrasts} == {
            choice_value(direction, "blur", control) for direction, control in product(DIRECTIONS, CONTROLS)
        }
        assert set(finding.beside) == set(BASELINES.values())


def test_columns_are_the_curves_signed_toward_the_verdict(patched, result):
    context = patched.open()
    for row in (1, 12):
        image, sign = np.asarray(context.pixels[row]), 1 if row >= 8 else -1
        grid = segment(image, method="grid", n_segments=64)
        chance = np.random.default_rng((0, row)).random(64)
        values = np.stack([segment_values(centre_map(32, 32)[None], grid)[0], chance])
        expected = deletion_curves(context.detector.margins, image, grid, values=values, fills=FILLS, steps=8)
        for (number, method), (at, fill), direction in product(
            enumerate(("centre", "random")), enumerate(FILLS), DIRECTIONS
        ):
            curve = sign * getattr(expected, direction)[number, at]
            computed = curve_of(result.table, direction, method, fill)[row]
            assert_allclose(computed, curve, rtol=2e-3, atol=2e-3)
            area = abs(area_of(result.table, direction, method, fill)[row])
            assert area == pytest.approx(abs(auc(np.arange(9) / 8, curve)), abs=5e-3)


def test_controls_are_as_coarse_as_the_map(patched, result):
    """Another image's map averaged by hand over the parts that the map has."""
    context, row = patched.open(), 12
    image, detector, cells = np.asarray(context.pixels[row]), context.detector, Cells(context.run)
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
        for direction in DIRECTIONS:
            area = np.trapezoid(getattr(expected, direction)[0, 0], dx=1 / 8)
            computed = result.table[area_column(direction, "other", method, fill)][row]
            assert computed == pytest.approx(area, rel=2e-3, abs=4e-3)
    # a map as fine as the grid has the plain controls
    fine, coarse = (Pass(np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)) for side in (8, 2))
    scores = scores_of(context, cells, 3, grid=grid, passes={"fine": fine, "coarse": coarse}, seed=0)
    for control in CONTROLS:
        assert_array_equal(scores[control, "fine"], scores[control, ""])
        assert len(np.unique(scores[control, "coarse"].reshape(8, 8)[:2, :2].round(9))) == 1


@pytest.fixture
def table():
    """Random curves, in an order of their own."""
    generator = np.random.default_rng(1)
    table = pd.DataFrame({name: generator.normal(0.5, 1, SIZE) for name in make_study().columns}).astype(np.float16)
    table = table.assign(id=list(map(str, range(SIZE))), weight=generator.uniform(1, 4, SIZE).astype(np.float32))
    return table.iloc[generator.permutation(SIZE)].reset_index(drop=True)


def of(table, key="lime-FAKE"):
    return find(conclude(RUN, table, {}), key)


def test_choices_are_the_paired_difference_from_each_control(table):
    for (group, part), method in product(table.groupby(CALLED[table["id"].astype(int)]), METHODS):
        finding = of(table, f"{method}-{group}")
        for fill, direction, control in product(FILLS, DIRECTIONS, CONTROLS):
            sign = 1 if direction == "insertion" else -1
            beside = sign * part[area_column(direction, control, method, fill)].to_numpy(float)
            difference = area_of(part, direction, method, fill) - beside
            found = contrast_of(finding, direction, fill, control).difference
            assert found.value == pytest.approx(np.average(difference, weights=part["weight"]))
            # narrower than two intervals side by side would be
            pulls = part["weight"] * (difference - found.value) / part["weight"].sum()
            assert found.high - found.value == pytest.approx(2 * np.linalg.norm(pulls), rel=0.05)


def test_a_file_from_before_coarse_controls_and_a_fill_is_concluded_as_it_is(table):
    old = table[[name for name in table if "_as_" not in name and not name.endswith("road") and "_road_" not in name]]
    finding = of(old)
    assert len(finding.contrasts) == 12
    # the control as fine as the grid
    contrast = contrast_of(finding, "deletion", "mean", "random")
    part = old[CALLED[old["id"].astype(int)] == "FAKE"]
    expected = np.average(area_of(part, "deletion", "random", "mean"), weights=part["weight"])
    assert contrast.control.measure.value == pytest.approx(expected)
