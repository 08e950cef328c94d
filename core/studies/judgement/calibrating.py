"""Finding a detector's rule: its limits of distance on held-out images, and what its verdicts are worth."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.detectors.detector import Detector
from core.images.labels import CLASSES
from core.images.out_of_distribution import generator_name, smallest_crop
from core.images.preprocessing import Preprocessing
from core.perturbations.postprocessing import deliver, seeing
from core.studies.judgement.familiarity import Space
from core.studies.judgement.judge import Seen, Sent, objections, setting_of
from core.studies.judgement.rule import Group, Limit, Rate, Rule, Setting
from core.studies.out_of_distribution import (
    AS_CIFAKE,
    AS_IT_IS,
    EVERY_FILTER,
    IMITATIONS,
    LARGE,
    PHOTOGRAPHS,
)

# the share of held-out images of the detector's own kind that each limit lets pass
PASSING = 0.99
# right among as many of each class, below which a verdict is not given
LEVEL = 0.95
# pictures that are delivered and asked together
BATCH = 64
Say = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Asked:
    """Pictures of the detector's own size as it sees them, each with its deliveries.

    Attributes:
        pixels: uint8 (N, S, S, 3).
        features: float32 (N, C); None where the detector has none.
        seen: N of them, without pixels' distances.
    """

    pixels: NDArray[np.uint8]
    features: NDArray[np.float32] | None
    seen: tuple[Seen, ...]


def ask(
    detector: Detector, pictures: NDArray[np.uint8], *, setting: Setting = "same size", say: Say | None = None
) -> Asked:
    """Send pictures of the detector's own size through every delivery and ask the detector of all of them.

    Pictures of another size are resized first and then delivered, while a judged file is delivered first; of pictures
    that shrank, fewer deliveries therefore leave enough pixels to be counted.

    Args:
        detector: who is asked.
        pictures: uint8 (N, S, S, 3).
        setting: how they became that size.
        say: called with (pictures done, N).
    """
    # they have been made to fit already
    see, seen = seeing(detector.preprocessing.fitted), list[Seen]()
    features: list[NDArray[np.float32] | None] = []
    for start in range(0, len(pictures), BATCH):
        batch = np.asarray(pictures[start : start + BATCH])
        # what leaves too few pixels has no say
        sent = [[one for one in deliver(picture, see) if one.fits] for picture in batch]
        found = detector.full_pass(batch)
        after = iter(detector.margins(np.stack([one.pixels for each in sent for one in each])))
        for number, (picture, each) in enumerate(zip(batch, sent, strict=True)):
            own = None if found.features is None else found.features[number]
            results = tuple(Sent(one.delivery.name, one.delivery.title, float(next(after)), one.fits) for one in each)
            seen.append(Seen(setting, ("as it is",), found.margins[number : number + 1], picture, own, results))
        features.append(found.features)
        if say is not None:
            say(start + len(batch), len(pictures))
    there = [one for one in features if one is not None]
    return Asked(np.asarray(pictures), np.concatenate(there) if there else None, tuple(seen))


def find_limits(
    space: Space, own: Asked, others: dict[str, Asked], *, skip: int = 0
) -> tuple[Limit | None, Limit | None]:
    """Find the limits of both distances: from every second image of the detector's own kind, measured on the others.

    Args:
        space: that distances are measured to.
        own: images of the detector's own kind that were held out.
        others: pictures of other kinds, by name.
        skip: 1 where the held-out images are among those of the space, so that each is its own nearest.
    """
    found = replace(space, skip=skip).measure(own.pixels, own.features)
    apart = {name: space.measure(one.pixels, one.features) for name, one in others.items()}
    return (
        _limit(found.features, {name: one.features for name, one in apart.items()}),
        _limit(found.statistics, {name: one.statistics for name, one in apart.items()}),
    )


def _limit(own: NDArray[Any] | None, others: dict[str, NDArray[Any] | None]) -> Limit | None:
    # images that are all alike have no spread to measure in
    if own is None or len(own) < 2 or not np.isfinite(own).all():
        return None
    value = float(np.quantile(own[::2], PASSING))
    return Limit(
        value, _above(own[1::2], value), {name: _above(one, value) for name, one in others.items() if one is not None}
    )


def _above(distances: NDArray[Any], limit: float) -> Rate:
    return Rate(int((distances > limit).sum()), len(distances))


def count(rule: Rule, space: Space, asked: Asked, *, name: str, label: str, sources: int) -> Group:
    """Count a group's pictures by verdict: only familiar ones whose verdict no filter or delivery flips."""
    held = [one.verdict for one in asked.seen if not objections(rule, space, one)]
    said: dict[str, int] = {one: held.count(one) for one in CLASSES}
    setting = asked.seen[0].setting
    return Group(name, label, setting, len(asked.seen), sources, said, held=True)


def groups_of_transfer(table: pd.DataFrame, preprocessing: Preprocessing, *, imitations: bool) -> list[Group]:
    """Read what the study `transfer` counted: only verdicts on which every resampling filter agrees.

    Args:
        table: of the study.
        preprocessing: of the detector.
        imitations: also of pictures drawn at the detector's own size, of which no delivery is known.
    """
    size, smallest = preprocessing.size, smallest_crop()
    settings: dict[str, Setting] = {
        LARGE: "shrunk",
        IMITATIONS: setting_of(preprocessing, size, size),
        PHOTOGRAPHS: setting_of(preprocessing, smallest, smallest),
    }
    found = []
    for encoding in (AS_IT_IS, AS_CIFAKE):
        rows = table[(table["encoding"] == encoding) & (table["source"] == "all")]
        for kind, label, filter_, what in (
            (LARGE, "FAKE", EVERY_FILTER, "pictures drawn large by other generators"),
            (PHOTOGRAPHS, "REAL", EVERY_FILTER, "ordinary photographs"),
            *(((IMITATIONS, "FAKE", None, "pictures drawn at this size by other generators"),) if imitations else ()),
        ):
            here = rows[
                (rows["kind"] == kind) & (rows["filter"].isna() if filter_ is None else rows["filter"] == filter_)
            ]
            # crops of several sizes are one group only where a detector shrinks them all
            for _, row in here.iterrows() if settings[kind] == "shrunk" or kind == IMITATIONS else ():
                found.append(
                    Group(
                        f"{what}, saved as JPEG" if encoding == AS_CIFAKE else what, label,
                        settings[kind], int(row["images"]), int(row["clusters"]),
                        {"REAL": int(row["called_real"]), "FAKE": int(row["called_fake"])},
                    )
                )  # fmt: skip
    return found


def make_rule(
    detector: Detector,
    run: str,
    space: Space,
    *,
    own: dict[str, Asked],
    others: dict[str, Asked],
    transfer: Sequence[Group],
    what: str,
    made: dict[str, Any],
    sources: Mapping[str, int] | None = None,
    skip: int = 0,
) -> Rule:
    """Find a detector's rule.

    Args:
        detector: whose.
        run: name of the run whose images distances are measured to.
        space: of that run.
        own: by class, images of the detector's own kind that were held out.
        others: pictures of other generators, by name.
        transfer: groups that the study `transfer` counted.
        what: a noun phrase for the detector's own kind, such as "held-out images of cifake-train".
        made: how it is found.
        sources: by class, the independent sources of `own`; the images themselves where it is not named.
        skip: see `find_limits`.
    """
    whole = _joined(own.values())
    features, statistics = find_limits(space, whole, others, skip=skip)
    rule = Rule(detector.identity.fingerprint, run, LEVEL, tuple(transfer), features, statistics, made)
    groups = [
        count(
            rule,
            replace(space, skip=skip),
            one,
            name=f"{label} {what}",
            label=label,
            sources=(sources or {}).get(label, len(one.seen)),
        )
        for label, one in own.items()
        if one.seen
    ]
    if len(others) > 1:
        # one generator alone does not speak for others
        drawn = _joined(others.values())
        groups.append(
            count(
                rule,
                space,
                drawn,
                name="pictures drawn at this size by other generators",
                label="FAKE",
                sources=len(others),
            )
        )
    groups += [
        count(rule, space, one, name=f"pictures by {generator_name(name)}", label="FAKE", sources=1)
        for name, one in others.items()
    ]
    return replace(rule, groups=(*groups, *transfer))


def _joined(parts: Iterable[Asked]) -> Asked:
    found = list(parts)
    # a class without images has no features either
    asked = [one for one in found if one.seen]
    features = [one.features for one in asked if one.features is not None]
    return Asked(
        np.concatenate([one.pixels for one in found]),
        np.concatenate(features) if asked and len(features) == len(asked) else None,
        tuple(seen for one in found for seen in one.seen),
    )
