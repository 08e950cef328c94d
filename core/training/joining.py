"""Joining: detectors of one architecture side by side in one network, each margin weighed on held-out images.

An average of networks that err on different images often errs less than each (Dietterich 2000); as groups of one
network's channels (Laurent et al. 2023, Packed-Ensembles) it remains a detector like any other, with layers, features
and maps.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from core.detectors.detector import Detector
from core.detectors.resnet import ResNetDetector, round_to_float16
from core.detectors.resnet18 import build_network
from core.images.image_set import ImageSet
from core.images.labels import REAL
from core.training.held_out import fit_temperature, split_of, validation_split
from core.training.recipe import PAPERS

# of a margin divided by its own spread, so that separable images cannot make it endless
LARGEST = 20.0
# of a member's manifest, kept in the manifest of what it became part of
KEPT = ("name", "recipe", "history", "weights_sha256", "computed_in")


def join(members: Sequence[Detector], images: ImageSet) -> ResNetDetector:
    """Join detectors into one whose margin is a weighted sum of theirs, weighed on the images they all held out.

    Args:
        members: two or more of the paper's network, of one width, preprocessing and training set.
        images: that training set.

    Returns:
        A detector that is not saved yet. Its manifest has `members`: of each name, recipe, history, hash of
        weights, what it was computed in, weight and accuracy on the held-out images; and the joined accuracy as
        `val_accuracy`.

    Raises:
        ValueError: they cannot be joined, or one of them adds nothing to the others; the message says which.
    """
    networks = [_check(member, members[0], images) for member in members]
    if len({member.sha256 for member in networks}) < max(2, len(networks)):
        raise ValueError("joining needs two detectors or more, each of them once")
    recipe = members[0].manifest["recipe"]
    held = validation_split(images.rows["sha256"].to_numpy(), images.labels, recipe["validation"], seed=recipe["seed"])
    if len(np.unique(images.labels[held])) < 2:
        raise ValueError(f"too few images of {images.name} were held out to say how much each detector counts")
    pixels, labels = images.pixels[np.flatnonzero(held)], images.labels[held]
    margins = np.stack([member.margins(pixels) for member in networks])
    weights = fit_weights(margins, labels)
    for member, weight in zip(networks, weights, strict=True):
        if weight <= 0:
            raise ValueError(f"{member.name} adds nothing to the others on the images held out; leave it out")
    joined = pack(networks, weights)
    own = joined.margins(pixels)
    joined.temperature = fit_temperature(own, labels)
    accuracies = ((np.stack([*margins, own]) > 0) == (labels == REAL)).mean(axis=1).tolist()
    parts = zip(networks, weights.tolist(), accuracies[:-1], strict=True)
    joined.manifest = {
        "recipe": {
            "arch": PAPERS,
            "width": joined.width,
            "groups": joined.groups,
            "joined": " + ".join(f"{m.name} x {weight:.3f}" for m, weight in zip(networks, weights, strict=True)),
            "validation": recipe["validation"],
            "seed": recipe["seed"],
        },
        "history": [],
        "computed_in": f"float32 on {joined.device.type}",
        "members": [
            {**{key: m.manifest[key] for key in KEPT if key in m.manifest}, "weight": weight, "val_accuracy": accuracy}
            for m, weight, accuracy in parts
        ],
        "val_accuracy": accuracies[-1],
    }
    return joined


def fit_weights(margins: NDArray[np.float32], labels: NDArray[Any]) -> NDArray[np.float64]:
    """Find the weights, 0 or more, whose sum of margins has the least log-loss (Wolpert 1992, stacking).

    Args:
        margins: float (K, N), a row a detector.
        labels: (N,), REAL = 1.

    Returns:
        float64 (K,).
    """
    spread = margins.std(axis=1, dtype=np.float64)
    spread[spread == 0] = 1.0
    signed = np.where(labels == REAL, 1.0, -1.0) * margins / spread[:, None]

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        together = weights @ signed
        # the derivative of log(1 + e^-x) is -1 / (1 + e^x), here without overflow
        slope = -np.exp(-np.logaddexp(0, together))
        return float(np.logaddexp(0, -together).mean()), signed @ slope / len(labels)

    best = minimize(loss, np.ones(len(margins)), jac=True, method="L-BFGS-B", bounds=[(0, LARGEST)] * len(margins))
    return np.asarray(best.x / spread)


def pack(members: Sequence[ResNetDetector], weights: NDArray[np.float64]) -> ResNetDetector:
    """Build the network of `members` as groups of its channels; its logits are the weighted sum of theirs."""
    states = [member.network.state_dict() for member in members]
    width = sum(member.width for member in members)
    network = build_network(width, groups=len(members), seed=0)
    packed: dict[str, Tensor] = {}
    for name, own in network.state_dict().items():
        parts = [state[name].detach().cpu() for state in states]
        if name.startswith("fc."):
            parts = [part * float(weight) for part, weight in zip(parts, weights, strict=True)]
        if name == "fc.weight":
            packed[name] = torch.cat(parts, dim=1)
        elif name == "fc.bias":
            packed[name] = torch.stack(parts).sum(dim=0)
        else:
            packed[name] = torch.cat(parts) if own.ndim else own
    network.load_state_dict(packed)
    round_to_float16(network)
    first = members[0]
    return ResNetDetector(
        network,
        width,
        groups=len(members),
        preprocessing=first.preprocessing,
        classes=first.classes,
        device=first.device,
    )


def _check(member: Detector, first: Detector, images: ImageSet) -> ResNetDetector:
    """Refuse a detector that cannot be joined with the first."""
    if not isinstance(member, ResNetDetector) or member.groups > 1:
        raise ValueError(f"{member.name} is not the paper's network, and only such networks can be joined")
    if (member.config, member.preprocessing, member.classes) != (first.config, first.preprocessing, first.classes):
        raise ValueError(f"{member.name} has another width, preprocessing or classes than {first.name}")
    split = split_of(member.manifest)
    if not split["validation"] or split != split_of(first.manifest):
        raise ValueError(f"{member.name} did not hold out the images that {first.name} did, so nothing can weigh both")
    if split["training_set_fingerprint"] != images.fingerprint:
        raise ValueError(f"{member.name} was not trained on {images.name}; name its training set with --data")
    return member
