"""On a network that looks at one patch, explanations name it and controls do not; the columns are the curves."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from core.explainers.agreement import segment_values
from core.explainers.deletion import centre_map, deletion_curves, edge_map
from core.explainers.lime.regions import LIME, LimeSettings
from core.explainers.lime.segmentation import segment
from core.findings.claims import sign_of
from core.runs.run import read_run
from core.studies.__main__ import main
from core.studies.cells import Cells
from core.studies.explanations import Pass
from core.studies.faithfulness import STUDY, _scores
from core.studies.faithfulness_curves import (
    COARSE,
    CONTROLS,
    DIRECTIONS,
    FILLS,
    area_column,
    area_of,
    conclude,
    curve_of,
    leads,
    mean_curves,
)
from core.studies.result import StudyResult
from core.studies.runner import Source, run_study
from core.studies.store import read_study, study_path
from tests.core.trust_cues import patch_detector, patch_images, patch_of

EXPLANATIONS = {"gradcam": "Grad-CAM", "lime": "LIME"}
METHODS = (*EXPLANATIONS, *CONTROLS)


@pytest.fixture(scope="module")
def answer(patched: Source) -> StudyResult:
    """The study of it."""
    return read_study(run_study(STUDY, patched))


def test_the_patch_goes_first_and_every_control_falls_behind(patched: Source, answer: StudyResult) -> None:
    found = leads(answer.table, read_run(patched.run))
    assert len(found) == 2 * len(EXPLANATIONS) * len(FILLS) * len(DIRECTIONS)
    erased = found[found["fill"].isin(["mean", "blur"]) & (found["method"] == "gradcam")]
    assert (erased["low"] > 0).all()
    # the first of eight parts is the patch: with it the margin goes, under each fill that erases it
    gone = curve_of(answer.table, "deletion", "gradcam", "mean")
    assert (gone[:, 0] > 2.8).all()
    assert (gone[:, 1] < 0.05).all()
    assert np.median(curve_of(answer.table, "deletion", "random", "mean")[:, 1]) > 1.4


def test_the_findings_say_so_for_each_verdict(patched: Source, answer: StudyResult) -> None:
    said = {finding.key: finding for finding in conclude(read_run(patched.run), answer.table, {})}
    for verdict in ("FAKE", "REAL"):
        for method, name in EXPLANATIONS.items():
            finding = said[f"{method}-{verdict}"]
            assert sign_of(finding) == 1
            assert (finding.details["name"], finding.group, finding.measure.n) == (name, verdict, 8)
            assert [(one.kind, one.value) for one in finding.choices] == list(product(DIRECTIONS, FILLS))


def test_controls_as_coarse_as_a_map_are_made_so(patched: Source, answer: StudyResult) -> None:
    """Of one image, the edges and the other image's map: averaged by hand over what the map has."""
    context, row = patched.open(), 12
    image, detector = np.asarray(context.pixels[row]), context.detector
    grid = segment(image, method="grid", n_segments=64)
    edges = edge_map(image)
    regions = LIME.explain_fully(detector, image, LimeSettings()).regions
    means = np.array([edges[regions == number].mean() for number in range(regions.max() + 1)])
    quarter = edges.reshape(4, 8, 4, 8).mean(axis=(1, 3)).astype(np.float32)
    large = np.asarray(Image.fromarray(quarter).resize((32, 32), Image.Resampling.BILINEAR))
    by_hand = {"lime": means[regions], "gradcam": large}
    for method, values in by_hand.items():
        cells = np.array([values[grid == number].mean() for number in range(64)])
        for fill in FILLS:
            expected = deletion_curves(detector.margins, image, grid, values=cells[None], fills=[fill])
            for direction in DIRECTIONS:
                area = np.trapezoid(getattr(expected, direction)[0, 0], dx=1 / 8)
                found = answer.table[area_column(direction, "edges", method, fill)][row]
                assert found == pytest.approx(area, rel=2e-3, abs=4e-3)


def test_a_map_as_fine_as_the_grid_has_the_plain_controls(patched: Source) -> None:
    context = patched.open()
    fine = Pass(np.random.default_rng(0).normal(size=(8, 8)).astype(np.float32))
    coarse = Pass(np.random.default_rng(0).normal(size=(2, 2)).astype(np.float32))
    grid = segment(np.asarray(context.pixels[3]), method="grid", n_segments=64)
    both = {"fine": fine, "coarse": coarse}
    found = _scores(context, Cells(context.run), 3, STUDY.parameters, grid=grid, passes=both)
    for control in COARSE:
        np.testing.assert_array_equal(found[control, "fine"], found[control, ""])
        # two positions along each side, and what is interpolated between them
        values = found[control, "coarse"].reshape(8, 8)
        assert len(np.unique(values[:2, :2].round(9))) == 1


def test_maps_of_ones_own_are_one_more_method(patched: Source, tmp_path: Path) -> None:
    run = read_run(patched.run)
    where = np.stack([patch_of(place) for place in patch_images()[1]]).astype(np.float32)
    signs = np.where(run.predictions["predicted"] == "REAL", 1, -1)
    np.save(tmp_path / "maps.npy", where * signs[:, None, None])
    np.save(tmp_path / "wrong.npy", -where * signs[:, None, None])
    path, before = study_path(patched.run, STUDY.name), read_study(study_path(patched.run, STUDY.name), run).table
    sides = []
    for name in ("maps.npy", "wrong.npy"):
        options = ["faithfulness", "--run", str(patched.run), "--maps", str(tmp_path / name)]
        assert main(options) == 0
        told = read_study(path, run)
        pd.testing.assert_frame_equal(told.table[before.columns], before, check_exact=True)
        assert str(tmp_path) not in str(told.about)
        mine = [one for one in told.findings if one.key == "own-REAL"]
        assert [one.details["name"] for one in mine] == ["Maps of your own"]
        sides.append(sign_of(mine[0]))
    assert sides == [1, -1]
    # without them the file keeps what it has
    assert main(["faithfulness", "--run", str(patched.run)]) == 0
    assert "own-REAL" in {one.key for one in read_study(path, run).findings}


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        (np.zeros((3, 8, 8)), "has the shape (3, 8, 8), and patch@made-test has 16 images"),
        (np.zeros((16, 8)), "has the shape (16, 8)"),
        (np.zeros((16, 8, 8), np.int32), "holds int32 and no floats"),
        (np.full((16, 8, 8), np.nan), "has values that are not finite"),
        (np.array([{}]), "holds no array of numbers"),
        (None, "cannot be read (No such file or directory)"),
    ],
)
def test_maps_that_do_not_fit_are_refused_in_a_sentence(
    patched: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str], maps: Any, message: str
) -> None:
    if maps is not None:
        np.save(tmp_path / "maps.npy", maps, allow_pickle=True)
    assert main(["faithfulness", "--run", str(patched.run), "--maps", str(tmp_path / "maps.npy")]) == 2
    said = capsys.readouterr().err.strip()
    assert message in said
    assert len(said.splitlines()) == 1
    assert main(["stability", "--run", str(patched.run), "--maps", str(tmp_path / "maps.npy")]) == 2
    assert "the study stability judges no maps of your own" in capsys.readouterr().err


def test_maps_that_are_of_other_images_are_no_better_than_chance(patched: Source, answer: StudyResult) -> None:
    """The study told the wrong images: explanations fall to where the controls are."""
    run = read_run(patched.run)
    detector, (images, _) = patch_detector(), patch_images()
    wrong = np.roll(images, 1, axis=0)
    grid = segment(images[0], method="grid", n_segments=64)
    maps = segment_values(detector.full_pass(wrong).maps, grid)
    differences = []
    for image, values, row in zip(images, maps, run.predictions.itertuples(), strict=True):
        sign = 1 if row.predicted == "REAL" else -1
        chance = np.random.default_rng(row.Index).random(64)
        both = deletion_curves(
            detector.margins, image, grid, values=np.stack([sign * values, chance]), fills=["mean", "blur"]
        )
        differences.append(sign * (both.score[0] - both.score[1]).mean())
    assert np.mean(differences) < 0.5


def test_columns_are_the_curves_signed_toward_the_verdict(patched: Source, answer: StudyResult) -> None:
    detector, (images, _) = patch_detector(), patch_images()
    assert list(answer.table.columns) == ["id", *STUDY.columns, "weight"]
    for row in (1, 12):
        sign = 1 if row >= 8 else -1
        grid = segment(images[row], method="grid", n_segments=64)
        values = segment_values(centre_map(32, 32)[None], grid)
        chance = np.random.default_rng((0, row)).random(64)
        expected = deletion_curves(
            detector.margins, images[row], grid, values=np.stack([values[0], chance]), fills=FILLS, steps=8
        )
        for number, method in enumerate(("centre", "random")):
            for at, fill in enumerate(FILLS):
                for direction in ("deletion", "insertion"):
                    found = curve_of(answer.table, direction, method, fill)[row]
                    line = sign * getattr(expected, direction)[number, at]
                    np.testing.assert_allclose(found, line, rtol=2e-3, atol=2e-3)
                    area = np.trapezoid(line, dx=1 / 8)
                    assert area_of(answer.table, direction, method, fill)[row] == pytest.approx(area, abs=5e-3)


def test_summaries_are_means_by_verdict_and_never_pooled(patched: Source, answer: StudyResult) -> None:
    run = read_run(patched.run)
    lines = mean_curves(answer.table, run)
    assert set(lines["group"]) == {"FAKE", "REAL"}
    reversed_ones = [key for key, (_, back) in CONTROLS.items() if back]
    assert len(lines) == 2 * (len(METHODS) + len(reversed_ones)) * len(FILLS) * 2 * 9
    one = lines.query("group == 'REAL' and method == 'lime' and fill == 'blur' and direction == 'insertion'")
    expected = curve_of(answer.table, "insertion", "lime", "blur")[8:].mean(axis=0)
    np.testing.assert_allclose(one["value"], expected, rtol=1e-6)
    np.testing.assert_allclose(one["share"], np.arange(9) / 8)


def test_a_reversed_order_scores_minus_as_much() -> None:
    """What `Areas.controls` takes for granted of the controls' reverses."""
    detector, (images, places) = patch_detector(), patch_images(2)
    grid = segment(images[0], method="grid", n_segments=64)
    values = np.stack([patch_of(places[0]).ravel() + np.arange(64) / 1000, np.random.default_rng(3).random(64)])
    forth, back = (
        deletion_curves(detector.margins, images[0], grid, values=way * values, fills=FILLS).score for way in (1, -1)
    )
    np.testing.assert_allclose(forth, -back, atol=1e-4)


def test_a_sample_gives_the_same_rows(patched: Source, answer: StudyResult) -> None:
    part = read_study(run_study(STUDY, patched, images=6)).table
    assert len(part) == 6
    whole = answer.table.set_index("id").loc[part["id"]].reset_index()
    pd.testing.assert_frame_equal(part.drop(columns="weight"), whole.drop(columns="weight"), rtol=1e-2, atol=1e-2)
