"""Flip rates of the probes over a test set, beside those of their controls. Needs no torch.

Rates are given by verdict, because a change pushes towards one class: a rate pooled over both verdicts would hide that.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from core.findings.intervals import Estimate, weighted_lead, weighted_mean, weighted_share
from core.images.labels import UNLABELLED, other_class
from core.perturbations.flips import flip_values, own_columns
from core.perturbations.probe import Probe, Strength, size_column
from core.perturbations.registry import PROBES, probe_columns
from core.runs.metrics import MOST_GROUPS
from core.runs.run import Run
from core.studies.donors import choose_donors
from core.studies.groups import VERDICTS
from core.studies.study import WEIGHT

By = Literal["verdict", "cell", "category", "source", "seen"]
UNKNOWN = Estimate(np.nan, np.nan, np.nan, 0)
RATES = [
    "verdict", "group", "flipped", "probe", "family", "title", "is_control", "column", "strength", "images",
    "share", "low", "high", "shift", "shift_low", "shift_high", "size",
    "control", "control_share", "control_low", "control_high", "net", "net_low", "net_high",
]  # fmt: skip


class Rate(NamedTuple):
    """How often a change flips verdicts, 0 to 1.

    Attributes:
        share: of the images to which it could be made.
        control: key of the control that flips most; None without a control that could be made.
        control_share: what that flips.
        net: how much more the change flips, paired; its share where there is no control.
    """

    share: Estimate
    control: str | None
    control_share: Estimate
    net: Estimate


def read_flips(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Join the study's table with the run's predictions of the same images.

    Args:
        run: whose study it is.
        table: `StudyResult.table`.
        parameters: the study's, `StudyResult.about["parameters"]`.

    Returns:
        The table, and `verdict`, `cell` (the true class), `category`, and `source` and `seen` where they are
        known ("unknown" for an image that has none), and `margin`,
        `donor_margin` before any change (NaN without a donor).
    """
    where = pd.Index(run.predictions["id"]).get_indexer(table["id"])
    rows = run.predictions.iloc[where].reset_index(drop=True)
    donors = choose_donors(run, where, seed=int((parameters or {}).get("seed", 0))).other
    margins = run.predictions["margin"].to_numpy(np.float64)
    groups = {name: rows[name].astype(object) for name in ("category", "source") if name in rows}
    if (seen := run.seen) is not None:
        groups["seen"] = seen.iloc[where].reset_index(drop=True).astype(object)
    added = {
        "verdict": rows["predicted"].astype(str).astype("category"),
        "cell": rows["label"].astype(object).fillna(UNLABELLED),
        **{name: values.where(values.notna(), "unknown") for name, values in groups.items()},
        "margin": margins[where],
        "donor_margin": np.where(donors >= 0, margins[donors], np.nan),
    }
    return pd.concat([table.reset_index(drop=True), pd.DataFrame(added)], axis=1)


def strengths_in(rows: pd.DataFrame, probe: Probe) -> list[Strength]:
    """List the strengths of a probe that a table holds with their controls; an older file may lack some."""
    keys = (probe.key, *probe.controls)
    return [step for step in probe.strengths if all(PROBES[key].column(step.key) in rows for key in keys)]


def rate_of(rows: pd.DataFrame, column: str, controls: Sequence[str] | None = None) -> Rate:
    """Estimate how often a change flips the verdict, beside the control that flips most.

    Args:
        rows: from `read_flips`, of one verdict.
        column: of the change.
        controls: keys; all of the probe's when None.
    """
    (probe, strength), weights = probe_columns()[column], rows[WEIGHT].to_numpy(np.float64)
    real = (rows["verdict"] == "REAL").to_numpy()
    flips = flip_values(rows[column], real, column)
    made = np.isfinite(flips)
    share = weighted_share(flips[made] > 0, weights[made])
    strongest = Rate(share, None, UNKNOWN, share)
    for key in probe.controls if controls is None else controls:
        if (name := PROBES[key].column(strength.key)) in rows:
            leads = flips - (others := flip_values(rows[name], real, name))
            # a control that could not be made is none
            both = np.isfinite(leads)
            compared = weighted_share(others[both] > 0, weights[both])
            if compared.images and not compared.value <= strongest.control_share.value:
                strongest = Rate(share, key, compared, weighted_lead(leads[both], weights[both]))
    return strongest


def flip_rates(
    rows: pd.DataFrame, *, side: int, by: By = "verdict", probes: Sequence[str] | None = None
) -> pd.DataFrame:
    """Compute how often each strength of each probe flips verdicts, and how far it moves margins.

    Args:
        rows: from `read_flips`.
        side: of the images, in pixels, for the labels.
        by: groups within a verdict: "verdict" for none, "cell" for the true class, or a column, for the largest.
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
    groups = pd.Series("all", rows.index) if by == "verdict" else rows[by]
    # of as many images, the first by name
    largest = groups.value_counts().sort_index().sort_values(ascending=False, kind="stable").index[:MOST_GROUPS]
    tried = [(PROBES[key], step) for key in probes or PROBES for step in strengths_in(rows, PROBES[key])]
    rates = []
    for verdict in VERDICTS:
        for group in sorted(largest):
            own = rows[(rows["verdict"] == verdict) & (groups == group)]
            weights = own[WEIGHT].to_numpy(np.float64)
            for probe, step in tried:
                column = probe.column(step.key)
                rate, after = rate_of(own, column), own[column].to_numpy(np.float64)
                shift = weighted_mean(after - own["donor_margin" if probe.changes_donor else "margin"], weights)
                sizes = np.where(np.isfinite(after), own[size_column(column)].to_numpy(np.float64), np.nan)
                rates.append((
                    verdict, group, other_class(verdict) if probe.changes_donor else verdict,
                    probe.key, probe.family, probe.title, probe.is_control, column, step.at(side).label,
                    rate.share.images, *rate.share[:3], *shift[:3], weighted_mean(sizes, weights).value,
                    rate.control, *rate.control_share[:3], *rate.net[:3],
                ))  # fmt: skip
    return pd.DataFrame(rates, columns=RATES)


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
    rows = rates[rates["column"].isin(list(own_columns())) & (rates["images"] > 0)]
    rows = rows[(rows["verdict"] == verdict) & (rows["group"] == "all")]
    # the interval of one image is unknown, and nothing is certain
    per_level = (rows["net_low"].clip(lower=0).fillna(0) / rows["size"].where(rows["size"] > 0)).fillna(0)
    tier = np.where(per_level == 0, 2, rows["control"].isna())
    order = rows.assign(per_level=per_level, tier=tier).sort_values(
        ["tier", "per_level", "net"], ascending=[True, False, False], kind="stable"
    )
    best = order.drop_duplicates("probe").drop(columns="tier")
    return best.assign(rank=np.arange(1, len(best) + 1)).reset_index(drop=True)
