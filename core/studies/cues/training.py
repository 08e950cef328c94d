"""The small network of the study: a fixed recipe, trained on one version and tested on any."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.detectors.devices import pick_device
from core.detectors.network import NetworkDetector
from core.images.image_set import ImageSet
from core.images.labels import REAL
from core.studies.cues.versions import Learned, Pixels, Version, make_version
from core.training.fit import Training
from core.training.recipe import Recipe

# the paper's network, narrow; the same for every version, chosen before any was tried
RECIPE = Recipe(name="cues", width=16, epochs=6, validation=0.0, average=0.995)
# of (steps done, all steps)
Steps = Callable[[int, int], None]


@dataclass(frozen=True)
class Tested:
    """A network's verdicts on one version of the test images.

    Attributes:
        images: how many of each class, FAKE first.
        right: how many of those are called what they are.
    """

    images: tuple[int, int]
    right: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Sets:
    """The images of the study.

    Attributes:
        train, test: image sets of one side.
        learned: what versions take from the training images.
        across: how many test images the matrix tests on.
    """

    train: ImageSet
    test: ImageSet
    learned: Learned
    across: int

    @classmethod
    def of(cls, train: ImageSet, test: ImageSet, *, across: int) -> "Sets":
        """Take two sets and measure the training images."""
        return cls(train, test, Learned.of(train.pixels), across)

    def version_of(self, version: Version, images: ImageSet) -> Pixels:
        """A version of some of the images."""
        return make_version(version, images.pixels, images.rows["sha256"].to_numpy(), self.learned)


def train_on(
    version: Version, sets: Sets, *, seed: int, recipe: Recipe = RECIPE, steps: Steps | None = None
) -> NetworkDetector:
    """Train a network on a version of the training images.

    Args:
        version: of the set.
        sets: the images.
        seed: of weights, order, augmentation, and of shuffled labels.
        recipe: of the training.
        steps: see `Steps`.
    """
    rows = sets.train.rows
    if version.shuffled:
        rows = rows.assign(label=np.random.default_rng(seed).permutation(sets.train.labels))
    images = replace(sets.train, pixels=sets.version_of(version, sets.train), rows=rows)
    training = Training(replace(recipe, seed=seed), images, pick_device("auto"), None)
    progress = None if steps is None else (lambda done, total, _text: steps(done, total))
    while training.done.epoch < recipe.epochs:
        training.run_epoch(progress)
    return training.finish()


def judge(detector: NetworkDetector, pixels: Pixels, labels: NDArray[np.uint8]) -> Tested:
    """Count a network's right verdicts on images, uint8 (N, side, side, 3), with labels uint8 (N,)."""
    right = (detector.margins(pixels) > 0) == (labels == REAL)
    counts = [(int((labels == label).sum()), int(right[labels == label].sum())) for label in (1 - REAL, REAL)]
    return Tested((counts[0][0], counts[1][0]), (counts[0][1], counts[1][1]))


class Tests:
    """The test images in every version: all of them for a network's own version, some for all others."""

    def __init__(self, sets: Sets, versions: Mapping[str, Version]) -> None:
        self.sets, self.versions = sets, versions
        self.some = sets.test.limited(sets.across)
        self._made: dict[str, Pixels] = {}

    def own(self, detector: NetworkDetector, name: str) -> Tested:
        """Test on all images of one version."""
        pixels = self.sets.version_of(self.versions[name], self.sets.test)
        return judge(detector, pixels, self.sets.test.labels)

    def across(self, detector: NetworkDetector, but: str) -> dict[str, Tested]:
        """Test on some images of all other versions."""
        return {
            name: judge(detector, self._some(name), self.some.labels)
            for name, version in self.versions.items()
            if name != but and not version.shuffled
        }

    def _some(self, name: str) -> Pixels:
        if name not in self._made:
            self._made[name] = self.sets.version_of(self.versions[name], self.some)
        return self._made[name]
