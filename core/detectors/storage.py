"""Detectors on disk: manifest, weights as safetensors, model card. Nothing that is read is ever executed."""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from core.arrays import Pixels, Record
from core.console import sentence_of
from core.detectors.detector import Detector, pick_device
from core.detectors.identity import COUNTER, REFERENCE, WEIGHTS, check_claim, read_weights
from core.detectors.manifest import STEADY, describe
from core.detectors.registry import find_kind, load_weights
from core.storage.atomic import Content, read_folder, write_folder
from core.storage.limits import ContractError, read_array

KIND = "detector"
# what building a network from settings of the wrong type raises
UNFIT = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)


def save_detector(
    path: Path,
    detector: Detector,
    *,
    model_card: str,
    reference: Pixels | None = None,
    replace: bool = False,
) -> None:
    """Write `detectors/<name>/`: manifest, weights and model card.

    Args:
        path: the folder; its last part becomes the detector's name.
        detector: weights that float16 holds exactly are stored so, see `round_to_float16`.
        model_card: Markdown.
        reference: uint8 (N, S, S, 3), pictures that are stored with their margins and compared at each loading.
        replace: overwrite an existing folder.

    Raises:
        TakenError: the folder exists and `replace` is false.
        WriteError: the folder could not be written; nothing is left half done.
    """
    kind = find_kind(detector.kind)
    tensors = {
        name: _as_stored(tensor) for name, tensor in detector.network.state_dict().items() if not name.endswith(COUNTER)
    }
    manifest = {
        **detector.manifest,
        "name": path.name,
        "parameters": sum(parameter.numel() for parameter in detector.network.parameters()),
        **detector.about.as_manifest(),
        "weights_sha256": detector.sha256,
    }
    files: dict[str, Content] = {"README.md": model_card.encode()}
    for name in kind.files:
        files[name] = tensors.pop(name).numpy().tobytes()
    if tensors:
        files[WEIGHTS] = save(tensors)
    if reference is not None:
        manifest["reference_margins"] = detector.margins(reference).tolist()
        files[REFERENCE] = partial(np.save, arr=reference, allow_pickle=False)
    write_folder(path, kind=KIND, manifest=manifest, files=files, replace=replace)


def load_detector(path: Path, *, device: str = "auto") -> Detector:
    """Read a detector from its folder.

    Raises:
        ContractError: a file is missing, changed, or does not fit the manifest.
        ValueError: there is no such device here.
    """
    manifest = read_folder(path, KIND)
    about = describe(path, manifest)
    tensors = {name: torch.from_numpy(values) for name, values in read_weights(path, manifest).items()}
    # the folder gives the name: a manifest may claim another detector's
    named = {**manifest, "name": path.absolute().name}
    chosen = pick_device(device)
    try:
        kind = find_kind(about.kind)
        network = kind.build({**about.config, **{name: tensors[name].numpy().tobytes() for name in kind.files}})
        load_weights(network, tensors, path / WEIGHTS)
        detector = kind.detector.from_about(network, about, manifest=named, device=chosen)
    except UNFIT as error:
        raise ContractError(f"{path} cannot be opened: {sentence_of(error) or repr(error)}") from None
    check_claim(path, manifest, detector.sha256)
    _check_margins(path, manifest, detector)
    return detector


def _as_stored(tensor: Tensor) -> Tensor:
    """Return a weight as it is stored: in float16 where nothing is lost, otherwise unchanged."""
    if tensor.dtype == torch.bfloat16:
        # NumPy has no such numbers, and float32 holds them exactly
        tensor = tensor.float()
    if tensor.dtype == torch.float32 and tensor.ndim > 1 and bool((tensor.half().float() == tensor).all()):
        tensor = tensor.half()
    # a copy, because safetensors refuses weights that share memory
    return tensor.cpu().clone().contiguous()


def _check_margins(path: Path, manifest: Record, detector: Detector) -> None:
    """Refuse a detector whose margins overflow, or are not those that it gave when it was added."""
    stated = manifest.get("reference_margins")
    random = np.random.default_rng(0).integers(0, 256, (1, detector.side, detector.side, 3)).astype(np.uint8)
    try:
        now = detector.margins(random if stated is None else read_array(path / REFERENCE))
        before = now if stated is None else np.asarray(stated, np.float32).reshape(now.shape)
    except (OSError, ValueError, TypeError) as error:
        raise ContractError(f"{path / REFERENCE} does not hold its reference pictures ({error}); restore it") from None
    if not np.isfinite(now).all():
        raise ContractError(f"{path} gives margins that are not finite numbers; restore it or add it again")
    # another network or preprocessing differs by far more; `noise` is between two runs, and each may be off by it
    near = np.isclose(now, before, rtol=STEADY, atol=max(STEADY, 2 * detector.noise))
    if not near.all():
        number = int(np.argmin(near))
        raise ContractError(
            f"{path} gives its reference picture {number + 1} a margin of {now[number]:.3f} that was "
            f"{before[number]:.3f}: a library now computes something else; install those of then, or add it again"
        )
