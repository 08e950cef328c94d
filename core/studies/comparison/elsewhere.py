"""Two detectors on pictures that are not a run's own: the same images after a delivery, and images of other sources.

The first run is what a finding measures and the second its control, as in `findings`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.edits.delivery.registry import deliveries
from core.findings.finding import Choice, Control, Finding, Measure
from core.images.labels import CLASSES
from core.metrics.intervals import Estimate, difference_of_intervals, weighted_lead, weighted_mean, weighted_share
from core.studies.comparison.findings import LEVEL, STUDY
from core.studies.comparison.pair import Pair
from core.studies.comparison.reading import Shared
from core.studies.deliveries.findings import NOTHING
from core.studies.out_of_distribution.findings import GROUPS
from core.studies.out_of_distribution.study import AS_CIFAKE, AS_IT_IS, PHOTOGRAPHS

Rows = NDArray[np.bool_]
EVERY_SOURCE = "all"


def after_deliveries(shared: Shared) -> list[Finding]:
    """Compare the accuracies after each delivery: a finding each, in the order of the registry.

    Intervals are simultaneous: all of them hold together with 95% confidence (Bonferroni). Deliveries that leave either
    detector too few pixels of any image are left out, and all of them where the images that both files hold are too few
    to stand for the run.

    Args:
        shared: the rows that the studies `deliveries` of both runs hold.
    """
    there = [one for one in deliveries() if all(_whole(table, one.name) for table in shared.tables)]
    if not there or not all(shared.stands_for_run(verdict) for verdict in CLASSES if shared.agreed(verdict).any()):
        return []
    confidence = 1 - LEVEL / len(there)
    return [_after(shared, one.name, one.title, confidence) for one in there]


def _whole(table: pd.DataFrame, column: str) -> bool:
    return column in table and bool(table[column].notna().all()) and len(table) > 0


def _after(shared: Shared, column: str, title: str, confidence: float) -> Finding:
    is_real = shared.is_real
    right = [(table[column].to_numpy() > 0) == is_real for table in shared.tables]

    def both(rows: Rows) -> tuple[Measure, Measure, Measure]:
        """Both shares of right verdicts among some rows, and their paired difference."""
        weights = shared.weights[rows]
        shares = [weighted_share(hits[rows], weights, confidence=confidence) for hits in right]
        leads = right[0][rows].astype(np.float64) - right[1][rows]
        lead = weighted_lead(leads, weights, confidence=confidence)
        return Measure.of(shares[0]), Measure.of(shares[1]), Measure.of(lead)

    names = shared.pair.names
    first, second, difference = both(np.ones(len(is_real), bool))
    beside = {}
    for label in CLASSES:
        rows = is_real == (label == "REAL")
        if rows.any():
            beside[f"first_{label}"], beside[f"second_{label}"], _ = both(rows)
    return Finding(
        f"delivery-{column}", STUDY, "accuracy", first, None, Control(names[1], second), difference, beside=beside,
        details={"first": names[0], "second": names[1], "value": title, "changes": int(column != NOTHING)},
    )  # fmt: skip


@dataclass(frozen=True)
class _Calls:
    """How many images of each source both detectors call right; of photographs only all of them together.

    Attributes:
        images: (S,) of each source.
        right: of both detectors, (S,) each.
        whole: of both detectors, the share over all sources, with the interval over sources.
    """

    images: NDArray[np.int64]
    right: tuple[NDArray[np.int64], NDArray[np.int64]]
    whole: tuple[Measure, Measure]

    def difference(self) -> Measure:
        """The first share less the second: by source where those are told apart, else from both intervals.

        The interval over sources is at least as wide as of as many independent images, since few sources may agree by
        chance.
        """
        apart = difference_of_intervals(*(Estimate(one.value, one.low, one.high, one.n) for one in self.whole))
        if not len(self.images):
            return Measure.of(apart, clusters=self.whole[0].clusters)
        leads = (self.right[0] - self.right[1]) / self.images
        found = weighted_mean(leads, self.images.astype(np.float64))
        value, n = found.value, self.whole[0].n
        if len(self.images) == 1:
            return Measure(value, n=n, clusters=1)
        shares = (Measure.of(weighted_share(_flags(int(one.sum()), n))) for one in self.right)
        least = difference_of_intervals(*(Estimate(one.value, one.low, one.high, n) for one in shares))
        low, high = min(found.low, least.low), max(found.high, least.high)
        return Measure(value, max(low, -1.0), min(high, 1.0), n, len(self.images))


def _flags(hits: int, n: int) -> Rows:
    return np.arange(n) < hits


def on_other_images(pair: Pair, first: pd.DataFrame, second: pd.DataFrame) -> list[Finding]:
    """Compare the shares of right verdicts on pictures of other generators and on photographs: a finding a group.

    Groups that the two studies did not measure on the same pictures are left out.

    Args:
        pair: of runs.
        first, second: the tables of their studies `transfer`.
    """
    return [one for kind in GROUPS if (one := _group(pair, kind, (first, second))) is not None]


def _group(pair: Pair, kind: str, tables: tuple[pd.DataFrame, pd.DataFrame]) -> Finding | None:
    rows = [table[(table["kind"] == kind) & table["depends"].isna()] for table in tables]
    if any(one.empty for one in rows):
        return None
    # each detector's own way of resizing, where pictures had to be resized
    own = [
        _usual(run.preprocessing.interpolation, one) for run, one in zip((pair.first, pair.second), rows, strict=True)
    ]
    called = _calls(kind, AS_CIFAKE, own)
    if called is None:
        return None
    names = pair.names
    choices = list(_choices(kind, names[1], rows, own))
    key = GROUPS[kind][0]
    details: dict[str, Any] = {
        "first": names[0], "second": names[1], "sources": called.whole[0].clusters or called.whole[0].n,
        "generators": sorted({str(one) for one in own[0]["source"]} - {EVERY_SOURCE}),
    }  # fmt: skip
    return Finding(
        f"other-{key}", STUDY, "accuracy", called.whole[0], "REAL" if kind == PHOTOGRAPHS else "FAKE",
        Control(names[1], called.whole[1]), called.difference(), tuple(choices), details=details,
    )  # fmt: skip


def _choices(kind: str, second: str, rows: list[pd.DataFrame], own: list[pd.DataFrame]) -> Iterator[Choice]:
    """The same under both encodings, and under each filter that pictures were resized with."""
    filters = [name for name in rows[0]["filter"].dropna().unique() if (rows[1]["filter"] == name).any()]
    tried: list[tuple[str, str, str, list[pd.DataFrame]]] = [
        ("encoding", encoding, encoding, own) for encoding in (AS_CIFAKE, AS_IT_IS)
    ]
    if len(filters) > 1:
        tried += [("filter", name, AS_CIFAKE, [_usual(name, one) for one in rows]) for name in filters]
    for what, value, encoding, chosen in tried:
        called = _calls(kind, encoding, chosen)
        if called is not None:
            yield Choice(what, str(value), called.whole[0], Control(second, called.whole[1]), called.difference())


def _usual(filter_: str, rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["filter"] == filter_) | rows["filter"].isna()]


def _calls(kind: str, encoding: str, rows: list[pd.DataFrame]) -> _Calls | None:
    """What both call right among the rows of one encoding; None where they are not about the same pictures."""
    tables = [one[one["encoding"] == encoding].set_index("source") for one in rows]
    column = "called_real" if kind == PHOTOGRAPHS else "called_fake"
    if any(one.empty or EVERY_SOURCE not in one.index or not one.index.is_unique for one in tables):
        return None
    first, second = tables[0], tables[1].reindex(tables[0].index)
    if len(tables[0]) != len(tables[1]) or (first["images"] != second["images"]).any():
        return None
    # pixels after different filters differ in any case
    alike = (first["filter"].fillna("") == second["filter"].fillna("")) & first["fingerprint"].notna()
    if (first["fingerprint"] != second["fingerprint"])[alike].any():
        return None
    sources = first.index != EVERY_SOURCE
    right = [one[column].to_numpy(np.int64)[sources] for one in (first, second)]
    whole = [_share(kind, one.loc[EVERY_SOURCE]) for one in (first, second)]
    return _Calls(first["images"].to_numpy(np.int64)[sources], (right[0], right[1]), (whole[0], whole[1]))


def _share(kind: str, row: Mapping[str, Any]) -> Measure:
    low, value, high = (float(row[name]) for name in ("low", "share_real", "high"))
    if kind != PHOTOGRAPHS:
        low, value, high = 1 - high, 1 - value, 1 - low
    return Measure(value, low, high, int(row["images"]), int(row["clusters"]))
