"""The identity of a detector, computed from its weights and settings whatever its manifest claims. Needs no torch."""

import contextlib
import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from core.arrays import Array, Record
from core.detectors.manifest import About, describe
from core.storage.atomic import read_manifest, read_sealed
from core.storage.limits import MANIFEST, MB, ContractError, digest_of

WEIGHTS = "weights.safetensors"
# pictures whose margins the manifest holds
REFERENCE = "reference.npy"
# files that answers do not depend on; any other than the weights is part of the network
BESIDE = ("README.md", REFERENCE)
# the keys by which runs of earlier versions name their detector; normalisation is not among them
OLDER_IDENTITY = ("detector_sha256", "temperature")
# batch normalisation's counter affects no answer, so it is neither stored nor hashed
COUNTER = "num_batches_tracked"
# of a file of weights in bytes; it names the tensors, about 10,000 a megabyte
MAX_HEADER = 4 * MB


@dataclass(frozen=True)
class Identity:
    """Everything that a detector's answers depend on.

    Attributes:
        weights_sha256: of its weights, from `hash_weights`.
        mean, std: normalisation of pixels in 0..1, a value a channel.
        temperature: margins are divided by it before they become probabilities.
        rest: everything else in its manifest that matters, as JSON; "" for the defaults of the oldest manifests.
    """

    weights_sha256: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    temperature: float
    rest: str = ""

    @classmethod
    def of(cls, weights_sha256: str, about: About) -> "Identity":
        """Return the identity of the detector with these weights and this manifest."""
        preprocessing = about.preprocessing
        return cls(weights_sha256, preprocessing.mean, preprocessing.std, about.temperature, about.beyond_old())

    @property
    def fingerprint(self) -> str:
        """sha256 over all fields: equal fingerprints mean equal answers on the same device."""
        parts = list(astuple(self))
        if not self.rest:
            parts.pop()
        return digest_of(json.dumps(parts))

    def made(self, run: Record) -> bool:
        """Check whether this detector made the run with this manifest."""
        if "detector_fingerprint" in run:
            return run["detector_fingerprint"] == self.fingerprint
        return tuple(map(run.get, OLDER_IDENTITY)) == (self.weights_sha256, self.temperature)


class DetectorHandle(NamedTuple):
    """A detector on disk: its name and folder, its manifest, its identity by its files, and its description."""

    name: str
    path: Path
    manifest: Record
    identity: Identity
    about: About


def hash_weights(tensors: Mapping[str, Array]) -> str:
    """Hash names and float32 values in the order of the names, so that equal weights have equal hashes."""
    digest = hashlib.sha256()
    for name, values in sorted(tensors.items()):
        digest.update(name.encode())
        # bytes of a file are hashed as they are
        if values.dtype != np.uint8:
            values = values.astype(np.float32, copy=False)  # noqa: PLW2901
        digest.update(values.tobytes())
    return digest.hexdigest()


def read_weights(path: Path, manifest: Record) -> dict[str, Array]:
    """Read and verify a detector's weights by tensor name, and other files of its network as uint8 by file name.

    Raises:
        ContractError: a file is not listed, missing, changed, unreadable, or holds something else.
    """
    names = sorted(name for name in manifest["files"] if name not in BESIDE)
    if not names:
        raise ContractError(f"{path / MANIFEST} does not list {WEIGHTS}; restore it")
    weights = {}
    for name in names:
        data = read_sealed(path, name, manifest, kind="detector")
        if name != WEIGHTS:
            weights[name] = np.frombuffer(bytearray(data), np.uint8)
            continue
        if int.from_bytes(data[:8], "little") > MAX_HEADER:
            raise ContractError(f"{path / WEIGHTS} names more tensors than any detector has; do not use it")
        try:
            weights |= load(data)
        except (SafetensorError, KeyError, ValueError, TypeError):
            # includes dtypes that NumPy does not know
            sentence = f"{path / WEIGHTS} is not a safetensors file; restore it or train the detector again"
            raise ContractError(sentence) from None
    return weights


def check_claim(path: Path, manifest: Record, weights_sha256: str) -> None:
    """Refuse a detector whose manifest claims other weights than its file holds.

    Raises:
        ContractError: naming the manifest.
    """
    if manifest.get("weights_sha256", weights_sha256) != weights_sha256:
        raise ContractError(
            f"{path / MANIFEST} claims other weights than {WEIGHTS} holds (its weights_sha256 differs); do not use it"
        )


def identify(path: Path) -> DetectorHandle:
    """Read a detector's folder and compute its identity, cached until its files change.

    Raises:
        ContractError: the manifest or the weights cannot be read, or the manifest claims other weights.
    """
    stamp: list[int] = []
    # before reading: if a file changes meanwhile, the next call reads the folder again
    with contextlib.suppress(OSError):
        for status in (file.stat() for file in sorted(path.iterdir()) if file.name not in BESIDE):
            # unlike mtime, ctime cannot be set by a file's owner
            stamp += (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    # the first visitors of a server ask at once, and the others wait for the first
    with _identifying:
        return _identify(path, tuple(stamp))


_identifying = threading.Lock()


@lru_cache(maxsize=256)
def _identify(path: Path, _stamped: tuple[int, ...]) -> DetectorHandle:
    manifest = read_manifest(path, "detector")
    about = describe(path, manifest)
    weights = hash_weights(read_weights(path, manifest))
    check_claim(path, manifest, weights)
    return DetectorHandle(path.name, path, manifest, Identity.of(weights, about), about)


def identify_all(folders: Mapping[str, Path]) -> tuple[dict[str, DetectorHandle], dict[str, str]]:
    """Identify detectors by name; also return a sentence on each that is refused."""
    identified = {}
    refused = {}
    for name, path in folders.items():
        try:
            identified[name] = identify(path)._replace(name=name)
        except ContractError as error:
            refused[name] = str(error)
    return identified, refused


def find_maker(run: Record, detectors: Mapping[str, DetectorHandle]) -> str | None:
    """Find the name of the detector that made a run; None where it is not among `detectors`.

    Args:
        run: the run's manifest.
        detectors: by name, in order of preference.
    """
    makers = [name for name, detector in detectors.items() if detector.identity.made(run)]
    # an older run may fit several that normalise differently; then the name in the run decides
    if run.get("detector") in makers:
        return run["detector"]
    return next(iter(makers), None)
