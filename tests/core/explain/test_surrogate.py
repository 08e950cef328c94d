"""The surrogate and its intervals on functions of which every combination can be computed."""

import numpy as np
import pytest
from numpy.random import RandomState
from numpy.typing import NDArray

from core.explain.sampling import balanced_samples, random_samples
from core.explain.surrogate import Fit, SampledExplainer
from core.explain.unseen import UnseenFitter

SEGMENTS = 13
SEEDS = 40


def rough(keep: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Effects of single segments, of pairs, of threes, and a saturating whole: what a detector might do."""
    generator = np.random.default_rng(11)
    signs = 2.0 * keep - 1
    value = signs @ generator.normal(0, 0.3, SEGMENTS)
    for order, size in ((2, 0.2), (3, 0.05)):
        for _ in range(25):
            chosen = generator.choice(SEGMENTS, order, replace=False)
            value = value + generator.normal(0, size) * signs[:, chosen].prod(axis=1)
    return np.asarray(value + 0.5 * np.tanh(value))


@pytest.fixture(scope="module")
def explainer() -> SampledExplainer:
    return SampledExplainer(random_state=0)


@pytest.fixture(scope="module")
def truth(explainer: SampledExplainer) -> NDArray[np.float64]:
    """The surrogate's weights over all 8,192 combinations."""
    codes = np.arange(2**SEGMENTS)[::-1]
    keep = (codes[:, None] >> np.arange(SEGMENTS) & 1).astype(bool)
    return explainer.surrogate(keep, rough(keep))[0]


@pytest.fixture(scope="module")
def fits(explainer: SampledExplainer) -> dict[str, list[Fit]]:
    """Fits of 128 samples each over many draws."""
    found: dict[str, list[Fit]] = {"random": [], "balanced": []}
    for seed in range(SEEDS):
        flips = random_samples(128, SEGMENTS, RandomState(seed))
        found["random"].append(explainer.fit(flips, rough(flips.keep), confidence=0.95))
        pairs = balanced_samples(128, SEGMENTS, RandomState(seed))
        found["balanced"].append(UnseenFitter(explainer, SEGMENTS).fit(pairs, rough(pairs.keep), confidence=0.95))
    return found


@pytest.mark.parametrize(("sampling", "lowest"), [("random", 0.9), ("balanced", 0.93)])
def test_intervals_hold_the_truth_as_often_as_they_say(
    fits: dict[str, list[Fit]], truth: NDArray[np.float64], sampling: str, lowest: float
) -> None:
    holds = np.mean([np.abs(fit.weights - truth) <= fit.error for fit in fits[sampling]])
    assert holds >= lowest
    # intervals as wide as the effects would hold everything and say nothing
    assert np.mean([np.median(fit.error) for fit in fits[sampling]]) < np.median(np.abs(truth))


def test_the_closed_form_is_the_spread_over_draws(fits: dict[str, list[Fit]]) -> None:
    spread = np.std([fit.weights for fit in fits["random"]], axis=0)
    claimed = np.mean([fit.error for fit in fits["random"]], axis=0) / 1.98
    np.testing.assert_allclose(claimed.mean(), spread.mean(), rtol=0.15)


def test_a_certain_sign_is_rarely_wrong(fits: dict[str, list[Fit]], truth: NDArray[np.float64]) -> None:
    for found in fits.values():
        certain = np.array([np.abs(fit.weights) > fit.error for fit in found])
        wrong = np.array([np.sign(fit.weights) != np.sign(truth) for fit in found])
        assert certain.mean() > 0.3
        assert (certain & wrong).sum() <= 0.05 * certain.sum()


def test_guessing_what_was_not_run_comes_nearer_to_the_truth_than_twice_as_many_coin_flips(
    explainer: SampledExplainer, fits: dict[str, list[Fit]], truth: NDArray[np.float64]
) -> None:
    def distance(found: list[NDArray[np.float64]]) -> float:
        return float(np.sqrt(np.mean((np.array(found) - truth) ** 2)))

    flips = [random_samples(256, SEGMENTS, RandomState(seed)) for seed in range(SEEDS)]
    twice = distance([explainer.surrogate(draw.keep, rough(draw.keep))[0] for draw in flips])
    assert distance([fit.weights for fit in fits["balanced"]]) < twice


def test_more_samples_narrow_the_intervals(explainer: SampledExplainer) -> None:
    widths = []
    for count in (64, 256, 1000):
        samples = balanced_samples(count, SEGMENTS, RandomState(5))
        fit = UnseenFitter(explainer, SEGMENTS).fit(samples, rough(samples.keep), confidence=0.95)
        widths.append(fit.error.mean())
    assert widths[0] > 1.3 * widths[1] > 1.69 * widths[2]


@pytest.mark.parametrize("sampling", ["balanced", "random"])
def test_fewer_samples_than_segments_leave_everything_open(explainer: SampledExplainer, sampling: str) -> None:
    draw = balanced_samples if sampling == "balanced" else random_samples
    samples = draw(10, SEGMENTS, RandomState(0))
    fitter = UnseenFitter(explainer, SEGMENTS) if sampling == "balanced" else explainer
    fit = fitter.fit(samples, rough(samples.keep), confidence=0.95)
    assert np.isinf(fit.error).all()
    assert np.isfinite(fit.weights).all()


def test_every_combination_leaves_nothing_to_chance(explainer: SampledExplainer) -> None:
    samples = balanced_samples(16, 4, RandomState(0))
    values = samples.keep @ np.array([1.0, -2.0, 0.0, 0.5]) + 3
    fit = explainer.fit(samples, values, confidence=0.95)
    np.testing.assert_array_equal(fit.error, 0)
    np.testing.assert_allclose(fit.weights, [1, -2, 0, 0.5], atol=0.05)
    assert fit.r2 == pytest.approx(1, abs=1e-3)


def test_a_constant_answer_gives_nothing(explainer: SampledExplainer) -> None:
    samples = balanced_samples(64, SEGMENTS, RandomState(0))
    fit = UnseenFitter(explainer, SEGMENTS).fit(samples, np.full(64, 2.5), confidence=0.95)
    np.testing.assert_allclose(fit.weights, 0, atol=1e-9)
    np.testing.assert_allclose(fit.error, 0, atol=1e-9)
    assert fit.intercept == pytest.approx(2.5)
