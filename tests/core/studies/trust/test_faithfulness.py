"""On a network that looks at one patch, explanations name it and controls do not; the columns are the curves."""

import numpy as np
import pandas as pd
import pytest

from core.explainers.agreement import segment_values
from core.explainers.controls import centre_map
from core.explainers.deletion import deletion_curves
from core.explainers.lime.segmentation import segment
from core.findings.claims import sign_of
from core.runs.run import read_run
from core.studies.runner import Source, run_study
from core.studies.store import read_study
from core.studies.study import StudyResult
from core.studies.trust.faithfulness import STUDY
from core.studies.trust.findings import faithfulness as conclude
from core.studies.trust.summary import (
    CONTROLS,
    FILLS,
    curve_of,
    curves,
    excess,
    score_of,
    scores,
)
from tests.core.trust_cues import patch_detector, patch_images, patch_of

EXPLANATIONS = {"gradcam": "Grad-CAM", "lime": "LIME"}
METHODS = (*EXPLANATIONS, *CONTROLS)


@pytest.fixture(scope="module")
def answer(patched: Source) -> StudyResult:
    """The study of it."""
    return read_study(run_study(STUDY, patched))


def test_the_patch_goes_first_and_every_control_falls_behind(patched: Source, answer: StudyResult) -> None:
    run = read_run(patched.run)
    found = scores(answer.table, run).set_index(["group", "fill", "method"])["value"].sort_index()
    for verdict in ("FAKE", "REAL"):
        for fill in ("mean", "blur", "unseen"):
            one = found[verdict, fill]
            best = one.drop(list(EXPLANATIONS)).max()
            assert one[list(EXPLANATIONS)].min() > best
    differences = excess(answer.table, run)
    assert (differences[differences["fill"] == "unseen"]["low"] > 0).all()
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
                score = sign * expected.score[number, at]
                assert score_of(answer.table, method, fill)[row] == pytest.approx(score, abs=5e-3)


def test_summaries_are_means_by_verdict_and_never_pooled(patched: Source, answer: StudyResult) -> None:
    run = read_run(patched.run)
    lines = curves(answer.table, run)
    assert set(lines["group"]) == {"FAKE", "REAL"}
    reversed_ones = [key for key, (_, back) in CONTROLS.items() if back]
    assert len(lines) == 2 * (len(METHODS) + len(reversed_ones)) * (len(FILLS) + 1) * 2 * 9
    one = lines.query("group == 'REAL' and method == 'lime' and fill == 'blur' and direction == 'insertion'")
    expected = curve_of(answer.table, "insertion", "lime", "blur")[8:].mean(axis=0)
    np.testing.assert_allclose(one["value"], expected, rtol=1e-6)
    np.testing.assert_allclose(one["share"], np.arange(9) / 8)
    table = scores(answer.table, run)
    pivot = table.query("fill == 'mean'").set_index(["group", "method"])["value"]
    for verdict in ("FAKE", "REAL"):
        for key in reversed_ones:
            assert pivot[verdict, f"{key} reversed"] == pytest.approx(-pivot[verdict, key])


def test_a_reversed_order_scores_minus_as_much() -> None:
    """What `scores` takes for granted of the controls' reverses."""
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
