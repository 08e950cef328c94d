import copy
import threading

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torchcam import methods

from core.detectors.detector import Detector
from core.detectors.resnet import ResNetDetector
from core.explainers import gradcam
from core.explainers.gradcam import activation_maps, explain_gradcam, explain_margin_map
from core.explainers.results import CAM_METHODS, CAM_STAGES, CamMethod, CamStage, ExplanationError
from core.images.labels import FAKE, REAL
from tests.conftest import make_detector, textured


@pytest.fixture(scope="module")
def detector() -> Detector:
    return make_detector(width=4, seed=3)


@pytest.fixture(scope="module")
def fifty() -> NDArray[np.uint8]:
    return np.concatenate([textured(25, fine=False, seed=3), textured(25, fine=True, seed=4)])


def hooks(network: nn.Module) -> int:
    names = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, name)) for module in network.modules() for name in names)


def plain_torchcam(detector: Detector, pixels: NDArray[np.uint8], stage: str, method: str, label: int) -> torch.Tensor:
    """torchcam as its documentation shows it, on a copy with gradients everywhere."""
    network = copy.deepcopy(detector.network).requires_grad_(True)
    with getattr(methods, method)(network, stage) as extractor:
        scores = network(detector.inputs(pixels))
        return extractor(class_idx=label, scores=scores, normalized=False)[0].detach()


@pytest.mark.parametrize("stage", CAM_STAGES)
@pytest.mark.parametrize("method", [method for method in CAM_METHODS if method != "ScoreCAM"])
def test_a_classs_map_is_torchcams_on_50_images(
    detector: Detector, fifty: NDArray[np.uint8], stage: CamStage, method: CamMethod
) -> None:
    largest = 0.0
    for name, label in (("FAKE", FAKE), ("REAL", REAL)):
        expected = plain_torchcam(detector, fifty, stage, method, label).numpy()
        ours = activation_maps(detector, fifty, stage=stage, method=method, target=name)  # type: ignore[arg-type]
        largest = max(largest, expected.max())
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())
    assert largest > 0


def test_score_cam_is_torchcams(detector: Detector, fifty: NDArray[np.uint8]) -> None:
    expected = plain_torchcam(detector, fifty[:4], "layer4", "ScoreCAM", REAL).numpy()
    ours = activation_maps(detector, fifty[:4], stage="layer4", method="ScoreCAM", target="REAL")
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-6 * expected.max())


def test_score_cam_asks_between_batches_of_channels_and_ends(detector: Detector, fifty: NDArray[np.uint8]) -> None:
    asked = []

    def cancel() -> bool:
        asked.append(hooks(detector.network))
        return len(asked) == 3

    assert explain_gradcam(detector, fifty[:1], method="ScoreCAM", cancel=cancel) == []
    # nothing was on the shared network meanwhile, either
    assert asked == [0, 0, 0]
    assert hooks(detector.network) == 0
    whole = []
    explain_gradcam(detector, fifty[:4], method="ScoreCAM", cancel=lambda: bool(whole.append(1)))
    # 4 images x 32 channels, 32 a pass, after the two that torchcam begins with
    assert len(whole) == 2 + 4


def test_other_maps_are_made_between_the_batches_of_score_cam(detector: Detector, fifty: NDArray[np.uint8]) -> None:
    alone = explain_gradcam(detector, fifty[:1], method="ScoreCAM")[0].values
    expected = explain_gradcam(detector, fifty[1:2])[0].values
    others: list[NDArray[np.float32]] = []

    def cancel() -> bool:
        others.append(explain_gradcam(detector, fifty[1:2])[0].values)
        return False

    found = explain_gradcam(detector, fifty[:1], method="ScoreCAM", cancel=cancel)[0].values
    np.testing.assert_array_equal(found, alone)
    assert len(others) == 3
    for other in others:
        np.testing.assert_array_equal(other, expected)


@pytest.mark.parametrize("stage", CAM_STAGES)
@pytest.mark.parametrize("method", ["GradCAM", "XGradCAM", "LayerCAM"])
def test_the_margins_signed_map_is_its_formula(
    detector: Detector, fifty: NDArray[np.uint8], stage: CamStage, method: CamMethod
) -> None:
    pixels = fifty[::5]
    kept: dict[str, torch.Tensor] = {}

    def keep(_module: nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        kept["activation"] = output.detach().requires_grad_(True)
        return kept["activation"]

    network = copy.deepcopy(detector.network)
    network.get_submodule(stage).register_forward_hook(keep)
    with torch.enable_grad():
        logits = network(detector.inputs(pixels))
        gradient = torch.autograd.grad((logits[:, REAL] - logits[:, FAKE]).sum(), kept["activation"])[0]
    activation = kept["activation"].detach()
    if method == "GradCAM":
        expected = (gradient.mean(dim=(2, 3), keepdim=True) * activation).sum(dim=1)
    elif method == "XGradCAM":
        share = activation / (activation.sum(dim=(2, 3), keepdim=True) + 1e-8)
        expected = ((gradient * share).sum(dim=(2, 3), keepdim=True) * activation).sum(dim=1)
    else:
        expected = (gradient * activation).sum(dim=1)
    results = explain_gradcam(detector, pixels, stage=stage, method=method)
    assert all(result.signed and result.toward == "REAL" for result in results)
    scale = float(expected.abs().max())
    np.testing.assert_allclose([result.values for result in results], expected.numpy(), rtol=1e-3, atol=1e-5 * scale)


def test_unsigned_maps_say_so_and_are_never_below_zero(detector: Detector, fifty: NDArray[np.uint8]) -> None:
    for method, target in (("GradCAMpp", "margin"), ("GradCAM", "FAKE"), ("ScoreCAM", "margin")):
        result = explain_gradcam(detector, fifty[:1], method=method, target=target)[0]  # type: ignore[arg-type]
        assert not result.signed
        assert result.values.min() >= 0
        assert f"only what speaks for {'FAKE' if target == 'FAKE' else 'REAL'}" in result.health.sentence


def test_the_margin_map_is_grad_cam_on_layer4_and_its_mean_is_the_margin(
    detector: Detector, fifty: NDArray[np.uint8]
) -> None:
    instant, slow = explain_margin_map(detector, fifty), explain_gradcam(detector, fifty)
    for quick, result, margin in zip(instant, slow, detector.margins(fifty), strict=True):
        np.testing.assert_allclose(quick.values, 16 * result.values, rtol=1e-3, atol=1e-4)
        assert quick.values.mean() + detector.bias == pytest.approx(margin, abs=1e-4)
        assert quick.margin == pytest.approx(margin, abs=1e-4)
        assert quick.verdict == ("REAL" if margin > 0 else "FAKE")


def test_batches_do_not_change_a_map(
    detector: Detector, fifty: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = activation_maps(detector, fifty, stage="layer3", method="GradCAM", target="margin")
    monkeypatch.setattr(gradcam, "BATCH", 7)
    parts = activation_maps(detector, fifty, stage="layer3", method="GradCAM", target="margin")
    np.testing.assert_allclose(parts, whole, rtol=1e-3, atol=1e-6)
    assert whole.shape == (50, 8, 8)
    assert activation_maps(detector, fifty[:0], stage="layer3", method="GradCAM", target="margin").shape == (0, 8, 8)
    assert explain_gradcam(detector, fifty[:0]) == []


def test_nothing_is_left_on_the_network(
    detector: Detector, fifty: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    for method in CAM_METHODS:
        explain_gradcam(detector, fifty[:2], method=method)
    assert hooks(detector.network) == 0
    assert not detector.network.training
    assert not any(parameter.requires_grad for parameter in detector.network.parameters())
    assert all(parameter.grad is None for parameter in detector.network.parameters())
    monkeypatch.setattr(methods.GradCAM, "_get_weights", lambda *_args, **_kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        explain_gradcam(detector, fifty[:2])
    monkeypatch.setattr(methods.GradCAM, "__init__", lambda *_args, **_kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        explain_gradcam(detector, fifty[:2])
    assert hooks(detector.network) == 0
    assert not any(parameter.requires_grad for parameter in detector.network.parameters())


def test_no_gradient_is_recorded_below_the_stage(detector: Detector, fifty: NDArray[np.uint8]) -> None:
    recorded: dict[str, bool] = {}
    handles = [
        module.register_forward_hook(
            lambda _module, _inputs, output, name=name: recorded.update({name: output.requires_grad})
        )
        for name, module in detector.network.named_children()
    ]
    try:
        explain_gradcam(detector, fifty[:2], stage="layer3")
    finally:
        for handle in handles:
            handle.remove()
    assert {name for name, gradient in recorded.items() if gradient} == {"layer4", "avgpool", "fc"}
    assert {"conv1", "layer1", "layer2", "layer3"} <= set(recorded)


def test_threads_do_not_see_each_other(detector: Detector, fifty: NDArray[np.uint8]) -> None:
    expected = {stage: explain_gradcam(detector, fifty[:6], stage=stage) for stage in CAM_STAGES}
    found: dict[tuple[int, CamStage], list[NDArray[np.float32]]] = {}

    def work(number: int) -> None:
        for stage in CAM_STAGES:
            found[number, stage] = [result.values for result in explain_gradcam(detector, fifty[:6], stage=stage)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 16
    for (_, stage), values in found.items():
        np.testing.assert_allclose(values, [result.values for result in expected[stage]], rtol=1e-3, atol=1e-6)
    assert hooks(detector.network) == 0


@pytest.mark.parametrize("method", ["GradCAM", "LayerCAM"])
def test_the_stage_that_fits_puts_the_one_patch_first(
    red_detector: Detector, red_patch: NDArray[np.uint8], method: CamMethod
) -> None:
    for stage, side in (("layer3", 4), ("layer4", 8)):
        result = explain_gradcam(red_detector, red_patch[None], stage=stage, method=method)[0]  # type: ignore[arg-type]
        expected = np.zeros_like(result.values, bool)
        expected[20 // side, 8 // side] = True
        np.testing.assert_array_equal(result.values > 0, expected)
        assert result.health.one_signed
        assert "speaks for REAL" in result.health.sentence


def test_flat_and_zero_maps_are_said_to_be_that(red_detector: Detector, red_patch: NDArray[np.uint8]) -> None:
    grey, red = np.full((32, 32, 3), 90, np.uint8), np.full((32, 32, 3), (200, 0, 0), np.uint8)
    zero, flat, pointed = explain_margin_map(red_detector, np.stack([grey, red, red_patch]))
    assert zero.health.flat
    assert "zero everywhere" in zero.health.sentence
    assert flat.health.flat
    assert "points at no place" in flat.health.sentence
    assert not pointed.health.flat


def test_logits_that_are_no_numbers_are_refused(fifty: NDArray[np.uint8]) -> None:
    detector = make_detector(width=4, seed=3)
    network = detector.network
    network.fc.weight.fill_(float("nan"))
    broken = ResNetDetector(network, 4)
    with pytest.raises(ExplanationError, match="not finite"):
        explain_gradcam(broken, fifty[:2])
    with pytest.raises(ExplanationError, match="not finite"):
        explain_margin_map(broken, fifty[:2])
    assert hooks(network) == 0


@pytest.mark.parametrize("wrong", [{"stage": "layer5"}, {"method": "CAM"}, {"target": "CAT"}])
def test_unknown_settings_are_refused(detector: Detector, fifty: NDArray[np.uint8], wrong: dict[str, str]) -> None:
    with pytest.raises(ExplanationError, match=f"{next(iter(wrong))} must be one of"):
        explain_gradcam(detector, fifty[:1], **wrong)  # type: ignore[arg-type]


def test_width_1_works(fifty: NDArray[np.uint8]) -> None:
    for method in CAM_METHODS:
        assert np.isfinite(explain_gradcam(make_detector(width=1), fifty[:1], method=method)[0].values).all()
