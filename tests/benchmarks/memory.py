"""What a process holds, and whether that grows."""

import subprocess
from collections.abc import Sequence

import numpy as np

# successive seconds are correlated; the means of this many stretches hardly are
STRETCHES = 10


def resident(process: int) -> float:
    """Memory that a process holds, in MB."""
    kilobytes = subprocess.run(["ps", "-o", "rss=", "-p", str(process)], capture_output=True, text=True, check=True)
    return int(kilobytes.stdout) / 1024


def slope(samples: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """MB an hour of (seconds, MB), and the standard error; both NaN where there are too few samples."""
    if len(samples) < 2 * STRETCHES:
        return float("nan"), float("nan")
    means = np.array([np.mean(stretch, axis=0) for stretch in np.array_split(np.array(samples), STRETCHES)])
    (rising, _), covariance = np.polyfit(means[:, 0] / 3600, means[:, 1], 1, cov=True)
    return float(rising), float(np.sqrt(covariance[0, 0]))
