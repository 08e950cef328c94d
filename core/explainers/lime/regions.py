"""LIME on regions of one image: the lime package's surrogate on samples that are drawn better and never run twice."""

import time
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.detectors.manifest import Offers
from core.explainers.explainer import (
    Cancel,
    Explainer,
    Pixels,
    Preset,
    check_finite,
    check_pixels,
    check_target,
)
from core.explainers.explanation import Explanation
from core.explainers.lime.diagnostics import MAX_PROBES, lime_diagnostics, one_colour, with_holding
from core.explainers.lime.sampling import SampledSettings, Sampling
from core.explainers.lime.segmentation import Segmentation, grid, segment
from core.explainers.lime.weighing import Weighed, weigh
from core.explainers.settings import TARGETS, ExplanationError, setting
from core.images.labels import CLASSES, FAKE, REAL
from core.perturbations.masking import FILLS, Fill, masker

if TYPE_CHECKING:
    from core.detectors.detector import Detector


CertainUnder = Literal["this", "every"]
LimeTarget = Literal["margin", "FAKE", "REAL", "probability"]
LIME_TARGETS = TARGETS | {"probability": "probability of the verdict"}


class RegionSettings(SampledSettings):
    """How regions of the image are weighed by covering them.

    Attributes:
        fill: what a covered region shows, see `core.perturbations.masking.fill_image`.
        target: the score to explain. "margin" is the logit of REAL minus that of FAKE; "probability" the probability of
            the predicted class as in the paper (softmax of the logits, without temperature); "REAL" or "FAKE" a logit.
        sampling: "balanced" or "random", see sampling.py.
        certain_under: "every" repeats the explanation under every other fill and reports which signs hold under all.
    """

    certain_under: CertainUnder = setting(
        "this",
        "Certain under",
        "The intervals allow for sampling error under one fill only. A sign that another fill reverses is about the "
        "fill: “every fill” asks again with each, and takes that many times as long.",
        names={"this": "this fill", "every": "every fill"},
    )
    fill: Fill = setting(
        "mean",
        "Fill",
        "No fill is neutral: a flat colour erases fine detail, which this kind of detector treats as evidence; "
        "shuffled texture keeps it. A finding that depends on the fill is about the fill.",
        names={name: one.title for name, one in FILLS.items()},
        advanced=True,
    )
    target: LimeTarget = setting(
        "margin",
        "What is explained",
        "The margin is the score for REAL less that for FAKE.",
        names=LIME_TARGETS,
        advanced=True,
    )
    sampling: Sampling = setting(
        "balanced",
        "Sampling",
        "Balanced samples come in pairs that cover opposite regions; random ones are the lime package's coin flips, "
        "and less exact for the same cost.",
        advanced=True,
    )


def target_values(logits: NDArray[Any], target: LimeTarget) -> tuple[NDArray[Any], int]:
    """Return the target in each of n samples, float (n,), and its sign: 1 if it speaks for REAL, -1 if for FAKE.

    Args:
        logits: float (n, 2), columns FAKE and REAL; the first row is the image itself.
        target: see `RegionSettings`.
    """
    margins = logits[:, REAL] - logits[:, FAKE]
    if target == "margin":
        return margins, 1
    if target == "probability":
        sign = 1 if margins[0] > 0 else -1
        return 0.5 * (1 + np.tanh(margins / 2 * sign)), sign
    return logits[:, CLASSES.index(target)], 1 if target == "REAL" else -1


R = TypeVar("R", bound=RegionSettings)
Regions = NDArray[np.int32]
# as many as an image of 32 x 32 has pixels: the samples' design has a row and a column for each
MOST_REGIONS = 1024


class LimeSettings(RegionSettings):
    """How LIME is run on segments that follow the image.

    Attributes:
        segmentation: see `segmentation.segment`.
        n_segments: how many segments to ask for.
    """

    segmentation: Segmentation = setting(
        "slic",
        "Segmentation",
        "SLIC follows edges. The grid cuts rectangles. Quickshift with LIME's defaults, which the paper used, was made "
        "for large photographs and finds one segment or two in most small images.",
        names={"slic": "SLIC"},
        advanced=True,
    )
    n_segments: int = setting(
        50,
        "Segments requested",
        "SLIC treats this as a target: of 32 x 32 pixels, 50 gives about 30 and 100 about 110.",
        low=1,
        offers=tuple(range(4, 121, 2)),
        applies_if={"segmentation": ("slic", "grid")},
    )

    @classmethod
    def paper(cls, *, seed: int = 0) -> "LimeSettings":
        """The paper's: lime's segmentation, 1,000 coin-flip samples, mean fill, the predicted class's probability."""
        return cls(segmentation="quickshift", n_samples=1000, seed=seed, target="probability", sampling="random")


class RegionLime(Explainer[R]):
    """LIME on regions; subclasses say how an image is cut."""

    libraries = ("lime", "scikit-learn", "scikit-image")

    @abstractmethod
    def cut(self, image: Pixels, settings: R) -> Regions:
        """int32 (height, width) from 0 without gaps: the regions of an image.

        Raises:
            ValueError: the settings do not fit the image.
        """

    def aim(self, settings: R) -> int | None:  # noqa: ARG002 - for methods to override
        """Return the number of regions requested; None where it is exact or not given."""
        return None

    def explain(
        self, detector: "Detector", image: Pixels, settings: R, *, cancel: Cancel | None = None
    ) -> Iterator[Explanation]:
        """See `Explainer.explain`: the first after about 64 samples, then one each time they have doubled.

        Fewer where repeated samples make steps pointless.
        """
        return self._explain(detector, image, settings, cancel=cancel, stepwise=True)

    def without_steps(
        self, detector: "Detector", image: Pixels, settings: R, *, cancel: Cancel | None = None
    ) -> Iterator[Explanation]:
        """See `Explainer.without_steps`."""
        return self._explain(detector, image, settings, cancel=cancel)

    def explain_on(
        self, detector: "Detector", image: Pixels, settings: R, regions: NDArray[np.integer] | None
    ) -> Explanation:
        """See `Explainer.explain_on`: `settings` say how, but for the cut."""
        return deque(self._explain(detector, image, settings, given=regions), maxlen=1)[0]

    def under_fills(self, settings: R) -> Mapping[Fill, R]:
        """See `Explainer.under_fills`."""
        return {fill: settings.changed(fill=fill, certain_under="this") for fill in FILLS}

    def _explain(
        self,
        detector: "Detector",
        image: Pixels,
        settings: R,
        *,
        cancel: Cancel | None = None,
        stepwise: bool = False,
        given: NDArray[np.integer] | None = None,
    ) -> Iterator[Explanation]:
        began = time.perf_counter()
        check_pixels(detector, image[None])
        check_target(detector, settings.target)
        try:
            regions = self.cut(image, settings) if given is None else np.asarray(given, np.int32)
        except ValueError as error:
            raise ExplanationError(str(error)) from None
        if (count := int(regions.max()) + 1) > MOST_REGIONS:
            raise ExplanationError(
                f"{self.title} weighs at most {MOST_REGIONS:,} regions, not {count:,}; ask for fewer"
            )
        fills = self.under_fills(settings) if settings.certain_under == "every" else {}
        others = [own for fill, own in fills.items() if fill != settings.fill]
        last = None
        for step in _weighed(detector, image, regions, settings, cancel=cancel, stepwise=stepwise):
            last = self._explanation(detector, image, settings=settings, regions=regions, step=step, began=began)
            yield replace(last, done=last.done / (1 + len(others)))
        if last is None or not last.complete or last.parts is None or not others:
            return
        holds = last.parts.decisions != 0
        for number, own in enumerate(others, start=2):
            other = next(_weighed(detector, image, regions, own, cancel=cancel), None)
            if other is None:
                return
            sign = target_values(other.answers[:1], settings.target)[1]
            holds &= sign * other.decisions == last.parts.decisions
            if number <= len(others):
                yield replace(last, done=number / (1 + len(others)))
        yield replace(
            last,
            parts=replace(last.parts, holds=holds),
            diagnostics=with_holding(last.diagnostics, last.parts.decisions, holds),
            provenance=replace(last.provenance, seconds=time.perf_counter() - began),
        )

    def _explanation(
        self, detector: "Detector", image: Pixels, *, settings: R, regions: Regions, step: Weighed, began: float
    ) -> Explanation:
        sign = target_values(step.answers[:1], settings.target)[1]
        labels = tuple(f"segment {number}" for number in range(len(step.fit.weights)))
        parts = step.parts(labels, sign=sign, regions=regions)

        def score(pixels: Pixels) -> NDArray[np.float32]:
            """Grows where the target moves towards REAL; a probability moves as the margin does."""
            target = "margin" if settings.target == "probability" else settings.target
            values, sign = target_values(detector.logits(pixels), target)
            return np.asarray(values * sign, np.float32)

        # results of earlier steps are shown only briefly, so they are not worth two more passes over the segments
        judged = score if step.done >= 1 else None
        where = {"image": image, "regions": regions, "seed": settings.seed}
        cause = one_colour(parts.decisions, settings.fill, judged, **where)  # type: ignore[arg-type]
        return self.explanation(
            detector,
            image,
            settings,
            margin=float(step.answers[0, REAL] - step.answers[0, FAKE]),
            seconds=time.perf_counter() - began,
            unit={"margin": "margin", "probability": "probability"}.get(settings.target, "logit"),
            diagnostics=lime_diagnostics(regions, parts.decisions, cause, numbers=step.numbers, aim=self.aim(settings)),
            values=parts.weights[regions],
            parts=parts,
            undecided=np.asarray(parts.decisions == 0)[regions],
            done=step.done,
        )

    def cost(self, settings: R, offers: Offers | None = None) -> int:  # noqa: ARG002
        """See `Explainer.cost`: the samples, and what it takes to look into a map of one colour."""
        fills = len(FILLS) if settings.certain_under == "every" else 1
        return fills * settings.n_samples + 2 * (MAX_PROBES + 1)

    def reading(self, explanation: Explanation) -> str:
        """See `Explainer.reading`."""
        last = "fill: another fill may reverse what is certain under this one."
        if explanation.parts is not None and explanation.parts.holds is not None:
            last = "fill each; parts in a light tint are not decided alike under every fill."
        return (
            "Parts of the image were covered in many ways, and the detector was asked each time. A part is coloured by "
            "the class it speaks for when visible; a hatched part's effect is too small, or too uncertain, to "
            f"name. The uncertainty is that of asking only {explanation.diagnostics.numbers['samples']} times with one "
            f"{last}"
        )


class Lime(RegionLime[LimeSettings]):
    """LIME on segments that follow the image."""

    name = "lime"
    title = "LIME"
    sentence = "How the verdict changes when random sets of the image's parts are covered, many times."
    settings = LimeSettings
    cuts = True
    presets = {  # noqa: RUF012 - never changed
        "paper": Preset(
            "as in the paper",
            "Its segmentation (quickshift with LIME's defaults) was made for large photographs. On 32 x 32 pixels it "
            "finds one or two segments in most images, so all of the image gets one or two colours, and 1,000 samples "
            "are only two or four different images.",
            LimeSettings.paper(),
        )
    }

    def cut(self, image: Pixels, settings: LimeSettings) -> Regions:
        """See `RegionLime.cut`."""
        return segment(image, method=settings.segmentation, n_segments=settings.n_segments)

    def aim(self, settings: LimeSettings) -> int | None:
        """See `RegionLime.aim`: quickshift takes no number."""
        return settings.n_segments if settings.segmentation != "quickshift" else None


def _weighed(
    detector: "Detector",
    image: Pixels,
    regions: Regions,
    settings: RegionSettings,
    *,
    cancel: Cancel | None,
    stepwise: bool = False,
) -> Iterator[Weighed]:
    """The regions of an image weighed under one fill, step by step."""
    masked = masker(image, regions, fill=settings.fill, seed=settings.seed)

    def judge(keep: NDArray[np.bool_]) -> NDArray[np.float64]:
        logits = detector.logits(masked(keep))
        check_finite(detector, logits)
        return logits.astype(np.float64)

    return weigh(
        judge,
        int(regions.max()) + 1,
        settings,
        target=lambda logits: target_values(logits, settings.target)[0],
        balanced=settings.sampling == "balanced",
        cancel=cancel,
        stepwise=stepwise,
    )


LIME = Lime()


class GridSettings(RegionSettings):
    """How LIME is run on a grid.

    Attributes:
        cells: along each side, at most one for each pixel.
    """

    cells: int = setting(
        8,
        "Cells along each side",
        "8 makes 64 squares. More are finer and take more samples to tell apart.",
        low=1,
        offers=(4, 6, 8, 10, 12, 16),
    )


class GridLime(RegionLime[GridSettings]):
    """LIME on a regular grid; what is covered does not depend on the image."""

    name = "lime_grid"
    title = "LIME on a grid"
    sentence = "How the verdict changes when random sets of squares of a regular grid are covered, many times."
    settings = GridSettings

    def cut(self, image: Pixels, settings: GridSettings) -> Regions:
        """See `RegionLime.cut`."""
        if settings.cells > len(image):
            raise ValueError(f"cells must be from 1 to the image's {len(image)} pixels a side, not {settings.cells}")
        return grid(*image.shape[:2], rows=settings.cells, columns=settings.cells)


LIME_GRID = GridLime()
