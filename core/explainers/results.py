"""What an explanation of one image is: plain arrays, made by lime.py and gradcam.py, drawn by overlay.py."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from core.edits.masking import FILLS, Fill
from core.explainers.lime.sampling import SAMPLINGS, Sampling
from core.explainers.lime.segmentation import SEGMENTATIONS, Segmentation

ClassName = Literal["FAKE", "REAL"]
CLASSES: tuple[ClassName, ...] = get_args(ClassName)
LimeTarget = Literal["margin", "probability", "REAL", "FAKE"]
CamTarget = Literal["margin", "REAL", "FAKE"]
CamStage = Literal["layer1", "layer2", "layer3", "layer4"]
CamMethod = Literal["GradCAM", "GradCAMpp", "XGradCAM", "LayerCAM", "ScoreCAM"]
CAM_STAGES: tuple[CamStage, ...] = get_args(CamStage)
# which methods say "for" and "against", and which only "for"
CAM_METHODS: dict[CamMethod, bool] = {
    "GradCAM": True,
    "XGradCAM": True,
    "LayerCAM": True,
    "GradCAMpp": False,
    "ScoreCAM": False,
}
MAX_SAMPLES = 5000


class ExplanationError(ValueError):
    """An explanation that cannot be made; the message says why and what to do, in one sentence."""


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise an `ExplanationError` unless `value` is one of `choices`."""
    if value not in choices:
        raise ExplanationError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


@dataclass(frozen=True)
class LimeSettings:
    """How LIME is run; hashable, so that equal settings find a cached result.

    Attributes:
        segmentation: see `segmentation.segment`.
        n_segments: how many segments to ask for.
        n_samples: versions of the image to draw, from 2; the ridge is scaled with it (alpha = n_samples / 1000).
        seed: of the samples and of the "texture" fill.
        fill: what a segment that is switched off shows, see `perturb.fill_image`.
        target: what is explained. "margin" is logit_REAL - logit_FAKE; "probability" the probability of the predicted
            class as the paper takes it (softmax of the logits, without temperature); a class's name its logit.
        sampling: "balanced" or "random", see `sampling.py`.
        confidence: of the intervals, within 0.5 to 0.999.
        least_share: the least effect worth naming, as a share of the target's own size on this image, 0 to 1.
    """

    segmentation: Segmentation = "slic"
    n_segments: int = 50
    n_samples: int = 256
    seed: int = 0
    fill: Fill = "mean"
    target: LimeTarget = "margin"
    sampling: Sampling = "balanced"
    confidence: float = 0.95
    least_share: float = 0.01

    def __post_init__(self) -> None:
        check_choice("segmentation", self.segmentation, SEGMENTATIONS)
        check_choice("fill", self.fill, FILLS)
        check_choice("target", self.target, get_args(LimeTarget))
        check_choice("sampling", self.sampling, SAMPLINGS)
        if not 2 <= self.n_samples <= MAX_SAMPLES:
            raise ExplanationError(
                f"n_samples must be from 2 to {MAX_SAMPLES}, not {self.n_samples}: it takes the image and at least one "
                "other version of it to see a difference"
            )
        if self.n_segments < 1:
            raise ExplanationError(f"n_segments must be at least 1, not {self.n_segments}")
        if not 0 <= self.seed < 2**32:
            raise ExplanationError(f"seed must be from 0 to {2**32 - 1}, not {self.seed}")
        if not 0.5 <= self.confidence <= 0.999 or not 0 <= self.least_share <= 1:
            raise ExplanationError("confidence must be from 0.5 to 0.999 and least_share from 0 to 1")

    @classmethod
    def paper(cls, *, seed: int = 0) -> "LimeSettings":
        """The paper's: lime's segmentation, 1,000 coin-flip samples, mean fill, the predicted class's probability."""
        return cls(segmentation="quickshift", n_samples=1000, seed=seed, target="probability", sampling="random")


@dataclass(frozen=True)
class CamSettings:
    """How a class activation map is made; hashable.

    Attributes:
        stage: the residual stage that is looked at: "layer1" gives 32 x 32 positions, "layer4" 4 x 4.
        method: torchcam's name; `CAM_METHODS` says which are signed.
        target: "margin" is logit_REAL - logit_FAKE, a class's name its logit.
    """

    stage: CamStage = "layer4"
    method: CamMethod = "GradCAM"
    target: CamTarget = "margin"

    def __post_init__(self) -> None:
        check_choice("stage", self.stage, CAM_STAGES)
        check_choice("method", self.method, tuple(CAM_METHODS))
        check_choice("target", self.target, get_args(CamTarget))


OneColour = Literal["one segment", "nothing decided", "fill", "one sign"]


@dataclass(frozen=True)
class LimeHealth:
    """How far a LIME explanation can be leaned on.

    Attributes:
        segments: segments found.
        samples: versions of the image drawn so far, `distinct` of them different.
        r2: weighted R squared of the surrogate, 1 where it says what the detector says in every sample.
        decided_share: share of the image's area in segments that are decided, 0 to 1.
        one_colour: why the map shows one colour only, or None where it shows both.
        sentence: the above for a reader.
    """

    segments: int
    samples: int
    distinct: int
    r2: float
    decided_share: float
    one_colour: OneColour | None
    sentence: str


@dataclass(frozen=True)
class CamHealth:
    """What kind of map this is.

    Attributes:
        flat: the same everywhere, so it points nowhere.
        one_signed: every position speaks for one class.
        sentence: the above for a reader; empty where there is nothing to say.
    """

    flat: bool
    one_signed: bool
    sentence: str


@dataclass(frozen=True, eq=False)
class Explained:
    """What every explanation of one image carries.

    Attributes:
        image: uint8 (32, 32, 3).
        margin: the detector's logit_REAL - logit_FAKE.
        p_real: probability of REAL after temperature, 0 to 1.
        toward: the class that positive values speak for.
        detector: its name.
        detector_sha256: of its weights.
        seconds: what this took.
    """

    image: NDArray[np.uint8]
    margin: float
    p_real: float
    toward: ClassName
    detector: str
    detector_sha256: str
    seconds: float

    @property
    def verdict(self) -> ClassName:
        """What the detector calls the image."""
        return "REAL" if self.margin > 0 else "FAKE"

    @property
    def real_sign(self) -> int:
        """Times this, positive values speak for REAL."""
        return 1 if self.toward == "REAL" else -1


@dataclass(frozen=True, eq=False)
class LimeResult(Explained):
    """LIME's answer from the samples drawn so far; S segments.

    Attributes:
        settings: what was asked for.
        segments: int32 (32, 32), 0 to S - 1.
        weights: float64 (S,), what showing the segment adds to the target in the surrogate.
        low, high: float64 (S,), its confidence interval over other draws of the samples: sampling error, not truth.
        decisions: int8 (S,), 1 where the weight is certainly positive and worth naming, -1 negative, 0 undecided.
        least_effect: the least size worth naming, in the target's unit.
        value: the target on the image itself.
        intercept: of the surrogate.
        health: how far to lean on it.
        complete: no samples are to come.
    """

    settings: LimeSettings
    segments: NDArray[np.int32]
    weights: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    decisions: NDArray[np.int8]
    least_effect: float
    value: float
    intercept: float
    health: LimeHealth
    complete: bool

    @property
    def values(self) -> NDArray[np.float64]:
        """float64 (32, 32): the weight of each pixel's segment."""
        return self.weights[self.segments]

    @property
    def undecided(self) -> NDArray[np.bool_]:
        """bool (32, 32): the pixels of undecided segments."""
        return np.asarray(self.decisions == 0)[self.segments]


@dataclass(frozen=True, eq=False)
class CamResult(Explained):
    """A class activation map of one image.

    Attributes:
        settings: what was asked for.
        values: float32 (h, w), h = w = 32 for layer1 down to 4 for layer4, never normalised; larger speaks more for
            `toward`.
        signed: whether negative values can occur; they speak for the other class.
        health: what kind of map this is.
    """

    settings: CamSettings
    values: NDArray[np.float32]
    signed: bool
    health: CamHealth
