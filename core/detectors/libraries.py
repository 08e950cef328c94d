"""Detectors of timm's and torchvision's networks, by name with a file of weights, and of folders of transformers.

Such a folder is an image classifier as `save_pretrained` writes it, and is read offline.
"""

import math
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn

from core.arrays import Float32, Pixels, Record
from core.detectors.registry import Brought, Kind, Request, SourceError, load_weights, read_tensors, require
from core.images.preprocessing import SIDES, Preprocessing
from core.storage.limits import first_line, parse_json, printable, read_bytes

# without the two that have a second classifier and normalise their input a second time
NAMES = set(torchvision.models.list_models(module=torchvision.models)) - {"googlenet", "inception_v3"}
CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
MISFITS = ("missing_keys", "unexpected_keys", "mismatched_keys")


def _build_timm(config: Record) -> nn.Module:
    """Build a network of timm with random weights; a name is only looked up, nothing is downloaded."""
    name = config["name"]
    size = config["size"]
    timm = require("timm", f"timm:{name}")
    # other forms of a name reach for a hub or a folder
    if ":" in name or "/" in name or not timm.is_model(name):
        raise SourceError(f"timm {timm.__version__} has no network {name!r}; timm.list_models() lists them")
    options = {"num_classes": int(config["outputs"])}
    if size is not None:
        # vision transformers are built for one size
        options["img_size"] = int(size)
    try:
        network = timm.create_model(name, pretrained=False, **options)
    except Exception as error:  # noqa: BLE001 - each network of timm refuses a size in its own way
        raise SourceError(f"timm {timm.__version__} cannot build {name} ({first_line(error)})") from None
    return adapt_stem(network, config.get("stem"))


def _build_torchvision(config: Record) -> nn.Module:
    """Build a network of torchvision with random weights."""
    name = config["name"]
    if name not in NAMES:
        raise SourceError(
            f"torchvision {torchvision.__version__} has no classification network {name!r} that can be used here; "
            "torchvision.models.list_models() lists them"
        )
    network = torchvision.models.get_model(name, weights=None, num_classes=int(config["outputs"]))
    return adapt_stem(network, config.get("stem"))


def adapt_stem(network: nn.Module, side: int | None) -> nn.Module:
    """Adapt a network's stem to small images, as the paper does: stride 1 in the first convolution, no max-pooling.

    The new convolution has random weights and a kernel of at most 3 x 3. A network's only max-pooling is removed.

    Args:
        network: a convolutional network, changed in place.
        side: of the images in pixels, checked with a forward pass; None leaves the network as it is.

    Raises:
        ValueError: the network has no such stem, or does not accept such images.
    """
    if side is None:
        return network
    if side not in SIDES:
        raise ValueError(f"its images have a side of {side!r}")
    convolutions = ((name, module) for name, module in network.named_modules() if isinstance(module, nn.Conv2d))
    name, first = next(convolutions, ("", None))
    if first is None or first.in_channels != 3 or first.groups != 1:
        raise ValueError("it has no convolution of colour images to begin with; name a convolutional network")
    size = min(3, *first.kernel_size)
    bias = first.bias is not None
    network.set_submodule(name, nn.Conv2d(3, first.out_channels, size, stride=1, padding=size // 2, bias=bias))
    pools = [name for name, module in network.named_modules() if isinstance(module, nn.MaxPool2d)]
    # a single one belongs to the stem (ResNet, DenseNet); several, as in VGG, are the network's own downsampling
    if len(pools) == 1:
        network.set_submodule(pools[0], nn.Identity())
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros(2, 3, side, side))
    except (RuntimeError, ValueError, AssertionError) as error:
        raise ValueError(f"it does not take images of {side} x {side} pixels ({first_line(error)})") from None
    return network.train()


def _read_named(request: Request) -> Brought:
    """Read weights for a network; preprocessing of timm's or torchvision's own weights of this name is suggested."""
    if request.weights is None or request.classes is None:
        missing = {"--weights": request.weights, "--classes": request.classes}
        options = " and ".join(option for option, value in missing.items() if value is None)
        raise SourceError(f"{request.source} does not say everything; say it with {options}")
    library, _, name = request.source.partition(":")
    config = {"name": name, "outputs": len(request.classes)}
    if library == "timm":
        config["size"] = None
        network = _build_timm(config)
        size = request.preprocess.get("size")
        fixed = getattr(network, "pretrained_cfg", {}).get("fixed_input_size")
        if fixed and size not in (None, timm_preprocessing(network, None)["size"]):
            config["size"] = size
            network = _build_timm(config)
        usual = timm_preprocessing(network, size)
    else:
        network = _build_torchvision(config)
        usual = torchvision_preprocessing(name)
    load_weights(network, read_tensors(request.weights), request.weights)
    return Brought(network, config, outputs="logits", usual=usual)


def timm_preprocessing(network: nn.Module, size: int | None) -> dict[str, Any]:
    """Return options for timm's own evaluation of a network, as far as it can be expressed.

    Args:
        network: timm's.
        size: input size in pixels instead of its own, or None.
    """
    config = require("timm.data", "timm").resolve_data_config({"img_size": size}, model=network)
    side = config["input_size"][1]
    options = {"size": side, "interpolation": config["interpolation"]}
    options |= {key: _listed(config[key]) for key in ("mean", "std")}
    if config["crop_mode"] == "center":
        options |= {"resize": math.floor(side / config["crop_pct"]), "crop": "after"}
    return options


def torchvision_preprocessing(name: str) -> dict[str, Any]:
    """Return options for the preprocessing on which all of torchvision's own weights of this name agree."""
    stated = [
        {
            "size": preset.crop_size[0],
            "resize": preset.resize_size[0],
            "crop": "after",
            "interpolation": preset.interpolation.value,
            "mean": _listed(preset.mean),
            "std": _listed(preset.std),
        }
        for preset in (weights.transforms() for weights in torchvision.models.get_model_weights(name))
    ]
    if not stated:
        return {}
    return {key: value for key, value in stated[0].items() if all(other[key] == value for other in stated)}


def _listed(numbers: tuple[float, ...]) -> str:
    return ",".join(map(str, numbers))


class Logits(nn.Module):
    """A classifier of transformers as a plain network."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        # weights that were saved as float16 are read as float32
        self.model = model.float()

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, 3, S, S) to logits (N, K)."""
        return self.model(pixel_values=inputs).logits


def build_transformer(config: Record) -> nn.Module:
    """Build the network with random weights; code beside a configuration is never run."""
    transformers = require("transformers", "a detector of transformers")
    settings = config["config"]
    _refuse_elsewhere(settings)
    try:
        # as from a file: some configurations translate what a file says
        kind = type(transformers.AutoConfig.for_model(settings["model_type"]))
        config_object = kind.from_dict(deepcopy(dict(settings)))
        return Logits(transformers.AutoModelForImageClassification.from_config(config_object, trust_remote_code=False))
    except Exception as error:  # noqa: BLE001 - a configuration of others makes transformers raise anything
        raise SourceError(f"transformers {transformers.__version__} cannot build it ({first_line(error)})") from None


def read_folder(request: Request) -> Brought:
    """Read configuration, preprocessor and weights of a folder of transformers."""
    folder = Path(request.source)
    try:
        settings = dict(parse_json(read_bytes(folder / CONFIG)))
    except (OSError, ValueError, TypeError, RecursionError):
        what = f"{folder / CONFIG} is missing or holds no settings by name"
        raise SourceError(f"{what}; name a folder that save_pretrained wrote") from None
    _refuse_elsewhere(settings)
    transformers = require("transformers", f"{folder}")
    settings = {key: value for key, value in settings.items() if key not in ("auto_map", "_name_or_path")}
    # neither progress bars nor advice: what is wrong becomes a sentence
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    try:
        model, report = transformers.AutoModelForImageClassification.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, output_loading_info=True
        )
    except Exception as error:  # noqa: BLE001 - a folder of others makes transformers raise anything
        raise SourceError(f"{folder} cannot be read by transformers ({first_line(error)})") from None
    misfits = [f"{key.replace('_', ' ')}: {report[key]}" for key in MISFITS if report.get(key)]
    if misfits:
        what = printable("; ".join(misfits))[:200]
        raise SourceError(f"the weights in {folder} do not fit its {CONFIG} ({what}); is it a classifier's folder?")
    names = settings.get("id2label")
    # timm lists them
    classes = settings.get("label_names") or ()
    if isinstance(names, dict):
        classes = [names[number] for number in sorted(names, key=int)]
    # a folder written by timm states no model_type, but transformers can load it
    settings |= {"model_type": model.config.model_type, "transformers_version": transformers.__version__}
    stated = tuple(map(str, classes)) or None
    return Brought(Logits(model), {"config": settings}, preprocess_of(folder), stated, "logits")


def _refuse_elsewhere(settings: Record) -> None:
    """Refuse a configuration with which timm fetches a network from a hub or reads it from another folder or file."""
    arguments = settings.get("model_args")
    elsewhere = isinstance(arguments, Mapping) and "checkpoint_path" in arguments
    if elsewhere or any(sign in str(settings.get("architecture", "")) for sign in ":/"):
        raise SourceError(f"its {CONFIG} names a hub, a folder or a file elsewhere; add the network as timm:NAME")
    # the configuration of a part is read like a whole one
    for value in settings.values():
        parts = value
        if not isinstance(value, list):
            parts = [value]
        for part in parts:
            if isinstance(part, Mapping):
                _refuse_elsewhere(part)


def preprocess_of(folder: Path) -> dict[str, Any]:
    """Find the fields of `Preprocessing` that give what the processor of a folder of transformers gives.

    Each way to resize and crop is tried on a wide and a high picture, one to shrink and one to enlarge, and compared
    value by value; where none reproduces them, or there is no processor, nothing is stated.

    Raises:
        SourceError: it swaps red and blue, which `Preprocessing` cannot express.
    """
    transformers = require("transformers", f"{folder}")
    generator = np.random.default_rng(0)
    try:
        # the other backend resizes to pixels that differ by a grey level here and there
        processor = transformers.AutoImageProcessor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, backend="pil"
        )

        def given(picture: Pixels) -> Float32:
            values = processor(images=Image.fromarray(picture), return_tensors="np")["pixel_values"][0]
            return np.asarray(values).transpose(1, 2, 0)

        size = len(given(np.zeros((64, 64, 3), np.uint8)))
        sides = ((2 * size + 9, 3 * size + 4), (size + size // 8 + 3, size // 2 + 7))
        pictures = [generator.integers(0, 256, (*side, 3)).astype(np.uint8) for side in sides]
        expected = [given(picture) for picture in pictures]
        # of pixels in 0..1, whatever its own scale is
        factor = 1 / 255
        if processor.do_rescale:
            factor /= processor.rescale_factor
        mean = (0.0, 0.0, 0.0)
        std = (1.0, 1.0, 1.0)
        if processor.do_normalize:
            mean = processor.image_mean
            std = processor.image_std
        scaled = {"mean": [value * factor for value in mean], "std": [value * factor for value in std]}
    except Exception:  # noqa: BLE001 - a file of others makes transformers raise anything
        return {}
    if getattr(processor, "do_flip_channel_order", False):
        raise SourceError(
            f"its {PREPROCESSOR} swaps red and blue, which detectors here cannot; export it to ONNX with that"
        )
    shorter = processor.size.get("shortest_edge") or size
    lengths = {size, shorter, int(shorter / (getattr(processor, "crop_pct", None) or 1))}
    for crop, resize in [("none", size), ("before", size), *(("after_floor", length) for length in sorted(lengths))]:
        with suppress(ValueError, TypeError):
            interpolation = Image.Resampling(processor.resample).name.lower()
            fields = {"size": size, "resize": resize, "crop": crop, "interpolation": interpolation}
            tried = Preprocessing.of({**fields, **scaled})
            made = [(tried.fit(picture) / 255 - np.array(tried.mean)) / np.array(tried.std) for picture in pictures]
            if all(np.allclose(*pair, atol=1e-3) for pair in zip(made, expected, strict=True)):
                return asdict(tried)
    return {}


TIMM = Kind(build=_build_timm, read=_read_named)
TORCHVISION = Kind(build=_build_torchvision, read=_read_named)
TRANSFORMERS = Kind(build=build_transformer, read=read_folder)
