"""What can be set on an explanation, each a URL parameter, and the words that go with it."""

from core.edits.masking import FILLS
from core.explainers.lime.segmentation import SEGMENTATIONS
from core.explainers.results import CAM_METHODS, CAM_STAGES, CamSettings, LimeSettings
from core.images import palette
from dashboard.services.address import Setting

PALETTE = Setting("palette", "class", choices=palette.PALETTES)
OPACITY = Setting("opacity", palette.OPACITY, kind=float, low=0.1, high=1.0)
SMOOTH = Setting("smooth", "no", choices=("no", "yes"))

STAGE = Setting("stage", "layer4", choices=CAM_STAGES)
METHOD = Setting("method", "GradCAM", choices=tuple(CAM_METHODS))
CAM_TARGET = Setting("target", "margin", choices=("margin", "FAKE", "REAL"))

PAPER = Setting("paper", "no", choices=("no", "yes"))
SEGMENTATION = Setting("cut_by", LimeSettings.segmentation, choices=SEGMENTATIONS)
SEGMENTS = Setting("segments", LimeSettings.n_segments, kind=int, low=4, high=120)
SAMPLES = Setting("samples", LimeSettings.n_samples, kind=int, choices=(64, 128, 256, 512, 1024, 2048))
FILL = Setting("fill", LimeSettings.fill, choices=FILLS)
SEED = Setting("seed", 0, kind=int, low=0, high=9999)
LIME_TARGET = Setting("explains", "margin", choices=("margin", "FAKE", "REAL"))

PALETTE_NAMES = {"class": "Blue for REAL, orange for FAKE", "paper": "Green for the verdict, red against (the paper's)"}
STAGE_NAMES = {"layer1": "1: 32 x 32", "layer2": "2: 16 x 16", "layer3": "3: 8 x 8", "layer4": "4: 4 x 4"}
METHOD_NAMES = {
    "GradCAM": "Grad-CAM",
    "XGradCAM": "XGrad-CAM",
    "LayerCAM": "Layer-CAM",
    "GradCAMpp": "Grad-CAM++ (one-sided)",
    "ScoreCAM": "Score-CAM (one-sided, slow)",
}
TARGET_NAMES = {"margin": "the margin", "FAKE": "FAKE alone", "REAL": "REAL alone"}
SEGMENTATION_NAMES = {"slic": "SLIC", "grid": "grid", "quickshift": "quickshift"}
FILL_NAMES = {"mean": "mean colour", "blur": "blur", "black": "black", "texture": "shuffled texture"}


def cam_settings() -> CamSettings:
    """How the class activation map is wanted."""
    return CamSettings(stage=STAGE.value, method=METHOD.value, target=CAM_TARGET.value)


def lime_settings() -> LimeSettings:
    """How LIME is wanted."""
    if PAPER.value == "yes":
        return LimeSettings.paper(seed=SEED.value)
    return LimeSettings(
        segmentation=SEGMENTATION.value,
        n_segments=SEGMENTS.value,
        n_samples=SAMPLES.value,
        seed=SEED.value,
        fill=FILL.value,
        target=LIME_TARGET.value,
    )
