"""A detector's full pass over an image set, in shards: one that was killed goes on where it stopped."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from core.arrays import Float32, Positions, Record
from core.detectors.detector import Detector, Pass, batch_size
from core.detectors.storage import load_detector
from core.images.image_set import DatasetError, ImageSet
from core.images.loading import load_image_set
from core.runs.writing import library_versions
from core.storage.atomic import cache_dir
from core.storage.limits import digest_of
from core.storage.shards import Engine, Report, ShardProgress, compute_shards

# the fewest images of a shard
SHARD = 128


class PassWork:
    """The full pass of a detector over an image set, as work that is done in shards.

    Args:
        folder: of the detector.
        data: where the images are, as for `load_image_set`.
        detector, images: what this process has opened; other processes open it again.
        skip_bad: as the images were loaded.
    """

    name = "testing"

    def __init__(self, folder: Path, data: str, detector: Detector, images: ImageSet, *, skip_bad: bool) -> None:
        self.folder = folder
        self.data = data
        self.skip_bad = skip_bad
        self.device = detector.device.type
        self.made_of = (detector.sha256, images.fingerprint)
        self.opened: tuple[Detector, ImageSet] | None = (detector, images)

    def __getstate__(self) -> Record:
        return vars(self) | {"opened": None}

    def open(self, _report: Report) -> Callable[[Positions], pd.DataFrame]:
        """Load detector and images where this process has not, and return what passes some of them.

        Raises:
            DatasetError: they are others than those of the process that writes the run.
        """
        detector, images = self.opened or self._load()
        if (detector.sha256, images.fingerprint) != self.made_of:
            raise DatasetError(f"{self.folder} or {self.data} is another one for a worker; give all machines the same.")

        def compute(rows: Positions) -> pd.DataFrame:
            return _table_of(detector.full_pass(images.pixels[rows[0] : rows[-1] + 1]))

        return compute

    def _load(self) -> tuple[Detector, ImageSet]:
        detector = load_detector(self.folder, device=self.device)
        return detector, load_image_set(self.data, "test", fit=detector.preprocessing, skip_bad=self.skip_bad)


def pass_in_shards(
    work: PassWork,
    detector: Detector,
    images: ImageSet,
    *,
    engine: Engine,
    progress: ShardProgress,
) -> Pass:
    """Compute the same as `Detector.full_pass`; finished shards stay in `shards_folder`.

    Args:
        work: of this detector and these images.
        detector, images: as opened in this process.
        engine: what computes the shards.
        progress: called with (images done, N, what is being done).

    Raises:
        WriteError: a shard cannot be written.
    """
    size = shard_size(detector)
    shapes: dict[str, tuple[int, ...]] = {"logits": (2,), "features": (detector.channels,)}
    if detector.layers:
        shapes["maps"] = detector.layers[detector.target_layer]
    arrays: dict[str, Float32] = {}
    shards = compute_shards(
        work, np.arange(len(images)), size, shards_folder(detector, images), engine=engine, progress=progress
    )
    for number, table in shards:
        rows = slice(number * size, number * size + len(table))
        for name in table:
            values = np.frombuffer(b"".join(table[name]), np.float32).reshape(len(table), *shapes[name])
            # filled in place, as in a pass as a whole
            arrays.setdefault(name, np.empty((len(images), *shapes[name]), np.float32))[rows] = values
    return Pass(arrays["logits"], arrays.get("features"), arrays.get("maps"))


def shard_size(detector: Detector) -> int:
    """Return how many images a shard has: whole batches, whose size decides the last bits of what is computed."""
    batch = batch_size(detector.device, detector.side)
    return -(-SHARD // batch) * batch


def shards_folder(detector: Detector, images: ImageSet) -> Path:
    """Return the folder of the shards of this pass: results depend on device and libraries, too, by their rounding."""
    order = digest_of("".join(images.rows["sha256"]))
    key = json.dumps(
        [detector.identity.fingerprint, detector.target_layer, images.fingerprint, order, images.fit,
         detector.device.type, shard_size(detector), library_versions()],
        sort_keys=True,
    )  # fmt: skip
    return cache_dir() / "passes" / digest_of(key)[:20]


def _table_of(computed: Pass) -> pd.DataFrame:
    """Pack the arrays of a pass into a table: a column each, the bytes of an image's part in every row."""
    parts = {name: array for name, array in computed._asdict().items() if array is not None}
    return pd.DataFrame({name: [row.tobytes() for row in array] for name, array in parts.items()})
