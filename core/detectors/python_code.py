"""Detectors from a Python function: one that builds a network, or one that scores files of images.

These kinds alone run code, and only with consent. The function's file is stored with the detector, as `code.py`.
`--run-code` consents when it is added, and is remembered on this machine; elsewhere, loading it takes the file's sha256
in the environment variable `TELLTALE_RUN_CODE`. The sha256 covers that file alone, not the modules that it imports.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from core.arrays import Record
from core.detectors.detector import OpaqueDetector
from core.detectors.registry import Brought, Kind, Request, SourceError, Stored, load_weights, read_tensors
from core.images.encoding import encode_png
from core.images.labels import Outputs
from core.images.preprocessing import SIDES
from core.storage.atomic import cache_dir, write_text
from core.storage.limits import digest_of, first_line, read_bytes

FILE = "code.py"
# hashes of the files that may run
CONSENT = "TELLTALE_RUN_CODE"


class Coded(nn.Module):
    """A network that a function has built, with the file of the function as part of its state."""

    def __init__(self, network: nn.Module, source: bytes) -> None:
        super().__init__()
        self.network = network
        self.code = Stored("py", source)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, 3, S, S) to what the network gives."""
        return self.network(inputs)


class Scored(nn.Module):
    """A function of the path of an image's file, or of a list of paths, as a module without gradients.

    Args:
        function: returns a number, or as many as there are paths.
        source: of its file.
        takes: "path" or "paths".
    """

    def __init__(self, function: Callable[..., Any], source: bytes, takes: str) -> None:
        super().__init__()
        self.function = function
        self.takes = takes
        self.code = Stored("py", source)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map float32 (N, 3, S, S) in 0..1 to (N, 1), by way of PNG files in a temporary folder."""
        pixels = (inputs.detach().cpu() * 255).round().byte().permute(0, 2, 3, 1).numpy()
        with tempfile.TemporaryDirectory() as folder:
            paths = [str(Path(folder, f"{number:06d}.png")) for number in range(len(pixels))]
            for path, image in zip(paths, pixels, strict=True):
                Path(path).write_bytes(encode_png(image))
            try:
                given = self.function(paths) if self.takes == "paths" else map(self.function, paths)
                scores = torch.tensor([float(torch.as_tensor(score).item()) for score in given])
            except Exception as error:  # noqa: BLE001 - code of others raises anything
                raise SourceError(f"its function fails with {type(error).__name__} ({first_line(error)})") from None
        if len(scores) != len(paths):
            raise SourceError(f"its function gives {len(scores)} scores for {len(paths)} images")
        return scores.view(-1, 1)


def _consents() -> Path:
    """Return the folder with a file for each consent by --run-code: named by the code's sha256, it holds its path."""
    return cache_dir() / "run-code"


def _run(config: Record) -> Any:
    """Run the stored file, where that has been consented to, and return its function."""
    source = config[FILE]
    name = str(config["factory"])
    digest = digest_of(source)
    remembered = _consents() / digest
    if not remembered.is_file() and digest not in os.environ.get(CONSENT, ""):
        raise SourceError(
            f"it runs code of its own ({FILE} in its folder), which may do whatever you may do; read that file, and if "
            f"you trust it set {CONSENT}={digest}"
        )
    # dataclasses look their module up
    module = ModuleType(f"telltale_code_{digest[:16]}")
    sys.modules[module.__name__] = module
    if remembered.is_file():
        # where it was added, it may import what lies beside it and read its weights from there
        file = Path(remembered.read_text(encoding="utf-8"))
        module.__file__ = str(file)
        if str(file.parent) not in sys.path:
            sys.path.append(str(file.parent))
    try:
        exec(compile(source, FILE, "exec"), module.__dict__)  # noqa: S102 - consented to, see the module's docstring
        return getattr(module, name)
    except Exception as error:  # noqa: BLE001 - code of others raises anything
        raise _failing(error, name) from None


def _failing(error: Exception, name: str) -> SourceError:
    return SourceError(f"its code fails with {type(error).__name__} ({first_line(error)}); correct {name} and its file")


def build(config: Record) -> nn.Module:
    """Run the stored file and its function, which returns a network."""
    factory = _run(config)
    name = config["factory"]
    try:
        network = factory()
        if not isinstance(network, nn.Module):
            raise TypeError(f"{name} returns {type(network).__name__}, not a torch.nn.Module")
    except Exception as error:  # noqa: BLE001 - code of others raises anything
        raise _failing(error, name) from None
    return Coded(network, config[FILE])


def build_function(config: Record) -> nn.Module:
    """Run the stored file, whose function scores images."""
    return Scored(_run(config), config[FILE], config["takes"])


def read(request: Request) -> Brought:
    """Run the function and load the weights."""
    config, source = _consented(request)
    network = build({FILE: source, **config})
    if request.weights is not None:
        load_weights(network.get_submodule("network"), read_tensors(request.weights), request.weights)
    return Brought(network, config)


def read_function(request: Request) -> Brought:
    """Find out by a trial whether the function takes a list of paths or a path."""
    if {"mean", "std"} & set(request.preprocess):
        raise SourceError(f"{request.source} is given image files; leave out --mean and --std")
    side = request.preprocess.get("size", 0)
    if side not in SIDES:
        raise SourceError(f"{request.source} does not say how many pixels a side its images have; say it with --size")
    config, source = _consented(request)
    # three, which no function of one path returns
    trial = torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(0))
    network = Scored(_run({FILE: source, **config}), source, "paths")
    try:
        network(trial)
    except SourceError as failure:
        network.takes = "path"
        try:
            network(trial)
        except SourceError as error:
            raise SourceError(f"{error}; of a list of paths, {failure}") from None
    preprocess = {"crop": "before", "interpolation": "bicubic", "mean": (0.0,) * 3, "std": (1.0,) * 3}
    # a number and a threshold may be of a probability or of anything else
    outputs: Outputs | None = "probabilities" if request.threshold is None else None
    return Brought(network, config | {"takes": network.takes}, preprocess, ("FAKE",), outputs)


def _consented(request: Request) -> tuple[dict[str, Any], bytes]:
    """Remember the consent to run a source's file; return the name of its function and the file."""
    prefix, _, rest = request.source.partition(":")
    where, _, name = rest.rpartition(":")
    if not where or not name or not request.may_run_code:
        raise SourceError(
            f"{prefix}:FILE.py:FUNCTION runs code, which may do whatever you may do; name a function that returns "
            "a network (py) or P(FAKE) of an image's path (function), and give --run-code if you trust it"
        )
    file = Path(where).resolve()
    source = read_bytes(file)
    write_text(_consents() / digest_of(source), str(file))
    return {"factory": name}, source


KIND = Kind(build=build, files=(FILE,), read=read)
FUNCTION = Kind(build=build_function, detector=OpaqueDetector, files=(FILE,), read=read_function)
