"""Temperature scaling."""

import numpy as np
import pytest
import torch

from core.training.temperature import fit_temperature


def test_it_is_that_of_gradient_descent_on_the_cross_entropy() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 400)
    margins = (3.0 * (2 * labels - 1) + 4 * generator.normal(size=400)).astype(np.float32)
    log = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.LBFGS([log], max_iter=100)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = torch.from_numpy(margins).double() / log.exp()
        found = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(labels).double())
        found.backward()
        return found

    optimizer.step(loss)
    assert fit_temperature(margins, labels) == pytest.approx(float(log.detach().exp()), rel=1e-3)


def test_where_every_verdict_is_right_nothing_is_fitted() -> None:
    assert fit_temperature(np.array([1, -0.5, 2, -3], np.float32), np.array([1, 0, 1, 0])) == 1.0
