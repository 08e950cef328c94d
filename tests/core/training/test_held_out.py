"""Images that are held out, the temperature, and the statistics of channels."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from core.training.held_out import channel_statistics, fit_temperature, validation_split


def test_the_split_is_stratified_and_keeps_duplicates_together() -> None:
    generator = np.random.default_rng(0)
    sha256 = np.array([f"{value:064x}" for value in generator.integers(0, 1500, 2000)])
    labels = np.array([int(digest[-1], 16) % 2 for digest in sha256], np.uint8)
    held = validation_split(sha256, labels, 0.1, seed=0)
    assert not set(sha256[held]) & set(sha256[~held])
    for label in (0, 1):
        assert len(set(sha256[held & (labels == label)])) == round(0.1 * len(set(sha256[labels == label])))
    assert (held == validation_split(sha256, labels, 0.1, seed=0)).all()
    assert (held != validation_split(sha256, labels, 0.1, seed=1)).any()
    assert not validation_split(sha256, labels, 0.0, seed=0).any()


def test_temperature_agrees_with_logistic_regression() -> None:
    generator = np.random.default_rng(0)
    margins = generator.normal(0, 6, 4000).astype(np.float32)
    labels = (generator.random(4000) < expit(margins / 2.5)).astype(int)
    slope = LogisticRegression(C=1e9, fit_intercept=False).fit(margins[:, None], labels).coef_[0, 0]
    assert fit_temperature(margins, labels) == pytest.approx(1 / slope, rel=1e-3)


def test_where_every_prediction_is_right_nothing_is_fitted() -> None:
    assert fit_temperature(np.array([1, -0.5, 2, -3], np.float32), np.array([1, 0, 1, 0])) == 1.0


def test_channel_statistics_are_numpys() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 4, 4, 3)).astype(np.uint8)
    mean, std = channel_statistics(pixels, chunk=7)
    np.testing.assert_allclose(mean, (pixels / 255).mean((0, 1, 2)))
    np.testing.assert_allclose(std, (pixels / 255).std((0, 1, 2)), rtol=1e-6)
