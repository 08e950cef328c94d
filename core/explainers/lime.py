"""LIME on regions of one image: the lime package's surrogate on samples that are drawn better and never run twice."""

import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.random import RandomState

from core.arrays import Array, Float64, Int64, Integers, Pixels, Regions
from core.explainers.explainer import Cancel, Explainer, Preset, check_finite, check_request
from core.explainers.explanation import Diagnostics, Explanation, OneColour, Parts
from core.explainers.segmentation import (
    Samples,
    Segmentation,
    balanced_samples,
    distinct_rows,
    grid,
    random_samples,
    segment,
)
from core.explainers.settings import ExplainerSettings, ExplanationError, setting, towards_real
from core.images.labels import FAKE, REAL
from core.perturbations.masking import FILLS, Fill, mask_batch, masker

if TYPE_CHECKING:
    from core.detectors.detector import Detector
    from core.explainers.surrogate import Fit


LimeTarget = Literal["margin", "FAKE", "REAL", "probability"]
FIRST_SAMPLES = 32
# between two looks at `cancel`
BATCH = 128
# as many as an image of 32 x 32 has pixels: the samples' design has a row and a column for each
MOST_REGIONS = 1024
# fewest and most segments filled one at a time to judge a fill; with fewer, a common direction may be chance
MIN_PROBES = 5
MAX_PROBES = 24
# the net movement, as a share of all movement, where one direction holds nine tenths of it
ONE_WAY = 0.8
ONE_COLOUR = {
    "nothing decided": " No colour: no segment's effect is both clear of sampling error and worth naming.",
    "one segment": " One colour only: there is one segment; use SLIC or the grid with more.",
    "one sign": " One colour only: every decided segment points the same way.",
    "fill": " One colour only, and the fill is the cause: try another fill.",
}


class RegionSettings(ExplainerSettings):
    """Settings for weighing regions of the image by covering them.

    Attributes:
        n_samples: versions of the image to draw, from 2; the ridge is scaled with it (alpha = n_samples / 1000).
        seed: of the samples and of fills that are random.
        least_share: the least effect worth naming, as a share of the target's own size on this image.
        certain_under: "every" repeats the explanation under every other fill and reports which signs hold under all.
        fill: what a covered region shows, see `core.perturbations.masking.fill_image`.
        target: the score to explain. "margin" is the logit of REAL minus that of FAKE; "probability" the probability of
            the predicted class as in the paper (softmax of the logits, without temperature); "REAL" or "FAKE" a logit.
        sampling: balanced in complement pairs, or the lime package's coin flips; see segmentation.py.
    """

    n_samples: int = setting(256, low=2, high=5000)
    seed: int = setting(0, low=0, high=2**32 - 1)
    least_share: float = setting(0.01, low=0, high=1)
    certain_under: Literal["this", "every"] = setting("this")
    fill: Fill = setting("mean")
    target: LimeTarget = setting("margin")
    sampling: Literal["balanced", "random"] = setting("balanced")


def target_values(logits: Array, target: LimeTarget) -> tuple[Array, int]:
    """Return the target in each of n samples, float (n,), and its sign: 1 if it speaks for REAL, -1 if for FAKE.

    Args:
        logits: float (n, 2), columns FAKE and REAL; the first row is the image itself.
        target: see `RegionSettings`.
    """
    scores = towards_real(logits, target)
    if target == "probability":
        sign = 1 if scores[0] > 0 else -1
        return 0.5 * (1 + np.tanh(scores / 2 * sign)), sign
    if target == "FAKE":
        return -scores, -1
    return scores, 1


R = TypeVar("R", bound=RegionSettings)


class RegionLime(Explainer[R]):
    """LIME on regions; subclasses say how an image is cut."""

    libraries = ("lime", "scikit-learn", "scikit-image")

    @abstractmethod
    def cut(self, image: Pixels, settings: R) -> Regions:
        """Cut an image into regions, int32 (height, width), numbered from 0 without gaps.

        Raises:
            ExplanationError: the settings do not fit the image.
        """

    def under_fills(self, settings: R) -> Mapping[Fill, R]:
        """See `Explainer.under_fills`."""
        return {fill: settings.changed(fill=fill, certain_under="this") for fill in FILLS}

    def explain(
        self,
        detector: "Detector",
        image: Pixels,
        settings: R,
        *,
        cancel: Cancel | None = None,
        stepwise: bool = True,
        regions: Integers | None = None,
    ) -> Iterator[Explanation]:
        """See `Explainer.explain`: the first after about 32 samples, then one each time they have doubled.

        Fewer where repeated samples make steps pointless.
        """
        began = time.perf_counter()
        check_request(detector, image[None], settings)
        if regions is None:
            regions = self.cut(image, settings)
        segments = np.asarray(regions, np.int32)
        count = int(segments.max()) + 1
        if count > MOST_REGIONS:
            raise ExplanationError(
                f"{self.title} weighs at most {MOST_REGIONS:,} regions, not {count:,}; ask for fewer"
            )
        others = []
        if settings.certain_under == "every":
            others = [own for fill, own in self.under_fills(settings).items() if fill != settings.fill]
        step = None
        for step in _weighed(detector, image, segments, settings, cancel=cancel, stepwise=stepwise):
            explanation = self.explanation(
                detector,
                image,
                settings,
                margin=step.margin,
                seconds=time.perf_counter() - began,
                unit={"margin": "margin", "probability": "probability"}.get(settings.target, "logit"),
                diagnostics=_diagnostics(detector, image, settings, step),
                values=step.parts.weights[segments],
                parts=step.parts,
                undecided=(step.parts.decisions == 0)[segments],
                done=step.done,
            )
            yield replace(explanation, done=step.done / (1 + len(others)))
        if step is None or step.done < 1 or not others:
            return
        decisions = step.parts.decisions
        holds = decisions != 0
        for number, own in enumerate(others, start=2):
            other = next(_weighed(detector, image, segments, own, cancel=cancel, stepwise=False), None)
            if other is None:
                return
            holds &= other.parts.decisions == decisions
            if number <= len(others):
                yield replace(explanation, done=number / (1 + len(others)))
        yield replace(
            explanation,
            parts=replace(step.parts, holds=holds),
            diagnostics=_with_held(explanation.diagnostics, int(np.count_nonzero(decisions)), int(holds.sum())),
            provenance=replace(explanation.provenance, seconds=time.perf_counter() - began),
        )

    def cost(self, settings: R) -> int:
        """See `Explainer.cost`: the samples, and what it takes to look into a map of one colour."""
        fills = 1
        if settings.certain_under == "every":
            fills = len(FILLS)
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


class Step(NamedTuple):
    """S regions, weighed on the samples judged so far.

    Attributes:
        margin: of the image itself.
        parts: the regions, weighed towards REAL.
        numbers: for diagnostics: the samples, those that were judged, and the fit.
        done: share of all samples, 1 at the last step.
    """

    margin: float
    parts: Parts
    numbers: dict[str, float]
    done: float


def _weighed(
    detector: "Detector",
    image: Pixels,
    regions: Regions,
    settings: RegionSettings,
    *,
    cancel: Cancel | None,
    stepwise: bool,
) -> Iterator[Step]:
    """Weigh regions under one fill on the first 32, 64, ... samples, while each step brings new ones, then on all.

    No version of the image is run twice; `stepwise` is False to yield the last step only.
    """
    # scikit-learn is imported where it is needed
    from core.explainers.surrogate import fit_imputed, fit_samples  # noqa: PLC0415

    masked = masker(image, regions, fill=settings.fill, seed=settings.seed)
    count = int(regions.max()) + 1
    samples = _draw(settings, count)
    fit_to = fit_samples
    # coin flips stay the package's to the last digit; where every combination is run there is nothing to impute
    if settings.sampling == "balanced" and not samples.exhaustive:
        fit_to = fit_imputed
    first, inverse = distinct_rows(samples.keep)
    logits = np.zeros((0, 2))
    for stop in _stops(first, len(samples), stepwise=stepwise):
        needed = int(np.searchsorted(first, stop))
        while len(logits) < needed:
            if cancel is not None and cancel():
                return
            more = detector.logits(masked(samples.keep[first[len(logits) : min(len(logits) + BATCH, needed)]]))
            check_finite(detector, more)
            logits = np.concatenate([logits, more])
        values, sign = target_values(logits[inverse[:stop]], settings.target)
        part = Samples(samples.keep[:stop], samples.clusters[:stop], samples.exhaustive and stop == len(samples))
        fit = fit_to(part, values)
        least = settings.least_share * abs(float(values[0]))
        parts = _parts_of(fit, regions, sign=sign, least=least)
        numbers = {
            "samples": stop,
            "distinct": needed,
            "r2": fit.r2,
            "least_effect": least,
            "value": float(values[0]),
            "intercept": fit.intercept,
        }
        yield Step(float(logits[0, REAL] - logits[0, FAKE]), parts, numbers, stop / len(samples))


def _draw(settings: RegionSettings, count: int) -> Samples:
    """Draw the samples of so many regions."""
    state = RandomState(settings.seed)
    if settings.sampling == "balanced":
        return balanced_samples(settings.n_samples, count, state)
    # lime's explain_instance draws a seed for the segmentation before data_labels draws the samples
    state.randint(0, high=1000)
    return random_samples(settings.n_samples, count, state)


def _stops(first: Int64, count: int, *, stepwise: bool) -> Iterator[int]:
    """Yield how many of the samples each step uses.

    Args:
        first: int (D,), the first occurrence of each distinct sample.
        count: of all samples.
        stepwise: False for the last step only.
    """
    stop = FIRST_SAMPLES
    while stepwise and stop < count and first[-1] >= stop:
        yield stop
        stop *= 2
    yield count


def _parts_of(fit: "Fit", regions: Regions, *, sign: int, least: float) -> Parts:
    """Name the regions whose effect on REAL is clear of its error and of at least this size."""
    weights = sign * fit.weights
    is_decided = (np.abs(weights) > fit.error) & (np.abs(weights) >= least)
    decisions = np.where(is_decided, np.sign(weights), 0).astype(np.int8)
    labels = tuple(f"segment {number}" for number in range(len(weights)))
    return Parts(labels, weights, weights - fit.error, weights + fit.error, decisions, regions)


def _with_held(diagnostics: Diagnostics, decided: int, held: int) -> Diagnostics:
    """Add how many of the decided segments are decided alike under every fill."""
    if not decided:
        return diagnostics
    of_decided = f"Of {decided} decided segment{'s' if decided > 1 else ''}"
    sentence = f"{diagnostics.sentence} {of_decided}, {held} speak the same way under every fill."
    return replace(diagnostics, sentence=sentence, numbers={**diagnostics.numbers, "hold": held})


def _diagnostics(detector: "Detector", image: Pixels, settings: RegionSettings, step: Step) -> Diagnostics:
    """Say how much data an explanation rests on, and why its map shows one colour or none."""
    decisions = step.parts.decisions
    regions = step.parts.regions
    signs = set(decisions[decisions != 0].tolist())
    cause: OneColour = "one sign"
    if not signs:
        cause = "nothing decided"
    elif len(signs) == 2:
        cause = ""
    elif len(decisions) == 1:
        cause = "one segment"
    # results of earlier steps are shown only briefly, so they are not worth two more passes over the segments
    elif len(decisions) >= MIN_PROBES and step.done == 1:
        other_fill: Fill = "texture"
        if settings.fill == "texture":
            other_fill = "mean"
        own, other = _balances(detector, image, regions, settings, fills=(settings.fill, other_fill))
        if abs(own) >= ONE_WAY and other * np.sign(own) < ONE_WAY:
            cause = "fill"
    count = len(decisions)
    numbers = step.numbers
    area = float(np.isin(regions, np.flatnonzero(decisions)).mean())
    sentence = (
        f"{count} segment{'s' if count > 1 else ''}, {numbers['distinct']} different versions of the image in "
        f"{numbers['samples']} samples; the surrogate explains {max(numbers['r2'], 0):.0%} of the variance, and "
        f"{area:.0%} of the area is decided.{ONE_COLOUR.get(cause, '')}"
    )
    return Diagnostics(sentence, cause, {"segments": count, "decided_share": area, **numbers})


def _balances(
    detector: "Detector", image: Pixels, regions: Regions, settings: RegionSettings, *, fills: tuple[Fill, ...]
) -> Float64:
    """Measure which way each fill moves the target, with up to `MAX_PROBES` regions filled one at a time.

    A probability moves as the margin does.

    Returns:
        float64, for each fill the sum of the movements over the sum of their magnitudes: 1 where all are towards REAL,
        -1 where all are towards FAKE, 0 where nothing moves.
    """
    count = int(regions.max()) + 1
    chosen = np.unique(np.linspace(0, count - 1, min(count, MAX_PROBES)).round().astype(int))
    keep = np.ones((len(chosen) + 1, count), bool)
    keep[np.arange(len(chosen)), chosen] = False
    batches = [mask_batch(image, regions, keep=keep, fill=fill, seed=settings.seed) for fill in fills]
    logits = detector.logits(np.concatenate(batches))
    scores = towards_real(logits, settings.target).astype(np.float64).reshape(len(fills), -1)
    moved = scores[:, :-1] - scores[:, -1:]
    total = np.abs(moved).sum(axis=1)
    return np.divide(moved.sum(axis=1), total, out=np.zeros(len(fills)), where=total > 0)


class LimeSettings(RegionSettings):
    """Settings of LIME on segments that follow the image.

    Attributes:
        segmentation: see `segmentation.segment`.
        n_segments: how many segments to ask for.
    """

    segmentation: Segmentation = setting("slic")
    n_segments: int = setting(50, low=1, offers=range(4, 121, 2))

    @classmethod
    def paper(cls, *, seed: int = 0) -> "LimeSettings":
        """The paper's: lime's segmentation, 1,000 coin-flip samples, mean fill, the predicted class's probability."""
        return cls(segmentation="quickshift", n_samples=1000, seed=seed, target="probability", sampling="random")


class Lime(RegionLime[LimeSettings]):
    """LIME on segments that follow the image (Ribeiro et al. 2016, https://arxiv.org/abs/1602.04938).

    With z (n, S) saying which of S segments each of n samples keeps, f(z) the target in it and pi(z) its proximity to
    the image, the weights w minimise the sum of pi(z) (f(z) - w0 - z w)^2 plus n / 1000 times the squared norm of w.
    A map (side, side) shows each segment's weight, in the target's unit; positive speaks for REAL.

    Example:
        >>> import numpy as np
        >>> from core import open_detector
        >>> detector = open_detector("sample", device="cpu")
        >>> image = np.full((32, 32, 3), 128, np.uint8)
        >>> image[:, 16:] = 200
        >>> explanation = LIME.explain_fully(detector, image, LimeSettings(segmentation="grid", n_segments=4))
        >>> explanation.parts.labels
        ('segment 0', 'segment 1', 'segment 2', 'segment 3')
    """

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


class GridSettings(RegionSettings):
    """Settings of LIME on a grid.

    Attributes:
        cells: along each side, at most one for each pixel.
    """

    cells: int = setting(8, low=1)


class GridLime(RegionLime[GridSettings]):
    """LIME on a regular grid, the same for every image; formula as for `Lime` (https://arxiv.org/abs/1602.04938).

    Example:
        >>> import numpy as np
        >>> LIME_GRID.cut(np.zeros((2, 4, 3), np.uint8), GridSettings(cells=2))
        array([[0, 0, 1, 1],
               [2, 2, 3, 3]], dtype=int32)
    """

    name = "lime_grid"
    title = "LIME on a grid"
    sentence = "How the verdict changes when random sets of squares of a regular grid are covered, many times."
    settings = GridSettings

    def cut(self, image: Pixels, settings: GridSettings) -> Regions:
        """See `RegionLime.cut`."""
        if settings.cells > len(image):
            raise ExplanationError(
                f"cells must be from 1 to the image's {len(image)} pixels a side, not {settings.cells}"
            )
        return grid(*image.shape[:2], rows=settings.cells, columns=settings.cells)


LIME = Lime()
LIME_GRID = GridLime()
