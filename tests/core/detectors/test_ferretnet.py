import os
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch.nn.functional import pad, unfold
from torch.testing import assert_close

from core.detectors import local_networks
from core.detectors.adding import build_from, fetch
from core.detectors.known import find_known
from core.detectors.local_networks import AT_ONCE, FERRETNET, FerretDetector, FerretNet, fused, median_of_neighbours
from core.detectors.manifest import Classes
from core.detectors.registry import Request
from core.images.preprocessing import Preprocessing
from core.storage.atomic import cache_dir
from tests.conftest import noise

# the folder of the published weights, where somebody has them
PEERS = Path(os.environ.get("TELLTALE_PEERS", "none"), "ferretnet-s-median-3.pth")
PREPROCESSING = Preprocessing(64, crop="native", mean=(0.5, 0.4, 0.4), std=(0.3, 0.2, 0.3))


def make_network(width=16):
    """A random one with statistics of normalisation like those of a trained one."""
    torch.manual_seed(0)
    network = FerretNet(width)
    network.train()
    for _ in range(20):
        network(torch.randn(4, 3, 64, 64))
    return network.eval()


def make_detector():
    """A random one that reads 64 x 64 pixels; its one output is high for FAKE."""
    return FerretDetector(make_network(), PREPROCESSING, Classes(("FAKE",), ("FAKE",)), config={"width": 16})


@pytest.mark.parametrize("levels", [3, 1000])
def test_the_median_is_torchs_with_a_0_in_the_middle(levels):
    # few levels, so that many are equal
    values = torch.randint(-levels, levels, (2, 3, 9, 14)).float()
    windows = unfold(pad(values, (1, 1, 1, 1)), 3).view(2, 3, 9, -1)
    windows[:, :, 4] = 0
    expected = windows.median(dim=2).values.view(values.shape)
    assert_close(median_of_neighbours(values), expected, rtol=0, atol=0)


def test_the_fused_copy_gives_the_same_logits_and_leaves_the_network_alone():
    network = make_network()
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    inputs = torch.randn(2, 3, 72, 88)
    with torch.no_grad():
        expected = network(inputs)
        assert_close(fused(network)(inputs), expected, rtol=1e-5, atol=1e-5)
    assert_close(dict(network.state_dict()), state)
    assert expected.std() > 1e-3


def test_many_windows_pass_a_few_at_a_time_and_to_the_same_bit(monkeypatch):
    detector = make_detector()
    pixels = noise(7, 64, 64)
    with torch.inference_mode():
        together = fused(detector.network).to(memory_format=detector.format)(detector.inputs(pixels))[:, 0]
    counts = []

    def median(values):
        counts.append(len(values))
        return median_of_neighbours(values)

    monkeypatch.setattr(local_networks, "median_of_neighbours", median)
    assert_array_equal(detector.margins(pixels), -together.numpy())
    assert max(counts) <= AT_ONCE


def test_published_weights_are_read_in_order(tmp_path):
    network = make_network(32)
    state = network.state_dict()
    torch.save({f"their.{number}": tensor for number, tensor in enumerate(state.values())}, tmp_path / "w.pth")
    brought = FERRETNET.read(Request("ferretnet", weights=tmp_path / "w.pth"))
    assert_close(dict(brought.network.state_dict()), dict(state), check_dtype=False)
    # settings of the published network: three halvings, and channels that double twice
    assert brought.network.features(torch.zeros(1, 3, 64, 48)).shape == (1, 128, 8, 6)


@pytest.mark.skipif(not PEERS.exists(), reason="the published weights are not here")
def test_the_published_weights_give_what_the_authors_code_gives():
    known = find_known("ferretnet")
    file = cache_dir() / "detectors" / f"{known.sha256}.pth"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(PEERS.read_bytes())
    detector = build_from(fetch("ferretnet"))
    grain = noise(256, 256)
    ramp = np.linspace(0, 255, 256 * 256 * 3).reshape(256, 256, 3).astype(np.uint8)
    margins = detector.margins(np.stack([grain, ramp, grain // 4 + ramp // 2]))
    # by their code at the commit that is known
    assert_allclose(margins, [-32.23532867, -1.55883706, -14.32888317], rtol=1e-5)
