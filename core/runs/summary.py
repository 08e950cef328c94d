"""Print what a new run shows: how well its detector did, what speaks against that, and where it was written."""

import json
from collections.abc import Sequence
from pathlib import Path

from core.runs.folders import dashboard_command
from core.runs.metrics import doubts_about, error_by, means_by_source, result_table
from core.runs.rows import judged_table
from core.runs.run import Run
from core.runs.shortcuts import find_shortcuts, warning_of


def print_run(
    run: Run, home: Path, *, detector: Path | None = None, doubts: Sequence[str] = (), as_json: bool = False
) -> None:
    """Print a run's performance, overall and by source, with warnings, or everything as JSON.

    Args:
        run: as written.
        home: the folder that got it.
        detector: folder of the detector that was written with it.
        doubts: further sentences on how far its performance can be believed.
        as_json: print JSON.
    """
    metrics, shortcuts = run.manifest["metrics"]["all"], find_shortcuts(run.predictions)
    doubts = [*doubts, *doubts_about(run.predictions["margin"].to_numpy(), run.noise)]
    written = {"run": str(run.path)} if detector is None else {"detector": str(detector), "run": str(run.path)}
    if as_json:
        found = {"metrics": metrics, "shortcuts": shortcuts.to_dict("records"), "doubts": doubts}
        print(json.dumps(written | found, indent=1))
        return
    # the paper's accuracy is on CIFAKE
    print(result_table(metrics, beside_paper=detector is not None and run.manifest["set"].startswith("cifake")))
    print(warning_of(shortcuts))
    if run.classes:
        _print_by_source(run)
    for warning in doubts:
        print(f"\nWarning: {warning}")
    print(f"\nWritten: {' and '.join(written.values())}\nShow it: {dashboard_command(home)}")


def _print_by_source(run: Run) -> None:
    judged = judged_table(run)
    if "source" not in judged:
        return
    rates = error_by(judged, "source").rename(columns={"value": "source", "rate": "error rate"})
    if "seen" in judged:
        rates["generator"] = rates["source"].map(judged.dropna(subset="seen").groupby("source")["seen"].first())
    for table in (rates, means_by_source(judged)):
        print(f"\n{table.to_string(index=False, float_format='{:.4f}'.format)}")
