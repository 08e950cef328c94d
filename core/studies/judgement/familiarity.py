"""How far a picture is from everything that a run was measured on, in features and in image statistics. No torch."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.images.statistics import STATISTICS, image_statistics
from core.runs.nearest import unit_rows
from core.runs.run import Run

# neighbours: the distance is to the last of them, so that one odd image of the run makes nothing familiar
NEIGHBOURS = 10
# images of the run that are kept to measure to
MOST = 20_000
# the size of the file is no property of the pixels
COLUMNS = [name for name in STATISTICS if name != "file_bytes"]


def thinned(images: int) -> int:
    """Of every how many images of a run one is kept to measure to."""
    return max(1, -(-images // MOST))


@dataclass(frozen=True, eq=False)
class Distances:
    """Distances of N pictures.

    Attributes:
        features: float32 (N,), 1 - cosine to the tenth nearest image of the run, 0 to 2; None without features.
        statistics: float64 (N,), the Mahalanobis distance from the run's images in image statistics.
    """

    features: NDArray[np.float32] | None
    statistics: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Space:
    """A run's images as the reference that distances are measured to.

    Attributes:
        features: float32 (M, C), of at most `MOST` images of the run, scaled to length 1; None if the run has none.
        mean: float64 (K,), mean of the K statistics over the run's images.
        whitening: float64 (K, K), transforms the centred statistics to unit covariance.
        skip: number of nearest images to ignore: 1 if the pictures to measure are among the run's own.
    """

    features: NDArray[np.float32] | None
    mean: NDArray[np.float64]
    whitening: NDArray[np.float64]
    skip: int = 0

    @classmethod
    def of(cls, run: Run) -> "Space":
        """The space of a run's images."""
        values = _scaled(run.predictions)
        covariance = np.cov(values, rowvar=False)
        # statistics that follow from others have no spread of their own
        spread, axes = np.linalg.eigh(covariance)
        features = None
        if run.features is not None:
            features = unit_rows(run.features[:: thinned(len(run.features))])
        return cls(features, values.mean(axis=0), axes / np.sqrt(np.maximum(spread, 1e-4 * spread.max())))

    def measure(self, pixels: NDArray[np.uint8], features: NDArray[np.floating] | None) -> Distances:
        """Measure N pictures.

        Args:
            pixels: uint8 (N, S, S, 3), as the detector sees them.
            features: (N, C), its pooled features of them.
        """
        apart = (_scaled(image_statistics(pixels)) - self.mean) @ self.whitening
        near = None
        if features is not None and self.features is not None:
            near = _nearest(unit_rows(features), self.features, NEIGHBOURS + self.skip)
        return Distances(near, np.sqrt((apart**2).sum(axis=1)))


def _nearest(queries: NDArray[np.float32], base: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """The distance, 1 - cosine, from each row of `queries` to its k-th nearest of `base`; all rows of length 1."""
    k = min(k, len(base))
    found = [
        np.partition(1 - part @ base.T, k - 1, axis=1)[:, k - 1]
        for part in np.array_split(queries, -(-len(queries) // 64) or 1)
    ]
    return np.asarray(np.maximum(np.concatenate(found), 0), np.float32)


def _scaled(table: pd.DataFrame) -> NDArray[np.float64]:
    """Statistics (N, K) on scales on which their distributions are roughly even."""
    values = table[COLUMNS].to_numpy(np.float64)
    values = values / np.array([1 if name in _SHARES else 255 for name in COLUMNS])
    detail = COLUMNS.index("fine_detail")
    # shares near 0 differ by factors
    values[:, detail] = np.log(values[:, detail] + 1e-3)
    return np.asarray(values, np.float64)


_SHARES = ("greyness", "fine_detail")
