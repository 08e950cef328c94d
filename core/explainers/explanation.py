"""The Explanation type that every method gives: plain arrays, words, and diagnostics. Needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from core.arrays import Float64, Floats, Integers, Mask, Pixels, Regions
from core.explainers.settings import ExplainerSettings
from core.images.labels import ClassName, verdict_of

# a part's decision in words, see `Parts`
SIDES = {1: "for REAL", -1: "for FAKE", 0: "undecided"}
HELD = {True: " under every fill", False: " under this fill, but not under all"}
# of the intervals of parts
CONFIDENCE = 0.95
# a map whose values differ by less than this share of the largest is flat
FLAT = 0.1
# why a map shows one colour or none; "" where it shows both
OneColour = Literal["", "zero", "flat", "one sign", "one-sided", "one segment", "nothing decided", "fill"]


@dataclass(frozen=True)
class Provenance:
    """Where a result comes from.

    Attributes:
        detector: name of the detector.
        detector_sha256: of its weights.
        seconds: wall-clock time that it took; 0 where it was read from a file.
        versions: library -> version, of the libraries that computed it.
    """

    detector: str
    detector_sha256: str
    seconds: float
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Diagnostics:
    """How far to rely on an explanation.

    Attributes:
        sentence: for a reader; "" where there is nothing to say.
        one_colour: why the map shows one colour or none, "" where it shows both.
        numbers: name -> value, what the sentence is made from and more.
    """

    sentence: str = ""
    one_colour: OneColour = ""
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Parts:
    """Weights of the S parts of an image, by a method that weighs parts, not single positions.

    Attributes:
        labels: S names, such as "segment 0".
        weights: float64 (S,), how much the part's presence adds towards REAL.
        low, high: float64 (S,), the interval of `CONFIDENCE` over repeated sampling; it covers sampling error only.
        decisions: int8 (S,), 1 where the weight is significantly for REAL and not negligible, -1 for FAKE, 0 undecided.
        regions: int32 (height, width) from 0 to S - 1, where the parts lie.
        holds: bool (S,), True where decided with the same sign under every fill; None where only one fill was used.
    """

    labels: tuple[str, ...]
    weights: Float64
    low: Float64
    high: Float64
    decisions: Integers
    regions: Regions
    holds: Mask | None = None

    def reading(self, number: int) -> str:
        """Say what a part speaks for and, where that was asked, whether it does so under every fill."""
        side = SIDES[int(self.decisions[number])]
        if self.holds is None or not self.decisions[number]:
            return side
        return side + HELD[bool(self.holds[number])]


@dataclass(frozen=True, eq=False)
class Explanation:
    """An explanation of the verdict on one image, by one method.

    Attributes:
        image: uint8 (height, width, 3), the detector's input.
        margin: the detector's margin: above 0 the verdict is REAL, otherwise FAKE.
        p_real: probability of REAL after temperature scaling, 0 to 1.
        provenance: the detector, and how the result was computed.
        method: name of the explainer in the registry.
        settings: what was asked for.
        unit: of values and weights: "margin", "probability", "logit", or "activation" for a weighted sum of the
            layer's activations, which is not a share of any score.
        diagnostics: how far to rely on it.
        values: float (h, w), the map, at the method's own resolution, never normalised, positive where the image speaks
            for REAL.
        parts: for methods that weigh parts.
        undecided: bool (h, w), True where a value is negligible or may be chance; None where the method does not test.
        one_sided: the only class that this method and target can show evidence for; None where both can appear.
        done: share of the work that is done, 0 to 1; below 1 the same explanation is still being refined.
    """

    image: Pixels
    margin: float
    p_real: float
    provenance: Provenance
    method: str
    settings: ExplainerSettings
    unit: str
    diagnostics: Diagnostics
    values: Floats
    parts: Parts | None = None
    undecided: Mask | None = None
    one_sided: ClassName | None = None
    done: float = 1.0

    @property
    def verdict(self) -> ClassName:
        """The predicted class of the image."""
        return verdict_of(self.margin)

    @property
    def complete(self) -> bool:
        """True where nothing more is to come."""
        return self.done >= 1

    @property
    def decided_values(self) -> Floats:
        """float (h, w): the map as far as it is decided, 0 elsewhere."""
        if self.undecided is None:
            return self.values
        return np.where(self.undecided, 0, self.values)

    @property
    def depends_on_fill(self) -> Mask | None:
        """bool (h, w): True where decided, but not with the same sign under every fill; None if only one was used."""
        if self.parts is None or self.parts.holds is None:
            return None
        return ((self.parts.decisions != 0) & ~self.parts.holds)[self.parts.regions]

    @property
    def has_picture(self) -> bool:
        """True where anything is decided in the map."""
        return self.undecided is None or not self.undecided.all()

    @property
    def regions(self) -> Regions | None:
        """int32 (height, width): where its parts lie, None without such parts."""
        if self.parts is None:
            return None
        return self.parts.regions


def shuffled(explanation: Explanation, *, seed: int) -> Explanation:
    """Return the same map with its values, or the weights of its regions, in random places, as a control."""
    chance = np.random.default_rng(seed)
    parts = explanation.parts
    values = explanation.decided_values
    if parts is not None:
        values = chance.permutation(np.where(parts.decisions == 0, 0, parts.weights))[parts.regions]
    else:
        values = chance.permutation(values.ravel()).reshape(values.shape)
    return replace(explanation, values=values, parts=None, undecided=None)


def map_diagnostics(values: Floats, *, one_sided: ClassName | None = None, **numbers: float) -> Diagnostics:
    """Diagnose a map of values: zero, flat, of one sign, or none of these.

    Args:
        values: float (h, w), positive for REAL.
        one_sided: the only class that the method can show, None where it can show both.
        numbers: more of the diagnostics' own, beside the map's `spread`.
    """
    largest = float(np.abs(values).max(initial=0))
    if largest == 0:
        sentence = "The map is zero everywhere: nothing in it speaks for the target."
        return Diagnostics(sentence, "zero", {"spread": 0.0, **numbers})
    spread = float(np.ptp(values)) / largest
    sentence = ""
    cause: OneColour = ""
    if one_sided is not None:
        sentence = f"This method shows only what speaks for {one_sided}, never what speaks against it."
        cause = "one-sided"
    elif (values >= 0).all() or (values <= 0).all():
        sentence = f"Every position speaks for {verdict_of(values.max())}; the map shows only where it does so more."
        cause = "one sign"
    if spread < FLAT:
        sentence = f"The map is almost the same everywhere, so it points at no place. {sentence}".strip()
        cause = "flat"
    return Diagnostics(sentence, cause, {"spread": spread, **numbers})
