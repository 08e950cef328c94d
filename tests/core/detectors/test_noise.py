"""Detectors whose margins depend on the batch, on chance or on the last bits of their inputs."""

import numpy as np
import pytest
import torch
from torch import nn

from core.commands import detectors
from core.detectors.detector import Detector
from core.detectors.manifest import Capability, Classes
from core.detectors.noise import measure_noise
from core.detectors.storage import load_detector
from core.images.preprocessing import Preprocessing
from tests.core.any_detector import pictures

PIXELS = np.concatenate([pictures(3, fine=fine, seed=1) for fine in (False, True)])


class Odd(nn.Module):
    """A convolution and a mean, changed in one of several ways."""

    def __init__(self, how):
        super().__init__()
        self.how, self.conv = how, nn.Conv2d(3, 2, 3)
        nn.init.constant_(self.conv.weight, 0.1)

    def forward(self, inputs):
        features = self.conv(inputs)
        # of one class alone, so that the margin changes
        change = torch.zeros_like(features)
        if self.how == "batch":
            change[:, 0] = features.mean()
        elif self.how == "chance":
            change[:, 0] = 0.1 * torch.rand(len(inputs), 1, 1)
        elif self.how == "bits":
            change[:, 0] = 0.1 * torch.sin(1e6 * inputs.double().sum(dim=(1, 2, 3))).view(-1, 1, 1)
        return (features + change).mean(dim=(2, 3))


def odd(how):
    """A detector of 48 pixels with such a network."""
    torch.manual_seed(0)
    return Detector(Odd(how), Preprocessing(48, mean=(0.5,) * 3, std=(0.2,) * 3), Classes())


def test_margins_of_a_batch_become_those_of_each_image_alone():
    before = odd("batch")
    detector, said = measure_noise(before, PIXELS)
    assert list(said) == ["One by one"]
    alone = [before.margins(PIXELS[number : number + 1])[0] for number in range(len(PIXELS))]
    np.testing.assert_allclose(detector.margins(PIXELS), alone, atol=1e-6)
    assert np.abs(before.margins(PIXELS) - alone).max() > 0.05
    assert detector.noise == 0
    assert detector.identity != before.identity
    assert detector.capabilities == {Capability.PREDICTIONS, Capability.GRADIENTS}


@pytest.mark.parametrize("how, least, most", [("chance", 0.02, 0.1), ("bits", 0.05, 0.2)])
def test_noise_is_measured(how, least, most):
    detector, said = measure_noise(odd(how), PIXELS)
    assert least < detector.noise <= most
    assert list(said) == ["Noise"]
    assert detector.target_layer == "conv"


def test_a_steady_detector_stays_as_it_is():
    detector = odd("not")
    assert measure_noise(detector, PIXELS) == (detector, {})


def test_a_noisy_detector_is_stored_and_opened(tmp_path, capsys):
    # another margin whenever it is asked
    (tmp_path / "net.py").write_text("import random\ndef p(path): return random.uniform(0.4, 0.5)\n")
    words = ["add", "noisy", f"function:{tmp_path / 'net.py'}:p", "--run-code", "--size", "32", "--out", str(tmp_path)]
    assert detectors.main(words) == 0
    assert "its margin is uncertain by 0." in capsys.readouterr().out
    for _ in range(3):
        detector = load_detector(tmp_path / "detectors" / "noisy")
    assert 0.05 < detector.noise < 0.41
