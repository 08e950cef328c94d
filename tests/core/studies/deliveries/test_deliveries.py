"""The study of deliveries: margins against the detector's own, and shares against a count by hand."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from core.detectors.resnet import ResNetDetector
from core.findings.words import tell
from core.perturbations.postprocessing import DELIVERIES, jpeg
from core.studies.deliveries import STUDY, compute, conclude
from core.studies.study import Context

FITTING = ["jpeg_95", "jpeg_85", "jpeg_75", "jpeg_50", "webp_80", "png", "screenshot", "messenger"]


def run_of(margins: NDArray[Any], real: NDArray[Any]) -> Any:
    """What a study reads of a run: ids, labels and predictions."""
    words = np.array(["FAKE", "REAL"])
    ids = [f"test-{number}" for number in range(len(margins))]
    table = {"id": ids, "predicted": words[(margins > 0).astype(int)], "label": words[real.astype(int)]}
    return SimpleNamespace(predictions=pd.DataFrame(table))


def test_each_column_is_the_margin_after_its_delivery(tiny_detector: ResNetDetector, pixels: NDArray[np.uint8]) -> None:
    rows = np.array([1, 4, 20])
    run = run_of(tiny_detector.margins(pixels), np.arange(len(pixels)) > 11)
    table = compute(Context(run, tiny_detector, pixels), rows, {})
    assert list(table) == ["id", *STUDY.columns]
    np.testing.assert_allclose(table["png"], tiny_detector.margins(pixels[rows]), atol=1e-5)
    after = np.stack([jpeg(image, 50) for image in pixels[rows]])
    np.testing.assert_allclose(table["jpeg_50"], tiny_detector.margins(after), atol=1e-5)
    assert [name for name in STUDY.columns if table[name].notna().all()] == FITTING
    assert list(compute(Context(run, tiny_detector, pixels, missing=frozenset({"png"})), rows, {})) == ["id", "png"]


@pytest.fixture
def table() -> pd.DataFrame:
    """Ten images: JPEG 50 flips three of five FAKE verdicts, a screenshot one more, and nothing flips a REAL one."""
    margins = np.repeat([-1.0, 1.0], 5)
    found = pd.DataFrame({"id": [f"test-{number}" for number in range(10)], "weight": 1.0})
    for one in DELIVERIES:
        found[one.name] = margins if one.name in FITTING else np.nan
    found.loc[:2, "jpeg_50"] = 1.0
    found.loc[3, "screenshot"] = 1.0
    return found


def test_flips_and_errors_are_counted_apart(table: pd.DataFrame) -> None:
    margins = np.repeat([-1.0, 1.0], 5)
    # one photograph is called FAKE and one generated image REAL
    real = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 0], bool)
    found = {one.key: one for one in conclude(run_of(margins, real), table, {})}
    assert list(found) == ["flips_fake", "errors_fake", "flips_real", "errors_real"]
    assert found["flips_fake"].measure.value == pytest.approx(4 / 5)
    assert found["flips_real"].measure.value == 0
    assert found["flips_fake"].control is not None
    assert found["flips_fake"].control.measure.value == 0
    # of the five generated images one is wrong anyway, and three more after JPEG 50
    assert found["errors_fake"].measure.value == pytest.approx(4 / 5)
    assert found["errors_fake"].control is not None
    assert found["errors_fake"].control.measure.value == pytest.approx(1 / 5)
    said = str(tell(found["flips_fake"]).whole)
    assert said.startswith("Of FAKE verdicts 80% ")
    assert "flip under at least one of 7 deliveries" in said
    assert "JPEG 50 60.0%, Screenshot 20.0%" in said
    assert "are misclassified after JPEG 50" in str(tell(found["errors_fake"]).answer)
    # of five nothing is certain
    assert "comes from delivery" not in str(tell(found["errors_fake"]).control)


def test_a_verdict_that_only_the_control_flips_is_not_counted_as_flipped_by_a_delivery(table: pd.DataFrame) -> None:
    margins = np.repeat([-1.0, 1.0], 5)
    table.loc[4, "png"] = 1.0
    found = {one.key: one for one in conclude(run_of(margins, margins > 0), table, {})}["flips_fake"]
    assert found.measure.value == pytest.approx(4 / 5)
    assert found.control is not None
    assert found.control.measure.value == pytest.approx(1 / 5)


def test_errors_come_from_delivery_only_where_there_are_more(table: pd.DataFrame) -> None:
    table = pd.concat([table] * 40, ignore_index=True).assign(id=[f"test-{number}" for number in range(400)])
    real = np.tile(np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 0], bool), 40)
    found = {one.key: one for one in conclude(run_of(np.tile(np.repeat([-1.0, 1.0], 5), 40), real), table, {})}
    assert "the rest of these errors comes from delivery" in str(tell(found["errors_fake"]).control)


def test_the_delivery_with_the_most_errors_is_never_the_control(table: pd.DataFrame) -> None:
    margins = np.repeat([-1.0, 1.0], 5)
    for one in FITTING:
        # every delivery but the control makes the five photographs that are called FAKE REAL
        table[one] = margins if one == "png" else 1.0
    found = {one.key: one for one in conclude(run_of(margins, np.ones(10, bool)), table, {})}["errors_real"]
    assert found.control is not None
    assert (found.measure.value, found.control.measure.value) == (0, pytest.approx(0.5))
    assert found.difference is not None
    assert found.difference.value == pytest.approx(-0.5)
    assert "comes from delivery" not in str(tell(found).control)


def test_without_rows_nothing_is_concluded(table: pd.DataFrame) -> None:
    assert conclude(run_of(np.zeros(10), np.zeros(10)), table.iloc[:0], {}) == []


def test_a_file_without_the_column_of_a_later_delivery_is_concluded_from_without_it(table: pd.DataFrame) -> None:
    margins = np.repeat([-1.0, 1.0], 5)
    found = {one.key: one for one in conclude(run_of(margins, margins > 0), table.drop(columns="screenshot"), {})}
    assert found["flips_fake"].measure.value == pytest.approx(3 / 5)
    assert found["flips_fake"].details["deliveries"] == len(FITTING) - 2
