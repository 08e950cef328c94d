"""Compare two detectors on other pictures than a run's own: its images after a delivery, and images of other sources.

The first run is what a finding measures and the second its control, as in `comparison`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.finding import Choice, Control, Finding, Measure
from core.findings.headlines import Headlines, with_headlines
from core.images.labels import CLASSES
from core.images.preprocessing import Preprocessing
from core.metrics.intervals import Estimate, difference_of_intervals, weighted_lead, weighted_mean, weighted_share
from core.perturbations.postprocessing import DELIVERIES
from core.studies.deliveries import UNCHANGED
from core.studies.out_of_distribution import AS_CIFAKE, AS_IT_IS, GROUPS, IMITATIONS, PHOTOGRAPHS, called
from core.studies.pair import LEVEL, Pair, Shared
from core.studies.study import WEIGHT

Rows = NDArray[np.bool_]
Tables = tuple[pd.DataFrame, pd.DataFrame]
EVERY_SOURCE = "all"
COUNTED = ("images", "clusters", "called_real", "called_fake", "share_real", "low", "high")
NAMED = ("kind", "source", "encoding", "filter", "fingerprint", "depends")

_BETTER = {
    "holds": "The first is right more often.",
    "holds below": "The second is right more often.",
    "not shown": "No difference between the two was found.",
}
HEADLINES: Headlines = {
    "delivery-*": {
        "question": "Which of the two is right more often after this?",
        **_BETTER,
        "in part": "Not shown without leaks and repeats.",
        "depends": "Depends on leaks and repeats.",
    },
    "other-*": {
        "question": "Which of the two is right more often on such pictures?",
        **_BETTER,
        "in part": "Not shown however they are resized and saved.",
        "depends": "Depends on how they are resized or saved.",
    },
}


def are_images(table: pd.DataFrame) -> bool:
    """Check that a study's table has a row for each of some images, with a weight."""
    if not {"id", WEIGHT} <= set(table):
        return False
    return bool(table["id"].is_unique and _are_numbers(table[WEIGHT]) and (table[WEIGHT] > 0).all())


def are_groups(table: pd.DataFrame) -> bool:
    """Check that a table of the study `transfer` has what is compared."""
    return {*NAMED, *COUNTED} <= set(table) and all(_are_numbers(table[name]) for name in COUNTED)


def _are_numbers(column: "pd.Series[Any]") -> bool:
    return pd.api.types.is_numeric_dtype(column) and bool(np.isfinite(column.to_numpy(np.float64)).all())


def after_deliveries(shared: Shared) -> list[Finding]:
    """Compare the accuracies after each delivery: a finding each, that which changes no pixel first.

    A difference is claimed only where it also holds without repeats and the leaks that are known. Intervals of the
    differences are simultaneous: all of them hold together with 95% confidence (Bonferroni). Deliveries that leave
    either detector too few pixels of any image are left out, and all of them where the images that both files hold are
    too few to stand for the run.

    Args:
        shared: the rows that the studies `deliveries` of both runs hold.
    """
    compared = [
        delivery
        for delivery in DELIVERIES
        if all(
            delivery.name in table and len(table) > 0 and _are_numbers(table[delivery.name]) for table in shared.tables
        )
    ]
    if not compared or not all(shared.stands_for_run(verdict) for verdict in CLASSES):
        return []
    compared.sort(key=lambda delivery: delivery.name != UNCHANGED)
    confidence = 1 - LEVEL / len(compared)
    findings = [_after(shared, delivery.name, delivery.title, confidence) for delivery in compared]
    return with_headlines(findings, HEADLINES)


def _after(shared: Shared, column: str, title: str, confidence: float) -> Finding:
    is_real, names = shared.is_real, shared.pair.names
    right = [(table[column].to_numpy() > 0) == is_real for table in shared.tables]

    def both(rows: Rows) -> tuple[Measure, Control, Measure]:
        """Measure both accuracies on some rows, and their paired difference."""
        weights = shared.weights[rows]
        shares = [Measure.of(weighted_share(hits[rows], weights, confidence=confidence)) for hits in right]
        leads = right[0][rows].astype(np.float64) - right[1][rows]
        difference = Measure.of(weighted_lead(leads, weights, confidence=confidence))
        return shares[0], Control(names[1], shares[1]), difference

    everything = np.ones(len(is_real), bool)
    choices = {} if shared.clean.all() else {"all": everything, shared.pair.without_leaks: shared.clean}
    first, second, difference = both(everything)
    beside = {}
    for label in CLASSES:
        rows = is_real == (label == "REAL")
        if rows.any():
            beside[f"first_{label}"], control, _ = both(rows)
            beside[f"second_{label}"] = control.measure
    return Finding(
        f"delivery-{column}", "comparison", "accuracy", first, None, second, difference,
        tuple(Choice("images", name, *both(rows)) for name, rows in choices.items()), beside=beside,
        details={"first": names[0], "second": names[1], "value": title, "changes": int(column != UNCHANGED)},
        subject=title if column != UNCHANGED else f"unchanged (saved as {title})",
    )  # fmt: skip


@dataclass(frozen=True)
class _Calls:
    """How many images of each source each of two detectors calls right; no source where a file has only their sum.

    Attributes:
        images: (S,) of each source.
        right: of both detectors, (S,) each.
        whole: of both detectors, the share over all sources, with the interval over sources.
    """

    images: NDArray[np.int64]
    right: tuple[NDArray[np.int64], NDArray[np.int64]]
    whole: tuple[Measure, Measure]

    def difference(self) -> Measure:
        """Estimate the first share less the second: by source where they are known, else from both intervals.

        The interval over sources is at least as wide as that of as many independent images, since few sources may agree
        by chance.
        """
        n, sources = self.whole[0].n, len(self.images)
        if not sources:
            apart = difference_of_intervals(*(Estimate(share.value, share.low, share.high, n) for share in self.whole))
            return replace(Measure.of(apart, clusters=self.whole[0].clusters), n=n)
        mean = weighted_mean((self.right[0] - self.right[1]) / self.images, self.images.astype(np.float64))
        if sources == 1:
            return Measure(mean.value, n=n, clusters=1)
        shares = (weighted_share(np.arange(n) < counts.sum()) for counts in self.right)
        least = difference_of_intervals(*shares)
        low, high = min(mean.low, least.low), max(mean.high, least.high)
        return Measure(mean.value, max(low, -1.0), min(high, 1.0), n, sources)


def on_other_images(pair: Pair, tables: Tables, imitates: tuple[str, str]) -> list[Finding]:
    """Compare the accuracies on pictures of other generators and on photographs: a finding a group.

    Groups that the two studies did not measure on the same pictures are left out. Where a file has one share for all
    photographs, the interval of the difference is that of independent shares (Zou and Donner 2008).

    Args:
        pair: of runs.
        tables: of their studies `transfer`.
        imitates: what the small pictures imitate, by each study.
    """
    kinds = [kind for kind in GROUPS if kind != IMITATIONS or imitates[0] == imitates[1]]
    findings = [_group(pair, kind, tables, imitates[0]) for kind in kinds]
    return with_headlines(filter(None, findings), HEADLINES)


def _group(pair: Pair, kind: str, tables: Tables, imitates: str) -> Finding | None:
    rows = [table[(table["kind"] == kind) & table["depends"].isna()] for table in tables]
    steps = [run.preprocessing for run in (pair.first, pair.second)]
    # both read the same pixels of a picture, so that fingerprints of the same pictures are the same
    strict = _geometry(steps[0]) == _geometry(steps[1])
    # each detector's own way of resizing, where pictures had to be resized
    own = [_under(step.interpolation, table) for step, table in zip(steps, rows, strict=True)]
    main = _calls(kind, AS_CIFAKE, own, strict=strict)
    if main is None:
        return None
    names = pair.names
    choices = [
        Choice(what, value, calls.whole[0], Control(names[1], calls.whole[1]), calls.difference())
        for what, value, encoding, chosen in _choices(rows, own)
        if (calls := _calls(kind, encoding, chosen, strict=strict)) is not None
    ]
    details: dict[str, Any] = {
        "first": names[0], "second": names[1], "imitates": imitates,
        "sources": main.whole[0].clusters or main.whole[0].n,
    }  # fmt: skip
    key, subject = GROUPS[kind]
    return Finding(
        f"other-{key}", "comparison", "accuracy", main.whole[0], "REAL" if kind == PHOTOGRAPHS else "FAKE",
        Control(names[1], main.whole[1]), main.difference(), tuple(choices), details=details,
        subject=subject.format(imitates=imitates),
    )  # fmt: skip


def _geometry(steps: Preprocessing) -> Preprocessing:
    """Keep the part of a preprocessing that decides which pixels of a picture are read, whatever the filter."""
    return replace(steps, interpolation="bicubic", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def _choices(
    rows: Sequence[pd.DataFrame], own: Sequence[pd.DataFrame]
) -> Iterator[tuple[str, str, str, list[pd.DataFrame]]]:
    """Yield kind and name of each choice, its encoding and its rows: both encodings, and each filter under both."""
    for encoding in (AS_CIFAKE, AS_IT_IS):
        yield "encoding", encoding, encoding, list(own)
    filters = [str(name) for name in rows[0]["filter"].dropna().unique() if (rows[1]["filter"] == name).any()]
    for name in filters if len(filters) > 1 else ():
        for encoding in (AS_CIFAKE, AS_IT_IS):
            yield "filter", f"{name}, {encoding}", encoding, [_under(name, table) for table in rows]


def _under(filter_: str, rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["filter"] == filter_) | rows["filter"].isna()]


def _calls(kind: str, encoding: str, rows: Sequence[pd.DataFrame], *, strict: bool) -> _Calls | None:
    """Count what both call right among the rows of one encoding; None where they are not about the same pictures."""
    first, second = (table[table["encoding"] == encoding].set_index("source") for table in rows)
    if any(EVERY_SOURCE not in table.index or not table.index.is_unique for table in (first, second)):
        return None
    if kind == PHOTOGRAPHS and min(len(first), len(second)) == 1:
        # a file of an older version has no row for each photograph
        first, second = (table.loc[[EVERY_SOURCE]] for table in (first, second))
    if set(first.index) != set(second.index):
        return None
    second = second.loc[first.index]
    if (first[["images", "clusters"]] != second[["images", "clusters"]]).any(axis=None):
        return None
    sources = first.index != EVERY_SOURCE
    if strict and (first["fingerprint"] != second["fingerprint"])[sources].any():
        return None
    label = "REAL" if kind == PHOTOGRAPHS else "FAKE"
    right = [table[f"called_{label.lower()}"].to_numpy(np.int64)[sources] for table in (first, second)]
    whole = [called(table.loc[EVERY_SOURCE], label) for table in (first, second)]
    return _Calls(first["images"].to_numpy(np.int64)[sources], (right[0], right[1]), (whole[0], whole[1]))
