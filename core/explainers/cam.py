"""Class activation maps as explainers: Grad-CAM and its relatives, of feature maps and of a transformer's tokens.

The maths is torchcam's (https://github.com/frgfm/torch-cam), see `core.explainers.activation`.
"""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from core.arrays import Floats, Pixels
from core.detectors.manifest import Capability
from core.explainers.explainer import BatchExplainer, Cancel
from core.explainers.explanation import Explanation, Provenance, map_diagnostics
from core.explainers.settings import ExplainerSettings, ExplanationError, Target, class_of_target, setting

if TYPE_CHECKING:
    from core.detectors.detector import Detector
    from core.runs.run import Run


class CamSettings(ExplainerSettings):
    """Settings of a class activation map.

    Attributes:
        layer: a key of the detector's `layers`; "" is its own target layer.
        target: "margin" is REAL less FAKE, a class's name its score alone.
    """

    layer: str = setting("")
    target: Target = setting("margin")


class TokenSettings(ExplainerSettings):
    """Settings of a map of patch tokens.

    Attributes:
        target: "margin" is REAL less FAKE, a class's name its score alone.
    """

    target: Target = setting("margin")


S = TypeVar("S", CamSettings, TokenSettings)


class ClassMaps(BatchExplainer[S]):
    """Base of methods whose maps torchcam computes, of the margin or of the score of a class.

    Attributes:
        signed: True if its maps of the margin show evidence for both classes.
    """

    libraries = ("torch", "torchcam")
    signed: bool = True

    @abstractmethod
    def compute(self, detector: "Detector", pixels: Pixels, settings: S) -> tuple[Floats, Floats]:
        """Compute margins (N,) and maps (N, h, w), larger where the evidence for the target is stronger."""

    def explain_part(
        self,
        detector: "Detector",
        pixels: Pixels,
        settings: S,
        cancel: Cancel | None,  # noqa: ARG002
    ) -> Iterator[dict[str, Any]]:
        """See `BatchExplainer.explain_part`."""
        margins, maps = self.compute(detector, pixels, settings)
        unit = "margin" if settings.target == "margin" else "logit"
        one_sided = None
        if not self.signed:
            unit = "activation"
        if not self.signed or settings.target != "margin":
            one_sided = class_of_target(settings.target)
        if one_sided == "FAKE":
            # what speaks for FAKE is negative
            maps = -maps
        for margin, values in zip(margins.tolist(), maps, strict=True):
            yield {
                "margin": margin,
                "values": values,
                "unit": unit,
                "diagnostics": map_diagnostics(values, one_sided=one_sided),
                "one_sided": one_sided,
            }

    def cost(self, settings: S) -> int:
        """See `Explainer.cost`: the margin, the pass under hooks, and two backward passes for a signed map."""
        return 2 + (4 if self.signed and settings.target == "margin" else 2)


@dataclass
class Cam(ClassMaps[CamSettings]):
    """One of torchcam's methods.

    With the activations A (C, h, w) of a layer and the gradient G of the target at it, a map (h, w) is

    - Grad-CAM: the sum over channels of mean(G) A (Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391).
    - Layer-CAM: of relu(G) A, position by position (Jiang et al. 2021, https://doi.org/10.1109/TIP.2021.3089943).
    - XGrad-CAM: of A times sum(G A) / sum(A) over positions (Fu et al. 2020, https://arxiv.org/abs/2008.02312).
    - Grad-CAM++: of A times sum(a relu(G)), with a = G^2 / (2 G^2 + sum(A) G^3) (Chattopadhay et al. 2018,
      https://arxiv.org/abs/1710.11063).

    For the margin, the first three give evidence for REAL minus evidence for FAKE. All other maps show one class only:
    torchcam's maps of a class score end in a ReLU, and Grad-CAM++ weighs only evidence for its target.

    Attributes:
        name, title, sentence: see `Explainer`.
        method: a key of `core.explainers.activation.METHODS`.
        signed: True if its maps of the margin show evidence for both classes.
        own: True to take the margin's map on the detector's own target layer from the detector's full pass, which gives
            Grad-CAM's times the number of positions and, for some detectors, costs one forward pass.

    Example:
        >>> import numpy as np
        >>> from core import open_detector
        >>> detector = open_detector("sample", device="cpu")
        >>> image = np.full((32, 32, 3), 128, np.uint8)
        >>> GRADCAM.explain_fully(detector, image).values.shape
        (4, 4)
        >>> LAYERCAM.explain_fully(detector, image, CamSettings(layer="layer2", target="FAKE")).one_sided
        'FAKE'
    """

    settings = CamSettings
    needs = frozenset({Capability.LAYERS, Capability.GRADIENTS})
    name: str
    title: str
    sentence: str
    method: str
    signed: bool = True
    own: bool = False

    def compute(self, detector: "Detector", pixels: Pixels, settings: CamSettings) -> tuple[Floats, Floats]:
        """See `ClassMaps.compute`."""
        from core.explainers.activation import activation_maps  # noqa: PLC0415 - torch

        target = settings.target
        layer = settings.layer or detector.target_layer
        if layer not in detector.layers:
            raise ExplanationError(f"layer must be one of {', '.join(detector.layers)}, not {layer!r}")
        if self.own and layer == detector.target_layer and target == "margin":
            full = detector.full_pass(pixels)
            return full.margins, full.needed_maps
        maps = activation_maps(detector, pixels, layer=layer, method=self.method, target=target, signed=self.signed)
        return detector.margins(pixels), maps

    def reading(self, explanation: Explanation) -> str:
        """See `Explainer.reading`."""
        height, width = explanation.values.shape
        return (
            f"What the detector has computed at {height} x {width} places, coloured by the class that it speaks for "
            "there. Each place has seen more of the image than the square that is coloured: read it as a direction, "
            "not as an outline."
        )


class TokenCam(ClassMaps[TokenSettings]):
    """torchcam's Layer-CAM of the norms of all blocks, reshaped to the grid of patches, averaged; no attention is read.

    With the tokens T (patches, D) after a norm and the gradient G of the target there, a patch's value is the sum of
    relu(G) T over D, averaged over all norms (Jiang et al. 2021, https://doi.org/10.1109/TIP.2021.3089943). Where only
    the last norm is read, as by the other methods, a patch has already exchanged what it shows with others.

    Example:
        >>> TOKENS.cost(TokenSettings())
        6
    """

    name = "tokens"
    title = "Patch-token CAM"
    sentence = "What each patch of a vision transformer contributes to the score, on average over its blocks."
    settings = TokenSettings
    needs = frozenset({Capability.PATCH_TOKENS, Capability.GRADIENTS})

    def compute(self, detector: "Detector", pixels: Pixels, settings: TokenSettings) -> tuple[Floats, Floats]:
        """See `ClassMaps.compute`."""
        from core.explainers.activation import token_maps  # noqa: PLC0415 - torch

        return detector.margins(pixels), token_maps(detector, pixels, target=settings.target)

    def batch_size(self, detector: "Detector", settings: TokenSettings) -> int:  # noqa: ARG002
        """See `BatchExplainer.batch_size`: the gradients of all blocks are kept."""
        return 16

    def reading(self, explanation: Explanation) -> str:
        """See `Explainer.reading`."""
        height, width = explanation.values.shape
        return (
            f"{height} x {width} patches, coloured by the class that their tokens speak for, averaged over all blocks. "
            "In later blocks a token holds something of other patches too: read it as a direction, not as an outline."
        )


GRADCAM = Cam(
    "gradcam",
    "Grad-CAM",
    "Where in the image the network's own features speak for one class or the other.",
    method="GradCAM",
    own=True,
)
LAYERCAM = Cam(
    "layercam",
    "Layer-CAM",
    "Grad-CAM with each position weighted by its own gradient, which keeps earlier layers sharp.",
    method="LayerCAM",
)
XGRADCAM = Cam(
    "xgradcam",
    "XGrad-CAM",
    "Grad-CAM with channels weighted so that the map sums to the score as nearly as possible.",
    method="XGradCAM",
)
GRADCAMPP = Cam(
    "gradcampp",
    "Grad-CAM++",
    "Grad-CAM that counts only gradients which speak for the target, so that several places can stand out.",
    method="GradCAMpp",
    signed=False,
)
TOKENS = TokenCam()
# the explainer whose maps runs keep
KEPT = GRADCAM


def is_kept_kind(explanation: Explanation) -> bool:
    """Check whether an explanation is of the kind that runs keep: the same method and settings."""
    return (explanation.method, explanation.settings) == (KEPT.name, KEPT.settings())


def stored_map(run: "Run", row: int, image: Pixels) -> Explanation:
    """Return the margin map of one row: what Grad-CAM with its default settings gives, to float16.

    Args:
        run: with its maps.
        row: a position in its predictions.
        image: uint8 (side, side, 3), the row's picture.
    """
    prediction = run.predictions.iloc[row]
    values = np.asarray(run.needed_maps[row], np.float32)
    made = run.manifest
    return Explanation(
        image=image,
        margin=float(prediction["margin"]),
        p_real=float(prediction["p_real"]),
        provenance=Provenance(made["detector"], made["detector_sha256"], 0.0, made["versions"]),
        method=KEPT.name,
        settings=KEPT.settings(),
        unit="margin",
        diagnostics=map_diagnostics(values),
        values=values,
    )
