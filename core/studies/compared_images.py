"""Compare two detectors on other pictures than a run's own: its images after a delivery, and images of other sources.

The first run is what a finding measures and the second its control, as in `comparison`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.claims import Headlines, with_headlines
from core.findings.finding import Choice, Control, Finding, Measure
from core.findings.intervals import difference_of_intervals, weighted_lead, weighted_mean, weighted_share
from core.images.labels import CLASSES
from core.images.preprocessing import Preprocessing
from core.perturbations.postprocessing import DELIVERIES
from core.studies.deliveries import UNCHANGED
from core.studies.out_of_distribution import AS_CIFAKE, AS_IT_IS, GROUPS, IMITATIONS, PHOTOGRAPHS, called
from core.studies.pair import BETTER, LEVEL, Pair, Shared

Rows = NDArray[np.bool_]
Tables = tuple[pd.DataFrame, pd.DataFrame]
EVERY_SOURCE = "all"

HEADLINES: Headlines = {
    "delivery-*": {
        "question": "Which of the two is right more often after this?",
        **BETTER,
    },
    "other-*": {
        "question": "Which of the two is right more often on such pictures?",
        **BETTER,
        "in part": "Not shown however they are resized and saved.",
        "depends": "Depends on how they are resized or saved.",
    },
}


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
        if all(delivery.name in table and len(table) and table[delivery.name].notna().all() for table in shared.tables)
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
    return Finding(
        f"delivery-{column}", "comparison", "accuracy", first, None, second, difference,
        tuple(Choice("images", name, *both(rows)) for name, rows in choices.items()),
        subject=title if column != UNCHANGED else f"unchanged (saved as {title})",
    )  # fmt: skip


def on_other_images(pair: Pair, tables: Tables, imitates: tuple[str, str]) -> list[Finding]:
    """Compare the accuracies on pictures of other generators and on photographs: a finding a group.

    Groups that the two studies did not measure on the same pictures are left out.

    Args:
        pair: of runs.
        tables: of their studies `transfer`.
        imitates: what the small pictures imitate, by each study.
    """
    # where both read the same pixels of a picture, fingerprints of the same pictures are the same
    same = _geometry(pair.first.preprocessing) == _geometry(pair.second.preprocessing)
    columns = ["images", "clusters", *(["fingerprint"] if same else [])]
    # each detector's own way of resizing, where pictures had to be resized
    filters = (pair.first.preprocessing.interpolation, pair.second.preprocessing.interpolation)
    findings = []
    for kind, (key, subject) in GROUPS.items():
        rows = [table[(table["kind"] == kind) & table["depends"].isna()] for table in tables]
        main = _compare(pair, kind, AS_CIFAKE, rows, filters, columns)
        if main is None or (kind == IMITATIONS and imitates[0] != imitates[1]):
            continue
        measure, control, difference = main
        choices = tuple(
            Choice(what, value, *compared)
            for what, value, encoding, chosen in _choices(rows, filters)
            if (compared := _compare(pair, kind, encoding, rows, chosen, columns)) is not None
        )
        findings.append(Finding(
            f"other-{key}", "comparison", "accuracy", measure, _label(kind), control, difference, choices,
            subject=subject.format(imitates=imitates[0]),
        ))  # fmt: skip
    return with_headlines(findings, HEADLINES)


def _label(kind: str) -> str:
    return "REAL" if kind == PHOTOGRAPHS else "FAKE"


def _geometry(steps: Preprocessing) -> Preprocessing:
    """Keep the part of a preprocessing that decides which pixels of a picture are read, whatever the filter."""
    return replace(steps, interpolation="bicubic", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def _choices(rows: Sequence[pd.DataFrame], own: tuple[str, str]) -> Iterator[tuple[str, str, str, tuple[str, str]]]:
    """Yield kind and name of each choice, its encoding and its filters: both encodings, and each filter under both."""
    for encoding in (AS_CIFAKE, AS_IT_IS):
        yield "encoding", encoding, encoding, own
    filters = [str(name) for name in rows[0]["filter"].dropna().unique() if (rows[1]["filter"] == name).any()]
    for name in filters if len(filters) > 1 else ():
        for encoding in (AS_CIFAKE, AS_IT_IS):
            yield "filter", f"{name}, {encoding}", encoding, (name, name)


def _compare(  # noqa: PLR0917
    pair: Pair, kind: str, encoding: str, rows: Sequence[pd.DataFrame], filters: tuple[str, str], columns: list[str]
) -> tuple[Measure, Control, Measure] | None:
    """Compare the rows of one encoding under a filter each; None where they differ in one of the `columns`.

    The interval of the difference goes by source, and is at least as wide as that of as many independent images, since
    few sources may agree by chance.
    """
    first, second = (
        table[(table["encoding"] == encoding) & ((table["filter"] == name) | table["filter"].isna())].set_index(
            "source"
        )
        for table, name in zip(rows, filters, strict=True)
    )
    if len(first) < 2 or set(first.index) != set(second.index) or not first.index.is_unique:
        return None
    second = second.loc[first.index]
    sources = first.index != EVERY_SOURCE
    if (first[columns] != second[columns])[sources].any(axis=None):
        return None
    label = _label(kind)
    own, other = (called(table.loc[EVERY_SOURCE], label) for table in (first, second))
    images = first["images"].to_numpy(np.int64)[sources]
    right = [table[f"called_{label.lower()}"].to_numpy(np.int64)[sources] for table in (first, second)]
    mean = weighted_mean((right[0] - right[1]) / images, images.astype(np.float64))
    difference = Measure(mean.value, n=own.n, clusters=len(images))
    if len(images) > 1:
        least = difference_of_intervals(*(weighted_share(np.arange(own.n) < counts.sum()) for counts in right))
        low, high = min(mean.low, least.low), max(mean.high, least.high)
        difference = replace(difference, low=max(low, -1.0), high=min(high, 1.0))
    return own, Control(pair.names[1], other), difference
