"""Class activation maps: torchcam's methods on any stage, and the margin map of the detector's own pass."""

import copy
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchcam import methods

from core.detectors.detector import Detector
from core.explainers.diagnostics import cam_health
from core.explainers.results import (
    CAM_METHODS,
    CLASSES,
    CamMethod,
    CamResult,
    CamSettings,
    CamStage,
    CamTarget,
    ClassName,
    ExplanationError,
)
from core.images.labels import FAKE, REAL

BATCH = 128
Cancel = Callable[[], bool]
# hooks sit on the shared network while a map is made: one map at a time
_LOCK = threading.Lock()


class _Cancelled(Exception):
    """Somebody has answered `cancel` with True."""


def explain_gradcam(
    detector: Detector,
    pixels: NDArray[np.uint8],
    *,
    stage: CamStage = "layer4",
    method: CamMethod = "GradCAM",
    target: CamTarget = "margin",
    cancel: Cancel | None = None,
) -> list[CamResult]:
    """Class activation maps of N images through torchcam.

    Args:
        detector: its network carries torchcam's hooks meanwhile and none afterwards.
        pixels: uint8 (N, 32, 32, 3).
        stage: "layer1" (32 x 32 positions), "layer2" (16 x 16), "layer3" (8 x 8) or "layer4" (4 x 4).
        method: see `CAM_METHODS`; "ScoreCAM" takes a forward pass for every channel of the stage.
        target: "margin", or the class whose logit is explained.
        cancel: asked before each of "ScoreCAM"'s passes, a batch of channels each; may use the detector itself.

    Returns:
        A result an image, none once `cancel` has answered True. With the margin as target, GradCAM, XGradCAM and
        LayerCAM give signed maps, positive for REAL: what speaks for it less what speaks against it. For one class's
        logit torchcam's maps end in a ReLU, and GradCAMpp and ScoreCAM weigh only what speaks for the target: all of
        these are never below zero.

    Raises:
        ExplanationError: an unknown stage, method or target, or logits that are not finite.
        ValueError: `pixels` has another shape or dtype.
    """
    settings = CamSettings(stage=stage, method=method, target=target)
    started = time.perf_counter()
    margins = detector.margins(pixels)
    _check_finite(detector, margins)
    try:
        values = activation_maps(detector, pixels, stage=stage, method=method, target=target, cancel=cancel)
    except _Cancelled:
        return []
    signed = CAM_METHODS[method] and target == "margin"
    toward: ClassName = "REAL" if target == "margin" else target
    return _results(detector, pixels, margins, values, settings=settings, signed=signed, toward=toward, started=started)


def explain_margin_map(detector: Detector, pixels: NDArray[np.uint8]) -> list[CamResult]:
    """The instant view of N images: layer4 weighted by w_REAL - w_FAKE, 4 x 4, signed, from one forward pass each.

    The mean of a map plus the bias difference is the margin. It is Grad-CAM on layer4 for the margin times 16.
    """
    started = time.perf_counter()
    found = detector.full_pass(pixels)
    _check_finite(detector, found.margins)
    return _results(
        detector,
        pixels,
        found.margins,
        found.needed_maps,
        settings=CamSettings(),
        signed=True,
        toward="REAL",
        started=started,
    )


def activation_maps(
    detector: Detector,
    pixels: NDArray[np.uint8],
    *,
    stage: CamStage,
    method: CamMethod,
    target: CamTarget,
    cancel: Cancel | None = None,
) -> NDArray[np.float32]:
    """float32 (N, h, w), the values of `explain_gradcam` for N images, not normalised."""
    size = {"layer1": 32, "layer2": 16, "layer3": 8, "layer4": 4}[stage]
    parts = [np.zeros((0, size, size), np.float32)]
    for start in range(0, len(pixels), BATCH):
        inputs = detector.inputs(pixels[start : start + BATCH])
        if method == "ScoreCAM":
            maps = _score_cam(detector.network, inputs, stage, target, cancel)
        else:
            maps = _gradient_cam(detector.network, inputs, stage, method, target)
        parts.append(maps.detach().float().cpu().numpy())
    return np.concatenate(parts)


def _gradient_cam(network: nn.Module, inputs: Tensor, stage: CamStage, method: CamMethod, target: CamTarget) -> Tensor:
    with _LOCK, _extractor(network, stage, method) as extractor:
        logits = network(inputs)
        if not (CAM_METHODS[method] and target == "margin"):
            return extractor(scores=logits, normalized=False, **_explained(target))[0]
        # a signed map is what speaks for less what speaks against: each has been through torchcam's ReLU
        toward_real = extractor(scores=logits, targets=_margin, normalized=False, retain_graph=True)[0]
        toward_fake = extractor(scores=logits, targets=_minus_margin, normalized=False)[0]
        return toward_real - toward_fake


def _score_cam(network: nn.Module, inputs: Tensor, stage: CamStage, target: CamTarget, cancel: Cancel | None) -> Tensor:
    def ask(_network: nn.Module, _inputs: object) -> None:
        if cancel is not None and cancel():
            raise _Cancelled

    with _LOCK:
        # modules of its own around the same weights: whoever is asked between two batches may use the shared ones
        weights = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
        own = copy.deepcopy(network, weights)
    own.register_forward_pre_hook(ask)
    with torch.no_grad(), methods.ScoreCAM(own, stage, input_shape=(3, 32, 32)) as extractor:
        return extractor(scores=own(inputs), normalized=False, **_explained(target))[0]


def _explained(target: CamTarget) -> dict[str, Any]:
    """What torchcam is told to explain."""
    return {"targets": _margin} if target == "margin" else {"class_idx": CLASSES.index(target)}


@contextmanager
def _extractor(network: nn.Module, stage: CamStage, method: CamMethod) -> Iterator[methods.core._CAM]:
    """torchcam's extractor on one stage; its hooks, and ours, are gone afterwards whatever happens."""
    layer = network.get_submodule(stage)
    # before torchcam's own hook, so that the graph of gradients begins at this output and nothing below is recorded
    handle = layer.register_forward_hook(lambda _layer, _inputs, output: output.detach().requires_grad_(True))
    try:
        with torch.enable_grad(), getattr(methods, method)(network, stage, input_shape=(3, 32, 32)) as extractor:
            yield extractor
    finally:
        handle.remove()


def _check_finite(detector: Detector, margins: NDArray[np.float32]) -> None:
    damaged = np.flatnonzero(~np.isfinite(margins))
    if len(damaged):
        raise ExplanationError(
            f"the detector {detector.name} answers image {damaged[0]} with a margin that is not finite; its weights "
            "are damaged, choose another detector"
        )


def _margin(logits: Tensor) -> Tensor:
    return logits[REAL] - logits[FAKE]


def _minus_margin(logits: Tensor) -> Tensor:
    return logits[FAKE] - logits[REAL]


def _results(
    detector: Detector,
    pixels: NDArray[np.uint8],
    margins: NDArray[np.float32],
    values: NDArray[np.float32],
    *,
    settings: CamSettings,
    signed: bool,
    toward: ClassName,
    started: float,
) -> list[CamResult]:
    probabilities = detector.p_real(margins)
    seconds = (time.perf_counter() - started) / max(1, len(pixels))
    return [
        CamResult(
            image=image,
            margin=float(margin),
            p_real=float(p_real),
            toward=toward,
            detector=detector.name,
            detector_sha256=detector.sha256,
            seconds=seconds,
            settings=settings,
            values=value,
            signed=signed,
            health=cam_health(value, signed=signed, toward=toward),
        )
        for image, margin, p_real, value in zip(pixels, margins, probabilities, values, strict=True)
    ]
