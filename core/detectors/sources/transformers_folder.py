"""Detectors from a folder of transformers: an image classifier as `save_pretrained` writes it, read offline."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from core.detectors.network import NetworkDetector
from core.detectors.registry import Brought, Kind, Request, SourceError, first_line, require, stated
from core.storage import parse_json, read_bytes

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
# Pillow's numbers of its filters
FILTERS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
# options that change which mean and std apply; the user must then state both
SHIFTING = ("rescale_offset", "include_top")
# options that `Preprocessing` cannot express; if one is set, the user has to state size and crop
PECULIAR = (*SHIFTING, "do_pad", "do_reduce_labels", "do_convert_to_hsv")
# preprocessors that take a single number as the shorter side; all others take it as both sides
SHORTER = ("CLIP", "ChineseCLIP", "Bit")
# ConvNeXt's own rule: below this side a part is cut out of a larger picture, from it on the picture is stretched
CUT_BELOW = 384


class Logits(nn.Module):
    """A classifier of transformers as a plain network."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, 3, S, S) to logits (N, K)."""
        logits: Tensor = self.model(pixel_values=inputs).logits
        return logits


class TransformersDetector(NetworkDetector):
    """An image classifier of transformers."""

    kind = "transformers"


def build(config: Mapping[str, Any]) -> nn.Module:
    """Build the network with random weights; code beside a configuration is never run."""
    transformers = require("transformers", "a detector of transformers")
    (said,) = stated(config, "config")
    _refuse_elsewhere(said)
    try:
        # as from a file: some configurations translate what a file says
        kind = type(transformers.AutoConfig.for_model(said["model_type"]))
        known = kind.from_dict(deepcopy(dict(said)))
        model = transformers.AutoModelForImageClassification.from_config(known, trust_remote_code=False)
        # weights that were saved as float16 are read as float32
        return Logits(model.float())
    except Exception as error:  # noqa: BLE001 - a configuration of others makes transformers raise anything
        raise SourceError(f"transformers {transformers.__version__} cannot build it ({first_line(error)})") from None


def read(request: Request) -> Brought:
    """Read configuration, preprocessor and weights."""
    folder = Path(request.source).expanduser()
    if request.weights is not None:
        raise SourceError(f"{folder} has weights of its own; leave out --weights")
    said = _read_json(folder / CONFIG)
    _refuse_elsewhere(said)
    transformers = require("transformers", f"{folder}")
    if not list(folder.glob("*.safetensors")):
        raise SourceError(f"{folder} has no .safetensors, and no other weights are read; save them as safetensors")
    said = {key: value for key, value in said.items() if key not in ("auto_map", "_name_or_path")}
    # neither progress bars nor advice: what is wrong becomes a sentence
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    try:
        model, report = transformers.AutoModelForImageClassification.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    except Exception as error:  # noqa: BLE001 - a folder of others makes transformers raise anything
        raise SourceError(f"{folder} cannot be read by transformers ({first_line(error)})") from None
    for key, what in (("missing_keys", "lacks"), ("unexpected_keys", "holds"), ("mismatched_keys", "has another")):
        if report.get(key):
            raise SourceError(
                f"the weights in {folder} do not fit its {CONFIG}: it {what} {sorted(map(str, report[key]))[0]}; is it "
                "an image classifier's whole folder?"
            )
    names = said.get("id2label")
    classes = None
    if isinstance(names, dict):
        classes = tuple(str(name) for _, name in sorted(names.items(), key=lambda item: int(item[0])))
    elif isinstance(said.get("label_names"), list):
        classes = tuple(map(str, said["label_names"]))
    file = folder / PREPROCESSOR
    preprocess = preprocess_of(_read_json(file)) if file.exists() else {}
    # a folder written by timm states no model_type, but transformers can load it
    said = {**said, "model_type": model.config.model_type, "transformers_version": transformers.__version__}
    return Brought(Logits(model.float()), {"config": said}, preprocess, classes, "logits")


def _refuse_elsewhere(said: Mapping[str, Any]) -> None:
    """Refuse a configuration with which timm fetches a network from a hub or reads it from another folder or file."""
    arguments = said.get("model_args")
    elsewhere = isinstance(arguments, Mapping) and "checkpoint_path" in arguments
    if elsewhere or any(sign in str(said.get("architecture", "")) for sign in ":/"):
        raise SourceError(f"its {CONFIG} names a hub, a folder or a file elsewhere; add the network as timm:NAME")
    # the configuration of a part is read like a whole one
    for value in said.values():
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, Mapping):
                _refuse_elsewhere(part)


def preprocess_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """Translate a preprocessor's configuration to fields of `Preprocessing` and "scale"; unclear ones are left out.

    Raises:
        SourceError: it swaps red and blue, which `Preprocessing` cannot express.
    """
    if said.get("do_flip_channel_order"):
        raise SourceError(
            f"its {PREPROCESSOR} swaps red and blue, which detectors here cannot; export it to ONNX with that"
        )
    found: dict[str, Any] = {}
    if isinstance(said.get("resample"), int) and 0 <= said["resample"] < len(FILTERS):
        found["interpolation"] = FILTERS[said["resample"]]
    if said.get("do_rescale") is not None:
        found["scale"] = said.get("rescale_factor") if said["do_rescale"] else 1.0
    if any(said.get(name) for name in SHIFTING):
        found.pop("scale", None)
    elif said.get("do_normalize"):
        found |= {"mean": said.get("image_mean"), "std": said.get("image_std")}
    elif said.get("do_normalize") is False:
        found |= {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    if said.get("do_resize") and not any(said.get(name) for name in PECULIAR):
        found |= _square(said)
    return {key: value for key, value in found.items() if value is not None}


def _square(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return size, resize and crop where they follow from the configuration."""
    size, kind = said.get("size"), str(said.get("image_processor_type") or said.get("feature_extractor_type") or "")
    cut = _side(said.get("crop_size")) if said.get("do_center_crop") else None
    sides = _sides(size)
    if isinstance(size, int) and kind.startswith(SHORTER):
        sides = {"shortest_edge": size}
    elif isinstance(size, int) and cut is not None:
        # preprocessors differ in what that is
        return {"size": cut}
    shorter, height, width = (sides.get(key) for key in ("shortest_edge", "height", "width"))
    if shorter and said.get("crop_pct") and kind.startswith("ConvNext"):
        if shorter >= CUT_BELOW:
            return {"size": shorter, "crop": "none"}
        return {"size": shorter, "resize": int(shorter / said["crop_pct"]), "crop": "after_floor"}
    if said.get("crop_pct") or kind.startswith("Levit"):
        return {}
    if shorter and cut:
        return {"size": cut, "resize": shorter, "crop": "after_floor"}
    if height and height == width and cut in (None, height):
        return {"size": height, "crop": "none"}
    # without a crop only pictures that are squares would fit the network
    return {"size": shorter} if shorter else {}


def _sides(size: Any) -> Mapping[str, Any]:
    """Return a size as a mapping such as {"height": 32, "width": 32}, from an integer, a list of two, or a mapping."""
    if isinstance(size, int):
        return {"height": size, "width": size}
    if isinstance(size, list) and len(size) == 2:
        return dict(zip(("height", "width"), size, strict=True))
    return size if isinstance(size, dict) else {}


def _side(size: Any) -> int | None:
    sides = _sides(size)
    height, width = sides.get("height"), sides.get("width")
    return height if isinstance(height, int) and height == width else None


def _read_json(file: Path) -> dict[str, Any]:
    try:
        found = parse_json(read_bytes(file))
    except FileNotFoundError:
        raise SourceError(f"{file} is missing; name a folder that save_pretrained wrote") from None
    except OSError as error:
        raise SourceError(f"{file} cannot be read ({error.strerror}); check its permissions") from None
    except (ValueError, RecursionError):
        raise SourceError(f"{file} is not readable JSON; fetch it again") from None
    if not isinstance(found, dict):
        raise SourceError(f"{file} holds no settings by name; fetch it again")
    return found


KIND = Kind(
    TransformersDetector,
    build=build,
    describe=lambda config: f"{dict(config.get('config') or {}).get('model_type')} of transformers",
    source="a folder of transformers",
    takes=lambda source: Path(source).expanduser().is_dir(),
    read=read,
)
