"""What can be set on an explanation, each a URL parameter, and the words that go with it."""

from core.edits.masking import FILLS
from core.explainers.cams import CamSettings
from core.explainers.lime.regions import LimeSettings
from core.explainers.lime.segmentation import SEGMENTATIONS
from core.images import palette
from dashboard.services.address import Setting
from dashboard.services.requests import Explain

STAGE_NAMES = {"layer1": "1: 32 x 32", "layer2": "2: 16 x 16", "layer3": "3: 8 x 8", "layer4": "4: 4 x 4"}
METHOD_NAMES = {
    "gradcam": "Grad-CAM",
    "xgradcam": "XGrad-CAM",
    "layercam": "Layer-CAM",
    "gradcampp": "Grad-CAM++ (one-sided)",
    "scorecam": "Score-CAM (one-sided, slow)",
}

PALETTE = Setting("palette", "class", choices=palette.PALETTES)
OPACITY = Setting("opacity", palette.OPACITY, kind=float, low=0.1, high=1.0)
SMOOTH = Setting("smooth", "no", choices=("no", "yes"))

STAGE = Setting("stage", "layer4", choices=tuple(STAGE_NAMES))
METHOD = Setting("method", "gradcam", choices=tuple(METHOD_NAMES))
CAM_TARGET = Setting("target", "margin", choices=("margin", "FAKE", "REAL"))

PAPER = Setting("paper", "no", choices=("no", "yes"))
SEGMENTATION = Setting("cut_by", LimeSettings.segmentation, choices=SEGMENTATIONS)
SEGMENTS = Setting("segments", LimeSettings.n_segments, kind=int, low=4, high=120)
SAMPLES = Setting("samples", LimeSettings.n_samples, kind=int, choices=(64, 128, 256, 512, 1024, 2048))
FILL = Setting("fill", LimeSettings.fill, choices=FILLS)
SEED = Setting("seed", 0, kind=int, low=0, high=9999)
LIME_TARGET = Setting("explains", "margin", choices=("margin", "FAKE", "REAL"))

PALETTE_NAMES = {"class": "Blue for REAL, orange for FAKE", "paper": "Green for the verdict, red against (the paper's)"}
TARGET_NAMES = {"margin": "the margin", "FAKE": "FAKE alone", "REAL": "REAL alone"}
SEGMENTATION_NAMES = {"slic": "SLIC", "grid": "grid", "quickshift": "quickshift"}
FILL_NAMES = {"mean": "mean colour", "blur": "blur", "black": "black", "texture": "shuffled texture"}


def cam_question() -> Explain:
    """How the class activation map is wanted."""
    # the last stage is the detector's own, whose map a run keeps
    layer = "" if STAGE.value == STAGE.default else STAGE.value
    return Explain(METHOD.value, CamSettings(layer=layer, target=CAM_TARGET.value))


def lime_question() -> Explain:
    """How LIME is wanted."""
    if PAPER.value == "yes":
        return Explain("lime", LimeSettings.paper(seed=SEED.value))
    return Explain(
        "lime",
        LimeSettings(
            segmentation=SEGMENTATION.value,
            n_segments=SEGMENTS.value,
            n_samples=SAMPLES.value,
            seed=SEED.value,
            fill=FILL.value,
            target=LIME_TARGET.value,
        ),
    )
