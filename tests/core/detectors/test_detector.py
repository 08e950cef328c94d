from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import nn
from torchcam.methods import GradCAM
from torchvision.models import resnet18

from core.detectors.devices import measure_batch_size
from core.detectors.network import weights_sha256
from core.detectors.resnet import ResNetDetector, round_to_float16
from core.detectors.resnet18 import build_network
from core.detectors.storage import load_detector, save_detector
from core.images.labels import REAL
from core.storage import MANIFEST, ContractError
from tests.conftest import make_detector
from tests.core.any_detector import plain_kind
from tests.core.detectors.plain import CLASSES, PREPROCESSING, Plain, PlainDetector


def test_width_64_is_torchvisions_resnet18_but_for_its_stem() -> None:
    ours, theirs = build_network(64).state_dict(), resnet18(num_classes=2).state_dict()
    differing = {name for name in theirs if ours[name].shape != theirs[name].shape}
    assert ours.keys() == theirs.keys()
    assert differing == {"conv1.weight"}
    assert ours["conv1.weight"].shape == (64, 3, 3, 3)


def test_initial_weights_follow_the_seed_and_leave_the_global_generator() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second = build_network(8, seed=1), build_network(8, seed=1)
    assert torch.rand(1) == expected
    assert weights_sha256(first) == weights_sha256(second) != weights_sha256(build_network(8, seed=2))


@pytest.mark.parametrize("width", [8, 12])
def test_passes_equal_the_plain_network(width: int, pixels: NDArray[np.uint8]) -> None:
    detector = make_detector(width, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))
    inputs = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1)) / (
        torch.tensor([0.2, 0.3, 0.25]).view(3, 1, 1)
    )
    with torch.no_grad():
        logits = detector.network(inputs).numpy()
    assert np.ptp(logits) > 0.01
    np.testing.assert_allclose(detector.logits(pixels), logits, atol=1e-5)
    np.testing.assert_allclose(detector.margins(pixels, batch_size=5), logits[:, 1] - logits[:, 0], atol=1e-5)
    np.testing.assert_allclose(detector.full_pass(pixels).logits, logits, atol=1e-5)


def test_mean_of_the_map_plus_bias_is_the_margin(pixels: NDArray[np.uint8]) -> None:
    detector = make_detector()
    computed = detector.full_pass(pixels)
    assert computed.maps.shape == (24, 4, 4)
    assert computed.features.shape == (24, 16)
    np.testing.assert_allclose(computed.maps.mean(axis=(1, 2)) + detector.bias, computed.margins, atol=1e-5)


def test_map_equals_torchcams_gradcam_where_positive(pixels: NDArray[np.uint8]) -> None:
    detector = make_detector()
    network = detector.network
    maps = detector.full_pass(pixels).maps
    # the margin as a network of one output, for torchcam to explain
    margin = nn.Linear(64, 1)
    margin.weight.data = network.fc.weight[REAL : REAL + 1] - network.fc.weight[:REAL]
    margin.bias.data = network.fc.bias[REAL : REAL + 1] - network.fc.bias[:REAL]
    network.fc = margin
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    for index in range(8):
        with GradCAM(network, "layer4") as extractor:
            scores = network(detector.inputs(pixels[index : index + 1]))
            cam = extractor(0, scores, normalized=False)[0][0].detach().numpy()
        ours = np.maximum(maps[index], 0)
        if ours.max() == 0:
            assert cam.max() == 0
            continue
        np.testing.assert_allclose(cam / cam.max(), ours / ours.max(), atol=1e-4)


@pytest.mark.parametrize(
    "bad", [np.zeros((1, 32, 32, 3), np.float32), np.zeros((32, 32, 3), np.uint8), np.zeros((1, 16, 16, 3), np.uint8)]
)
def test_wrong_pixels_are_named(bad: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match=r"pixels must be uint8 \(N, 32, 32, 3\), not"):
        make_detector().margins(bad)


def test_no_images() -> None:
    computed = make_detector().full_pass(np.zeros((0, 32, 32, 3), np.uint8))
    assert [len(part) for part in computed] == [0, 0, 0]


def test_saved_and_loaded_says_the_same(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    detector = make_detector(mean=(0.1, 0.2, 0.3), temperature=1.7)
    save_detector(tmp_path / "d", detector, model_card="# card")
    loaded = load_detector(tmp_path / "d", device="cpu")
    assert (loaded.name, loaded.sha256, loaded.temperature) == ("d", detector.sha256, 1.7)
    assert (loaded.margins(pixels) == detector.margins(pixels)).all()
    assert load_file(tmp_path / "d" / "weights.safetensors")["conv1.weight"].dtype == torch.float16
    assert (tmp_path / "d" / "README.md").read_text() == "# card"


def test_weights_of_a_format_that_numpy_lacks_are_stored_and_loaded(tmp_path: Path) -> None:
    class Brief(Plain):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return super().forward(inputs.bfloat16()).float()

    detector = PlainDetector(Brief(4).bfloat16(), PREPROCESSING, CLASSES, config={"width": 4})
    with plain_kind():
        save_detector(tmp_path / "d", detector, model_card="")
        loaded = load_detector(tmp_path / "d", device="cpu")
    # not a bit is lost
    for name, values in detector.network.state_dict().items():
        assert values.dtype == torch.bfloat16
        assert torch.equal(loaded.network.state_dict()[name], values.float())
    assert loaded.sha256 == detector.sha256


def test_temperature_softens_probability_not_verdict() -> None:
    detector = make_detector(temperature=2.0)
    margins = np.array([-1000, -2, 0, 2, 1000], np.float32)
    np.testing.assert_allclose(detector.p_real(margins), 1 / (1 + np.exp(-margins.clip(-50, 50) / 2)), atol=1e-6)


def _replace_weights(path: Path, write: object) -> None:
    """Swap the weights file and seal the folder again, as an attacker with write access would."""
    import json

    from core.storage import sealed, sha256_of

    write(path / "weights.safetensors")  # type: ignore[operator]
    manifest = json.loads((path / MANIFEST).read_text())
    manifest["files"]["weights.safetensors"] = sha256_of(path / "weights.safetensors")
    (path / MANIFEST).write_text(json.dumps(sealed(manifest)))


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (lambda file: file.write_bytes(b"\x80\x04K\x01."), "is not a safetensors file"),
        (lambda file: save_file({"conv1.weight": torch.zeros(2, 3, 3, 3)}, file), "lacks or adds"),
        (lambda file: save_file({"conv1.weight": torch.zeros(9, 3, 3, 3)}, file), "width-2 detector"),
    ],
)
def test_foreign_weights_are_refused(tmp_path: Path, write: object, sentence: str) -> None:
    save_detector(tmp_path / "d", make_detector(), model_card="")
    _replace_weights(tmp_path / "d", write)
    with pytest.raises(ContractError, match=sentence):
        load_detector(tmp_path / "d")


def test_flipped_bit_is_refused(tmp_path: Path) -> None:
    save_detector(tmp_path / "d", make_detector(), model_card="")
    data = bytearray((tmp_path / "d/weights.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "d/weights.safetensors").write_bytes(data)
    with pytest.raises(ContractError, match=r"weights\.safetensors is not the file that was written"):
        load_detector(tmp_path / "d")


def test_rounding_refuses_what_float16_cannot_hold() -> None:
    network = build_network(8, seed=0)
    network.fc.weight.data[0, 0] = 1e6
    with pytest.raises(ValueError, match="diverged"):
        round_to_float16(network)


def test_measured_batch_size_is_a_candidate() -> None:
    detector = make_detector()
    assert measure_batch_size(detector._forward, torch.device("cpu"), side=32, candidates=(2, 4), images=8) in (2, 4)
    # a batch of large images is small
    asked: list[int] = []

    def forward(batch: torch.Tensor) -> torch.Tensor:
        asked.append(len(batch))
        return batch[:, :, 0, 0]

    assert measure_batch_size(forward, torch.device("cpu"), side=1024) == max(asked) == 32


def test_detector_is_of_evaluation_mode_without_gradients() -> None:
    detector = ResNetDetector(build_network(8).train(), 8)
    assert not detector.network.training
    assert not any(parameter.requires_grad for parameter in detector.network.parameters())
