"""Class activation maps as explainers: Grad-CAM and its relatives, each one entry of the registry."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.detectors.manifest import Capability
from core.explainers.explainer import BatchExplainer, Cancel, Pixels, check_finite, check_target
from core.explainers.explanation import Explanation, Provenance, map_diagnostics
from core.explainers.settings import ExplainerSettings, ExplanationError, Target, one_side, setting
from core.runs.run import Run

if TYPE_CHECKING:
    from core.detectors.detector import Detector


class CamSettings(ExplainerSettings):
    """Settings of a class activation map.

    Attributes:
        layer: a key of the detector's `layers`; "" is its own target layer.
        target: "margin" is REAL less FAKE, a class's name its score alone.
    """

    layer: str = setting("")
    target: Target = setting("margin")


class Cam(BatchExplainer[CamSettings]):
    """One of torchcam's methods.

    For the margin, GradCAM, XGradCAM and LayerCAM give evidence for REAL minus evidence for FAKE. All other maps show
    one class only: torchcam's maps of a class score end in a ReLU, and GradCAMpp weighs only evidence for its target.

    Args:
        name, title, sentence: see `Explainer`.
        method: a key of `core.explainers.activation.METHODS`.
        signed: True if its maps of the margin show evidence for both classes.
        own: True to take the margin's map on the detector's own target layer from the detector's full pass, which gives
            Grad-CAM's times the number of positions and, for some detectors, costs one forward pass.
    """

    settings = CamSettings
    needs = frozenset({Capability.LAYERS, Capability.GRADIENTS})
    libraries = ("torch", "torchcam")

    def __init__(self, name: str, title: str, sentence: str, *, method: str, signed: bool, own: bool = False) -> None:
        self.name, self.title, self.sentence = name, title, sentence
        self.method, self.signed, self.own = method, signed, own

    def explain_part(
        self, detector: "Detector", pixels: Pixels, settings: CamSettings, cancel: Cancel | None
    ) -> Iterator[dict[str, Any]]:
        """See `BatchExplainer.explain_part`."""
        from core.explainers.activation import activation_maps  # noqa: PLC0415 - torch

        check_target(detector, settings.target)
        layer, target = settings.layer or detector.target_layer, settings.target
        if layer not in detector.layers:
            raise ExplanationError(f"layer must be one of {', '.join(detector.layers)}, not {layer!r}")
        signed = self.signed and target == "margin"
        only = None if signed else one_side(target)
        if self.own and layer == detector.target_layer and target == "margin":
            full = detector.full_pass(pixels)
            margins, maps = full.margins, full.needed_maps
            check_finite(detector, margins)
        else:
            margins = detector.margins(pixels)
            check_finite(detector, margins)
            how: dict[str, Any] = {"layer": layer, "method": self.method, "target": target, "signed": signed}
            maps = activation_maps(detector, pixels, cancel=cancel, **how)
            # what speaks for FAKE is negative
            maps = -maps if target == "FAKE" else maps
        unit = ("margin" if target == "margin" else "logit") if self.signed else "activation"
        for margin, values in zip(margins, maps, strict=True):
            diagnostics = map_diagnostics(values, one_sided=only)
            fields = {"margin": float(margin), "values": values, "diagnostics": diagnostics}
            yield fields | {"unit": unit, "one_sided": only}

    def cost(self, settings: CamSettings) -> int:
        """See `Explainer.cost`: the margin, the pass under hooks, and two backward passes for a signed map."""
        return 2 + (4 if self.signed and settings.target == "margin" else 2)

    def reading(self, explanation: Explanation) -> str:
        """See `Explainer.reading`."""
        height, width = explanation.map.shape
        return (
            f"What the detector has computed at {height} x {width} places, coloured by the class that it speaks for "
            "there. Each place has seen more of the image than the square that is coloured: read it as a direction, "
            "not as an outline."
        )


GRADCAM = Cam(
    "gradcam",
    "Grad-CAM",
    "Where in the image the network's own features speak for one class or the other.",
    method="GradCAM",
    signed=True,
    own=True,
)
LAYERCAM = Cam(
    "layercam",
    "Layer-CAM",
    "Grad-CAM with each position weighted by its own gradient, which keeps earlier layers sharp.",
    method="LayerCAM",
    signed=True,
)
XGRADCAM = Cam(
    "xgradcam",
    "XGrad-CAM",
    "Grad-CAM with channels weighted so that the map sums to the score as nearly as possible.",
    method="XGradCAM",
    signed=True,
)
GRADCAMPP = Cam(
    "gradcampp",
    "Grad-CAM++",
    "Grad-CAM that counts only gradients which speak for the target, so that several places can stand out.",
    method="GradCAMpp",
    signed=False,
)
# the explainer whose maps runs keep
KEPT = GRADCAM


def is_kept_kind(explanation: Explanation) -> bool:
    """Check whether an explanation is of the kind that runs keep: the same method and settings."""
    return (explanation.method, explanation.settings) == (KEPT.name, KEPT.settings())


def stored_map(run: Run, row: int, image: NDArray[np.uint8]) -> Explanation:
    """The margin map of one row: what Grad-CAM with its default settings gives, to float16.

    Args:
        run: with its maps.
        row: a position in its predictions.
        image: uint8 (side, side, 3), the row's picture.
    """
    found = run.predictions.iloc[row]
    values = np.asarray(run.needed_maps[row], np.float32)
    return Explanation(
        image=image,
        margin=float(found["margin"]),
        p_real=float(found["p_real"]),
        provenance=Provenance(run.manifest["detector"], run.manifest["detector_sha256"], 0.0, run.manifest["versions"]),
        method=KEPT.name,
        settings=KEPT.settings(),
        unit="margin",
        diagnostics=map_diagnostics(values),
        values=values,
    )
