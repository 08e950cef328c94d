"""Flip rates of the probes over a test set, beside those of their controls. Needs no torch.

Rates are given by verdict, because an edit pushes towards one class: a rate pooled over both verdicts would hide that.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.metrics.intervals import Estimate, weighted_lead, weighted_mean, weighted_share
from core.perturbations.probe import Probe, Strength, size_column
from core.perturbations.table import PROBES, probe_columns
from core.runs.metrics import MOST_GROUPS
from core.runs.run import Run
from core.studies.groups import VERDICTS
from core.studies.probes.donors import choose_donors
from core.studies.study import WEIGHT

By = Literal["verdict", "cell", "category"]

NOTHING = Estimate(np.nan, np.nan, np.nan, 0)


@dataclass(frozen=True, eq=False)
class Turns:
    """The table of the study `probes` with what the run says of the same M images.

    Attributes:
        called_real: bool (M,), True where the verdict is REAL.
        groups: grouping -> name of each image's group, text (M,).
        weights: float64 (M,), how many images of the run each stands for.
        margins, donor_margins: float64 (M,), of the images and their donors before any change; NaN without a donor.
        table: of the study.
        side: of the images, in pixels.
    """

    called_real: NDArray[np.bool_]
    groups: Mapping[By, NDArray[np.object_]]
    weights: NDArray[np.float64]
    margins: NDArray[np.float64]
    donor_margins: NDArray[np.float64]
    table: pd.DataFrame
    side: int

    def hits(self, column: str, probe: Probe) -> NDArray[np.bool_]:
        """Mark the flips, bool (M,); if the probe changes the donor, a flip gives the donor the image's own verdict."""
        real = self._columns[column] > 0
        return np.asarray(real == self.called_real if probe.changes_donor else real != self.called_real)

    @cached_property
    def _columns(self) -> dict[str, NDArray[Any]]:
        """Each column's values; a data frame takes longer to find one than it takes to count it."""
        return {name: values.to_numpy() for name, values in self.table.items() if values.dtype.kind == "f"}

    def names(self, by: By) -> list[str]:
        """The groups with the most images, `MOST_GROUPS` at most, by name; of as many images, the first by name."""
        counted = sorted(Counter(self.groups[by].tolist()).items(), key=lambda one: (-one[1], one[0]))
        return sorted(name for name, _ in counted[:MOST_GROUPS])

    def strengths(self, probe: Probe) -> list[Strength]:
        """The strengths of a probe that the table holds with their controls; an older file may lack some."""
        keys = (probe.key, *probe.controls)
        return [one for one in probe.strengths if all(PROBES[key].column(one.key) in self.table for key in keys)]

    def known(self, column: str) -> NDArray[np.bool_]:
        """bool (M,), whether the probe could be made."""
        return np.asarray(~np.isnan(self._columns[column]))

    def shifts(self, column: str, probe: Probe) -> NDArray[np.float64]:
        """float (M,), margin after the change less the margin before."""
        before = self.donor_margins if probe.changes_donor else self.margins
        return np.asarray(self._columns[column].astype(np.float64) - before)

    def sizes(self, column: str) -> NDArray[np.float64]:
        """float (M,), root mean square of the change, grey levels."""
        return self._columns[size_column(column)].astype(np.float64)

    def difference(self, here: NDArray[np.bool_], one: tuple[str, Probe], other: tuple[str, Probe]) -> Estimate:
        """The share of images that one column's change turns, less that of another's, with a paired interval."""
        lead = self.hits(*one).astype(np.float64) - self.hits(*other)
        return weighted_lead(lead[here], self.weights[here])

    @property
    def verdicts(self) -> list[str]:
        """Those of `VERDICTS` that occur."""
        return [verdict for verdict in VERDICTS if self.chosen(verdict).any()]

    def chosen(self, verdict: str, by: By = "verdict", group: str = "all") -> NDArray[np.bool_]:
        """bool (M,), the images of one verdict and one group."""
        return np.asarray((self.called_real == (verdict == "REAL")) & (self.groups[by] == group))


def read_turns(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any] | None = None) -> Turns:
    """The study's table beside what the run says of the same images.

    Args:
        run: whose study it is.
        table: `StudyResult.table`.
        parameters: the study's, `StudyResult.about["parameters"]`.
    """
    seed = int((parameters or {}).get("seed", 0))
    where = pd.Index(run.predictions["id"]).get_indexer(table["id"])
    rows = run.predictions.iloc[where]
    donors = choose_donors(run, where, seed=seed).other
    margins = run.predictions["margin"].to_numpy(np.float64)
    return Turns(
        called_real=(rows["predicted"] == "REAL").to_numpy(),
        groups={
            "verdict": np.full(len(rows), "all", object),
            "cell": rows["label"].astype(str).to_numpy(object),
            "category": rows["category"].astype(object).where(rows["category"].notna(), "unknown").to_numpy(object),
        },
        weights=table[WEIGHT].to_numpy(np.float64),
        margins=margins[where],
        donor_margins=np.where(donors >= 0, margins[donors], np.nan),
        table=table,
        side=run.side,
    )


RESPONSES = [
    "verdict", "group", "turned", "probe", "family", "title", "is_control", "column", "strength", "images",
    "share", "low", "high", "shift", "shift_low", "shift_high", "size",
    "control", "control_share", "control_low", "control_high", "net", "net_low", "net_high",
]  # fmt: skip


def responses(turns: Turns, *, by: By = "verdict", probes: tuple[str, ...] | None = None) -> pd.DataFrame:
    """Compute how often each strength of each probe flips verdicts, and how far it moves margins.

    Args:
        turns: from `read_turns`.
        by: groups within a verdict: "verdict" for none, "cell" for the true class, or "category" for the largest ones.
        probes: keys; all of them, controls included, when None.

    Returns:
        One row for each verdict, group, probe and strength: `verdict`, `group`, `turned` (the verdict that flips: the
        other one where the probe changes a donor), `probe`, `family`, `title`, `is_control`, `column`, `strength`
        (label), `images`; `share`, `low`, `high` of verdicts flipped (0 to 1); `shift`, `shift_low`, `shift_high` (mean
        change of the margin); `size` (mean root mean square of the change, grey levels); `control` (key of the control
        that flips most; missing where there is none), `control_share`, `control_low`,
        `control_high`; `net`, `net_low`, `net_high`: share less the control's, with a paired interval, or the share
        itself where there is no control. Intervals are of 95 %.
    """
    found = []
    for verdict in VERDICTS:
        for group in turns.names(by):
            chosen = turns.chosen(verdict, by, group)
            for key in probes or PROBES:
                for strength in turns.strengths(PROBES[key]):
                    row = _response(turns, chosen, PROBES[key], strength)
                    turned = VERDICTS[1 - VERDICTS.index(verdict)] if PROBES[key].changes_donor else verdict
                    found.append({"verdict": verdict, "group": group, "turned": turned, **row})
    return pd.DataFrame(found, columns=RESPONSES)


def _size(turns: Turns, chosen: NDArray[np.bool_], probe: Probe, strength: Strength) -> float:
    """The mean root mean square of a change on the chosen images, grey levels."""
    column = probe.column(strength.key)
    here = chosen & turns.known(column)
    return weighted_mean(turns.sizes(column)[here], turns.weights[here]).value


def _response(turns: Turns, chosen: NDArray[np.bool_], probe: Probe, strength: Strength) -> dict[str, Any]:
    column = probe.column(strength.key)
    here = chosen & turns.known(column)
    share = share_of(turns, here, probe, strength)
    shift = weighted_mean(turns.shifts(column, probe)[here], turns.weights[here])
    controls = [(key, *compared(turns, here, probe, PROBES[key], strength)) for key in probe.controls]
    # the control that turns most is the one to beat; one that could not be made is none
    against, control, net = max(
        (one for one in controls if one[1].images), key=lambda one: one[1].value, default=(None, NOTHING, share)
    )
    return {
        "probe": probe.key,
        "family": probe.family,
        "title": probe.title,
        "is_control": probe.is_control,
        "column": column,
        "strength": strength.at(turns.side).label,
        "images": share.images,
        "share": share.value,
        "low": share.low,
        "high": share.high,
        "shift": shift.value,
        "shift_low": shift.low,
        "shift_high": shift.high,
        "size": _size(turns, chosen, probe, strength),
        "control": against,
        "control_share": control.value,
        "control_low": control.low,
        "control_high": control.high,
        "net": net.value,
        "net_low": net.low,
        "net_high": net.high,
    }


def compared(
    turns: Turns, chosen: NDArray[np.bool_], probe: Probe, control: Probe, strength: Strength
) -> tuple[Estimate, Estimate]:
    """The share of the chosen images that a control turns, and how much more the probe turns, with a paired interval.

    Images where either could not be made are left out of the second.
    """
    own, other = (one.column(strength.key) for one in (probe, control))
    here = chosen & turns.known(own) & turns.known(other)
    return share_of(turns, chosen, control, strength), turns.difference(here, (own, probe), (other, control))


def turned_alone(turns: Turns, probe: Probe) -> NDArray[np.bool_]:
    """bool (M,), the images that show what a probe does: some strength of it turns the verdict, and none of its
    controls does at that strength.
    """
    found = np.zeros(len(turns.table), bool)
    for strength in turns.strengths(probe):
        column = probe.column(strength.key)
        here = turns.known(column) & turns.hits(column, probe)
        for key in probe.controls:
            other = PROBES[key].column(strength.key)
            here &= ~(turns.known(other) & turns.hits(other, PROBES[key]))
        found |= here
    return found


def share_of(turns: Turns, chosen: NDArray[np.bool_], probe: Probe, strength: Strength) -> Estimate:
    """The share of the chosen images whose verdict a strength of a probe turns, 0 to 1, with its 95 % interval."""
    column = probe.column(strength.key)
    here = chosen & turns.known(column)
    return weighted_share(turns.hits(column, probe)[here], turns.weights[here])


def ranking(rates: pd.DataFrame, *, verdict: str) -> pd.DataFrame:
    """Rank the probes by the share of verdicts that they flip for each grey level of change, largest first.

    Each probe is represented by its best strength, the one with the largest `per_level`: the lower end of the net
    share's interval, divided by the root mean square of the change. Nothing is subtracted from a change without a
    control, so it would not compete on equal terms: it ranks below all changes that flip more than their control does
    and above those that do not. The same order holds among the strengths of one probe.

    Args:
        rates: from `responses`, of all probes.
        verdict: "FAKE" or "REAL": which verdicts are to turn.

    Returns:
        A row a probe, controls, those that change a donor, and strengths in excess left out; the columns of
        `responses`, and `per_level` (share of verdicts a grey level, 0 where nothing certain is left beyond the
        controls) and `rank` from 1.
    """
    rows = rates[(rates["verdict"] == verdict) & (rates["group"] == "all") & ~rates["is_control"].astype(bool)]
    rows = rows[rows["images"] > 0]
    tried = [probe_columns()[column] for column in rows["column"]]
    rows = rows[np.array([not (probe.changes_donor or strength.excess) for probe, strength in tried], bool)]
    # the interval of one image is unknown, and nothing is certain
    certain = np.fmax(rows["net_low"].to_numpy(np.float64), 0)
    size = rows["size"].to_numpy(np.float64)
    per_level = np.divide(certain, size, out=np.zeros(len(rows)), where=size > 0)
    tier = np.where(per_level == 0, 2, rows["control"].isna())
    rows = rows.assign(per_level=per_level, tier=tier)
    order = rows.sort_values(["tier", "per_level", "net"], ascending=[True, False, False], kind="stable")
    best = order.drop_duplicates("probe").drop(columns="tier")
    return best.assign(rank=np.arange(1, len(best) + 1)).reset_index(drop=True)
