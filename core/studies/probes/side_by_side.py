"""What several detectors read, by the same probes: one table of the runs' flip rates beside their controls."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from core.console import quote
from core.findings.numbers import percent
from core.perturbations.probe import FAMILIES
from core.perturbations.table import probe_columns
from core.runs.run import Run, told_apart
from core.studies.groups import VERDICTS
from core.studies.probes.findings import answering, of_family, telling
from core.studies.probes.summary import read_turns, responses
from core.studies.result import StudyResult
from core.studies.study import StudyError


def side_by_side(runs: Sequence[tuple[Run, StudyResult]]) -> str:
    """Lay out the answers to every question of the probes as a Markdown table, a column for each run.

    For each question, all runs are compared on the change that answers it for the first run. A share in bold is
    significantly above that of its strongest control, which follows in brackets.

    Args:
        runs: each with its study `probes`.

    Raises:
        StudyError: a run's file lacks a probe that the first run's has.
    """
    counted = [responses(read_turns(run, study.table, study.about["parameters"])) for run, study in runs]
    head = ["", "verdicts", "change", *(f"`{name}`" for name in told_apart([run for run, _ in runs]))]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for family, about in FAMILIES.items():
        for verdict in VERDICTS:
            rows = answering(of_family(counted[0], family, verdict))
            if rows.empty:
                continue
            column = telling(rows)
            probe, strength = probe_columns()[column]
            # runs of one table may differ in side
            change = f"{probe.inline}, {strength.at_any_side}" if strength.label else probe.inline
            cells = [_cell(one, column, verdict, run.name) for one, (run, _) in zip(counted, runs, strict=True)]
            lines.append(f"| {' | '.join([about.question, verdict, change, *cells])} |")
    return "\n".join(lines)


def _cell(counted: pd.DataFrame, column: str, verdict: str, run: str) -> str:
    found = counted[(counted["column"] == column) & (counted["verdict"] == verdict)]
    if found.empty:
        command = f"python -m core.studies probes --run {quote(run)}"
        raise StudyError(f"{run} lacks the probe {column}; compute it with {command}")
    row: pd.Series[Any] = found.iloc[0]
    if not row["images"]:
        return ""
    share = percent(float(row["share"]))
    if not isinstance(row["control"], str):
        return share
    told = f"**{share}**" if row["net_low"] > 0 else share
    return f"{told} ({percent(float(row['control_share']))})"
