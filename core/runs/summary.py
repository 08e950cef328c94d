"""Print what a new run shows: how well its detector did, what speaks against that, and where it was written."""

import json
from pathlib import Path

from core.console import PROGRAM, quote
from core.homes import homes
from core.runs.folders import dashboard_command
from core.runs.metrics import error_by, means_by_source, result_table
from core.runs.rows import judged_table
from core.runs.run import Run
from core.runs.warnings import count_resized, doubts_about, find_shortcuts, warnings_of


def print_run(run: Run, *, detector: Path | None = None, as_json: bool) -> None:
    """Print a run's performance, overall and by source, with warnings, or everything as JSON.

    Args:
        run: as written.
        detector: folder of the detector that was written with it.
        as_json: print JSON.
    """
    metrics = run.manifest["metrics"]["all"]
    written = {"run": str(run.path)}
    if detector is not None:
        written = {"detector": str(detector), **written}
    if as_json:
        shortcuts = find_shortcuts(run.predictions).to_dict("records")
        resized = count_resized(run)
        doubts = doubts_about(run, resized)
        about = {"metrics": metrics, "resized": resized, "shortcuts": shortcuts, "doubts": doubts}
        print(json.dumps(written | about, indent=1))
        return
    # the paper's accuracy is on CIFAKE
    print(result_table(metrics, beside_paper=detector is not None and run.manifest["set"].startswith("cifake")))
    if run.classes:
        _print_by_source(run)
    for warning in warnings_of(run):
        print(f"\nWarning: {warning}")
    folder = run.path.parents[1]
    name = quote(run.name if folder in homes() else str(run.path))
    print(f"\nShow it: {dashboard_command(folder)}")
    if not run.scores_only:
        print(f"Next: {PROGRAM} study {name} --recommended")
    print(f"Written: {' and '.join(written.values())}")


def _print_by_source(run: Run) -> None:
    judged = judged_table(run)
    if "source" not in judged:
        return
    rates = error_by(judged, "source").rename(columns={"value": "source", "rate": "error rate"})
    if "seen" in judged:
        rates["generator"] = rates["source"].map(judged.dropna(subset="seen").groupby("source")["seen"].first())
    for table in (rates, means_by_source(judged)):
        print(f"\n{table.to_string(index=False, float_format='{:.4f}'.format)}")
