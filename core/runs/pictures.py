"""The pictures of a run's rows and of a detector's training, and those that the first screen and the game show."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from core.arrays import Mask, Pixels, Positions, Record
from core.images.image_set import DatasetError, ImageSet, Progress
from core.images.labels import CLASSES
from core.images.loading import load_image_set
from core.runs.metrics import is_fresh
from core.runs.run import Run

if TYPE_CHECKING:
    from core.detectors.detector import Detector

# images of one game, and those of them that the detector calls wrongly
ROUND = 10
WRONG = 2
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
    usable = [image_set for image_set in sets if image_set.side == run.side and image_set.fit in seen]
    # of sets with as many the first is kept
    usable.sort(key=lambda image_set: image_set.fingerprint != run.manifest["set_fingerprint"])
    wanted = run.predictions["sha256"].to_numpy(str)
    best = Pictures(None, np.full(len(run), MISSING, np.intp))
    for image_set in usable:
        if best.found < len(run):
            digests = image_set.rows["sha256"].to_numpy(str)
            where = np.arange(len(run))
            # the same files in the same order, repeats included, are used as they are; else of copies the first
            if not np.array_equal(digests, wanted):
                first = pd.Series(np.arange(len(digests)), digests)
                where = first[~first.index.duplicated()].reindex(wanted, fill_value=MISSING).to_numpy(np.intp)
            pictures = Pictures(image_set.pixels, where, image_set.name)
            if pictures.found > best.found:
                best = pictures
    return best


def is_sample(manifest: Record) -> bool:
    """Check whether a detector was trained on the sample, which is small and always available."""
    return str(manifest.get("training_set", "")).startswith("sample-")


def find_training_set(detector: "Detector", data: str | None, *, progress: Progress | None = None) -> ImageSet | None:
    """Read the images that a detector was trained on; None where `data` cannot be read or holds others.

    Args:
        detector: files of another size than it takes are made to fit.
        data: where CIFAKE is; the sample is found without.
        progress: called with (files read, files) where they are read for the first time.
    """
    wanted = detector.manifest.get("training_set_fingerprint")
    if is_sample(detector.manifest):
        data = "sample"
    if data is None or wanted is None:
        return None
    # trained with --limit: the same draw gives the same images, whatever they are called by now
    limited = re.search(r"-train-(\d+)$", str(detector.manifest.get("training_set", "")))
    limit = int(limited[1]) if limited else None
    fit = detector.preprocessing
    try:
        images = load_image_set(data, "train", fit=fit, skip_bad=True, limit=limit, progress=progress)
    except DatasetError:
        return None
    if images.fingerprint == wanted:
        return images
    return None


def choose_picture(
    table: pd.DataFrame,
    pictured: Mask,
    margins: pd.DataFrame | None,
    columns: Mapping[str, Sequence[str]],
) -> int | None:
    """Choose the FAKE image, called FAKE, that best shows what a change does.

    That is the one of the largest least margin: FAKE as it is and under every control, REAL at every strength; where
    there is none, of the largest at one strength.

    Args:
        table: of the run, a row an image.
        pictured: bool (N,), which rows have a picture.
        margins: of the study `probes` by id; None without it, and the image of the median margin is chosen.
        columns: of a change at each of its strengths -> those of its controls.

    Returns:
        Its position, None where no pictured FAKE is called FAKE.
    """
    rows = np.flatnonzero(pictured & is_fresh(table) & recognised(table, "FAKE"))
    if not len(rows):
        return None
    before = table["margin"].to_numpy(np.float64)[rows]
    if margins is None:
        return int(rows[np.argsort(before, kind="stable")[len(rows) // 2]])
    after = margins.reindex(table["id"].iloc[rows])
    by_strength = []
    for column, controls in columns.items():
        kept = [-after[control].to_numpy() for control in controls]
        by_strength.append(np.minimum.reduce([-before, after[column].to_numpy(), *kept]))
    least = np.nan_to_num(np.array(by_strength), nan=-np.inf)
    best = least.min(axis=0)
    if best.max() <= 0:
        best = least.max(axis=0)
    return int(rows[np.argmax(best)])


def choose_other(table: pd.DataFrame, pictured: Mask, row: int) -> int | None:
    """Choose a photograph called REAL to stand beside the FAKE at `row`: of its category where there is one."""
    usable = pictured & is_fresh(table) & recognised(table, "REAL")
    same = usable & (table["category"].astype(object) == table["category"].iloc[row]).to_numpy(bool)
    if same.any():
        usable = same
    if not usable.any():
        return None
    return int(np.argmax(np.where(usable, table["margin"].to_numpy(), -np.inf)))


def recognised(table: pd.DataFrame, name: str) -> Mask:
    """Mark the images of a class that are called so."""
    return np.asarray((table["label"] == name) & (table["predicted"] == name), bool)


def draw_game(table: pd.DataFrame, pictured: Mask, *, seed: int | Sequence[int]) -> Positions | None:
    """Draw the images of one game, a fifth of them called wrongly: equal seeds give equal positions.

    Four verdicts of each class are right. The wrong ones are of one class, which differs between games, so that
    counting does not reveal the last images. Repeats and files that the detector was trained on are left out.

    Args:
        table: from `core.runs.rows.judged_table`.
        pictured: bool (N,), which rows have a picture.
        seed: of the game, and of the image set, or all sets would have one key.

    Returns:
        intp (ROUND,), in the order in which they are shown; None where there are too few.
    """
    usable = pictured & is_fresh(table)
    generator = np.random.default_rng(seed)
    right = []
    wrong = []
    for name in CLASSES:
        mine = usable & (table["label"] == name).to_numpy(bool)
        is_right = recognised(table, name)
        right.append(generator.permutation(np.flatnonzero(mine & is_right))[: (ROUND - WRONG) // 2])
        wrong.append(generator.permutation(np.flatnonzero(mine & ~is_right))[:WRONG])
    enough = [rows for rows in wrong if len(rows) == WRONG]
    if not enough or min(map(len, right)) < (ROUND - WRONG) // 2:
        return None
    chosen = np.concatenate([*right, enough[generator.integers(len(enough))]])
    return generator.permutation(chosen)
