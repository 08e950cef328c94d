"""Compare what two detectors rely on: the flips of one probe on the same images, with paired intervals.

Only columns that the files of both have are compared, on images that both files hold and that both detectors call the
same. A probe is compared by the share of verdicts that it flips less the share that its control flips, and a difference
is claimed only where it holds against every control and without one, in each other way of making the change and with
each fill.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.claims import Headlines, claim_status, with_headlines
from core.findings.finding import Choice, Control, Finding, Measure
from core.findings.intervals import weighted_lead, weighted_share
from core.perturbations.probe import FAMILIES, Probe, Strength
from core.perturbations.table import OTHER_WAYS, PROBES, in_every_way, probe_columns
from core.studies.groups import VERDICTS
from core.studies.pair import LEVEL, Shared

NO_CONTROL = "nothing"
# probes shown beside an answer to their family's question, which they do not give
_BESIDE = OTHER_WAYS | {key for key, probe in PROBES.items() if probe.beside or probe.is_control or probe.changes_donor}

NEITHER = "They differ, but neither flips more than under its control."
UNCONTROLLED = "They differ; without a control that is no more than a number."
HEADLINES: Headlines = {
    "reads-*": {
        "question": "Which of the two relies on it more?",
        "holds": "The first relies on it more.",
        "holds below": "The second relies on it more.",
        "in part": "Not shown with every control and every way of making the change.",
        "depends": "Depends on the control, or on how the change is made.",
        "not shown": "No difference between the two was found.",
    },
}


class Flips(NamedTuple):
    """The share of verdicts that a probe flips beyond a control for both detectors, and their difference."""

    first: Measure
    second: Measure
    difference: Measure


class ProbePair:
    """The probes of two runs, on the rows that both have.

    Args:
        shared: rows of the study `probes`.
    """

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self._columns = frozenset(shared.tables[0]) & frozenset(shared.tables[1])

    @cached_property
    def columns(self) -> dict[str, tuple[Probe, Strength]]:
        """The columns of probes that both files have, each with a control that both have, or of a probe without any."""
        return {
            column: (probe, strength)
            for column, (probe, strength) in probe_columns().items()
            if column in self._columns and not (probe.is_control or probe.changes_donor)
            if self.controls(column) or not probe.controls
        }

    def controls(self, column: str) -> dict[str, str]:
        """The titles of a column's controls -> the columns of those that both files have, best matched first."""
        probe, strength = probe_columns()[column]
        controls = {PROBES[key].inline: PROBES[key].column(strength.key) for key in probe.controls}
        return {name: control for name, control in controls.items() if control in self._columns}

    def flips(self, column: str, number: int) -> NDArray[np.float64]:
        """float64 (M,), 1 where a change flips the verdict of detector 0 or 1; NaN where it could not be made."""
        margins = self.shared.tables[number][column].to_numpy(np.float64)
        probe = probe_columns()[column][0]
        flipped = ((margins > 0) == self.shared.called_real[number]) == probe.changes_donor
        return np.where(np.isfinite(margins), flipped, np.nan)

    def beyond(self, column: str, control: str | None, verdict: str, *, confidence: float = 0.95) -> Flips:
        """Measure flips beyond those of a control, None for no control, on images to which both give a verdict.

        All are unknown where the rows that two different samples share are too few to stand for the run.
        """
        if not self.shared.stands_for_run(verdict):
            return Flips(*(Measure(np.nan) for _ in Flips._fields))
        first, second = (
            self.flips(column, number) - (0 if control is None else self.flips(control, number)) for number in (0, 1)
        )
        here = self.shared.agreed(verdict) & np.isfinite(first) & np.isfinite(second)
        weights = self.shared.weights[here]
        estimates = [
            weighted_share(values[here] > 0, weights, confidence=confidence)
            if control is None
            else weighted_lead(values[here], weights, confidence=confidence)
            for values in (first, second)
        ]
        estimates.append(weighted_lead((first - second)[here], weights, confidence=confidence))
        return Flips(*map(Measure.of, estimates))

    def strictest(self, column: str, verdict: str, *, confidence: float = 0.95) -> tuple[str, Flips]:
        """Find the control with the smallest sum of both detectors' flips beyond it: its title ("" without any)."""
        controls: Mapping[str, str | None] = self.controls(column) or {"": None}
        flips = {
            name: self.beyond(column, control, verdict, confidence=confidence) for name, control in controls.items()
        }
        return min(flips.items(), key=lambda item: item[1].first.value + item[1].second.value)

    def strength_of(self, strength: Strength) -> Strength:
        """Name a strength for the side of both; blocks of images of another side have another size."""
        first, second = self.shared.pair.first.side, self.shared.pair.second.side
        return strength.at(first) if first == second else replace(strength, label=strength.at_any_side)


def side_by_side(shared: Shared) -> pd.DataFrame:
    """Lay out every strength of every probe for both detectors.

    Returns:
        A row a verdict and column: `verdict`, `family`, `probe`, `title`, `strength`, `column`, `control` (the title
        of the strictest, "" without one), `images`, and `value`, `low`, `high` of the flips beyond the control,
        `first_`, `second_` and their `difference_`, -1 to 1, with 95% intervals. Controls and probes that change a
        donor are left out.
    """
    probes = ProbePair(shared)
    rows: list[dict[str, object]] = []
    for verdict, (column, (probe, strength)) in product(VERDICTS, probes.columns.items()):
        control, flips = probes.strictest(column, verdict)
        if flips.difference.n:
            row = {"verdict": verdict, "family": probe.family, "probe": probe.key, "title": probe.title}
            row |= {"strength": probes.strength_of(strength).label, "column": column, "control": control}
            for name, measure in flips._asdict().items():
                row |= {f"{name}_{end}": getattr(measure, end) for end in ("value", "low", "high")}
            rows.append({**row, "images": flips.difference.n})
    return pd.DataFrame(rows)


def read(shared: Shared, rows: pd.DataFrame | None = None) -> list[Finding]:
    """Compare what the detectors react to: one finding for each family of probes and each verdict.

    Each compares the strength with the largest sum of both detectors' flips, a choice that ignores their difference.
    Strengths with a control come first, then those at which the change is made in every other way too. Intervals are
    simultaneous: all findings hold together with 95% confidence (Bonferroni).

    Args:
        shared: from `share_rows`.
        rows: from `side_by_side`, where that is there already.
    """
    table = side_by_side(shared) if rows is None else rows
    if table.empty:
        return []
    excess = table["column"].map(lambda column: probe_columns()[column][1].excess)
    answering = table[~table["probe"].isin(_BESIDE) & ~excess]
    answering = answering.assign(
        fair=answering["control"] != "",
        ways=answering["column"].map(in_every_way),
        both=answering["first_value"] + answering["second_value"],
    )
    best = answering.sort_values(["fair", "ways", "both"], ascending=False, kind="stable")
    best = best.drop_duplicates(["family", "verdict"]).sort_values("verdict", kind="stable")
    best = best.sort_values("family", key=lambda names: names.map(list(FAMILIES).index), kind="stable")
    probes, confidence = ProbePair(shared), 1 - LEVEL / len(best)
    findings = [_finding(probes, row["column"], row["verdict"], confidence) for row in best.to_dict("records")]
    return with_headlines(findings, HEADLINES)


def _finding(probes: ProbePair, column: str, verdict: str, confidence: float) -> Finding:
    (probe, strength), names = probe_columns()[column], probes.shared.pair.names
    name, main = probes.strictest(column, verdict, confidence=confidence)
    tried = [
        ("control", title, probes.beyond(column, control, verdict, confidence=confidence))
        for title, control in {**probes.controls(column), NO_CONTROL: None}.items()
    ]
    variants: dict[str, dict[str, str]] = {}
    if probe.strengths_are:
        variants[probe.strengths_are] = {step.label: probe.column(step.key) for step in probe.strengths}
    for kind, keys in probe.others.items():
        ways = {PROBES[key].way: PROBES[key].column(strength.key) for key in (probe.key, *keys)}
        if sum(other in probes.columns for other in ways.values()) > 1:
            variants[kind] = ways
    tried += [
        (kind, title, probes.strictest(other, verdict, confidence=confidence)[1])
        for kind, others in variants.items()
        for title, other in others.items()
        if other in probes.columns
    ]
    choices = tuple(
        Choice(kind, title, flips.first, Control(names[1], flips.second), flips.difference)
        for kind, title, flips in tried
    )
    label = probes.strength_of(strength).told
    finding = Finding(
        f"reads-{probe.family}-{verdict}", "comparison", "controlled_flips", main.first, verdict,
        Control(names[1], main.second), main.difference, choices if len(choices) > 1 else (),
        details={"column": column, "title": probe.title, "strength": label}, subject=f"{probe.title} ({label})",
    )  # fmt: skip
    status = claim_status(finding)
    more = main.first if status.sign > 0 else main.second
    if status.kind == "holds" and (not name or more.low <= 0):
        return replace(finding, headline=NEITHER if name else UNCONTROLLED)
    return finding
