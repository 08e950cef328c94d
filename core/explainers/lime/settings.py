"""Settings that the ways of LIME share."""

from dataclasses import dataclass
from typing import Literal

from core.explainers.lime.sampling import Sampling
from core.explainers.settings import TARGETS, ExplainerSettings, setting
from core.perturbations.masking import FILLS, Fill

MAX_SAMPLES = 5000
CertainUnder = Literal["this", "every"]
LimeTarget = Literal["margin", "probability", "REAL", "FAKE"]


@dataclass(frozen=True)
class SampledSettings(ExplainerSettings):
    """How parts are weighed by leaving them out at random.

    Attributes:
        n_samples: versions of the image to draw, from 2; the ridge is scaled with it (alpha = n_samples / 1000).
        seed: of the samples and of fills that are random.
        confidence: of the intervals.
        least_share: the least effect worth naming, as a share of the target's own size on this image.
    """

    n_samples: int = setting(
        256,
        label="Samples",
        help="Versions of the image that the detector is asked about; more make the intervals narrower.",
        low=2,
        high=MAX_SAMPLES,
        offers=(64, 128, 256, 512, 1024, 2048),
    )
    seed: int = setting(
        0,
        label="Seed",
        help="Of everything random: the same seed gives the same explanation.",
        low=0,
        high=2**32 - 1,
        advanced=True,
    )
    confidence: float = setting(
        0.95,
        label="Confidence level",
        help="Of the intervals, over repeated sampling.",
        low=0.5,
        high=0.999,
        offers=(0.8, 0.9, 0.95, 0.99),
        names={0.8: "80%", 0.9: "90%", 0.95: "95%", 0.99: "99%"},
        advanced=True,
    )
    least_share: float = setting(
        0.01,
        label="Minimum effect",
        help="Parts with a smaller effect, as a share of the score, stay undecided.",
        low=0,
        high=1,
        offers=(0.0, 0.005, 0.01, 0.02, 0.05, 0.1),
        names={0.0: "none", 0.005: "0.5%", 0.01: "1%", 0.02: "2%", 0.05: "5%", 0.1: "10%"},
        advanced=True,
    )


@dataclass(frozen=True)
class RegionSettings(SampledSettings):
    """How regions of the image are weighed by covering them.

    Attributes:
        fill: what a covered region shows, see `core.perturbations.masking.fill_image`.
        target: the score to explain. "margin" is the logit of REAL minus that of FAKE; "probability" the probability of
            the predicted class as in the paper (softmax of the logits, without temperature); "REAL" or "FAKE" a logit.
        sampling: "balanced" or "random", see sampling.py.
        certain_under: "every" repeats the explanation under every other fill and reports which signs hold under all.
    """

    certain_under: CertainUnder = setting(
        "this",
        label="Certain under",
        help="The intervals allow for sampling error under one fill only. A sign that another fill reverses is about "
        "the fill: “every fill” asks again with each, and takes that many times as long.",
        names={"this": "this fill", "every": "every fill"},
    )
    fill: Fill = setting(
        "mean",
        label="Fill",
        help="No fill is neutral: a flat colour erases fine detail, which this kind of detector treats as evidence; "
        "shuffled texture keeps it. A finding that depends on the fill is about the fill.",
        names={name: one.title for name, one in FILLS.items()},
        advanced=True,
    )
    target: LimeTarget = setting(
        "margin",
        label="What is explained",
        help="The margin is the score for REAL less that for FAKE.",
        names={**TARGETS, "probability": "probability of the verdict"},
        advanced=True,
    )
    sampling: Sampling = setting(
        "balanced",
        label="Sampling",
        help="Balanced samples come in pairs that cover opposite regions; random ones are the lime package's coin "
        "flips, and less exact for the same cost.",
        names={"balanced": "balanced", "random": "random"},
        advanced=True,
    )
