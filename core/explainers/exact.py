"""The exact map of a detector whose margin is the mean of scores of small patches."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.signal import convolve

from core.arrays import Float32, Floats, Pixels
from core.detectors.manifest import Capability
from core.explainers.explainer import BatchExplainer, Cancel
from core.explainers.explanation import Explanation, map_diagnostics
from core.explainers.settings import ExplainerSettings

if TYPE_CHECKING:
    from core.detectors.detector import Detector
    from core.runs.run import Run


class Exact(BatchExplainer[ExplainerSettings]):
    """Each position's share of a margin that is the mean of local scores; nothing is estimated, and nothing is set.

    So it is in BagNets (Brendel and Bethge 2019, https://arxiv.org/abs/1904.00760), and wherever only a global average
    and a linear layer follow the last layer with positions (class activation mapping, Zhou et al. 2016,
    https://arxiv.org/abs/1512.04150). A map adds up to the margin. Where no position sees beyond the picture's border,
    each share is spread evenly over the pixels that it sees (side, side); otherwise it is left at its position (h, w).

    Example:
        >>> import numpy as np
        >>> spread_scores(np.array([[4.0]]), side=2, field=2, stride=1)
        array([[1., 1.],
               [1., 1.]], dtype=float32)
    """

    name = "exact"
    title = "Exact map"
    sentence = "What each part of the image adds to the score: all of it, because this detector adds up parts."
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
        scores = detector.local_scores(pixels)
        fields = detector.fields
        assert fields is not None  # noqa: S101 - it has the capability
        for own in scores:
            values = np.asarray(own / own.size, np.float32)
            if fields.start == 0:
                values = spread_scores(own, side=detector.side, field=fields.size, stride=fields.step)
            diagnostics = map_diagnostics(values, field=fields.size, step=fields.step)
            yield {"margin": float(own.mean()), "values": values, "unit": "margin", "diagnostics": diagnostics}

    def cost(self, settings: ExplainerSettings) -> int:  # noqa: ARG002
        """See `Explainer.cost`."""
        return 1

    def reading(self, explanation: Explanation) -> str:
        """See `Explainer.reading`."""
        numbers = explanation.diagnostics.numbers
        seen = "Each patch's share is spread over its pixels"
        if explanation.values.shape != explanation.image.shape[:2]:
            seen = "Each part's share is drawn at its middle"
        return (
            f"This detector's score is the mean of scores of {numbers['field']:g} x {numbers['field']:g} pixels, one "
            f"every {numbers['step']:g}, each computed from these pixels alone. {seen}; all together make up the score "
            "exactly: nothing is estimated."
        )


def spread_scores(scores: Floats, *, side: int, field: int, stride: int) -> Float32:
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


def stored_exact_map(run: "Run", row: int, *, side: int, field: int) -> Float32:
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
