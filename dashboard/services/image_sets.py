"""The image sets that all visitors share: one dataset registry for each home, and the splits that its runs need."""

import threading
from contextlib import suppress
from pathlib import Path

from core.images.cifake.files import fetched_path, is_fetched
from core.images.cifake.shipped import KIND as SHIPPED_KIND
from core.images.cifake.shipped import is_shipped
from core.images.image_set import Split, split_of
from core.images.sources import SHIPPED
from core.storage import ContractError, read_manifest
from dashboard.services.catalogue import homes, runs
from dashboard.services.dataset_registry import DatasetRegistry

_registries: dict[Path, DatasetRegistry] = {}
_registries_lock = threading.Lock()


def registry() -> DatasetRegistry:
    """Return the registry of the image sets that pictures are taken from, one for all visitors.

    It is in no cache: once that was cleared, a set that was attached by its path would be gone.
    """
    home = homes()[0]
    with _registries_lock:
        if home not in _registries:
            shipped = next((one / SHIPPED for one in homes() if is_shipped(one / SHIPPED)), None)
            unpacked = home / "data" / "cifake"
            first = unpacked if unpacked.is_dir() or not is_fetched() else fetched_path()
            _registries[home] = DatasetRegistry(first, _splits_beside(shipped), shipped=shipped)
        return _registries[home]


def splits() -> tuple[Split, ...]:
    """Return the splits of an image set that the runs here are about: "test", and "train" where one is."""
    sets = []
    for path in runs().values():
        with suppress(ContractError):
            sets.append(str(read_manifest(path, "run").get("set", "")))
    return ("test", "train") if any(split_of(name) == "train" for name in sets) else ("test",)


def _splits_beside(shipped: Path | None) -> tuple[Split, ...]:
    """Return the splits in data/cifake/ that a run here needs for its pictures, besides a set that has shipped."""
    try:
        fingerprint = read_manifest(shipped, SHIPPED_KIND).get("fingerprint") if shipped else None
    except ContractError:
        fingerprint = None
    if fingerprint is None:
        return splits()
    needed: set[Split] = set()
    for path in runs().values():
        with suppress(ContractError):
            manifest = read_manifest(path, "run")
            if "images.npy" not in manifest["files"] and manifest.get("set_fingerprint") != fingerprint:
                needed.add(split_of(str(manifest.get("set"))))
    return tuple(sorted(needed))
