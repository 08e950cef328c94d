"""Check a detector that others made before it is added: its outputs, its noise, and its answers to known pictures."""

from dataclasses import replace

import numpy as np
import torch
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, roc_auc_score
from torch import Tensor

from core.arrays import Float64, Pixels
from core.detectors.detector import Detector, Progress
from core.detectors.manifest import STEADY, Capability
from core.detectors.registry import SourceError
from core.images.loading import load_image_set
from core.images.sources import SHIPPED
from core.storage.limits import first_line

# the least change of an input: its last bit, one part in ten million
LAST_BIT = 2.0**-23
# times that every input is changed so
DRAWS = 4
# how far an accuracy may be from the stated one
CLOSE = 0.002


def check_outputs(detector: Detector, pictures: Pixels) -> None:
    """Check on pictures, noise, black and white that a detector's outputs are usable.

    Args:
        detector: to check.
        pictures: uint8 (N, S, S, 3).

    Raises:
        SourceError: outputs are not finite, not the declared probabilities or the same for all images, or gradients for
            a map fail.
    """
    noise = np.random.default_rng(0).integers(0, 256, (2, *pictures.shape[1:])).astype(np.uint8)
    trial = np.concatenate([pictures, noise, np.zeros_like(noise[:1]), np.full_like(noise[:1], 255)])
    try:
        with torch.inference_mode():
            outputs = detector.network(detector.inputs(trial)).reshape(len(trial), -1).float().cpu().numpy()
    except Exception as error:  # noqa: BLE001 - networks of others raise whatever they like
        raise SourceError(
            f"it takes one picture but not {len(trial)} at once ({first_line(error)}); export or write it for any "
            "number of pictures"
        ) from None
    if not np.isfinite(outputs).all():
        raise SourceError("it gives answers that are not finite numbers; check its weights, --mean and --std")
    least = outputs.min()
    most = outputs.max()
    if detector.classes.outputs == "probabilities" and not 0 <= least <= most <= 1:
        raise SourceError(f"it gives {least:.3g} to {most:.3g}, which are no probabilities; say --outputs logits")
    if np.ptp(outputs, axis=0).max() <= 1e-6 * max(1.0, -least, most):
        raise SourceError("its answers do not depend on the picture; check its weights, --mean and --std")
    try:
        detector.full_pass(pictures[:1])
        if Capability.GRADIENTS in detector.capabilities:
            inputs = detector.inputs(pictures[:1]).requires_grad_(True)
            torch.autograd.grad(detector.scores(inputs.clone()).sum(), inputs)
    except RuntimeError as error:
        raise SourceError(
            f"it gives verdicts but no gradients ({first_line(error)}); where it has a part that computes without "
            "them, take that away, or export it to ONNX"
        ) from None


def measure_noise(detector: Detector, pixels: Pixels) -> tuple[Detector, dict[str, str]]:
    """Measure a detector's margins alone, in a batch, twice, and with the last bits of its inputs changed at random.

    Args:
        detector: one whose margins depend on the batch is returned as one that takes images one by one.
        pixels: uint8 (N, S, S, 3).

    Returns:
        The detector, with `noise` in its manifest where its margins change by more than `STEADY` though the image is
        the same; and what is to be said of that, heading -> words.
    """
    inputs = detector.inputs(pixels)
    about = detector.about
    about = replace(about, config={**about.config, "one_by_one": True}, target_layer="")
    alone = detector.from_about(detector.network, about, manifest=detector.manifest, device=detector.device)
    noise = _largest_change(detector, inputs)
    apart = float(np.abs(_margins(alone, inputs) - _margins(detector, inputs)).max())
    remarks = {}
    # of one that draws at random, two may differ by twice as much as any of some from the first
    if apart > max(STEADY, 2 * noise):
        detector = alone
        noise = _largest_change(detector, inputs)
        remarks["One by one"] = f"in a batch its margin depends on the other images, by {apart:.2g}"
    if noise > STEADY:
        detector.manifest = {**detector.manifest, "noise": noise}
        remarks["Noise"] = f"its margin is uncertain by {noise:.2g}: it changes so much though the image is the same"
    return detector, remarks


def _margins(detector: Detector, inputs: Tensor) -> Float64:
    with torch.inference_mode():
        return detector.scores(inputs).double().diff(dim=1)[:, 0].cpu().numpy()


def _largest_change(detector: Detector, inputs: Tensor) -> float:
    """Return the largest change of a margin from the first time to the second, and to those with other last bits."""
    first = _margins(detector, inputs)
    generator = torch.Generator().manual_seed(0)
    signs = (torch.randint(-1, 2, inputs.shape, generator=generator).to(inputs.device) for _ in range(DRAWS))
    again = [_margins(detector, inputs), *(_margins(detector, inputs * (1 + LAST_BIT * sign)) for sign in signs)]
    return float(np.abs(np.stack(again) - first).max())


def check_answers(detector: Detector, data: str, *, progress: Progress | None = None) -> str:
    """Check on labelled images that a detector's predictions are not clearly worse than chance; say how right they are.

    Args:
        detector: to check.
        data: an image set with a test split.
        progress: called with (images done, N) while they are read, and again while they are judged.

    Raises:
        SourceError: fewer predictions are right than chance would explain (binomial test at 1 %).
        DatasetError: the images cannot be read.
    """
    images = load_image_set(data, "test", fit=detector.preprocessing, skip_bad=True, progress=progress).needing_both()
    margins = detector.margins(images.pixels, progress=progress)
    real = images.labels.astype(bool)
    (caught, missed), (accused, trusted) = confusion_matrix(real, margins > 0)
    right = int(caught + trusted)
    if binomtest(right, len(images), alternative="less").pvalue < 0.01:
        raise SourceError(
            f"it is right on {right} of {len(images)} pictures of {data}, fewer than a coin would be; check "
            "--fake-classes, --classes, and the preprocessing"
        )
    counts = f"FAKE called REAL: {missed} of {caught + missed}; REAL called FAKE: {accused} of {accused + trusted}"
    accuracy = f"right on {right:,} of {len(images):,} pictures with known answers ({right / len(images):.4f})"
    return f"{accuracy}; AUROC {roc_auc_score(real, margins):.4f}; {counts}"


def check_accuracy(detector: Detector, known: float, *, progress: Progress | None = None) -> str:
    """Measure a detector on CIFAKE's test images, which ship, and say its accuracy.

    Raises:
        SourceError: it is further than `CLOSE` from the one that is known.
        DatasetError: the images are missing.
    """
    images = load_image_set(SHIPPED, "test", fit=detector.preprocessing)
    margins = detector.margins(images.pixels, progress=progress)
    accuracy = float(((margins > 0) == images.labels.astype(bool)).mean())
    if abs(accuracy - known) > CLOSE:
        what = f"it is right on {accuracy:.4f} of CIFAKE's test images, and known to be on {known}"
        raise SourceError(f"{what}: a library computes something else; nothing was added")
    return f"right on {accuracy:.5g} of its test images, known: {known}"
