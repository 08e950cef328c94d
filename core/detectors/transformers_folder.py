"""Detectors from a folder of transformers: an image classifier as `save_pretrained` writes it, read offline."""

from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor, nn

from core.arrays import Float32, Pixels, Record
from core.detectors.registry import Brought, Kind, Request, SourceError, require
from core.images.preprocessing import Preprocessing
from core.storage.limits import first_line, parse_json, printable, read_bytes

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
MISFITS = ("missing_keys", "unexpected_keys", "mismatched_keys")
# Pillow's numbers of its filters
FILTERS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")


class Logits(nn.Module):
    """A classifier of transformers as a plain network."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, 3, S, S) to logits (N, K)."""
        return self.model(pixel_values=inputs).logits


def build(config: Record) -> nn.Module:
    """Build the network with random weights; code beside a configuration is never run."""
    transformers = require("transformers", "a detector of transformers")
    settings = config["config"]
    _refuse_elsewhere(settings)
    try:
        # as from a file: some configurations translate what a file says
        kind = type(transformers.AutoConfig.for_model(settings["model_type"]))
        config_object = kind.from_dict(deepcopy(dict(settings)))
        model = transformers.AutoModelForImageClassification.from_config(config_object, trust_remote_code=False)
        # weights that were saved as float16 are read as float32
        return Logits(model.float())
    except Exception as error:  # noqa: BLE001 - a configuration of others makes transformers raise anything
        raise SourceError(f"transformers {transformers.__version__} cannot build it ({first_line(error)})") from None


def read(request: Request) -> Brought:
    """Read configuration, preprocessor and weights."""
    folder = Path(request.source)
    if not (folder / CONFIG).exists():
        raise SourceError(f"{folder / CONFIG} is missing; name a folder that save_pretrained wrote")
    try:
        settings = dict(parse_json(read_bytes(folder / CONFIG)))
    except (ValueError, TypeError, RecursionError):
        raise SourceError(f"{folder / CONFIG} is not readable JSON of settings by name; fetch it again") from None
    _refuse_elsewhere(settings)
    transformers = require("transformers", f"{folder}")
    if not list(folder.glob("*.safetensors")):
        raise SourceError(f"{folder} has no .safetensors, and no other weights are read; save them as safetensors")
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
    classes = settings.get("label_names")
    if isinstance(names, dict):
        classes = [names[number] for number in sorted(names, key=int)]
    preprocess = {}
    if (folder / PREPROCESSOR).exists():
        preprocess = preprocess_of(folder)
    # a folder written by timm states no model_type, but transformers can load it
    settings |= {"model_type": model.config.model_type, "transformers_version": transformers.__version__}
    return Brought(
        Logits(model.float()), {"config": settings}, preprocess, tuple(map(str, classes or ())) or None, "logits"
    )


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
    """Find the fields of `Preprocessing`, and "scale", that give what the folder's own processor gives.

    Each way to resize and crop is tried on a wide and a high picture, one to shrink and one to enlarge, and compared
    value by value; where none reproduces them, nothing is stated.

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
    except Exception:  # noqa: BLE001 - a file of others makes transformers raise anything
        return {}
    if getattr(processor, "do_flip_channel_order", False):
        raise SourceError(
            f"its {PREPROCESSOR} swaps red and blue, which detectors here cannot; export it to ONNX with that"
        )
    scale = 1.0
    if processor.do_rescale:
        scale = float(processor.rescale_factor)
    mean = (0.0, 0.0, 0.0)
    std = (1.0, 1.0, 1.0)
    if processor.do_normalize:
        mean = tuple(processor.image_mean)
        std = tuple(processor.image_std)
    shorter = processor.size.get("shortest_edge") or size
    lengths = {size, shorter, int(shorter / (getattr(processor, "crop_pct", None) or 1))}
    for crop, resize in [("none", size), ("before", size), *(("after_floor", length) for length in sorted(lengths))]:
        with suppress(ValueError, IndexError, TypeError):
            fields = {"size": size, "resize": resize, "crop": crop, "interpolation": FILTERS[processor.resample]}
            tried = Preprocessing.of({**fields, "mean": (0, 0, 0), "std": (1, 1, 1)})
            made = [(tried.fit(picture) * scale - np.array(mean)) / np.array(std) for picture in pictures]
            if all(map(partial(np.allclose, atol=1e-3), made, expected)):
                return {**fields, "scale": scale, "mean": mean, "std": std}
    return {}


KIND = Kind("transformers", build=build, read=read)
