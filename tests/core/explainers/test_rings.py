from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from core.explainers.rings import RINGS, RINGS_EXPLAINER, ring_effects, ring_label, ring_parts, ring_versions
from tests.conftest import make_detector, textured


def by_orders(value: NDArray[np.float64], players: int) -> NDArray[np.float64]:
    """Shapley values by their definition: the mean gain over all orders of the players."""
    total, orders = np.zeros(players), list(permutations(range(players)))
    for order in orders:
        before = 0
        for player in order:
            total[player] += value[before | 1 << player] - value[before]
            before |= 1 << player
    return total / len(orders)


def test_shapley_values_are_the_mean_gains_over_all_orders() -> None:
    random = np.random.default_rng(0)
    # only five rings matter, so that 120 orders are all there are
    few = random.normal(size=32)
    values = few[np.arange(256) % 32]
    effects = ring_effects(np.stack([values, 2 * values]))
    expected = np.append(by_orders(few, 5), np.zeros(RINGS - 5))
    np.testing.assert_allclose(effects.shapley, [expected, 2 * expected], atol=1e-12)
    np.testing.assert_allclose(effects.alone[0], [*(few[1 << n] - few[0] for n in range(5)), 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(
        effects.last[0], [*(few[31] - few[31 - (1 << n)] for n in range(5)), 0, 0, 0], atol=1e-12
    )


@pytest.mark.parametrize("side", [32, 48])
def test_versions_hold_the_rings_of_their_set_and_the_mean_colour(side: int) -> None:
    image = np.random.default_rng(2).integers(100, 156, (side, side, 3)).astype(np.uint8)
    versions = ring_versions(image)
    np.testing.assert_array_equal(versions[-1], image)
    assert np.ptp(versions[0], axis=(0, 1)).max() == 0
    np.testing.assert_allclose(versions.mean(axis=(1, 2)), np.tile(image.mean(axis=(0, 1)), (256, 1)), atol=0.6)
    # a version and its complement make up the image and the mean colour
    both = versions.astype(int) + versions[::-1]
    assert np.abs(both - image - versions[0].astype(int)).max() <= 2
    # by numpy's whole spectrum: a version of one ring has nothing outside of it but rounding
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side))) * 32
    for number, version in enumerate(versions[2 ** np.arange(RINGS)]):
        power = np.abs(np.fft.fft2(version[..., 0].astype(float)))
        inside = (radius > 2 * number) & ((radius <= 2 * number + 2) | (number == RINGS - 1))
        power[0, 0] = 0
        assert power[~inside].max() < 0.1 * power[inside].max()


def test_the_effects_of_an_explanation_make_up_the_margin_and_another_image_may_stand_in() -> None:
    detector, image = make_detector(width=4), textured(1, fine=True, seed=3)[0]
    explanation = RINGS_EXPLAINER.explain_fully(detector, image)
    margins = detector.margins(np.stack([image, ring_versions(image)[0]]))
    assert explanation.margin == pytest.approx(float(margins[0]), abs=1e-4)
    assert explanation.parts.weights.sum() == pytest.approx(float(margins[0] - margins[1]), abs=1e-4)
    other = textured(1, fine=False, seed=4)[0].astype(np.float32)
    versions = ring_versions(image, ring_parts(other))
    np.testing.assert_array_equal(versions[-1], image)
    moved = other + (image.mean(axis=(0, 1)) - other.mean(axis=(0, 1)))
    assert np.abs(versions[0] - np.clip(moved, 0, 255)).max() <= 1
    assert [ring_label(number) for number in (0, 1, 7)] == [
        "waves of 16 pixels and more", "waves of 8 to 16 pixels", "waves of 2 to 2.3 pixels",
    ]  # fmt: skip
