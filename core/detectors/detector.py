"""The Detector type: a network with its preprocessing, classes and target layer as data.

It scores an image by one number, the **margin**: above 0 the prediction is REAL, otherwise FAKE. With several classes
that is the logsumexp of the REAL classes' logits minus that of the FAKE ones' (with two, logit_REAL - logit_FAKE); with
a single output, its logit, negated if its class is FAKE. `capabilities` state what else a detector can do.
"""

import math
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from core.arrays import Float32, Pixels, Record
from core.detectors.identity import Identity
from core.detectors.local import (
    Fields,
    LinearHead,
    WholeScores,
    find_fields,
    find_linear_head,
    head_scores,
    score_whole,
)
from core.detectors.manifest import About, Capability, Classes
from core.detectors.target_layers import (
    LayerShapes,
    expose_tokens,
    find_layers,
    margin_gradient,
    parts_of,
    reinitialise,
    token_norms,
    weights_sha256,
)
from core.images.labels import FAKE, REAL
from core.images.preprocessing import Preprocessing
from core.storage.limits import first_line
from core.storage.memory import lazy_property

Progress = Callable[[int, int], None]
CPU = torch.device("cpu")
# probabilities are clamped this far from 0, and a single one also from 1, before taking logarithms
LEAST_PROBABILITY = 1e-7
# of a batch: 512 images of 128 pixels a side, 8 of 1,024
MOST_PIXELS = 2**23
MOST_PIXELS_CPU = 2**20


def pick_device(name: str = "auto") -> torch.device:
    """Choose the device: the named one, or with "auto" CUDA, then MPS, then the CPU; float32 is exact on all.

    Raises:
        ValueError: there is no such device here.
    """
    # else convolutions on CUDA would be computed in TF32, with 10 bits, and still be called float32
    torch.backends.cudnn.allow_tf32 = False
    if name != "auto":
        try:
            device = torch.device(name)
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError):
            raise ValueError(f"there is no device {name!r} here; leave it out, or say cpu") from None
        return device
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def fastest_format(network: nn.Module, device: torch.device) -> torch.memory_format:
    """Choose the memory format of a network and its batches: channels last, unless torch fails with it.

    In that format, the backward pass of a strided 1 x 1 convolution with few input channels writes out of bounds on
    CPUs. Seen with torch 2.13: with AVX-512 and images larger than 32 pixels, 4 and 8 channels crash and 16 do not;
    with AVX2 alone, 4 to 7 channels crash, even at 32 pixels. On Apple GPUs the backward pass of batch normalisation is
    wrong in it, or fails (PyTorch issue 175189).
    """
    if device.type == "mps":
        return torch.contiguous_format
    for layer in (layer for layer in network.modules() if isinstance(layer, nn.Conv2d)):
        if layer.kernel_size == (1, 1) != layer.stride and layer.in_channels // layer.groups < 16:
            return torch.contiguous_format
    return torch.channels_last


def move_network(network: nn.Module, device: torch.device, memory_format: torch.memory_format) -> None:
    """Move a network's weights to a device and into a memory format, in place."""
    network.to(device, memory_format=memory_format)  # type: ignore[call-overload]


def fold_norms(network: nn.Module) -> None:
    """Fold each batch normalisation into the convolution before it, in place, for passes that need no gradients."""
    layers = [(name, layer) for name, layer in network.named_modules() if not list(layer.children())]
    for (name, layer), (following, norm) in pairwise(layers):
        if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            network.set_submodule(name, fuse_conv_bn_eval(layer, norm))
            network.set_submodule(following, nn.Identity())


def batch_size(device: torch.device, side: int) -> int:
    """Return how many images of `side` x `side` pixels to pass through a network at once."""
    if device.type == "cuda":
        return max(1, min(1024, MOST_PIXELS // side**2))
    return max(1, min(128, MOST_PIXELS_CPU // side**2))


class Pass(NamedTuple):
    """Outputs of one full pass over N images.

    Attributes:
        logits: float32 (N, 2), columns FAKE and REAL.
        features: float32 (N, C), the target layer's output averaged over its positions; None without layers.
        maps: float32 (N, h, w), the signed margin map: at each position of the target layer, the sum of its channels,
            weighted by their effect on the margin. If only average pooling and one linear layer follow, a map's mean is
            the margin minus the bias (class activation mapping, Zhou et al. 2016). None without layers or gradients.
    """

    logits: Float32
    features: Float32 | None
    maps: Float32 | None

    @property
    def margins(self) -> Float32:
        """float32 (N,): logit_REAL - logit_FAKE."""
        return self.logits[:, REAL] - self.logits[:, FAKE]

    @property
    def needed_maps(self) -> Float32:
        """The maps.

        Raises:
            ValueError: the detector has none.
        """
        if self.maps is None:
            raise ValueError("this detector has no layers to read a map from; choose a method that needs none")
        return self.maps


def normalise(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Normalise float32 (N, 3, H, W) of 0..255 by a mean and deviation, in training as in every later pass."""
    mean, std = (torch.tensor(own, device=pixels.device) for own in (preprocessing.mean, preprocessing.std))
    return (pixels - mean.view(1, 3, 1, 1) * 255) * (1 / (255 * std.view(1, 3, 1, 1)))


def grouped(outputs: Tensor, classes: Classes) -> Tensor:
    """Group the outputs of a network, (N, K), into (N, 2) scores of FAKE and REAL, equal at the threshold."""
    threshold = classes.threshold or 0.0
    alone = outputs.shape[1] == 1
    if classes.outputs == "probabilities":
        # a float32 that has reached 0 or 1 has no finite logit
        outputs = outputs.logit(LEAST_PROBABILITY) if alone else outputs.clamp_min(LEAST_PROBABILITY).log()
        if threshold:
            threshold = math.log(threshold / (1 - threshold))
    if alone:
        # the one class against nothing
        outputs = torch.cat([outputs - threshold, torch.zeros_like(outputs)], dim=1)
    groups = (classes.fake_outputs or (1,), classes.real_outputs or (1,))
    fake, real = (outputs[:, list(group)].logsumexp(dim=1) for group in groups)
    if not alone:
        fake = fake - threshold
    return torch.stack([fake, real], dim=1)


class Detector:
    """A network with its preprocessing and classes: images (N, S, S, 3) in, margins out.

    Attributes:
        kind: the name of its kind in `core.detectors.registry.KINDS`.
        manifest: recipe, history and provenance; empty for a detector that was not trained here.
        temperature: margins are divided by it before they become probabilities.
        device: that it computes on.
        network: in evaluation mode, for explanations that need gradients or hooks.
        preprocessing, classes: the steps to the network's square input of S pixels a side, and what its outputs mean.
        layers: that a class activation map can be read from: module name -> positions (height, width).
        target_layer: the default layer to explain, one of `layers`; "" where it has none.
        channels: number of features per image, the channels of the target layer; 0 where it has none.
        config: JSON-able settings from which its kind rebuilds the network.
        sha256: of its weights.

    Args:
        network: maps float32 (N, 3, S, S) to (N, K), or to (N,) where there is one class.
        preprocessing: from an image to the network's input.
        classes: K of them.
        target_layer: name of a submodule; when None, the default one.
        config, temperature, manifest, device: see above.

    Raises:
        ValueError: the network does not accept such images, has another number of outputs, or has no such layer.
    """

    kind: str = ""
    # the code of others may call `view` on what can only be viewed in torch's usual format
    channels_last = False
    differentiable = True
    # to explain where none is asked for; None for the last whose output still has positions
    default_layer: str | None = None
    # norms of a transformer's blocks, all with the same patch tokens, from the input on
    tokens: tuple[str, ...] = ()
    layers: dict[str, tuple[int, int]]
    channels: int

    def __init__(
        self,
        network: nn.Module,
        preprocessing: Preprocessing,
        classes: Classes,
        *,
        config: Record | None = None,
        target_layer: str | None = None,
        temperature: float = 1.0,
        manifest: Record | None = None,
        device: torch.device = CPU,
    ) -> None:
        self.format = fastest_format(network, device) if self.channels_last else torch.contiguous_format
        self.network = network.eval().requires_grad_(False)
        move_network(self.network, device, self.format)
        self.preprocessing = preprocessing
        self.classes = classes
        self.config: Record = config or {}
        self.temperature = temperature
        self.manifest = manifest or {}
        # its margins depend on the other images of a batch, see `measure_noise`
        self.one_by_one = bool(self.config.get("one_by_one"))
        self.device = device
        self.sha256 = weights_sha256(self.network)
        wanted = target_layer or self.default_layer
        self.layers = self._find_layers(wanted)
        self.target_layer = wanted or next(reversed(self.layers), "")

    @property
    def name(self) -> str:
        """The name of its folder; "unnamed" before it is saved."""
        return str(self.manifest.get("name", "unnamed"))

    @classmethod
    def from_about(cls, network: nn.Module, about: About, **settings: Any) -> "Detector":
        """Make a detector of a network and its description; `settings` are manifest and device."""
        settings |= {"config": about.config, "temperature": about.temperature}
        detector = cls(network, about.preprocessing, about.classes, target_layer=about.target_layer or None, **settings)
        detector.kind = about.kind
        return detector

    @property
    def about(self) -> About:
        """Its description, as a manifest states it."""
        target = (self.target_layer, self.temperature, self.layers, self.capabilities)
        return About(self.kind, self.config, self.preprocessing, self.classes, *target)

    @property
    def identity(self) -> Identity:
        """Everything that its answers depend on, as computed from its files."""
        return Identity.of(self.sha256, self.about)

    @property
    def noise(self) -> float:
        """How much a margin changes though the image is the same, where that was measured; 0 where it hardly does."""
        return float(self.manifest.get("noise", 0))

    @property
    def cache_key(self) -> str:
        """The cache key of its outputs: fingerprint and device type, because devices round differently."""
        return f"{self.identity.fingerprint} {self.device.type}"

    @property
    def side(self) -> int:
        """Pixels along each side of its square input."""
        return self.preprocessing.size

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do, as its network was found to be."""
        found = {
            Capability.PREDICTIONS: True,
            Capability.GRADIENTS: self.differentiable,
            Capability.LAYERS: self.layers,
            Capability.INSTANT_MAP: self.instant,
            Capability.PATCH_SCORES: self.fields,
            Capability.PATCH_TOKENS: len(self.tokens) > 1,
        }
        return frozenset(able for able, evidence in found.items() if evidence)

    @property
    def instant(self) -> bool:
        """True if a forward pass itself gives the map of the target layer."""
        return False

    @property
    def bias(self) -> float | None:
        """The margin minus the mean of its map, the same for every image; None if that difference is not constant."""
        return None

    @lazy_property
    def head(self) -> LinearHead | None:
        """The linear function of the last layer's mean that its margin is; None where it is none."""
        layer = next(reversed(self.layers), "")
        if not layer:
            return None
        images = np.random.default_rng(0).integers(0, 256, (2, self.side, self.side, 3)).astype(np.uint8)
        # of another brightness and contrast
        images[1] //= 4
        return find_linear_head(self.network, layer, self.scores, self.inputs(images))

    @lazy_property
    def fields(self) -> Fields | None:
        """What its local scores see; None where there are none, or where one sees as much as the whole picture."""
        if self.head is None:
            return None
        with torch.inference_mode():
            return find_fields(self._local_scores, self.inputs(np.zeros((1, self.side, self.side, 3), np.uint8)))

    @property
    def levels(self) -> tuple[str, ...]:
        """The parts whose weights can be randomised, from the output down; empty where there are none."""
        return tuple(reversed(parts_of(self.network)))

    def randomised(self, level: str, *, seed: int) -> "Detector":
        """Return a copy with random weights from the output down to `level`.

        Args:
            level: one of `levels`.
            seed: of the new weights.
        """
        # on the CPU, because every device has other random numbers
        network = deepcopy(self.network).cpu()
        self._randomise(network, self.levels[: self.levels.index(level) + 1], seed)
        manifest = {"name": f"{self.name} random to {level}"}
        plain = replace(self.about, temperature=1.0)
        return self.from_about(network, plain, manifest=manifest, device=self.device)

    def _randomise(self, network: nn.Module, levels: tuple[str, ...], seed: int) -> None:
        """Give the parts of these levels random weights, in place."""
        parts = parts_of(network)
        for number, level in enumerate(levels):
            # a seed per part, so that the upper parts do not depend on how far down the randomisation goes
            reinitialise(parts[level], seed=seed * 1_000_003 + number)

    def inputs(self, pixels: Pixels) -> Tensor:
        """Convert uint8 (N, S, S, 3) to normalised float32 (N, 3, S, S) as the network takes it."""
        # a copy, because pixels may be a read-only memory map
        copied = torch.from_numpy(np.array(pixels)).to(self.device)
        # NHWC viewed as NCHW is channels last already: no copy beyond the conversion
        values = normalise(copied.permute(0, 3, 1, 2).float(), self.preprocessing)
        return values.contiguous(memory_format=self.format)

    def scores(self, inputs: Tensor) -> Tensor:
        """Compute differentiable (N, 2) scores of FAKE and REAL from float32 (N, 3, S, S) `inputs`."""
        if self.one_by_one:
            outputs = torch.cat([self.network(image).reshape(1, -1) for image in torch.split(inputs, 1)])
        else:
            # the code of others may squeeze a batch of one
            outputs = self.network(inputs).reshape(len(inputs), -1)
        return grouped(outputs, self.classes)

    def margins(self, pixels: Pixels, *, progress: Progress | None = None) -> Float32:
        """Compute the margins of N images.

        Args:
            pixels: uint8 (N, S, S, 3).
            progress: called with (images done, N) after each batch.

        Returns:
            float32 (N,).

        Raises:
            ValueError: `pixels` has another shape or dtype.
        """
        logits = self.logits(pixels, progress=progress)
        return logits[:, REAL] - logits[:, FAKE]

    def logits(self, pixels: Pixels, *, progress: Progress | None = None) -> Float32:
        """Compute float32 (N, 2) scores of FAKE and REAL; arguments as for `margins`."""
        parts = [torch.zeros(0, 2, device=self.device)]
        parts += [self._forward(batch) for batch in self._batches(pixels, progress)]
        return torch.cat(parts).float().cpu().numpy()

    def local_scores(self, pixels: Pixels) -> Float32:
        """Compute float32 (N, h, w) scores of positions, positive for REAL, whose mean is the margin.

        Args:
            pixels: uint8 (N, S, S, 3).

        Raises:
            ValueError: the margin is no such mean, or `pixels` has another shape or dtype.
        """
        return torch.cat([self._local_scores(batch) for batch in self._batches(pixels)]).cpu().numpy()

    def score_whole(self, picture: Pixels) -> Iterator[WholeScores]:
        """Score a whole picture of any size at its own pixels, tile by tile.

        Args:
            picture: uint8 (height, width, 3); a smaller one than the input is padded first.

        Raises:
            ValueError: it has no local scores that see less than its input, or takes no other size.
        """
        fields = self.fields
        if fields is None:
            raise ValueError(f"{self.name} has no scores of parts of a picture")

        def scores(part: Pixels) -> Float32:
            with torch.inference_mode():
                return self._local_scores(self.inputs(part[None]))[0].cpu().numpy()

        if min(picture.shape[:2]) < self.side:
            picture = self.preprocessing.fit(picture)
        return score_whole(scores, fields, picture)

    def full_pass(self, pixels: Pixels, *, progress: Progress | None = None) -> Pass:
        """Compute logits and, if there are layers, pooled features and gradient-based maps at the target layer."""
        if not self.layers:
            return Pass(self.logits(pixels, progress=progress), None, None)
        shapes = ((2,), (self.channels,), self.layers[self.target_layer])
        # filled in place: as many small arrays between large ones that are freed would hold several times the memory
        columns = [np.empty((len(pixels), *shape), np.float32) for shape in shapes]
        done = 0
        for batch in self._batches(pixels, progress):
            for column, values in zip(columns, self._pass_with_map(batch), strict=True):
                column[done : done + len(batch)] = values.float().cpu().numpy()
            done += len(batch)
        return Pass(*columns)

    def p_real(self, margins: Float32) -> Float32:
        """Turn float32 (N,) margins into calibrated probabilities of REAL, 0..1."""
        scaled = np.asarray(margins, np.float64) / self.temperature
        return (0.5 * (1 + np.tanh(scaled / 2))).astype(np.float32)

    def _local_scores(self, inputs: Tensor) -> Tensor:
        """Compute (N, h, w), whose mean is the margin, without gradients."""
        if self.head is None:
            raise ValueError(f"the margin of {self.name} is no mean of local scores")
        return head_scores(self.network, self.head, self.scores, inputs)

    def _forward(self, inputs: Tensor) -> Tensor:
        """Compute (N, 2) `scores` the fastest way, without gradients."""
        return self.scores(inputs)

    def _pass_with_map(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute logits (N, 2), the target layer's mean (N, C) and the margin map (N, h, w).

        The map is Grad-CAM of the margin (Selvaraju et al. 2017), without the ReLU, times h * w.
        """
        layer = self.network.get_submodule(self.target_layer)
        scores, activations, gradient = margin_gradient(layer, self.scores, inputs)
        maps = (activations * gradient.sum(dim=(2, 3), keepdim=True)).sum(dim=1)
        return scores, activations.mean(dim=(2, 3)), maps

    def _find_layers(self, wanted: str | None) -> dict[str, tuple[int, int]]:
        """Find the layers that maps can be read from, and set the number of the target layer's channels."""
        outputs, shapes = self._try_network(wanted)
        if outputs != len(self.classes.names):
            raise ValueError(
                f"its network gives {outputs} outputs for {len(self.classes.names)} classes; name as many with "
                "--classes, of one output REAL or FAKE, for which it is high"
            )
        if wanted and wanted not in shapes:
            raise ValueError(f"its network has no layer {wanted!r} with positions")
        self.channels = shapes.get(wanted or next(reversed(shapes), ""), (0,))[0]
        if self.one_by_one:
            # a hook would see the last image alone
            return {}
        # the last module of each size, and the wanted one
        last = {(height, width): name for name, (_, height, width) in shapes.items()}
        return {name: (h, w) for name, (_, h, w) in shapes.items() if last[h, w] == name or name == wanted}

    def _try_network(self, wanted: str | None) -> tuple[int, LayerShapes]:
        """Return the number of outputs and the layers with positions, name -> (C, h, w); find the norms of tokens."""
        image = self.inputs(np.zeros((1, self.side, self.side, 3), np.uint8))
        try:
            norms = token_norms(self.network, image)
            expose_tokens(self.network, norms, wanted)
            found = find_layers(self.network, image)
        except torch.OutOfMemoryError:
            # another program may fill the device
            raise
        except Exception as error:  # noqa: BLE001 - networks of others raise whatever they like
            what = f"its network accepts no images of {self.side} x {self.side} pixels"
            raise ValueError(f"{what} ({first_line(error)})") from None
        shaped = {name: shape for name, shape in norms.items() if len(shape) == 3}
        if not self.one_by_one:
            self.tokens = tuple(name for name, shape in shaped.items() if shape == next(reversed(shaped.values())))
        return found

    def _batches(self, pixels: Pixels, progress: Progress | None = None) -> Iterator[Tensor]:
        side = self.side
        if pixels.ndim != 4 or pixels.shape[1:] != (side, side, 3) or pixels.dtype != np.uint8:
            raise ValueError(f"pixels must be uint8 (N, {side}, {side}, 3), not {pixels.dtype} {pixels.shape}")
        size = batch_size(self.device, side)
        with torch.inference_mode():
            for start in range(0, len(pixels), size):
                yield self.inputs(pixels[start : start + size])
                if progress is not None:
                    progress(min(start + size, len(pixels)), len(pixels))


class OpaqueDetector(Detector):
    """A detector whose network cannot be looked into and computes wherever it likes: predictions only."""

    differentiable = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{**options, "device": CPU})
