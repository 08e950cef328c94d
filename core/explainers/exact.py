"""The exact map of a detector whose margin is the mean of scores of small patches."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import convolve

from core.detectors.manifest import Capability
from core.explainers.explainer import BatchExplainer, Cancel, Pixels, check_finite
from core.explainers.explanation import Explanation, map_diagnostics
from core.explainers.settings import ExplainerSettings

if TYPE_CHECKING:
    from core.detectors.detector import Detector
    from core.runs.run import Run


class Exact(BatchExplainer[ExplainerSettings]):
    """Each patch's share of the margin, spread evenly over the pixels of the patch; there are no settings.

    The margin is the mean of the scores of patches, as in BagNets (Brendel and Bethge 2019,
    https://arxiv.org/abs/1904.00760), so a map (side, side) adds up to it: nothing is estimated.

    Example:
        >>> import numpy as np
        >>> spread_scores(np.array([[4.0]]), side=2, field=2, stride=1)
        array([[1., 1.],
               [1., 1.]], dtype=float32)
    """

    name = "exact"
    title = "Exact map"
    sentence = "What each patch of the image adds to the score: all of it, because this detector adds up small patches."
    settings = ExplainerSettings
    needs = frozenset({Capability.PATCH_SCORES})
    libraries = ("torch",)

    def explain_part(
        self,
        detector: "Detector",
        pixels: Pixels,
        settings: ExplainerSettings,  # noqa: ARG002 - there are none
        cancel: Cancel | None,  # noqa: ARG002
    ) -> Iterator[dict[str, Any]]:
        """See `BatchExplainer.explain_part`."""
        from core.detectors.patch import PatchDetector  # noqa: PLC0415 - torch

        assert isinstance(detector, PatchDetector)  # noqa: S101 - no other has such scores
        scores = detector.patch_scores(pixels)
        check_finite(detector, scores)
        network = detector.network
        for own in scores:
            values = spread_scores(own, side=detector.side, field=network.field, stride=network.stride)
            diagnostics = map_diagnostics(values)
            yield {"margin": float(own.mean()), "values": values, "unit": "margin", "diagnostics": diagnostics}

    def cost(self, settings: ExplainerSettings) -> int:  # noqa: ARG002
        """See `Explainer.cost`."""
        return 1

    def reading(self, explanation: Explanation) -> str:  # noqa: ARG002
        """See `Explainer.reading`."""
        return (
            "This detector scores every small patch by itself, and its score is their mean. Each patch's share is "
            "spread over its pixels, so that all pixels together make up the score exactly: nothing is estimated."
        )


def spread_scores(scores: NDArray[np.floating], *, side: int, field: int, stride: int) -> NDArray[np.float32]:
    """Spread the scores of patches evenly over their pixels, so that all pixels add up to the scores' mean.

    Args:
        scores: float (h, w), of patches from the upper left corner on.
        side: of the image in pixels; pixels that no patch covers get 0.
        field: side of a patch in pixels.
        stride: pixels from one patch to the next.

    Returns:
        float32 (side, side).
    """
    corners = np.zeros((side - field + 1,) * 2)
    corners[::stride, ::stride][: len(scores), : scores.shape[1]] = scores
    patch = np.full((field, field), 1 / (scores.size * field**2))
    return np.asarray(convolve(corners, patch, method="direct"), np.float32)


def stored_exact_map(run: "Run", row: int, *, side: int, field: int) -> NDArray[np.float32]:
    """The exact map of one row of a run, to float16: its stored map holds the scores but for their common bias.

    Args:
        run: by a detector of patches, with its maps.
        row: a position in its predictions.
        side, field: of the image and of a patch in pixels.

    Returns:
        float32 (side, side).
    """
    values = np.asarray(run.needed_maps[row], np.float64)
    scores = values - values.mean() + float(run.predictions["margin"].iloc[row])
    return spread_scores(scores, side=side, field=field, stride=(side - field) // (len(values) - 1))


EXACT = Exact()
