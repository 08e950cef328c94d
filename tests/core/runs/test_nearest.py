"""Exact search against scikit-learn's brute force, over several blocks, with copies and gaps."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics.pairwise import cosine_distances

from core.runs import nearest
from core.runs.nearest import find_nearest, halved


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(nearest, "BLOCK", 37)
    monkeypatch.setattr(nearest, "QUERIES", 11)


@pytest.mark.parametrize("k", [1, 5, 60])
def test_it_is_brute_force_without_the_rows_of_ones_own_code(k):
    generator = np.random.default_rng(0)
    base = generator.normal(size=(200, 16)).astype(np.float16)
    queries = generator.normal(size=(40, 16))
    query_codes, base_codes = generator.integers(0, 9, 40), generator.integers(0, 9, 200)
    found = find_nearest(queries, base, k, query_codes=query_codes, base_codes=base_codes)
    expected = cosine_distances(queries, base)
    expected[query_codes[:, None] == base_codes] = np.inf
    assert_allclose(found.distances, np.sort(expected, axis=1)[:, :k], atol=1e-5)
    # where two are as near to float32 either may come first
    assert (found.rows == np.argsort(expected, axis=1)[:, :k]).mean() > 0.99
    assert found.rows.dtype == np.intp
    assert found.distances.dtype == np.float32


def test_where_there_are_fewer_the_rest_is_said_to_be_missing():
    found = find_nearest(np.eye(3)[:1], np.eye(3), 5, query_codes=np.array([0]), base_codes=np.arange(3))
    assert found.rows[0].tolist() == [1, 2, -1, -1, -1]
    assert np.isinf(found.distances[0, 2:]).all()


def test_values_are_halved_where_that_can_hold_them():
    values = np.array([[65504.0, -1.5]], np.float32)
    assert_array_equal(halved(values), values)
    # so small ones would have one digit left
    small = np.array([[1e-7, -5e-8]], np.float32)
    for given, kind in ((values, "f2"), (-2 * values, "f4"), (small, "f4"), (0 * small, "f2"), (values[:0], "f2")):
        assert halved(given).dtype == kind
