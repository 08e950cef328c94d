"""The study of deliveries: margins against the detector's own, and shares against a count by hand."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import t as student

from core.detectors.detector import Detector
from core.detectors.manifest import Classes
from core.findings.answer import answer_of
from core.images.encoding import encode_png
from core.images.loading import load_image_set
from core.images.preprocessing import Preprocessing
from core.perturbations.delivery import DELIVERIES, jpeg, scaled
from core.studies.questions.deliveries import STUDY, compute, conclude
from core.studies.study import Context
from tests.conftest import make_patch, textured
from tests.core.studies.pairs import made_run

FITTING = ["jpeg_95", "jpeg_85", "jpeg_75", "jpeg_50", "webp_80", "png", "screenshot", "messenger"]
MARGINS = np.repeat([-1.0, 1.0], 5)


def conclusions(table, real=MARGINS > 0, times=1):
    table = pd.concat([table] * times, ignore_index=True).assign(id=[f"test-{n}" for n in range(10 * times)])
    findings = conclude(made_run("d", np.tile(MARGINS, times), np.tile(real, times)), table, {})
    return {finding.key: finding for finding in findings}


@pytest.fixture
def table():
    """Ten images: JPEG 50 flips three of five FAKE verdicts, a screenshot one more, and nothing flips a REAL one."""
    table = pd.DataFrame({"id": [f"test-{number}" for number in range(10)], "weight": 1.0})
    for delivery in DELIVERIES:
        table[delivery.column] = MARGINS if delivery.name in FITTING else np.nan
    table.loc[:2, "jpeg_50_margin"] = 1.0
    # a margin of 0 is FAKE
    table.loc[3:4, "screenshot_margin"] = [1.0, 0.0]
    return table


def test_each_column_is_the_margin_after_its_delivery(tiny_detector, pixels):
    rows = np.array([1, 4, 20])
    run = made_run("d", tiny_detector.margins(pixels), np.arange(len(pixels)) > 11)
    table = compute(Context(run, tiny_detector, pixels), rows, {})
    assert list(table) == ["id", *STUDY.columns]
    assert_allclose(table["png_margin"], tiny_detector.margins(pixels[rows]), atol=1e-5)
    after = np.stack([jpeg(image, 50) for image in pixels[rows]])
    assert_allclose(table["jpeg_50_margin"], tiny_detector.margins(after), atol=1e-5)
    assert [name for name in STUDY.columns if table[name].notna().all()] == [f"{name}_margin" for name in FITTING]
    assert list(compute(Context(run, tiny_detector, pixels, missing=frozenset({"png_margin"})), rows, {})) == [
        "id",
        "png_margin",
    ]


def test_a_window_is_read_from_the_whole_delivered_picture(tmp_path):
    detector = Detector(
        make_patch(9).network, Preprocessing(32, crop="native", mean=(0.5,) * 3, std=(0.2,) * 3), Classes()
    )
    pictures = list(textured(4, fine=True, side=96, seed=3))
    pictures[2] = pictures[2][:50]
    for number, picture in enumerate(pictures):
        file = tmp_path / "test" / ("FAKE" if number % 2 else "REAL") / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode_png(picture))
    images = load_image_set(tmp_path, "test", fit=detector.preprocessing)
    run = made_run("d", detector.margins(images.pixels), images.labels > 0)
    run.predictions["name"] = images.rows["name"]
    context = Context(run, detector, images.pixels, str(tmp_path))
    table = compute(context, np.arange(4), {}).set_index(images.rows["name"])
    for number, picture in enumerate(pictures):
        name = f"{'FAKE' if number % 2 else 'REAL'}/{number}.png"
        sent = {"jpeg_75": jpeg(picture, 75), "scale_50_box": scaled(picture, 0.5, "box"), "png": picture}
        for key, version in sent.items():
            if min(version.shape[:2]) < 32:
                assert np.isnan(table.loc[name, f"{key}_margin"])
            else:
                (expected,) = detector.margins(detector.preprocessing.fit(version)[None])
                assert table.loc[name, f"{key}_margin"] == pytest.approx(float(expected), abs=1e-4)


def test_flips_and_errors_are_counted_apart(table):
    # one photograph is called FAKE and one generated image REAL
    findings = conclusions(table, np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 0], bool))
    rates = {
        key: (finding.measure.value, finding.control.measure.value)
        for key, finding in findings.items()
        if finding.control
    }
    # of five verdicts JPEG 50 flips three and a screenshot another; of the generated images one is wrong
    # anyway, and three more after JPEG 50
    assert rates == {
        "flips_fake": pytest.approx((0.6, 0.2)), "errors_fake": pytest.approx((0.8, 0.2)),
        "flips_real": (0, 0), "errors_real": pytest.approx((0.2, 0.2)),
    }  # fmt: skip
    assert findings["errors_fake"].details["worst_name"] == "JPEG 50"
    assert len(findings["flips_fake"].beside) == len(FITTING) - 1


def test_the_interval_of_the_worst_delivery_is_corrected_for_their_number(table):
    errors = conclusions(table, times=40)["errors_fake"]
    assert answer_of(errors).word == "yes"
    leads = np.tile([1, 1, 1, 0, 0], 40)
    # Bonferroni over seven deliveries
    half = student.ppf(1 - 0.05 / 7 / 2, 199) * leads.std(ddof=1) / np.sqrt(200)
    assert (errors.difference.low, errors.difference.high) == pytest.approx((0.6 - half, 0.6 + half))
