"""Judge an ordinary picture by a detector that reads a picture's own pixels: signs found, or that nobody can tell.

What such detectors read rarely survives a saving. So a picture is judged by the rates that were measured on files of
its kind, at a threshold below which at most `MOST_FALSE_ALARMS` of the photographs lie; where these rates are of no
use there is no answer. No answer ever says "real". The rates of known detectors ship in `ordinary.json`, by the sha256
of their weights.
"""

import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, FiniteFloat, TypeAdapter

from core.answers.judgement import Count, Judgement, Threshold, judge, versions
from core.arrays import Floats
from core.detectors.identity import Identity
from core.images.decoding import WHOLE, decode
from core.images.encoding import file_facts
from core.images.labels import verdict_of
from core.images.preprocessing import Prepared, prepare_pixels
from core.images.provenance import read_claims
from core.perturbations.delivery import deliver

if TYPE_CHECKING:
    from core.detectors.detector import Detector

FILE = Path(__file__).with_name("ordinary.json")
# of photographs, at most so many lie below a threshold, and of generated pictures at least so many must
MOST_FALSE_ALARMS = 0.02
LEAST_RECALL = 0.5
# the quality from which on a JPEG counts as hardly compressed
FINE = 93
Kind = Literal["lossless", "jpeg_fine", "jpeg", "lossy", "halved"]
KINDS = {
    "lossless": "saved without loss",
    "jpeg_fine": f"JPEGs of quality {FINE} or more",
    "jpeg": f"JPEGs of a quality below {FINE}",
    "lossy": "saved with loss",
    "halved": f"of more than {WHOLE / 1e6:g} million pixels",
}
LOSSLESS = ("PNG", "BMP", "TIFF")


class Rates(BaseModel, frozen=True):
    """What a detector says of one kind of file, of pictures whose origin is known.

    Attributes:
        margin: the threshold.
        generated, photographs: how many of them lie below it.
    """

    margin: FiniteFloat
    generated: Count
    photographs: Count

    @property
    def useful(self) -> bool:
        """True if it finds enough of the generated pictures and accuses few enough photographs."""
        return self.generated.share >= LEAST_RECALL and self.photographs.share <= MOST_FALSE_ALARMS


def kind_of(data: bytes) -> Kind:
    """Return the kind of a file by its header; raises ImageError where it cannot be opened."""
    name, width, height, quality, _metadata = file_facts(data)
    if width * height > WHOLE:
        return "halved"
    if name == "JPEG":
        return "jpeg_fine" if quality >= FINE else "jpeg"
    return "lossless" if name in LOSSLESS else "lossy"


@cache
def measured() -> dict[str, dict[Kind, Rates]]:
    """Return the rates that ship by kind of file, by the sha256 of the detector's weights; the file says how."""
    stored = json.loads(FILE.read_text(encoding="utf-8"))
    kinds = {weights: about["kinds"] for weights, about in stored.items()}
    return TypeAdapter(dict[str, dict[Kind, Rates]]).validate_python(kinds)


def judge_ordinary(ready: Prepared, kind: Kind, rates: Rates | None, margin: float | None) -> Judgement:
    """Judge a picture by a window of its own pixels.

    Args:
        ready: the picture as the detector sees it.
        kind: of its file.
        rates: of the detector on files of this kind; None where nobody has measured them.
        margin: of the window; None while it is being computed, where it would be needed.
    """
    side = ready.preprocessing.size
    if min(ready.width, ready.height) < side:
        return Judgement("Cannot tell", "small", f"Your picture has fewer than {side} x {side} pixels.")
    if kind == "halved":
        sentence = f"Files {KINDS[kind]} are halved while they are read, which takes away what this detector reads."
        return Judgement("Cannot tell", "halved", sentence)
    if rates is None:
        sentence = "How often this detector is right about files like yours has not been measured."
        return Judgement("Cannot tell", "unmeasured", sentence)
    generated = rates.generated
    photographs = rates.photographs
    sentence = (
        f"Of files like yours, {KINDS[kind]}, it finds {generated.hits} of {generated.images} pictures by generators "
        f"and accuses {photographs.hits} of {photographs.images} photographs."
    )
    if not rates.useful:
        return Judgement("Cannot tell", "gone", f"{sentence} So nothing follows from what it says.")
    if margin is None:
        return Judgement("", "asked", sentence)
    if margin < rates.margin:
        return Judgement("Signs found", "signs", sentence)
    return Judgement("Cannot tell", "nothing", f"{sentence} It finds none here, which many generated pictures share.")


def is_ordinary(ready: Prepared) -> bool:
    """Check whether a detector sees a window of a picture's own pixels, so that rates by kind of file judge it."""
    return ready.preprocessing.native and not ready.whole


def judge_file(
    ready: Prepared,
    kind: Kind,
    detector: Identity,
    threshold: Threshold | None,
    margins: Floats | None,
) -> Judgement:
    """Judge a picture the way its detector sees it: a window of its own pixels by rates, all else by the threshold.

    Args:
        ready: the picture as the detector sees it.
        kind: of its file.
        detector: that is asked.
        threshold: of the detector; None where nobody has set one.
        margins: of the picture's `versions`; None while they are being computed, of an ordinary picture only.
    """
    if is_ordinary(ready):
        rates = measured().get(detector.weights_sha256, {}).get(kind)
        return judge_ordinary(ready, kind, rates, None if margins is None else float(margins[0]))
    assert margins is not None  # noqa: S101 - as documented
    return judge(ready, threshold, margins)


def judge_picture(detector: "Detector", data: bytes, threshold: Threshold | None, *, in_full: bool) -> dict[str, Any]:
    """Judge a picture, as plain JSON.

    Args:
        detector: that is asked of the picture under every filter and, in full, after every delivery.
        data: of the picture's file.
        threshold: of the detector.
        in_full: with everything that the answer rests on, and what the file says of its origin.
    """
    picture = decode(data)
    ready = prepare_pixels(picture, detector.preprocessing)
    asked = versions(ready)
    delivered = list(deliver(picture, detector.preprocessing)) if in_full else []
    margins = detector.margins(np.concatenate([asked, *(version.pixels[None] for version in delivered)]))
    judgement = judge_file(ready, kind_of(data), detector.identity, threshold, margins[: len(asked)])
    margin = float(margins[ready.filters.index(ready.usual)])
    about = {
        "pixels": [ready.width, ready.height],
        **judgement._asdict(),
        "raw": {
            "verdict": verdict_of(margin),
            "margin": margin,
            "p_real": float(detector.p_real(np.array([margin], np.float32))[0]),
            "filters": dict(zip(ready.filters, map(float, margins), strict=False)),
        },
    }
    if in_full:
        about["deliveries"] = [
            {"name": version.delivery.name, "margin": value, "verdict": verdict_of(value), "fits": version.fits}
            for version, value in zip(delivered, map(float, margins[len(asked) :]), strict=True)
        ]
        about["provenance"] = [asdict(claim) for claim in read_claims(data)]
    return about
