"""Detectors from a Python function that builds a network: the one kind that runs code, and only with consent.

The function's file is stored with the detector, as `code.py`. Adding it requires consent by `--run-code`;
loading it, by the file's sha256 in the environment variable `TELLTALE_RUN_CODE`. The sha256 covers that file alone, not
the modules that it imports.
"""

import hashlib
import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from core.detectors.registry import Brought, Kind, Request, SourceError, Stored, load_weights, read_tensors
from core.storage import first_line, read_bytes

PREFIX = "py:"
FILE = "code.py"
# hashes of the files that may run, with commas between them
CONSENT = "TELLTALE_RUN_CODE"
# consented to by --run-code, in this process alone
_consented: set[str] = set()


class Coded(nn.Module):
    """A network that a function has built, with the file of the function as part of its state."""

    def __init__(self, network: nn.Module, source: bytes) -> None:
        super().__init__()
        self.network = network
        self.code = Stored("py", source)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, 3, S, S) to what the network gives."""
        outputs: Tensor = self.network(inputs)
        return outputs


def build(config: Mapping[str, Any]) -> nn.Module:
    """Run the stored file and its function, where that has been consented to."""
    source, factory = config[FILE], str(config["factory"])
    digest = hashlib.sha256(source).hexdigest()
    if digest not in {*_consented, *(word.strip().lower() for word in os.environ.get(CONSENT, "").split(","))}:
        raise SourceError(
            f"it runs code of its own ({FILE} in its folder), which may do whatever you may do; read that file, and if "
            f"you trust it set {CONSENT}={digest}"
        )
    # dataclasses look their module up
    module = sys.modules[f"telltale_code_{digest[:16]}"] = ModuleType(f"telltale_code_{digest[:16]}")
    try:
        exec(compile(source, FILE, "exec"), module.__dict__)  # noqa: S102 - consented to, see the module's docstring
        network = getattr(module, factory)()
        if not isinstance(network, nn.Module):
            raise TypeError(f"{factory} returns {type(network).__name__}, not a torch.nn.Module")
    except Exception as error:  # noqa: BLE001 - code of others raises anything
        what = f"{type(error).__name__} ({first_line(error)})"
        raise SourceError(f"its code fails with {what}; correct {factory} and its file") from None
    return Coded(network, source)


def read(request: Request) -> Brought:
    """Run the function and load the weights."""
    module, _, factory = request.source.removeprefix(PREFIX).partition(":")
    if not module or not factory or not request.may_run_code:
        raise SourceError(
            f"{PREFIX}MODULE:FUNCTION names a function that returns the network, and runs code, which may do whatever "
            "you may do; give --run-code if you trust it"
        )
    try:
        # the packages around the module are imported to find it
        spec = find_spec(module)
        file = Path(spec.origin)  # type: ignore[union-attr, arg-type]
    except Exception as error:  # noqa: BLE001 - they may raise anything
        raise SourceError(f"the module {module} cannot be found ({error}); start in the folder that holds it") from None
    source = read_bytes(file)
    _consented.add(hashlib.sha256(source).hexdigest())
    network = build({FILE: source, "factory": factory})
    if request.weights is not None:
        load_weights(network.get_submodule("network"), read_tensors(request.weights), request.weights)
    return Brought(network, {"factory": factory})


KIND = Kind("python", build=build, files=(FILE,), read=read)
