"""The rule by which a detector's verdicts are judged: measured numbers in a small JSON file beside a run."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from core.console import quote
from core.images.labels import CLASSES
from core.storage import ContractError, parse_json, plain_json, read_bytes, write_bytes_atomically

FILE = "judgement.json"
SCHEMA = 1
# how a picture became the detector's pixels
Setting = Literal["same size", "shrunk", "enlarged"]
SETTINGS: tuple[Setting, ...] = get_args(Setting)
MAX_GROUPS, MAX_NAME = 200, 200
MAKE = "make it with `python -m core.studies.judgement --run {}`"


@dataclass(frozen=True)
class Rate:
    """A share that was counted: `hits` of `images`."""

    hits: int
    images: int

    @property
    def share(self) -> float:
        """0 to 1; NaN where nothing was counted."""
        return self.hits / self.images if self.images else math.nan


@dataclass(frozen=True)
class Group:
    """Pictures of one kind whose class is known, and how many of them the detector gave each verdict.

    Attributes:
        name: what they are, a noun phrase.
        label: REAL or FAKE, what all of them are.
        setting: how they became the detector's pixels.
        images: how many they are.
        sources: independent sources among them: generators, photographs, or the images themselves.
        said: how many got each verdict, by class; the rest got none.
        held: True if only verdicts on familiar pictures that every delivery left unchanged are counted.
    """

    name: str
    label: str
    setting: Setting
    images: int
    sources: int
    said: Mapping[str, int]
    held: bool = False

    def share(self, verdict: str) -> float:
        """The share that got a verdict, 0 to 1."""
        return self.said[verdict] / self.images


@dataclass(frozen=True)
class Limit:
    """The distance above which a picture is unlike everything that was measured.

    Attributes:
        value: in the unit of the distance.
        false_alarms: pictures of the detector's own kind, held out, that lie above it.
        caught: pictures of other kinds that lie above it, by their name.
    """

    value: float
    false_alarms: Rate
    caught: Mapping[str, Rate] = field(default_factory=dict)

    @property
    def misses(self) -> Rate:
        """Pictures of other kinds that lie below it."""
        images = sum(one.images for one in self.caught.values())
        return Rate(images - sum(one.hits for one in self.caught.values()), images)


@dataclass(frozen=True)
class Rule:
    """The measured reliability of a detector's verdicts, and the level that it must reach for a verdict to be given.

    Attributes:
        detector: fingerprint of its identity.
        run: name of the run whose images distances are measured to.
        level: share of verdicts that must be right among equally many pictures of each class, 0.5 to 1.
        groups: verdicts on pictures whose class is known.
        features: limit of the distance in the detector's features; None where it has none.
        statistics: limit of the distance in image statistics.
        made: how it was found: sets, seed, device, versions.
    """

    detector: str
    run: str
    level: float
    groups: tuple[Group, ...]
    features: Limit | None
    statistics: Limit | None
    made: Mapping[str, Any]


def write_rule(path: Path, rule: Rule) -> None:
    """Write a rule as JSON.

    Raises:
        ContractError: it could not be read again.
        WriteError: the file cannot be written.
    """
    text = json.dumps({"schema": SCHEMA, **plain_json(rule)}, indent=1, ensure_ascii=False, allow_nan=False)
    try:
        _parsed(json.loads(text))
    except ValueError as error:
        raise ContractError(f"the rule of {rule.run} cannot be written: {error}; measure it on fewer groups") from None
    write_bytes_atomically(path, lambda file: file.write_text(text + "\n", encoding="utf-8"))


def rule_path(run: Path) -> Path:
    """Return where the rule of a run's detector lies."""
    return run / "studies" / FILE


def read_rule(path: Path) -> Rule:
    """Read a rule.

    Raises:
        ContractError: the file is missing, or holds what no rule can be; the message names it.
    """
    try:
        return _parsed(parse_json(read_bytes(path, limit=2**20)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        what = str(error) if isinstance(error, ValueError) else type(error).__name__
        raise ContractError(
            f"{path} holds no rule of judgement ({what}); {MAKE.format(quote(path.parent.parent.name))}"
        ) from None


def _parsed(found: Any) -> Rule:
    if found["schema"] != SCHEMA:
        raise ValueError(f"its schema is {found['schema']!r}, not {SCHEMA}")
    groups = found["groups"]
    if not isinstance(groups, list) or len(groups) > MAX_GROUPS:
        raise ValueError("groups is no list of a reasonable length")
    level = _share(found["level"])
    if level < 0.5:
        raise ValueError(f"level must be 0.5 to 1, not {level}")
    return Rule(
        _text(found["detector"]),
        _text(found["run"]),
        level,
        tuple(map(_group, groups)),
        _limit(found["features"]),
        _limit(found["statistics"]),
        dict(found["made"]),
    )


def _group(found: Any) -> Group:
    images = _count(found["images"])
    said: dict[str, int] = {name: _count(found["said"][name]) for name in CLASSES}
    if not images or sum(said.values()) > images:
        raise ValueError("a group has more verdicts than images, or no images")
    if found["label"] not in CLASSES or found["setting"] not in SETTINGS:
        raise ValueError("a group has an unknown label or setting")
    return Group(
        _text(found["name"]), found["label"], found["setting"], images, _count(found["sources"]), said,
        bool(found["held"]),
    )  # fmt: skip


def _limit(found: Any) -> Limit | None:
    if found is None:
        return None
    value = float(found["value"])
    if not math.isfinite(value):
        raise ValueError("a limit is not finite")
    return Limit(
        value, _rate(found["false_alarms"]), {_text(name): _rate(one) for name, one in found["caught"].items()}
    )


def _rate(found: Any) -> Rate:
    rate = Rate(_count(found["hits"]), _count(found["images"]))
    if rate.hits > rate.images:
        raise ValueError("a rate has more hits than images")
    return rate


def _share(value: Any) -> float:
    share = float(value)
    if not 0 <= share <= 1:
        raise ValueError(f"{share} is no share")
    return share


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME:
        raise ValueError("a name is no short text")
    return value
