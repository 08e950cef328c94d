"""Integrated Gradients (Sundararajan et al. 2017) from a blurred copy of the image, or black, to it, through captum.

The gradient of the score is averaged along the straight line between the two and multiplied by their difference, pixel
by pixel. The values of a map add up to what the score gains on the way, as nearly as the steps allow.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from core.arrays import Float32, Pixels
from core.detectors.manifest import Capability
from core.explainers.explainer import BatchExplainer, Cancel, Cancelled, check_finite
from core.explainers.explanation import Explanation, map_diagnostics
from core.explainers.settings import ExplainerSettings, Target, class_of_target, setting, towards_real
from core.perturbations.masking import blurred

if TYPE_CHECKING:
    from torch import Tensor

    from core.detectors.detector import Detector

# 32 x 32 inputs per batch, one for each image and step; proportionally fewer of larger ones
INPUTS = 128
# the diagnostics report a sum that is off by more than this share of the sum of absolute values
GAP = 0.01


class IntegratedGradientsSettings(ExplainerSettings):
    """Settings of the integration.

    Attributes:
        steps: points of the Gauss-Legendre rule along the line; each takes a forward and a backward pass.
        baseline: "blur" for a blurred copy of the image, or "black".
        sigma: standard deviation of the baseline's Gaussian blur, as a share of the image's side. 1/16, two pixels of
            32, leaves shading and colour and takes all that is finer than about four pixels.
        target: "margin" is REAL less FAKE, a class's name its score alone.
    """

    steps: int = setting(32, low=2, high=1000)
    baseline: Literal["blur", "black"] = setting("blur")
    sigma: float = setting(0.0625, low=0.005, high=0.5)
    target: Target = setting("margin")


class IntegratedGradients(BatchExplainer[IntegratedGradientsSettings]):
    """Integrated Gradients (Sundararajan et al. 2017, https://arxiv.org/abs/1703.01365).

    With the image x, the baseline b and the target F, the value of a pixel is the sum over its channels of
    (x - b) times the mean of dF/dx on the straight line from b to x. All values add up to F(x) - F(b).

    Example:
        >>> import numpy as np
        >>> from core import open_detector
        >>> detector = open_detector("sample", device="cpu")
        >>> image = np.full((32, 32, 3), 128, np.uint8)
        >>> settings = IntegratedGradientsSettings(steps=8, baseline="black")
        >>> explanation = INTEGRATED_GRADIENTS.explain_fully(detector, image, settings)
        >>> numbers = explanation.diagnostics.numbers
        >>> bool(np.isclose(explanation.values.sum(), numbers["sum"], atol=1e-3))
        True
    """

    name = "integrated_gradients"
    title = "Integrated Gradients"
    sentence = "What each pixel adds to the score on the way from a blurred copy of the image to the image."
    settings = IntegratedGradientsSettings
    needs = frozenset({Capability.GRADIENTS})
    libraries = ("torch", "captum")

    def batch_size(self, detector: "Detector", settings: IntegratedGradientsSettings) -> int:
        """See `BatchExplainer.batch_size`."""
        return max(1, _at_once(detector) // settings.steps)

    def explain_part(
        self, detector: "Detector", pixels: Pixels, settings: IntegratedGradientsSettings, cancel: Cancel | None
    ) -> Iterator[dict[str, Any]]:
        """See `BatchExplainer.explain_part`."""
        baseline = np.zeros_like(pixels)
        if settings.baseline == "blur":
            baseline = np.stack([blurred(image, settings.sigma) for image in pixels])
        ends = detector.logits(np.concatenate([pixels, baseline])).astype(np.float64)
        check_finite(detector, ends)
        maps = _attributions(detector, pixels, baseline, settings, cancel)
        gains = np.subtract(*np.split(towards_real(ends, settings.target), 2))
        margins = ends[: len(pixels), 1] - ends[: len(pixels), 0]
        unit = "margin" if settings.target == "margin" else "logit"
        for margin, values, gained in zip(margins, maps, gains.tolist(), strict=True):
            total = float(values.sum(dtype=np.float64))
            moved = float(np.abs(values).sum(dtype=np.float64))
            gap = abs(total - gained)
            diagnostics = map_diagnostics(values, sum=total, gained=gained, gap=gap, moved=moved)
            # relative to the sum of absolute values, because the gain itself can be close to 0
            if gap > GAP * moved:
                far = f"The values add up to {total:+.3g} where the score moves {gained:+.3g} (above 0: towards REAL)"
                sentence = f"{diagnostics.sentence} {far}: take more steps.".strip()
                diagnostics = replace(diagnostics, sentence=sentence)
            yield {"margin": float(margin), "values": values, "unit": unit, "diagnostics": diagnostics}

    def cost(self, settings: IntegratedGradientsSettings) -> int:
        """See `Explainer.cost`: both ends, and a forward and a backward pass a step."""
        return 2 + 3 * settings.steps

    def reading(self, explanation: Explanation) -> str:
        """See `Explainer.reading`."""
        settings: Any = explanation.settings
        start = end = "black"
        if settings.baseline == "blur":
            start = "a blurred copy of itself"
            end = "its blurred copy"
        return (
            f"The image is faded in from {start}, and each pixel is credited with what its own change adds to the "
            "score on the way. Blue and orange say which class that is for; all pixels together make up how much more "
            f"{class_of_target(settings.target)} the image scores than {end}. Single pixels are noisy: read groups."
        )


def _attributions(
    detector: "Detector", pixels: Pixels, baseline: Pixels, settings: IntegratedGradientsSettings, cancel: Cancel | None
) -> Float32:
    """float32 (N, side, side): captum's attributions towards REAL, channels added up."""
    import captum.attr  # noqa: PLC0415
    import torch  # noqa: PLC0415

    from core.explainers.activation import twin  # noqa: PLC0415

    # on a copy's modules, because a `cancel` that is called between batches may put hooks on the shared ones
    own = twin(detector)

    def score(inputs: "Tensor") -> Any:
        if cancel is not None and cancel():
            raise Cancelled
        with torch.enable_grad():
            # a network may write into what it is given
            return towards_real(own.scores(inputs.clone()), settings.target)

    size = max(_at_once(detector), len(pixels))
    starts = own.inputs(baseline)
    how = {"n_steps": settings.steps, "method": "gausslegendre", "internal_batch_size": size}
    made = captum.attr.IntegratedGradients(score).attribute(own.inputs(pixels), baselines=starts, **how)
    return made.sum(dim=1).detach().float().cpu().numpy()


def _at_once(detector: "Detector") -> int:
    """Return the number of inputs that take as much memory as `INPUTS` of 32 x 32."""
    return max(1, INPUTS * 32**2 // detector.side**2)


INTEGRATED_GRADIENTS = IntegratedGradients()
