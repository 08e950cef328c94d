"""Flip rates of the probes over a test set, beside those of their controls. Needs no torch.

Rates are given by verdict, because a change pushes towards one class: a rate pooled over both verdicts would hide that.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.intervals import Estimate, weighted_lead, weighted_mean, weighted_share
from core.perturbations.probe import Probe, Strength, size_column
from core.perturbations.table import PROBES, probe_columns
from core.runs.metrics import MOST_GROUPS
from core.runs.run import Run
from core.studies.donors import choose_donors
from core.studies.groups import VERDICTS
from core.studies.study import WEIGHT

By = Literal["verdict", "cell", "category"]
Rows = NDArray[np.bool_]

UNKNOWN = Estimate(np.nan, np.nan, np.nan, 0)
RATES = [
    "verdict", "group", "flipped", "probe", "family", "title", "is_control", "column", "strength", "images",
    "share", "low", "high", "shift", "shift_low", "shift_high", "size",
    "control", "control_share", "control_low", "control_high", "net", "net_low", "net_high",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class FlipTable:
    """The table of the study `probes` with the run's predictions of the same M images.

    Attributes:
        called_real: bool (M,), True where the verdict is REAL.
        groups: grouping -> name of each image's group, text (M,).
        weights: float64 (M,), how many images of the run each stands for.
        margins, donor_margins: float64 (M,), of the images and their donors before any change; NaN without a donor.
        table: of the study.
        side: of the images, in pixels.
    """

    called_real: Rows
    groups: Mapping[By, NDArray[np.object_]]
    weights: NDArray[np.float64]
    margins: NDArray[np.float64]
    donor_margins: NDArray[np.float64]
    table: pd.DataFrame
    side: int

    @cached_property
    def _columns(self) -> dict[str, NDArray[Any]]:
        """Each column's values; a data frame takes longer to find one than it takes to count it."""
        return {name: values.to_numpy() for name, values in self.table.items() if values.dtype.kind == "f"}

    @property
    def verdicts(self) -> list[str]:
        """Those of `VERDICTS` that occur."""
        return [verdict for verdict in VERDICTS if self.chosen(verdict).any()]

    def chosen(self, verdict: str, by: By = "verdict", group: str = "all") -> Rows:
        """Mark the images of one verdict and one group, bool (M,)."""
        return np.asarray((self.called_real == (verdict == "REAL")) & (self.groups[by] == group))

    def names(self, by: By) -> list[str]:
        """The groups with the most images, `MOST_GROUPS` at most, by name; of as many images, the first by name."""
        counts = sorted(Counter(self.groups[by].tolist()).items(), key=lambda item: (-item[1], item[0]))
        return sorted(name for name, _ in counts[:MOST_GROUPS])

    def strengths(self, probe: Probe) -> list[Strength]:
        """The strengths of a probe that the table holds with their controls; an older file may lack some."""
        keys = (probe.key, *probe.controls)
        return [step for step in probe.strengths if all(PROBES[key].column(step.key) in self.table for key in keys)]

    def made(self, column: str) -> Rows:
        """Mark the images to which the change could be made, bool (M,)."""
        return np.asarray(~np.isnan(self._columns[column]))

    def flips(self, column: str, probe: Probe) -> Rows:
        """Mark the flips, bool (M,); if the probe changes the donor, a flip gives the donor the image's own verdict."""
        real = self._columns[column] > 0
        return np.asarray(real == self.called_real if probe.changes_donor else real != self.called_real)

    def shifts(self, column: str, probe: Probe) -> NDArray[np.float64]:
        """Subtract the margin before a change from that after it, float (M,)."""
        before = self.donor_margins if probe.changes_donor else self.margins
        return np.asarray(self._columns[column].astype(np.float64) - before)

    def size(self, column: str, chosen: Rows) -> float:
        """Average the root mean square of a change over the chosen images, grey levels."""
        here = chosen & self.made(column)
        return weighted_mean(self._columns[size_column(column)].astype(np.float64)[here], self.weights[here]).value

    def share(self, chosen: Rows, probe: Probe, strength: Strength) -> Estimate:
        """Estimate the share of the chosen images whose verdict a strength of a probe flips, 0 to 1."""
        column = probe.column(strength.key)
        here = chosen & self.made(column)
        return weighted_share(self.flips(column, probe)[here], self.weights[here])

    def difference(
        self, chosen: Rows, probe: Probe, strength: Strength, other: Probe, other_strength: Strength
    ) -> Estimate:
        """Estimate how much more a change flips than another, paired, on the images to which both could be made."""
        column, other_column = probe.column(strength.key), other.column(other_strength.key)
        here = chosen & self.made(column) & self.made(other_column)
        leads = self.flips(column, probe).astype(np.float64) - self.flips(other_column, other)
        return weighted_lead(leads[here], self.weights[here])

    def against(
        self, chosen: Rows, probe: Probe, strength: Strength, controls: tuple[str, ...] | None = None
    ) -> tuple[str, Estimate, Estimate] | None:
        """Compare a strength of a probe with the control that flips most; None without a control that could be made.

        Args:
            chosen: bool (M,), images to which the change could be made.
            controls: keys, the probe's own when None.

        Returns:
            The control's key, the share that it flips, and how much more the probe flips, paired.
        """
        compared = [
            (
                key,
                self.share(chosen, PROBES[key], strength),
                self.difference(chosen, probe, strength, PROBES[key], strength),
            )
            for key in (probe.controls if controls is None else controls)
            if PROBES[key].column(strength.key) in self.table
        ]
        # a control that could not be made is none
        return max((row for row in compared if row[1].images), key=lambda row: row[1].value, default=None)


def read_flips(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any] | None = None) -> FlipTable:
    """Join the study's table with the run's predictions of the same images.

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
    return FlipTable(
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


def flip_rates(flips: FlipTable, *, by: By = "verdict", probes: tuple[str, ...] | None = None) -> pd.DataFrame:
    """Compute how often each strength of each probe flips verdicts, and how far it moves margins.

    Args:
        flips: from `read_flips`.
        by: groups within a verdict: "verdict" for none, "cell" for the true class, or "category" for the largest ones.
        probes: keys; all of them, controls included, when None.

    Returns:
        One row for each verdict, group, probe and strength: `verdict`, `group`, `flipped` (the verdict that flips: the
        other one where the probe changes a donor), `probe`, `family`, `title`, `is_control`, `column`, `strength`
        (label), `images`; `share`, `low`, `high` of verdicts flipped (0 to 1); `shift`, `shift_low`, `shift_high` (mean
        change of the margin); `size` (mean root mean square of the change, grey levels); `control` (key of the control
        that flips most; missing where there is none), `control_share`, `control_low`,
        `control_high`; `net`, `net_low`, `net_high`: share less the control's, with a paired interval, or the share
        itself where there is no control. Intervals are of 95 %.
    """
    rows = [
        {"verdict": verdict, "group": group, **_rate(flips, flips.chosen(verdict, by, group), verdict, key, strength)}
        for verdict in VERDICTS
        for group in flips.names(by)
        for key in probes or PROBES
        for strength in flips.strengths(PROBES[key])
    ]
    return pd.DataFrame(rows, columns=RATES)


def _rate(flips: FlipTable, chosen: Rows, verdict: str, key: str, strength: Strength) -> dict[str, Any]:
    probe = PROBES[key]
    column = probe.column(strength.key)
    here = chosen & flips.made(column)
    share = flips.share(here, probe, strength)
    shift = weighted_mean(flips.shifts(column, probe)[here], flips.weights[here])
    against, control, net = flips.against(here, probe, strength) or (None, UNKNOWN, share)
    return {
        "flipped": VERDICTS[1 - VERDICTS.index(verdict)] if probe.changes_donor else verdict,
        **{name: getattr(probe, name) for name in ("family", "title", "is_control")},
        **{"probe": key, "column": column, "strength": strength.at(flips.side).label, "images": share.images},
        **{"share": share.value, "low": share.low, "high": share.high},
        **{"shift": shift.value, "shift_low": shift.low, "shift_high": shift.high, "size": flips.size(column, chosen)},
        **{"control": against, "control_share": control.value},
        **{"control_low": control.low, "control_high": control.high},
        **{"net": net.value, "net_low": net.low, "net_high": net.high},
    }


def ranking(rates: pd.DataFrame, *, verdict: str) -> pd.DataFrame:
    """Rank the probes by the share of verdicts that they flip for each grey level of change, largest first.

    Each probe is represented by its best strength, the one with the largest `per_level`: the lower end of the net
    share's interval, divided by the root mean square of the change. Nothing is subtracted from a change without a
    control, so it would not compete on equal terms: it ranks below all changes that flip more than their control does
    and above those that do not. The same order holds among the strengths of one probe.

    Args:
        rates: from `flip_rates`, of all probes.
        verdict: "FAKE" or "REAL": which verdicts are to flip.

    Returns:
        A row a probe, controls, those that change a donor, and strengths in excess left out; the columns of
        `flip_rates`, and `per_level` (share of verdicts a grey level, 0 where nothing certain is left beyond the
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
