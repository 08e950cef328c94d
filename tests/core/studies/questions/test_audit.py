"""The audit ranks a planted shortcut first, and its numbers are scikit-learn's."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from core.findings.answer import answer_of
from core.images.decoding import decode
from core.images.encoding import encode_png
from core.images.labels import LABELS, REAL
from core.images.loading import load_image_set
from core.studies.questions import audit, duplicates
from core.studies.questions.audit import radial_spectrum
from tests.conftest import make_set, mixed
from tests.core.studies.image_sets import clean_pixels, context_of, first, made_context, made_files, result_of

LUMA = [0.299, 0.587, 0.114]
SHORTCUTS = {
    "brightness": lambda: made_files(lambda pixels: pixels + 20),
    "compression": lambda: made_files(quality=80),
    "file_bytes": lambda: made_files(tail=60),
    "fine_detail": lambda: made_files(lambda pixels: ndimage.gaussian_filter(pixels, (0, 0.5, 0.5, 0))),
}
# what may change along with it
GO_ALONG = {
    "brightness": {"red", "green", "blue"},
    "compression": {"file_bytes", "fine_detail"},
    "file_bytes": set(),
    "fine_detail": {"file_bytes", "greyness", "contrast"},
}


def is_real(context):
    return (context.run.predictions["label"] == "REAL").to_numpy()


@pytest.mark.parametrize("name", SHORTCUTS)
def test_a_planted_shortcut_is_first(tmp_path, name):
    result = result_of(audit.STUDY, made_context(tmp_path, SHORTCUTS[name]()))
    cues = [finding for finding in result.findings if finding.key.startswith("fact.")]
    rest = [cue for cue in cues if cue.key.removeprefix("fact.") not in GO_ALONG[name]]
    assert [cue.key for cue in rest if cue.measure.low >= 0.53] == [rest[0].key] == [f"fact.{name}"]
    cue = rest[0]
    assert answer_of(cue).word == "yes"
    assert cue.measure.low > 0.7
    assert abs(cue.control.measure.value - 0.5) < 0.1


def test_a_detector_that_uses_the_shortcut_fails_where_it_cannot_help(tmp_path):
    context = made_context(tmp_path, SHORTCUTS["brightness"](), leans_on="brightness")
    result = result_of(audit.STUDY, context)
    rows = result.table.set_index("name")
    row = rows.loc["brightness"]
    assert 1 - rows.loc["network", "auroc"] > 0.65
    assert row["matched_auroc_low"] < 0.5 < row["matched_auroc_high"]
    assert rows.loc["contrast", "matched_auroc_high"] < 0.5
    values = context.run.predictions["brightness"].to_numpy()
    real = is_real(context)
    area = roc_auc_score(real, values)
    assert row["direct_auroc"] == pytest.approx(area)
    finding = result.finding("fact.brightness")
    fitted, ranked = finding.contrasts
    assert fitted.measure == finding.measure
    assert ranked.measure.value == pytest.approx(1 - area)


def test_leaks_score_by_the_class_of_what_they_copy(tmp_path):
    files = made_files()
    files[first(files, "test/REAL", 0)] = files[first(files, "train/FAKE", 7)]
    files[first(files, "test/FAKE", 3)] = encode_png(decode(files[first(files, "train/FAKE", 8)]))
    context = made_context(tmp_path, files)
    rows = result_of(audit.STUDY, context).table.set_index("name")
    assert rows.loc["leak", ["copies_count", "other_class_count"]].tolist() == [2, 1]
    scores = np.zeros(len(context.run))
    names = context.run.predictions["name"].tolist()
    scores[names.index(first(files, "test/REAL", 0).removeprefix("test/"))] = -1
    scores[names.index(first(files, "test/FAKE", 3).removeprefix("test/"))] = -1
    assert rows.loc["leak", "auroc"] == pytest.approx(roc_auc_score(is_real(context), scores))


def test_the_regression_is_scikit_learns_trained_on_train_and_tested_on_test(tmp_path):
    context = made_context(tmp_path, SHORTCUTS["fine_detail"]())
    result = result_of(audit.STUDY, context)
    row = result.table[(result.table["kind"] == "baseline") & (result.table["name"] == "spectrum")].iloc[0]
    train = load_image_set(str(context.data), "train")
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(radial_spectrum(train.pixels), train.labels == 1)
    scores = model.decision_function(radial_spectrum(context.pixels))
    real = is_real(context)
    assert row["auroc"] == pytest.approx(roc_auc_score(real, scores))
    assert row["accuracy"] == pytest.approx(accuracy_score(real, scores > 0))
    assert abs(row["shuffled_auroc"] - 0.5) < 0.1
    # blurring reduces the outer rings most
    table = result.table[result.table["kind"] == "ring"]
    power = radial_spectrum(context.pixels)[~real, 3]
    assert_allclose(table[["lower_fake", "median_fake"]].iloc[3], np.quantile(power, [0.25, 0.5]), rtol=1e-6)
    assert table["direct_auroc"].iloc[12:].min() > 0.75
    assert abs(table["direct_auroc"].iloc[1] - 0.5) < 0.12


@pytest.mark.parametrize("at_once", [4096, 2])
def test_the_radial_spectrum_is_a_mean_over_rings(monkeypatch, at_once):
    monkeypatch.setattr(audit, "AT_ONCE", at_once)
    pixels = clean_pixels()["test/REAL"][:3]
    y, x = np.meshgrid(np.fft.fftfreq(32) * 32, np.fft.fftfreq(32) * 32)
    ring = np.minimum(np.rint(np.sqrt(x**2 + y**2)), 16)
    for image, spectrum in zip(pixels.astype(np.float64) @ LUMA, radial_spectrum(pixels), strict=True):
        power = np.abs(np.fft.fft2(image)) ** 2
        expected = [np.log10(power[ring == r].mean() + 1) for r in range(1, 17)]
        assert_allclose(spectrum, expected, rtol=1e-3)


@pytest.mark.parametrize("label", [len(LABELS) - 1, REAL], ids=["none", "one"])
def test_without_both_classes_the_audit_asks_what_verdicts_go_with(tmp_path, label):
    """Of the detector of brightness that is what they go with, and nothing is said of classes, copies' too."""
    pixels = mixed(60)
    pixels[1] = pixels[0]
    images = make_set(pixels, digests=[f"{number:016x}" for number in range(60)])
    images.rows["label"] = np.uint8(label)
    context = context_of(images, frozenset(), None, leans_on="brightness")
    result = result_of(audit.STUDY, context)
    assert {finding.key.partition(".")[0] for finding in result.findings} == {"follow"}
    margins = context.run.predictions["margin"]
    bright = images.rows["brightness"]
    expected = roc_auc_score(margins > 0, bright)
    direct = result.table.set_index("name").loc["brightness", "direct_auroc"]
    assert direct == pytest.approx(expected)
    copies = result_of(duplicates.STUDY, context)
    assert copies.table["set_class"].isna().all() == (label != REAL)
    counts = {finding.key: finding.details for finding in copies.findings}["copy.pixels"]
    assert counts["count"] == 2
    assert counts["real"] == 2 * (label == REAL)
    assert counts["fake"] == 0
