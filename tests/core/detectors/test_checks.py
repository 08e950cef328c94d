"""Detectors whose margins depend on the batch, on chance or on the last bits of their inputs."""

import numpy as np
import pytest
import torch

from core.commands import detectors
from core.detectors.checks import measure_noise
from core.detectors.detector import Detector
from core.detectors.manifest import Capability, Classes
from core.detectors.storage import load_detector
from core.images.preprocessing import Preprocessing
from tests.core.any_detector import pictures
from tests.core.detectors.test_adding import Answers

PIXELS = np.concatenate([pictures(3, fine=fine, seed=1) for fine in (False, True)])


CHANGES = {
    "batch": lambda _, answers: 10 * answers.mean().expand(len(answers)),
    "chance": lambda inputs, _: 0.1 * torch.rand(len(inputs)),
    "bits": lambda inputs, _: 0.1 * torch.sin(1e6 * inputs.double().sum(dim=(1, 2, 3))).float(),
    "not": lambda inputs, _: torch.zeros(len(inputs)),
}


def odd(how):
    """A detector of 48 pixels whose answers are changed in one of these ways."""

    def change(inputs, answers):
        # of one class alone, so that the margin changes
        return answers + torch.outer(CHANGES[how](inputs, answers), torch.tensor([1.0, 0.0]))

    return Detector(Answers(change), Preprocessing(48, mean=(0.5,) * 3, std=(0.2,) * 3), Classes())


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
