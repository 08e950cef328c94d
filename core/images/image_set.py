"""Image sets: pixels, and what is known of each image."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from core.arrays import Integers, Pixels, Positions
from core.images.labels import CLASSES
from core.storage.limits import digest_of, printable

# the number in brackets in a CIFAKE file name counts CIFAR-10's classes from 1; without one it is the first
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAKE_NAME = re.compile(r"\d+(?: \((\d{1,9})\))?\.jpe?g", re.IGNORECASE)

Split = Literal["train", "test"]
Progress = Callable[[int, int], None]


def split_of(name: str) -> Split:
    """Return the split that a set's name ends with: "cifake-train" or, with a limit, "cifake-train-200"."""
    return "train" if re.search(r"-train(-\d+)?$", name) else "test"


class DataPath(str):
    """An image set's path, with the names of its FAKE classes if folders or labels do not identify them."""

    fake_classes: tuple[str, ...]

    def __new__(cls, path: str, fake_classes: Iterable[str] = ()) -> "DataPath":
        """Create the path; class names are stripped, and blank ones dropped."""
        made = super().__new__(cls, path)
        made.fake_classes = tuple(filter(None, map(str.strip, fake_classes)))
        return made


class DatasetError(ValueError):
    """An image set that cannot be used; the message names the first offenders and their number."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Packed images and what is known of each.

    Attributes:
        name: for instance "cifake-test"; becomes part of a run's name.
        split: "train" or "test".
        pixels: uint8 (N, side, side, 3), memory-mapped where it comes from the cache.
        rows: one row per image: `id` (split and 16 letters of the hash, made in `core.images.sources`), `name`, `label`
            (FAKE = 0, REAL = 1, unlabelled = 2), `category`, `sha256`, `is_repeat`, `source` (generator or camera,
            where the set knows any), and the columns of `core.images.statistics.STATISTICS` and `FILE_FACTS`.
        fingerprint: sha256 over split, file hashes and labels, independent of their order.
        skipped: files left out by `skip_bad`, as "name: reason".
        fit: the `steps` of the preprocessing that produced the pixels; "" if the images were not resized.
    """

    name: str
    split: str
    pixels: Pixels
    rows: pd.DataFrame
    fingerprint: str
    skipped: tuple[str, ...] = ()
    fit: str = ""

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def side(self) -> int:
        """Pixels along each side of the images."""
        return int(self.pixels.shape[1])

    @property
    def labels(self) -> Integers:
        """uint8 (N,), FAKE = 0, REAL = 1, unlabelled = 2."""
        return np.asarray(self.rows["label"], np.uint8)

    def needing_both(self) -> "ImageSet":
        """Return the set, to learn from or to be measured on.

        Raises:
            DatasetError: it has images of one class only, or none has a label.
        """
        missing = [name for label, name in enumerate(CLASSES) if label not in self.labels]
        if missing:
            raise DatasetError(
                f"{self.name} has no {' and no '.join(missing)} images, and both classes are needed; "
                "where folders or labels do not say what is FAKE, name it with --fake-classes A,B."
            )
        return self

    def subset(self, indices: Positions, *, name: str = "") -> "ImageSet":
        """Return the images at `indices`, in that order, as a set; of the same name unless another is given."""
        rows = self.rows.iloc[indices].reset_index(drop=True)
        # the first of equal files may not be among them
        rows["is_repeat"] = rows["sha256"].duplicated().to_numpy()
        return replace(
            self,
            name=name or self.name,
            pixels=np.ascontiguousarray(self.pixels[indices]),
            rows=rows,
            fingerprint=fingerprint_of(self.split, rows),
        )

    def limited(self, n: int) -> "ImageSet":
        """Return a random subset of at most `n` images, always the same one, as `draw_balanced` draws it."""
        if n >= len(self):
            return self
        return self.subset(draw_balanced(self.labels, n), name=f"{self.name}-{n}")


def draw_balanced(labels: Integers, n: int) -> Positions:
    """Draw up to `n // 2` of the positions of each class, FAKE = 0 and REAL = 1, and return them in their order."""
    generator = np.random.default_rng(0)
    chosen = []
    for label in range(len(CLASSES)):
        half = np.flatnonzero(labels == label)
        chosen.append(generator.choice(half, min(len(half), n // 2), replace=False))
    return np.sort(np.concatenate(chosen))


def categories_of(names: Sequence[str]) -> list[str | None]:
    """Return the CIFAR-10 class of CIFAKE's file names, and of other names the part before the last hyphen, if any.

    Numbered names are CIFAKE's where some have the number of a category in brackets: files called `0001.jpg` alone may
    be anybody's; of CIFAKE's they are one category in ten. Renamed in bulk or downloaded twice, files have numbers in
    brackets too, but not only those from 2 to 10.
    """
    stems = [name.rpartition("/")[2] for name in names]
    matches = [CIFAKE_NAME.fullmatch(stem) for stem in stems]
    numbers = {int(match[1]) for match in matches if match and match[1]}
    are_cifakes = bool(numbers) and numbers <= set(range(2, len(CIFAR10) + 1))
    categories = []
    for stem, match in zip(stems, matches, strict=True):
        category = ""
        if match is None:
            category = printable(stem.rpartition("-")[0]).strip()
        elif are_cifakes:
            category = CIFAR10[int(match[1] or 1) - 1]
        categories.append(category or None)
    return categories


def fingerprint_of(split: str, rows: pd.DataFrame) -> str:
    """sha256 over "split sha256 label" of every row, sorted."""
    lines = f"{split} " + rows["sha256"] + " " + rows["label"].astype(str)
    return digest_of("\n".join(sorted(lines)))
