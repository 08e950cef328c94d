"""Patch tokens: how a vision transformer's tokens, in all of its blocks, speak for one class or the other."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from core.detectors.manifest import Capability
from core.explainers.explainer import BatchExplainer, Cancel, Pixels, check_finite, check_target
from core.explainers.explanation import Explanation, map_diagnostics
from core.explainers.settings import ExplainerSettings, Target, one_side, setting

if TYPE_CHECKING:
    from core.detectors.detector import Detector


class TokenSettings(ExplainerSettings):
    """Settings of a map of patch tokens.

    Attributes:
        target: "margin" is REAL less FAKE, a class's name its score alone.
    """

    target: Target = setting("margin")


class TokenCam(BatchExplainer[TokenSettings]):
    """torchcam's Layer-CAM of the norms of all blocks, reshaped to the grid of patches, averaged; no attention is read.

    Where only the last norm is read, as by the other methods, a patch has already exchanged what it shows with others.
    """

    name = "tokens"
    title = "Patch-token CAM"
    sentence = "What each patch of a vision transformer contributes to the score, on average over its blocks."
    settings = TokenSettings
    needs = frozenset({Capability.PATCH_TOKENS, Capability.GRADIENTS})
    libraries = ("torch", "torchcam")

    def explain_part(
        self, detector: "Detector", pixels: Pixels, settings: TokenSettings, cancel: Cancel | None
    ) -> Iterator[dict[str, Any]]:
        """See `BatchExplainer.explain_part`."""
        from core.explainers.activation import token_maps  # noqa: PLC0415 - torch

        check_target(detector, settings.target)
        maps = token_maps(detector, pixels, target=settings.target, cancel=cancel)
        maps = -maps if settings.target == "FAKE" else maps
        margins = detector.margins(pixels)
        check_finite(detector, margins)
        only = None if settings.target == "margin" else one_side(settings.target)
        for margin, values in zip(margins, maps, strict=True):
            fields = {"values": values, "diagnostics": map_diagnostics(values, one_sided=only), "one_sided": only}
            yield fields | {"margin": float(margin), "unit": "margin" if only is None else "logit"}

    def batch_size(self, detector: "Detector", settings: TokenSettings) -> int:  # noqa: ARG002
        """See `BatchExplainer.batch_size`: the gradients of all blocks are kept."""
        return 16

    def cost(self, settings: TokenSettings) -> int:
        """See `Explainer.cost`: the margin, the pass under hooks, and a backward pass for each side."""
        return 2 + (4 if settings.target == "margin" else 2)

    def reading(self, explanation: Explanation) -> str:
        """See `Explainer.reading`."""
        height, width = explanation.map.shape
        return (
            f"{height} x {width} patches, coloured by the class that their tokens speak for, averaged over all blocks. "
            "In later blocks a token holds something of other patches too: read it as a direction, not as an outline."
        )


TOKENS = TokenCam()
