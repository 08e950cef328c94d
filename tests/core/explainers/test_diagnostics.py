"""Diagnostics of maps whose answer is known."""

import numpy as np
import pytest

from core.explainers.explanation import map_diagnostics
from core.images.labels import ClassName


@pytest.mark.parametrize(
    ("values", "one_sided", "cause", "words"),
    [
        ([0, 0, 0, 0], None, "zero", "zero everywhere"),
        ([0, 0, 0, 0], "FAKE", "zero", "zero everywhere"),
        ([1.0, 1.0, 0.95, 1.0], None, "flat", "points at no place. Every position speaks for REAL"),
        ([-1.0, -0.95, -1.0, -1.0], None, "flat", "points at no place. Every position speaks for FAKE"),
        ([1.0, 0.1, 0.5, 0.0], None, "one sign", "Every position speaks for REAL"),
        ([-1.0, -0.1, -0.5, 0.0], None, "one sign", "Every position speaks for FAKE"),
        ([-1.0, -0.1, -0.5, 0.0], "FAKE", "one-sided", "only what speaks for FAKE, never what speaks against"),
        ([1.0, -0.1, 0.5, 0.0], None, "", ""),
    ],
)
def test_a_map_is_told_by_what_it_shows(
    values: list[float], one_sided: ClassName | None, cause: str, words: str
) -> None:
    found = map_diagnostics(np.array(values, np.float32).reshape(2, 2), one_sided=one_sided)
    assert found.one_colour == cause
    assert words in found.sentence
    assert bool(found.sentence) == bool(cause)
    largest = max(map(abs, values))
    assert found.numbers["spread"] == pytest.approx((max(values) - min(values)) / largest if largest else 0)
