"""The 2-D embeddings of the study `clusters`, and areas drawn on them. Needs no torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from core.runs.browsing.study_columns import refuse_passing, study_files
from core.runs.validation import check_rows
from core.storage import open_file

# a lasso has hundreds of corners; this many keep its shape and fit into a URL
MOST_CORNERS = 60


@dataclass(frozen=True)
class Area:
    """A polygon on an embedding.

    Attributes:
        space: name of the embedding; images are at columns `<space>_x` and `<space>_y`.
        corners: (x, y), three or more, in the embedding's units.
    """

    space: str
    corners: tuple[tuple[float, float], ...]

    @classmethod
    def drawn(cls, space: str, x: Sequence[float], y: Sequence[float]) -> "Area | None":
        """Make an area from a lasso's corners or a box's two; None if fewer than three differ or one is not finite."""
        across, up = list(x), list(y)
        if len(across) == len(up) == 2:
            across, up = [across[0], across[1], across[1], across[0]], [up[0], up[0], up[1], up[1]]
        every = max(1, math.ceil(len(across) / MOST_CORNERS))
        corners = tuple(zip(map(_rounded, across[::every]), map(_rounded, up[::every]), strict=True))
        finite = all(math.isfinite(value) for corner in corners for value in corner)
        return cls(space, corners) if finite and len(set(corners)) > 2 else None

    @classmethod
    def parse(cls, text: str) -> "Area | None":
        """Read the area that `str` wrote, None for anything else."""
        space, _, listed = text.partition(":")
        pairs = [pair.split(",") for pair in listed.split(";")]
        if len(pairs) > MOST_CORNERS or any(len(pair) != 2 for pair in pairs):
            return None
        try:
            return cls.drawn(space, [float(x) for x, _ in pairs], [float(y) for _, y in pairs])
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.space}:" + ";".join(f"{x:g},{y:g}" for x, y in self.corners)

    def holds(self, x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Return bool (N,), the points inside by the even-odd rule; NaN is never inside.

        Args:
            x, y: (N,).
        """
        inside = np.zeros(len(x), bool)
        for (x1, y1), (x2, y2) in zip(self.corners, (*self.corners[1:], self.corners[0]), strict=True):
            if y1 != y2:
                crossed = (y1 > y) != (y2 > y)
                inside ^= crossed & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
        return inside


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def read_embedding(run: Path, ids: pd.Series) -> pd.DataFrame:
    """Read the positions of a run's images in the embeddings of its study `clusters`.

    Args:
        run: the run's folder.
        ids: of its images, in the order of its rows.

    Returns:
        A row per image in that order, float32 columns `<space>_x` and `<space>_y`, NaN for images outside the study; no
        columns where the study is absent or cannot be read.
    """
    file = next((one for one in study_files(run) if one.path.stem == "clusters"), None)
    if file is None:
        return pd.DataFrame(index=pd.RangeIndex(len(ids)))
    wanted = [name for name in (*file.offered, *file.others) if name.endswith(("_x", "_y"))]
    try:
        # from an open file: given a path, pyarrow would turn folders named key=value into columns
        with open_file(file.path) as opened:
            check_rows(opened)
            columns = ["id", *wanted]
            study = pq.read_table(opened, columns=columns, page_checksum_verification=True).to_pandas(
                ignore_metadata=True
            )
        found = study.drop_duplicates("id").set_index("id").reindex(ids).reset_index(drop=True)
        return found.astype(np.float32)
    except Exception as error:  # noqa: BLE001 - pyarrow's errors share no base; a damaged study costs its columns only
        refuse_passing(error, file.path)
        return pd.DataFrame(index=pd.RangeIndex(len(ids)))
