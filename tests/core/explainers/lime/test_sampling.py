import numpy as np
import pytest
from numpy.random import RandomState

from core.explainers.lime.sampling import balanced_samples, distinct_rows, random_samples


@pytest.mark.parametrize(("n_samples", "n_segments"), [(64, 7), (64, 30), (256, 33), (255, 20), (100, 128), (2, 9)])
def test_balanced_samples_come_with_their_complements(n_samples: int, n_segments: int) -> None:
    samples = balanced_samples(n_samples, n_segments, RandomState(0))
    assert samples.keep.shape == (n_samples, n_segments)
    assert samples.keep[0].all()
    if n_samples > 2:
        assert not samples.exhaustive
    whole = n_samples // 2 * 2
    np.testing.assert_array_equal(samples.keep[1:whole:2], ~samples.keep[:whole:2])
    np.testing.assert_array_equal(samples.clusters, np.arange(n_samples) // 2)


def test_in_a_block_segments_and_pairs_of_segments_are_kept_equally_often() -> None:
    keep = balanced_samples(2 + 2 * 64, 40, RandomState(3)).keep[2:]
    signs = 2.0 * keep - 1
    np.testing.assert_array_equal(keep.mean(axis=0), 0.5)
    np.testing.assert_array_equal(signs.T @ signs, 128 * np.eye(40))
    # no segment's own effect can be taken for an interaction of two others
    pairs = np.einsum("ni,nj->nij", signs, signs).reshape(len(signs), -1)
    np.testing.assert_array_equal(signs.T @ pairs, 0)


def test_blocks_and_seeds_differ() -> None:
    one, same, other = (balanced_samples(258, 30, RandomState(seed)).keep for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    assert len(np.unique(one, axis=0)) > 250


@pytest.mark.parametrize("n_segments", [1, 2, 5, 8])
def test_few_segments_are_run_in_every_combination_once(n_segments: int) -> None:
    samples = balanced_samples(256, n_segments, RandomState(0))
    assert samples.exhaustive
    assert len(samples) == 2**n_segments == len(np.unique(samples.keep, axis=0))
    assert samples.keep[0].all()
    np.testing.assert_array_equal(samples.keep[1::2], ~samples.keep[::2])


def test_random_samples_are_coin_flips_after_the_image_itself() -> None:
    samples = random_samples(4000, 6, RandomState(0))
    assert samples.keep[0].all()
    np.testing.assert_allclose(samples.keep.mean(axis=0), 0.5, atol=0.03)
    assert len(np.unique(samples.clusters)) == 4000


@pytest.mark.parametrize("n_segments", [1, 3, 8, 9, 30])
def test_distinct_rows_rebuild_all_rows_in_their_order(n_segments: int) -> None:
    keep = np.random.default_rng(0).random((500, n_segments)) < 0.5
    first, inverse = distinct_rows(keep)
    np.testing.assert_array_equal(keep[first][inverse], keep)
    assert len(first) == len(np.unique(keep, axis=0))
    assert first[0] == 0
    assert (np.diff(first) > 0).all()
    assert all(not (keep[:position] == keep[position]).all(axis=1).any() for position in first)
