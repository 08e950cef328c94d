"""The detector: the paper's modified ResNet-18, what it says of a batch of pixels, and how it is kept on disk.

Its one number is the **margin**, logit_REAL - logit_FAKE: above 0 the verdict is REAL, below FAKE.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models.resnet import BasicBlock, ResNet

from core.detectors.capabilities import Capability
from core.detectors.identity import WEIGHTS, Identity, check_claim, hash_weights, read_settings, read_weights
from core.runs.validation import read_detector_manifest
from core.storage import ContractError, read_folder, write_folder

FAKE, REAL = 0, 1
SIDE = 32
KIND = "detector"
# batch normalisation counts its batches; no answer depends on the count, so it is neither kept nor hashed
COUNTER = "num_batches_tracked"
Progress = Callable[[int, int], None]


class Pass(NamedTuple):
    """What one full pass says of N images.

    Attributes:
        logits: float32 (N, 2), columns FAKE and REAL.
        features: float32 (N, 8 * width), layer4 averaged over its positions.
        maps: float32 (N, 4, 4), the signed margin map: layer4 weighted by w_REAL - w_FAKE. The mean of a map plus
            b_REAL - b_FAKE is the margin (class activation mapping, Zhou et al. 2016).
    """

    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    maps: NDArray[np.float32]

    @property
    def margins(self) -> NDArray[np.float32]:
        """float32 (N,): logit_REAL - logit_FAKE."""
        return self.logits[:, REAL] - self.logits[:, FAKE]


def build_network(width: int = 64, *, seed: int | None = None) -> ResNet:
    """torchvision's ResNet-18 for 32 x 32 pixels: `conv1` 3x3 with stride 1, no max-pooling, two outputs.

    Args:
        width: channels of the first stage; the paper's is 64, the last stage has 8 * width.
        seed: seeds the initial weights without touching torch's global generator.

    Raises:
        ValueError: a width below 1.
    """
    if width < 1:
        raise ValueError(f"width must be at least 1, not {width}")
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        network = ResNet(BasicBlock, [2, 2, 2, 2], num_classes=2)
        network.conv1 = nn.Conv2d(3, width, kernel_size=3, stride=1, padding=1, bias=False)
        network.maxpool = nn.Identity()
        if width != 64:
            network.bn1 = nn.BatchNorm2d(width)
            network.inplanes = width
            for stage in range(1, 5):
                layer = network._make_layer(BasicBlock, width * 2 ** (stage - 1), 2, stride=1 if stage == 1 else 2)
                setattr(network, f"layer{stage}", layer)
            network.fc = nn.Linear(8 * width, 2)
        for module in network.modules():
            # torchvision's own initialisation, for the layers that replaced its
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


def pick_device(name: str = "auto") -> torch.device:
    """The device to compute on: the named one, or with "auto" CUDA, then MPS, then the CPU.

    Raises:
        ValueError: there is no such device here.
    """
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


class Normalisation:
    """What a network sees of pixels; training and every later pass have it from here.

    Args:
        mean, std: of pixels in 0..1, a value a channel.
        device: where it computes.
    """

    def __init__(self, mean: tuple[float, float, float], std: tuple[float, float, float], device: torch.device) -> None:
        self._shift = torch.tensor(mean, device=device).view(1, 3, 1, 1) * 255
        self._scale = 1 / (255 * torch.tensor(std, device=device).view(1, 3, 1, 1))

    def __call__(self, pixels: Tensor) -> Tensor:
        """float32 (N, 3, H, W) of 0..255 on the device to what the network is given."""
        return (pixels - self._shift) * self._scale


@dataclass(eq=False)
class Detector:
    """Weights and how to use them.

    Attributes:
        network: from `build_network`, in evaluation mode; explanations that need gradients or hooks use this one.
        width: channels of its first stage.
        mean, std: normalisation of pixels in 0..1, a value a channel.
        temperature: margins are divided by it before they become probabilities.
        manifest: recipe, history and provenance; empty for a detector that was never trained.
        device: where it computes.
        batch_size: images a forward pass; None measures it at the first large call.
    """

    network: ResNet
    width: int
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    temperature: float = 1.0
    manifest: Mapping[str, Any] = field(default_factory=dict)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    batch_size: int | None = None

    def __post_init__(self) -> None:
        self.network = self.network.eval().to(self.device, memory_format=torch.channels_last)
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)
        self.sha256 = weights_sha256(self.network)
        self._fused = fuse_batch_norm(self.network)
        self._normalised = Normalisation(self.mean, self.std, self.device)

    @property
    def name(self) -> str:
        """Its folder's name, "unnamed" before it was saved."""
        return str(self.manifest.get("name", "unnamed"))

    @property
    def identity(self) -> Identity:
        """Who it is: what its answers depend on, as computed."""
        return Identity(self.sha256, self.mean, self.std, self.temperature)

    @property
    def cache_key(self) -> str:
        """What its answers are kept under in a cache; those of another device differ in their last digits."""
        return f"{self.identity.fingerprint} {self.device.type}"

    def side(self) -> int:
        """Pixels along each side of the square that it takes."""
        return SIDE

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do: everything, as its network is known."""
        return frozenset(Capability)

    @property
    def layers(self) -> dict[str, tuple[int, int]]:
        """The layers that a class activation map can be read from: module name -> positions (height, width)."""
        return {f"layer{stage}": (SIDE >> (stage - 1), SIDE >> (stage - 1)) for stage in range(1, 5)}

    @property
    def target_layer(self) -> str:
        """The layer that is looked at unless another is asked for, one of `layers`."""
        return "layer4"

    def scores(self, inputs: Tensor) -> Tensor:
        """Differentiable scores of the two verdicts.

        Args:
            inputs: float32 (N, 3, side, side), from `inputs`.

        Returns:
            (N, 2), columns FAKE and REAL; the margin is their difference.
        """
        scores: Tensor = self.network(inputs)
        return scores

    @property
    def bias(self) -> float:
        """b_REAL - b_FAKE, what a margin map's mean lacks to be the margin."""
        bias = self.network.fc.bias
        return float(bias[REAL] - bias[FAKE])

    def inputs(self, pixels: NDArray[np.uint8] | Tensor) -> Tensor:
        """uint8 (N, 32, 32, 3) to the network's normalised float32 (N, 3, 32, 32), channels_last, on the device."""
        # a copy, because pixels may be a read-only memory map
        tensor = torch.from_numpy(np.array(pixels)) if isinstance(pixels, np.ndarray) else pixels
        # NHWC seen as NCHW is channels_last already: no copy beyond the conversion
        return self._normalised(tensor.to(self.device).permute(0, 3, 1, 2).float())

    def margins(
        self, pixels: NDArray[np.uint8], *, batch_size: int | None = None, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Margins of N images.

        Args:
            pixels: uint8 (N, 32, 32, 3).
            batch_size: images a forward pass; the detector's own when None.
            progress: called with (images done, N) after each batch.

        Returns:
            float32 (N,), logit_REAL - logit_FAKE.

        Raises:
            ValueError: `pixels` has another shape or dtype.
        """
        logits = self.logits(pixels, batch_size=batch_size, progress=progress)
        return logits[:, REAL] - logits[:, FAKE]

    def logits(
        self, pixels: NDArray[np.uint8], *, batch_size: int | None = None, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """float32 (N, 2) logits, columns FAKE and REAL; arguments as for `margins`."""
        parts = [self._fused(batch) for batch in self._batches(pixels, batch_size, progress)]
        return torch.cat(parts).float().cpu().numpy() if parts else np.zeros((0, 2), np.float32)

    def full_pass(
        self, pixels: NDArray[np.uint8], *, batch_size: int | None = None, progress: Progress | None = None
    ) -> Pass:
        """Logits, pooled features and the signed margin map of N images at the cost of one forward pass each."""
        classifier = self.network.fc
        direction = classifier.weight[REAL] - classifier.weight[FAKE]
        parts = []
        for batch in self._batches(pixels, batch_size, progress):
            activations = self._fused.activations(batch)
            features = activations.mean(dim=(2, 3))
            logits = classifier(features)
            # NHWC @ (C,) is a matrix product on memory as it lies
            parts.append((logits, features, activations.permute(0, 2, 3, 1) @ direction))
        if not parts:
            channels = 8 * self.width
            return Pass(*(np.zeros(shape, np.float32) for shape in ((0, 2), (0, channels), (0, 4, 4))))
        return Pass(*(torch.cat(column).float().cpu().numpy() for column in zip(*parts, strict=True)))

    def p_real(self, margins: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (N,): probability of REAL, 0..1, of float32 (N,) margins, after temperature."""
        scaled = np.asarray(margins, np.float64) / self.temperature
        return (0.5 * (1 + np.tanh(scaled / 2))).astype(np.float32)

    def _batches(
        self, pixels: NDArray[np.uint8], batch_size: int | None, progress: Progress | None
    ) -> Iterator[Tensor]:
        if pixels.ndim != 4 or pixels.shape[1:] != (SIDE, SIDE, 3) or pixels.dtype != np.uint8:
            raise ValueError(f"pixels must be uint8 (N, {SIDE}, {SIDE}, 3), not {pixels.dtype} {pixels.shape}")
        if batch_size is None and self.batch_size is None and len(pixels) >= 4096:
            self.batch_size = measure_batch_size(self._fused, self.device)
        size = batch_size or self.batch_size or 128
        with torch.inference_mode():
            for start in range(0, len(pixels), size):
                yield self.inputs(pixels[start : start + size])
                if progress is not None:
                    progress(min(start + size, len(pixels)), len(pixels))


class FusedNetwork(nn.Module):
    """The same function as a ResNet in evaluation mode, with each batch normalisation folded into its convolution."""

    def __init__(self, network: ResNet) -> None:
        super().__init__()
        self.stem = nn.Sequential(fuse_conv_bn_eval(network.conv1, network.bn1), nn.ReLU(inplace=True))
        blocks = [block for stage in range(1, 5) for block in getattr(network, f"layer{stage}")]
        self.blocks = nn.Sequential(*(_FusedBlock(block) for block in blocks))
        self.fc = network.fc

    def activations(self, inputs: Tensor) -> Tensor:
        """(N, 3, 32, 32) to layer4's (N, 8 * width, 4, 4)."""
        activations: Tensor = self.blocks(self.stem(inputs))
        return activations

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, 3, 32, 32) to logits (N, 2)."""
        logits: Tensor = self.fc(self.activations(inputs).mean(dim=(2, 3)))
        return logits


class _FusedBlock(nn.Module):
    def __init__(self, block: BasicBlock) -> None:
        super().__init__()
        self.first = fuse_conv_bn_eval(block.conv1, block.bn1)
        self.second = fuse_conv_bn_eval(block.conv2, block.bn2)
        self.shortcut = None if block.downsample is None else fuse_conv_bn_eval(*block.downsample)

    def forward(self, inputs: Tensor) -> Tensor:
        residual = inputs if self.shortcut is None else self.shortcut(inputs)
        output: Tensor = self.second(self.first(inputs).relu_())
        return output.add_(residual).relu_()


def fuse_batch_norm(network: ResNet) -> FusedNetwork:
    """A faster copy of `network` for passes that need neither gradients nor hooks."""
    fused = FusedNetwork(network).eval().requires_grad_(False)
    fused.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return fused


def measure_batch_size(
    network: nn.Module, device: torch.device, *, candidates: tuple[int, ...] | None = None, images: int | None = None
) -> int:
    """The candidate batch size with the most images a second on this machine; takes a second or two.

    Args:
        network: what is timed, on `device`.
        device: where.
        candidates: batch sizes; some that suit the device when None.
        images: passed through the network for each; enough to tell them apart when None.
    """
    fast = device.type == "cuda"
    candidates = candidates or ((512, 1024, 2048) if fast else (64, 128, 256))
    images = images or (8192 if fast else 512)
    rates = {}
    with torch.inference_mode():
        for size in candidates:
            batch = torch.zeros(size, 3, SIDE, SIDE, device=device).to(memory_format=torch.channels_last)
            network(batch)
            start = time.perf_counter()
            for _ in range(max(1, images // size)):
                # reading a value waits for an asynchronous device
                float(network(batch)[0, 0])
            rates[size] = max(1, images // size) * size / (time.perf_counter() - start)
    return max(rates, key=lambda size: rates[size])


def weights_sha256(network: nn.Module) -> str:
    """sha256 over the names and values of a network's state, see `core.detectors.identity.hash_weights`."""
    state = sorted((name, tensor) for name, tensor in network.state_dict().items() if not name.endswith(COUNTER))
    return hash_weights((name, tensor.detach().float().cpu().numpy()) for name, tensor in state)


def round_to_float16(network: nn.Module) -> None:
    """Round convolution and classifier weights to float16 in place, so that what ships is what was measured.

    Batch-normalisation statistics stay float32: they are few, and small variances vanish in float16.

    Raises:
        ValueError: a weight is not finite in float16.
    """
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if _is_rounded(tensor, name):
                rounded = tensor.half()
                if not bool(torch.isfinite(rounded).all()):
                    raise ValueError(f"{name} has values that float16 cannot hold; the training has diverged")
                tensor.copy_(rounded)


def _is_rounded(tensor: Tensor, name: str) -> bool:
    return tensor.ndim > 1 or name.startswith("fc.")


def save_detector(path: Path, detector: Detector, *, model_card: str, replace: bool = False) -> None:
    """Write `detectors/<name>/`: manifest, float16 weights and model card.

    Args:
        path: the folder; its last part becomes the detector's name.
        detector: its network must have been through `round_to_float16`.
        model_card: Markdown.
        replace: overwrite an existing folder.

    Raises:
        TakenError: the folder exists and is not to be replaced.
        WriteError: it could not be written; nothing is left half done.
    """
    state = detector.network.state_dict()
    tensors = {
        name: (tensor.half() if _is_rounded(tensor, name) else tensor).cpu().contiguous()
        for name, tensor in state.items()
        if not name.endswith(COUNTER)
    }
    manifest = {
        **detector.manifest,
        "name": path.name,
        "arch": "resnet18-cifar",
        "width": detector.width,
        "parameters": sum(parameter.numel() for parameter in detector.network.parameters()),
        "normalisation": {"mean": list(detector.mean), "std": list(detector.std)},
        "temperature": detector.temperature,
        "weights_sha256": detector.sha256,
    }
    files = {
        WEIGHTS: lambda file: file.write_bytes(save(tensors)),
        "README.md": lambda file: file.write_text(model_card, encoding="utf-8"),
    }
    write_folder(path, kind=KIND, manifest=manifest, files=files, replace=replace)


def _check_weights(file: Path, tensors: Mapping[str, Tensor], width: int) -> None:
    """Refuse weights that are not finite or of another width, before memory for a network of that width is taken."""
    largest = {"conv1.weight": (width, 3, 3, 3), "layer4.1.conv2.weight": (8 * width, 8 * width, 3, 3)}
    if any(name in tensors and tuple(tensors[name].shape) != shape for name, shape in largest.items()):
        raise ContractError(f"{file} does not hold the weights of a width-{width} detector; restore it")
    for name in largest:
        if name not in tensors:
            raise ContractError(f"{file} lacks or adds {name}; restore it or train the detector again")
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor.float()).all()):
            raise ContractError(f"{file} holds a number in {name} that is not finite; train the detector again")


def load_detector(path: Path, *, device: str = "auto") -> Detector:
    """Read a detector from its folder.

    Raises:
        ContractError: a file is missing, changed, or of another width than the manifest says, or the manifest claims
            other weights.
        ValueError: there is no such device here.
    """
    read_detector_manifest(path)
    manifest = read_folder(path, KIND)
    file = path / WEIGHTS
    width, mean, std, temperature = read_settings(path, manifest)
    tensors = {name: torch.from_numpy(values) for name, values in read_weights(path, manifest).items()}
    _check_weights(file, tensors, width)
    network = build_network(width, seed=0)
    try:
        network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, strict=False)
    except RuntimeError:
        raise ContractError(f"{file} does not hold the weights of a width-{width} detector; restore it") from None
    missing = {name for name in network.state_dict() if not name.endswith(COUNTER)} ^ set(tensors)
    if missing:
        raise ContractError(f"{file} lacks or adds {sorted(missing)[0]}; restore it or train the detector again")
    # a name is a folder's: what a manifest claims may be another detector's
    named = {**manifest, "name": path.absolute().name}
    detector = Detector(network, width, mean, std, temperature, named, pick_device(device))
    check_claim(path, manifest, detector.sha256)
    return detector
