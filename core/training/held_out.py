"""The training images that are held out, and what they decide: the temperature, and the weights of joined detectors.

Joining puts detectors side by side in one network. An average of networks that err on different images often errs less
than each (Dietterich 2000); as groups of one network's channels (Laurent et al. 2023, Packed-Ensembles) it remains a
detector like any other, with layers, features and maps.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize, minimize_scalar

from core.arrays import Array, Float32, Float64, Integers, Mask, Pixels, Record
from core.detectors.detector import Detector
from core.detectors.resnet import ResNetDetector, build_network, round_to_float16
from core.images.image_set import ImageSet
from core.images.labels import REAL
from core.images.preprocessing import Channels
from core.storage.limits import digest_of

# of a margin divided by its own spread, so that separable images cannot make it endless
LARGEST = 20.0
# of a member's manifest, kept in the manifest of what it became part of
KEPT = ("name", "recipe", "history", "weights_sha256", "computed_in")
# of a manifest: together they say which images a detector was trained on and which it held out
SPLIT = ("training_set_fingerprint", "validation", "seed")


def split_of(manifest: Record) -> dict[str, Any]:
    """Return what determines the images that a detector was trained on; None where its manifest does not say."""
    fields = {**manifest.get("recipe", {}), **manifest}
    return {key: fields.get(key) for key in SPLIT}


def validation_split(sha256: Array, labels: Integers, share: float, *, seed: int) -> Mask:
    """Choose the images to hold out: `share` of each class, by hash of the file.

    Identical files have equal hashes and so stay together, and the split does not depend on the order of the files.

    Args:
        sha256: (N,) hex digests.
        labels: uint8 (N,).
        share: 0..1.
        seed: of the split.

    Returns:
        bool (N,).
    """
    digests = np.asarray(sha256, dtype=str)
    unique, inverse = np.unique(digests, return_inverse=True)
    rank = np.array([int(digest_of(f"{seed} {digest}")[:12], 16) for digest in unique])
    held = np.zeros(len(unique), bool)
    for label in np.unique(labels):
        members = np.unique(inverse[labels == label])
        held[members[np.argsort(rank[members])][: round(share * len(members))]] = True
    return held[inverse]


def channel_statistics(pixels: Pixels) -> tuple[Channels, Channels]:
    """Compute the mean and standard deviation of each channel, in 0..1."""
    # torch counts single bytes, where numpy would first make eight of each
    channels = [torch.from_numpy(channel.flatten()) for channel in np.moveaxis(pixels, 3, 0)]
    counts = np.stack([torch.bincount(channel, minlength=256) for channel in channels])
    values = np.arange(256) / 255
    shares = counts / counts.sum(axis=1, keepdims=True)
    mean = shares @ values
    deviation = np.sqrt(np.maximum(shares @ values**2 - mean**2, 1e-12))
    return tuple(mean.tolist()), tuple(deviation.tolist())  # type: ignore[return-value]


def fit_temperature(margins: Float32, labels: Array) -> float:
    """Find the temperature with the least negative log-likelihood (Guo et al. 2017, temperature scaling).

    Args:
        margins: float (N,).
        labels: (N,), REAL = 1.

    Returns:
        A divisor of margins between 0.05 and 20; 1 where every verdict is right, which no temperature would fit.
    """
    signed = np.where(labels == REAL, 1.0, -1.0) * np.asarray(margins, np.float64)
    if (signed > 0).all():
        return 1.0

    def loss(log_temperature: float) -> float:
        return np.logaddexp(0, -signed / np.exp(log_temperature)).mean()

    best = minimize_scalar(loss, bounds=np.log([0.05, 20]), method="bounded")
    return float(np.exp(best.x))


def join(members: Sequence[Detector], images: ImageSet, *, size: int | None = None) -> ResNetDetector:
    """Join detectors into one whose margin is a weighted sum of theirs, weighed on the images they all held out.

    Args:
        members: two or more of the paper's network, of one width, preprocessing and training set.
        images: that training set.
        size: how many of them to join, those with the least log-loss on the held-out images; default: all.

    Returns:
        A detector that is not saved yet. Its manifest has `members`: of each name, recipe, history, hash of
        weights, what it was computed in, weight and accuracy on the held-out images; and the joined accuracy as
        `val_accuracy`.

    Raises:
        ValueError: they cannot be joined, or one of them adds nothing to the others; the message says which.
    """
    networks = _joinable(members, images)
    if size is None:
        size = len(networks)
    if not 2 <= size <= len(networks) or len({member.sha256 for member in networks}) < len(networks):
        raise ValueError("joining needs two detectors or more, each of them once")
    recipe = networks[0].manifest["recipe"]
    held = validation_split(images.rows["sha256"].to_numpy(), images.labels, recipe["validation"], seed=recipe["seed"])
    pixels = images.pixels[np.flatnonzero(held)]
    labels = images.labels[held]
    if len(np.unique(labels)) < 2:
        raise ValueError(f"too few images of {images.name} were held out to say how much each detector counts")
    margins = np.stack([member.margins(pixels) for member in networks])
    chosen, weights = _best_weights(margins, labels, size)
    networks = [networks[number] for number in chosen]
    if not weights.all():
        idle = networks[int(np.argmin(weights))].name
        raise ValueError(f"{idle} adds nothing to the others on the images held out; leave it out")
    joined = pack(networks, weights)
    own_margins = joined.margins(pixels)
    joined.temperature = fit_temperature(own_margins, labels)
    right = (np.stack([*margins[list(chosen)], own_margins]) > 0) == (labels == REAL)
    *accuracies, accuracy = right.mean(axis=1).tolist()
    rows = []
    for member, weight, own in zip(networks, weights.tolist(), accuracies, strict=True):
        about = {key: member.manifest[key] for key in KEPT if key in member.manifest}
        rows.append(about | {"weight": weight, "val_accuracy": own})
    joined.manifest = {
        "recipe": {
            "arch": joined.kind,
            **joined.config,
            "joined": " + ".join(f"{row['name']} x {row['weight']:.3f}" for row in rows),
            "validation": recipe["validation"],
            "seed": recipe["seed"],
        },
        "history": [],
        "computed_in": f"float32 on {joined.device.type}",
        "members": rows,
        "val_accuracy": accuracy,
    }
    return joined


def _joinable(members: Sequence[Detector], images: ImageSet) -> list[ResNetDetector]:
    """Return the detectors, once it is certain that they can be joined; raises ValueError."""
    first = members[0]
    split = split_of(first.manifest) | {"training_set_fingerprint": images.fingerprint}
    networks = []
    for member in members:
        own = split_of(member.manifest)
        if not isinstance(member, ResNetDetector) or member.network.groups > 1:
            raise ValueError(f"{member.name} is not the paper's network, and only such networks can be joined")
        if (member.config, member.preprocessing, member.classes) != (first.config, first.preprocessing, first.classes):
            raise ValueError(f"{member.name} has another width, preprocessing or classes than {first.name}")
        if not own["validation"] or own != split:
            raise ValueError(f"{member.name} did not hold out the images of {images.name} that {first.name} did")
        networks.append(member)
    return networks


def _best_weights(margins: Float32, labels: Array, size: int) -> tuple[tuple[int, ...], Float64]:
    """Find the `size` detectors whose weighted margins have the least log-loss: their rows, and their weights."""
    signed = np.where(labels == REAL, 1.0, -1.0) * margins

    def loss(chosen: tuple[int, ...]) -> float:
        weights = fit_weights(margins[list(chosen)], labels)
        return np.logaddexp(0, -weights @ signed[list(chosen)]).mean()

    best = min(combinations(range(len(margins)), size), key=loss)
    return best, fit_weights(margins[list(best)], labels)


def fit_weights(margins: Float32, labels: Array) -> Float64:
    """Find the weights, 0 or more, whose sum of margins has the least log-loss (Wolpert 1992, stacking).

    Args:
        margins: float (K, N), a row a detector.
        labels: (N,), REAL = 1.

    Returns:
        float64 (K,).
    """
    spread = np.maximum(margins.std(axis=1, dtype=np.float64), np.finfo(float).tiny)
    signed = np.where(labels == REAL, 1.0, -1.0) * margins / spread[:, None]

    def loss(weights: Float64) -> float:
        return np.logaddexp(0, -(weights @ signed)).mean()

    best = minimize(loss, np.ones(len(margins)), method="L-BFGS-B", bounds=[(0, LARGEST)] * len(margins))
    return best.x / spread


def pack(members: Sequence[ResNetDetector], weights: Float64) -> ResNetDetector:
    """Build the network of `members` as groups of its channels; its logits are the weighted sum of theirs."""
    first = members[0]
    states = [member.network.state_dict() for member in members]
    network = build_network(sum(member.network.width for member in members), groups=len(members), seed=0)
    packed = {}
    for name, own in network.state_dict().items():
        parts = [state[name].detach().cpu() for state in states]
        if name.startswith("fc."):
            parts = [part * float(weight) for part, weight in zip(parts, weights, strict=True)]
        if name == "fc.bias" or not own.ndim:
            packed[name] = torch.stack(parts).sum(dim=0)
        else:
            packed[name] = torch.cat(parts, dim=int(name == "fc.weight"))
    network.load_state_dict(packed)
    round_to_float16(network)
    return ResNetDetector(network, first.preprocessing, first.classes, device=first.device)
