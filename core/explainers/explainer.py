"""The Explainer: one method that says why a detector gives an image its verdict. Needs no torch.

A method is one module that subclasses `Explainer`, and one line in registry.py. Pages, command line, report and studies
know methods by what they declare here and nothing else.
"""

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from core.arrays import Floats, Integers, Pixels
from core.detectors.manifest import About, Capability
from core.explainers.explanation import Explanation, Provenance
from core.explainers.settings import ExplainerSettings, ExplanationError
from core.perturbations.masking import Fill

if TYPE_CHECKING:
    from core.detectors.detector import Detector


S = TypeVar("S", bound=ExplainerSettings)
Cancel = Callable[[], bool]


@dataclass(frozen=True)
class Preset(Generic[S]):
    """Settings from elsewhere, such as a paper, that a reader may want to reproduce, with any seed.

    Attributes:
        title: its name in a list of choices, such as "as in the paper".
        sentence: a caveat about explanations made with it.
        settings: all of them.
    """

    title: str
    sentence: str
    settings: S

    def matches(self, settings: S) -> bool:
        """Check whether settings equal this preset's, except for the seed."""
        return settings.model_dump(exclude={"seed"}) == self.settings.model_dump(exclude={"seed"})


class Explainer(ABC, Generic[S]):
    """Base class of explanation methods.

    Attributes:
        name: key in the registry, URLs, file names and study columns: lower-case letters, digits and "_".
        title: its display name.
        sentence: what it does, in one plain sentence.
        settings: the type of its settings, all of which have defaults.
        needs: capabilities that it requires of a detector.
        libraries: distributions whose versions belong to the provenance.
        presets: by name.
        cuts: True where its regions follow the image's content, so that they differ between images.
    """

    name: str
    title: str
    sentence: str
    settings: type[S]
    needs: frozenset[Capability] = frozenset({Capability.PREDICTIONS})
    libraries: tuple[str, ...] = ()
    presets: Mapping[str, Preset[S]] = {}
    cuts: bool = False

    @abstractmethod
    def explain(
        self,
        detector: "Detector",
        image: Pixels,
        settings: S,
        *,
        cancel: Cancel | None = None,
        stepwise: bool = True,
        regions: Integers | None = None,
    ) -> Iterator[Explanation]:
        """Explain one image step by step.

        Args:
            detector: what to explain.
            image: uint8 (side, side, 3).
            settings: how.
            cancel: called from time to time, and may use the detector itself; once it returns True, nothing more is
                computed and the iteration ends.
            stepwise: False where the last step alone is wanted; methods may ignore it.
            regions: integers (side, side) from 0 without gaps, to weigh instead of the method's own; methods that weigh
                none ignore them.

        Yields:
            Explanations, each better than the one before; `complete` marks the last.

        Raises:
            ExplanationError: the image has the wrong shape or dtype, a setting does not fit this detector or image, or
                the detector's output is not finite.
        """

    def explain_batch(
        self, detector: "Detector", pixels: Pixels, settings: S, *, cancel: Cancel | None = None
    ) -> Iterator[Explanation]:
        """Explain N images, uint8 (N, side, side, 3), completely and in order; the rest is as for `explain`."""
        for image in pixels:
            steps = deque(self.explain(detector, image, settings, cancel=cancel, stepwise=False), maxlen=1)
            if not steps or not steps[0].complete:
                return
            yield steps[0]

    def explain_fully(
        self, detector: "Detector", image: Pixels, settings: S | None = None, **options: Any
    ) -> Explanation:
        """Explain one image completely; `settings` are the defaults when None, the rest is as for `explain`."""
        return deque(self.explain(detector, image, settings or self.settings(), stepwise=False, **options), maxlen=1)[0]

    def under_fills(self, settings: S) -> Mapping[Fill, S]:  # noqa: ARG002 - for methods that cover parts
        """Map each fill to these settings with that fill; empty for methods that cover no parts of the image."""
        return {}

    @abstractmethod
    def cost(self, settings: S) -> int:
        """Count the forward passes that explaining one image takes at most; a backward pass counts as two."""

    def reading(self, explanation: Explanation) -> str:  # noqa: ARG002 - for methods to override
        """Say how to read one of its explanations, for readers who know no method."""
        return self.sentence

    def unavailable(self, offers: About) -> str:
        """Say why it cannot explain a detector, in one sentence; "" where it can."""
        lacking = sorted(need.value for need in self.needs - offers.capabilities)
        if not lacking:
            return ""
        needed = f"{self.title} needs {' and '.join(lacking)}"
        if offers.capabilities == {Capability.PREDICTIONS}:
            return f"{needed}, and this detector gives predictions only: its network cannot be looked into."
        return f"{needed}, which this detector does not offer."

    def explanation(
        self, detector: "Detector", image: Pixels, settings: S, *, margin: float, seconds: float, **fields: Any
    ) -> Explanation:
        """Build an explanation by this method, with the verdict and where it comes from.

        Args:
            detector: what was explained.
            image: uint8 (side, side, 3).
            settings: how.
            margin: of the image as it is.
            seconds: that it took.
            fields: of `Explanation` that are the method's own.

        Raises:
            ExplanationError: the margin is not finite.
        """
        check_finite(detector, np.array(margin))
        made = Provenance(detector.name, detector.sha256, seconds, versions_of(self.libraries))
        p_real = float(detector.p_real(np.array(margin, np.float32)))
        return Explanation(image, margin, p_real, made, method=self.name, settings=settings, **fields)


@cache
def versions_of(libraries: tuple[str, ...]) -> dict[str, str]:
    """Distribution -> its version."""
    return {name: version(name) for name in libraries}


def check_request(detector: "Detector", pixels: Pixels, settings: ExplainerSettings) -> None:
    """Refuse pictures that the detector cannot take, and a class that it does not score.

    Raises:
        ExplanationError: `pixels` is not uint8 (N, side, side, 3), or the target is the class that a detector with one
            output does not score.
    """
    side = detector.side
    if pixels.ndim != 4 or pixels.shape[1:] != (side, side, 3) or pixels.dtype != np.uint8:
        raise ExplanationError(
            f"image must be uint8 ({side}, {side}, 3), not {pixels.dtype} {pixels.shape[1:]}; resize it first"
        )
    classes = detector.classes
    target = getattr(settings, "target", "margin")
    if len(classes.names) == 1 and target == ("REAL" if classes.fake else "FAKE"):
        raise ExplanationError(
            f"{detector.name} has one output, and so no score for {target} alone; explain the margin instead"
        )


def check_finite(detector: "Detector", answers: Floats) -> None:
    """Check that a detector's outputs are finite.

    Raises:
        ExplanationError: an output is NaN or infinite; the message names the detector.
    """
    if not np.isfinite(answers).all():
        raise ExplanationError(
            f"the detector {detector.name} answers with numbers that are not finite on versions of this image; its "
            "weights are damaged, choose another detector"
        )


AnyExplainer = Explainer[Any]


class Cancelled(Exception):
    """Raised when `cancel` returns True."""


class BatchExplainer(Explainer[S]):
    """Base class of methods that explain several images at once, in a single step."""

    def batch_size(self, detector: "Detector", settings: S) -> int:  # noqa: ARG002 - for methods to override
        """Return the number of images that are explained at once."""
        return 128

    @abstractmethod
    def explain_part(
        self, detector: "Detector", pixels: Pixels, settings: S, cancel: Cancel | None
    ) -> Iterator[dict[str, Any]]:
        """Explain one batch.

        Args:
            detector: what to explain.
            pixels: uint8 (N, side, side, 3), at most `batch_size` images.
            settings: how.
            cancel: as for `Explainer.explain`; it was called just before.

        Yields:
            For each image `margin` and the fields of `Explanation` that are the method's own.

        Raises:
            Cancelled: `cancel` has answered True.
        """

    def explain(
        self, detector: "Detector", image: Pixels, settings: S, *, cancel: Cancel | None = None, **_: Any
    ) -> Iterator[Explanation]:
        """See `Explainer.explain`; there is one step."""
        yield from self.explain_batch(detector, image[None], settings, cancel=cancel)

    def explain_batch(
        self, detector: "Detector", pixels: Pixels, settings: S, *, cancel: Cancel | None = None
    ) -> Iterator[Explanation]:
        """See `Explainer.explain_batch`."""
        check_request(detector, pixels, settings)
        size = self.batch_size(detector, settings)
        for start in range(0, len(pixels), size):
            part = pixels[start : start + size]
            began = time.perf_counter()
            try:
                if cancel is not None and cancel():
                    return
                explained = list(self.explain_part(detector, part, settings, cancel))
            except Cancelled:
                return
            seconds = (time.perf_counter() - began) / len(part)
            for image, fields in zip(part, explained, strict=True):
                yield self.explanation(detector, image, settings, seconds=seconds, **fields)
