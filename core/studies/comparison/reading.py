"""What two detectors read, side by side: the flips of one probe on the same images, with paired intervals.

Only columns that the files of both have are compared, on images that both files hold and that both detectors call the
same. A probe is compared by its lead, the share of verdicts that it flips less the share that its control flips, and a
difference is claimed only where it holds against every control and without one, in each other way of making the change
and with each fill.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.finding import Choice, Control, Finding, Measure
from core.metrics.intervals import effective_size, weighted_lead, weighted_share
from core.perturbations.probe import FAMILIES, Probe, Strength
from core.perturbations.table import OTHER_WAYS, PROBES, in_every_way, probe_columns
from core.studies.comparison.findings import LEVEL, STUDY
from core.studies.comparison.pair import Pair
from core.studies.groups import VERDICTS
from core.studies.study import WEIGHT

NO_CONTROL = "nothing"
# of images, by Kish's effective number (1965): with fewer, 95% intervals of two crossed samples covered 77 to 88%
FEWEST = 30
# probes told beside an answer to their family's question, which they do not give
_BESIDE = OTHER_WAYS | {key for key, probe in PROBES.items() if probe.beside or probe.is_control or probe.changes_donor}


class Leads(NamedTuple):
    """The lead of one probe over one control for both detectors, and the first's less the second's."""

    first: Measure
    second: Measure
    difference: Measure


@dataclass(frozen=True, eq=False)
class Shared:
    """The rows that a study of both runs holds.

    Attributes:
        pair: of runs.
        tables: of both studies, M rows each, in one order.
        rows: integers (M,), their positions in the first run.
        called_real: bool (M,), the verdicts of each detector.
        weights: float64 (M,), how many images of the run a row stands for.
        crossed: whether neither file holds all rows of the other, so that few rows may stand for many images.
    """

    pair: Pair
    tables: tuple[pd.DataFrame, pd.DataFrame]
    rows: NDArray[np.intp]
    called_real: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    weights: NDArray[np.float64]
    crossed: bool = False

    def agreed(self, verdict: str) -> NDArray[np.bool_]:
        """bool (M,), the images that both detectors give this verdict."""
        real = verdict == "REAL"
        return np.asarray((self.called_real[0] == real) & (self.called_real[1] == real))

    def columns(self) -> dict[str, tuple[Probe, Strength]]:
        """The columns of probes that both files have, each with a control that both have, or of a probe without any."""
        return {
            column: (probe, strength)
            for column, (probe, strength) in probe_columns().items()
            if column in self._there and not (probe.is_control or probe.changes_donor)
            if self.controls(column) or not probe.controls
        }

    def controls(self, column: str) -> dict[str, str]:
        """The titles of a column's controls -> the columns of those that both files have, best matched first."""
        probe, strength = probe_columns()[column]
        bars = {PROBES[key].inline: PROBES[key].column(strength.key) for key in probe.controls}
        return {name: bar for name, bar in bars.items() if bar in self._there}

    @cached_property
    def is_real(self) -> NDArray[np.bool_]:
        """bool (M,), True where the label is REAL."""
        return np.asarray(self.pair.is_real[self.rows])

    @cached_property
    def clean(self) -> NDArray[np.bool_]:
        """bool (M,), `Pair.clean` of the rows."""
        return np.asarray(self.pair.clean[self.rows])

    @cached_property
    def _there(self) -> frozenset[str]:
        return frozenset(self.tables[0]) & frozenset(self.tables[1])

    def flips(self, column: str, number: int) -> NDArray[np.float64]:
        """float64 (M,), 1 where a change flips the verdict of detector 0 or 1; NaN where it could not be made."""
        margins = self.tables[number][column].to_numpy(np.float64)
        probe = probe_columns()[column][0]
        flipped = ((margins > 0) == self.called_real[number]) == probe.changes_donor
        return np.where(np.isfinite(margins), flipped, np.nan)

    def leads(self, column: str, control: str | None, verdict: str, *, confidence: float = 0.95) -> Leads:
        """The lead of a column over that of a control, None for no control, on the images that both give a verdict.

        All are unknown where the rows that two different samples share are too few to stand for the run.
        """
        if not self.stands_for_run(verdict):
            return Leads(*(Measure(np.nan) for _ in Leads._fields))
        found = [
            self.flips(column, number) - (0 if control is None else self.flips(control, number)) for number in (0, 1)
        ]
        here = self.agreed(verdict) & np.isfinite(found[0]) & np.isfinite(found[1])
        weights = self.weights[here]
        difference = weighted_lead((found[0] - found[1])[here], weights, confidence=confidence)
        if control is None:
            own = [weighted_share(values[here] > 0, weights, confidence=confidence) for values in found]
        else:
            own = [weighted_lead(values[here], weights, confidence=confidence) for values in found]
        return Leads(Measure.of(own[0]), Measure.of(own[1]), Measure.of(difference))

    def stands_for_run(self, verdict: str) -> bool:
        """Check that the weights of the rows that both give a verdict sum to about their images, and rest on enough."""
        if not self.crossed:
            return True
        weights, real = self.weights[self.agreed(verdict)], verdict == "REAL"
        images = ((self.pair.first.predicted_real == real) & ((self.pair.rows["predicted"] == "REAL") == real)).sum()
        size = effective_size(weights) if len(weights) else 0.0
        return bool(not images or (size >= FEWEST and abs(weights.sum() - images) <= images / 2))


def share_rows(pair: Pair, first: pd.DataFrame, second: pd.DataFrame) -> Shared:
    """Find the rows that a study of both runs holds.

    Args:
        pair: of runs.
        first, second: the study's tables, a row an image.
    """
    places = pd.Index(second["id"]).get_indexer(pd.Index(first["id"]))
    one = first[places >= 0].reset_index(drop=True)
    other = second.iloc[places[places >= 0]].reset_index(drop=True)
    rows = pd.Index(pair.first.predictions["id"]).get_indexer(pd.Index(one["id"]))
    called = [(frame["predicted"] == "REAL").to_numpy(bool)[rows] for frame in (pair.first.predictions, pair.rows)]
    weights = one[WEIGHT].to_numpy(np.float64)
    # two different samples both hold an image with the product of its inclusion probabilities
    if len(one) < max(len(first), len(second)):
        weights = weights * other[WEIGHT].to_numpy(np.float64)
    crossed = len(one) < min(len(first), len(second))
    return Shared(pair, (one, other), rows, (called[0], called[1]), weights, crossed)


def side_by_side(shared: Shared) -> pd.DataFrame:
    """Every strength of every probe for both detectors.

    Returns:
        A row a verdict and column: `verdict`, `family`, `probe`, `title`, `strength`, `column`, `control` (the title
        of the strictest, "" without one), `images`, and `value`, `low`, `high` of the leads `first_`, `second_` and
        their `difference_`, -1 to 1, with 95% intervals. Controls and probes that change a donor are left out.
    """
    return pd.DataFrame([row for verdict in VERDICTS for row in _rows(shared, verdict)])


def strictest(shared: Shared, column: str, verdict: str, *, confidence: float = 0.95) -> tuple[str, Leads]:
    """The title of the control that leaves both detectors' leads smallest together, "" without any, and these leads."""
    bars: Mapping[str, str | None] = shared.controls(column) or {"": None}
    tried = {name: shared.leads(column, bar, verdict, confidence=confidence) for name, bar in bars.items()}
    return min(tried.items(), key=lambda one: one[1].first.value + one[1].second.value)


def _rows(shared: Shared, verdict: str) -> Iterator[dict[str, object]]:
    for column, (probe, strength) in shared.columns().items():
        control, leads = strictest(shared, column, verdict)
        if not leads.difference.n:
            continue
        numbers = {
            f"{name}_{end}": getattr(measure, end)
            for name, measure in zip(Leads._fields, leads, strict=True)
            for end in ("value", "low", "high")
        }
        yield {
            "verdict": verdict, "family": probe.family, "probe": probe.key, "title": probe.title,
            "strength": _at(shared, strength).label, "column": column,
            "control": control, "images": leads.difference.n, **numbers,
        }  # fmt: skip


def read(shared: Shared, rows: pd.DataFrame | None = None) -> list[Finding]:
    """Compare what the detectors react to: one finding for each family of probes and each verdict.

    Each compares the strength with the largest sum of both detectors' leads, a choice that ignores their difference.
    Strengths with a control come first, then those at which the change is made in every other way too. Intervals are
    simultaneous: all findings hold together with 95% confidence (Bonferroni).

    Args:
        shared: from `share_rows`.
        rows: from `side_by_side`, where that is there already.
    """
    table = side_by_side(shared) if rows is None else rows
    if table.empty:
        return []
    answering = table[~table["probe"].isin(_BESIDE)]
    answering = answering[~answering["column"].map(lambda column: probe_columns()[column][1].excess)]
    answering = answering.assign(
        fair=answering["control"] != "",
        ways=answering["column"].map(in_every_way),
        both=answering["first_value"] + answering["second_value"],
    )
    ranked = answering.sort_values(["fair", "ways", "both"], ascending=False, kind="stable")
    best = ranked.drop_duplicates(["family", "verdict"]).sort_values("verdict", kind="stable")
    order = {family: number for number, family in enumerate(FAMILIES)}
    best = best.sort_values("family", key=lambda names: names.map(order), kind="stable")
    confidence = 1 - LEVEL / len(best)
    return [_finding(shared, row, confidence) for row in best.to_dict("records")]


def _finding(shared: Shared, row: Mapping[str, str], confidence: float) -> Finding:
    column, verdict = row["column"], row["verdict"]
    probe, strength = probe_columns()[column]
    second = shared.pair.names[1]

    def beyond(other: str) -> Leads:
        """The leads of a column over the strictest of its controls."""
        return strictest(shared, other, verdict, confidence=confidence)[1]

    bars: dict[str, str | None] = {**shared.controls(column), NO_CONTROL: None}
    against = {name: shared.leads(column, bar, verdict, confidence=confidence) for name, bar in bars.items()}
    name, first = strictest(shared, column, verdict, confidence=confidence)
    tried = [("control", key, one) for key, one in against.items()]
    if probe.strengths_are:
        columns = {
            one.label: probe.column(one.key) for one in probe.strengths if probe.column(one.key) in shared.columns()
        }
        tried += [(probe.strengths_are, key, beyond(other)) for key, other in columns.items()]
    for kind, keys in probe.others.items():
        ways = {PROBES[key].way: PROBES[key].column(strength.key) for key in (probe.key, *keys)}
        columns = {way: other for way, other in ways.items() if other in shared.columns()}
        if len(columns) > 1:
            tried += [(kind, way, beyond(other)) for way, other in columns.items()]
    choices = [Choice(kind, key, one.first, Control(second, one.second), one.difference) for kind, key, one in tried]
    details = {
        "first": shared.pair.names[0],
        "second": second,
        "family": probe.family,
        "probe": probe.key,
        "column": column,
        "title": probe.title,
        "strength": _at(shared, strength).told,
        "bar": name,
    }
    return Finding(
        f"reads-{probe.family}-{verdict}", STUDY, "controlled_flips", first.first, verdict,
        Control(second, first.second), first.difference, tuple(choices if len(choices) > 1 else ()), details=details,
    )  # fmt: skip


def _at(shared: Shared, strength: Strength) -> Strength:
    """The strength as it is called at the side of both; blocks of images of another side have another size."""
    first, second = shared.pair.first.side, shared.pair.second.side
    return strength.at(first) if first == second else replace(strength, label=strength.at_any_side)
