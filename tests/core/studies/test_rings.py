"""Rings over a run: the same as the explainer's, and findings whose effects are planted."""

import numpy as np
import pandas as pd
import pytest

from core.explainers.rings import RINGS, RINGS_EXPLAINER, ring_effects, ring_parts, ring_versions
from core.findings.answer import answer_of
from core.findings.contrast import find
from core.studies.rings import COLUMNS, STUDY, conclude
from core.studies.runner import Source


def test_columns_are_the_effects_of_each_image_under_both_kinds_of_absence(source: Source) -> None:
    context, rows = source.open(), np.array([0, 59])
    table = STUDY.compute(context, rows, {})
    assert list(table) == ["id", *COLUMNS]
    detector, pixels = context.detector, np.asarray(context.pixels)
    called = detector.margins(pixels) > 0
    for row, record in zip(rows, table.to_dict("records"), strict=True):
        own = RINGS_EXPLAINER.explain_fully(detector, pixels[row]).parts
        shapley = [record[f"removed_shapley_{number}"] for number in range(RINGS)]
        np.testing.assert_allclose(shapley, own.weights, atol=1e-4)
        mean = pixels[called == called[row]].mean(axis=0)
        versions = ring_versions(pixels[row], ring_parts(mean.astype(np.float32)))
        last = [record[f"mean_last_{number}"] for number in range(RINGS)]
        np.testing.assert_allclose(last, ring_effects(detector.margins(versions)).last, atol=1e-3)


def test_findings_are_towards_the_verdict_and_depend_where_absence_decides(source: Source) -> None:
    run = source.open().run
    random = np.random.default_rng(0)
    table = pd.DataFrame(0.0, index=range(len(run)), columns=list(COLUMNS))
    table.insert(0, "id", run.predictions["id"].to_numpy())
    sign = np.where(run.predicted_real, 1, -1)
    table["removed_shapley_0"] = table["mean_shapley_0"] = sign * (2 + random.normal(0, 0.1, len(run)))
    table["removed_shapley_1"] = sign * (1 + random.normal(0, 0.1, len(run)))
    table["mean_shapley_1"] = -table["removed_shapley_1"]
    findings = list(conclude(run, table, {}))
    assert len(findings) == 2 * RINGS
    for verdict in ("FAKE", "REAL"):
        rings = [find(findings, f"ring-{number}-{verdict}") for number in range(3)]
        assert rings[0].measure.value == pytest.approx(2, abs=0.1)
        assert [answer_of(ring).word for ring in rings] == ["yes", "depends", "no"]
