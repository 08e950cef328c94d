"""The pixels of a run's rows: from the run itself, or by file hash from the available image sets."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.arrays import Pixels, Positions
from core.images.image_set import DatasetError, ImageSet
from core.runs.run import Run

MISSING = -1


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pixels of each row.

    Attributes:
        pixels: uint8 (M, side, side, 3), or what gives them one by one; None where there are none.
        where: intp (N,), the index into `pixels` of each row, -1 where its picture is missing.
        source: name of the set they come from, None for the run's own or for none.
    """

    pixels: Pixels | None
    where: Positions
    source: str | None = None

    @property
    def found(self) -> int:
        """Number of rows with a picture."""
        return int((self.where != MISSING).sum())

    @property
    def stamp(self) -> str:
        """A cache key: the source and the number of pictures found, which change when an image set is added."""
        return f"{self.source} {self.found}"

    def get(self, row: int) -> Pixels | None:
        """Return uint8 (side, side, 3) of one row; None where its picture is missing or has changed meanwhile."""
        if self.pixels is None or self.where[row] == MISSING:
            return None
        try:
            return np.asarray(self.pixels[self.where[row]])
        except DatasetError:
            return None


def find_pictures(run: Run, sets: list[ImageSet]) -> Pictures:
    """Find the pictures of a run: its own, else those of the set with its fingerprint, else of the set with the most.

    Files are matched by sha256, so that a row never shows another file's picture. Sets of another side than the run's,
    or that were cut or resized in another way, are ignored, because its detector did not see those pixels.
    """
    if run.images is not None:
        return Pictures(run.images, np.arange(len(run)))
    made = run.preprocessing
    seen = {made.steps}
    if made.resize == made.size:
        # not resized, which is the same: the preprocessing keeps images of the right size unchanged
        seen.add("")
    best = Pictures(None, np.full(len(run), MISSING, np.intp))
    same = [image_set for image_set in sets if image_set.fingerprint == run.manifest["set_fingerprint"]]
    # what is tried twice is no better the second time
    for image_set in (*same, *sets):
        if image_set.side == run.side and image_set.fit in seen and best.found < len(run):
            digests = image_set.rows["sha256"].to_numpy(str)
            wanted = run.predictions["sha256"].to_numpy(str)
            where = np.arange(len(run))
            # the same files in the same order, repeats included, are used as they are; else of copies the first
            if not np.array_equal(digests, wanted):
                first = pd.Series(np.arange(len(digests)), digests)
                where = first[~first.index.duplicated()].reindex(wanted, fill_value=MISSING).to_numpy(np.intp)
            pictures = Pictures(image_set.pixels, where, image_set.name)
            if pictures.found > best.found:
                best = pictures
    return best
