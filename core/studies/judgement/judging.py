"""From a decoded picture to its judgement: what the detector is asked, and the rule that is applied to its answer."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.console import quote
from core.detectors.identity import Identity
from core.explainers.explainer import check_finite
from core.findings.finding import Finding
from core.findings.words import tell
from core.images.labels import verdict_of
from core.images.preprocessing import Prepared, prepare_pixels
from core.perturbations.postprocessing import Delivered, deliver, seeing
from core.runs.run import Run, read_run
from core.storage import ContractError, plain_json, read_manifest
from core.studies.judgement.familiarity import Space
from core.studies.judgement.judge import Judgement, Seen, Sent, judge, setting_of
from core.studies.judgement.rule import MAKE, Rule, read_rule, rule_path

if TYPE_CHECKING:
    from core.detectors.detector import Detector


def find_rule(detector: Identity, runs: Iterable[Path]) -> tuple[Rule, Run] | None:
    """Find the rule of a detector beside one of its runs, and that run; None where there is none.

    Args:
        detector: whose.
        runs: folders of runs, those to prefer first.

    Raises:
        ContractError: there is one that cannot be read, or that was measured on another run's images.
    """
    for path in runs:
        if not rule_path(path).is_file():
            continue
        try:
            is_its = detector.made(read_manifest(path, "run"))
        except ContractError:
            # whoever opens that run is told why
            continue
        if is_its and (rule := read_rule(rule_path(path))).detector == detector.fingerprint:
            if rule.run != path.name:
                again = MAKE.format(quote(path.name))
                raise ContractError(
                    f"{rule_path(path)} was measured on the images of {rule.run} and lies beside {path.name}; {again}"
                )
            return rule, read_run(path)
    return None


def seen_by(
    ready: Prepared,
    margins: NDArray[np.floating],
    features: NDArray[np.floating] | None,
    sent: tuple[Sent, ...] | None = None,
) -> Seen:
    """Sort what a detector says of a picture.

    Args:
        ready: the picture under each filter.
        margins: (K,), under each filter.
        features: (K, C); None of a detector that has none.
        sent: its deliveries; None where it has not been delivered yet.
    """
    usual = ready.filters.index(ready.usual)
    own = None if features is None else np.asarray(features[usual])
    setting = setting_of(ready.preprocessing, ready.height, ready.width, ready.place)
    return Seen(setting, ready.filters, np.asarray(margins), ready.pixels[usual], own, sent, usual)


def sent_with(delivered: Sequence[Delivered], margins: Iterable[float]) -> tuple[Sent, ...]:
    """Put the margins of deliveries beside them."""
    return tuple(
        Sent(one.delivery.name, one.delivery.title, float(margin), one.fits)
        for one, margin in zip(delivered, margins, strict=True)
    )


def judge_picture(
    detector: "Detector", picture: NDArray[np.uint8], known: tuple[Rule, Space] | None
) -> tuple[Seen, Judgement]:
    """Judge a picture, of which the detector sees what its preprocessing takes.

    Args:
        detector: who is asked of the picture under every filter, and after every delivery.
        picture: uint8 (height, width, 3).
        known: the detector's rule and the space of its run.

    Raises:
        ExplanationError: the detector answers with numbers that are not finite.
    """
    ready = prepare_pixels(picture, detector.preprocessing)
    delivered = list(deliver(picture, seeing(detector.preprocessing)))
    found = detector.full_pass(ready.pixels)
    after = detector.margins(np.stack([one.pixels for one in delivered]))
    check_finite(detector, np.concatenate([found.margins, after]))
    sent = sent_with(delivered, after)
    seen = seen_by(ready, found.margins, found.features, sent)
    rule, space = known or (None, None)
    return seen, judge(rule, space, seen)


def as_json(seen: Seen, judgement: Judgement, p_real: float) -> dict[str, Any]:
    """A judgement with everything that it rests on as plain JSON."""
    fitting = [one for one in seen.sent or () if one.fits]
    same = [one for one in fitting if (one.margin > 0) == (seen.margin > 0)]
    return {
        "judgement": {
            "answer": judgement.answer,
            "reason": reason(judgement),
            "reasons": [_reason(one) for one in judgement.reasons],
        },
        "network": {
            "verdict": judgement.verdict,
            "margin": seen.margin,
            "p_real": p_real,
            "filters": dict(zip(seen.filters, map(float, seen.margins), strict=True)),
        },
        "deliveries": {
            "same": len(same),
            "of": len(fitting),
            "each": [{**one._asdict(), "verdict": verdict_of(one.margin)} for one in seen.sent or ()],
        },
    }


def reason(judgement: Judgement) -> str:
    """The reason that is nearest to the picture as a clause; "" where there is none."""
    return str(tell(judgement.reasons[0]).answer) if judgement.reasons else ""


def _reason(one: Finding) -> Mapping[str, Any]:
    found: dict[str, Any] = {"key": one.key, "sentence": str(tell(one).answer)}
    return found | {key: value for key, value in plain_json(one).items() if key in ("measure", "beside", "details")}
