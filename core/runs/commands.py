"""Commands that messages and pages give a reader to paste."""

import os
from pathlib import Path

from core.console import join, quote
from core.runs.finding import ROOT


def predict_command(
    detector: Path,
    data: str = "DATA",
    *,
    out: Path = ROOT,
    device: str = "auto",
    fake_classes: str = "",
    skip_bad: bool = False,
    replace: bool = False,
) -> str:
    """Return the shell command that makes a run of a detector.

    Args:
        detector: its folder; by name it could be another one, since a shipped detector may have the same.
        data: the image set.
        out: folder that gets runs/.
        device: as for `core.predict`, and so are the rest.
    """
    command = ["python", "-m", "core.predict", str(detector), "--data", data]
    command += ["--out", str(out)] if out.resolve() != ROOT else []
    command += ["--device", device] if device != "auto" else []
    command += ["--fake-classes", fake_classes] if fake_classes else []
    command += ["--skip-bad"] if skip_bad else []
    command += ["--replace"] if replace else []
    return join(command)


def dashboard_command(home: Path) -> str:
    """Return the shell command that shows the detectors and runs in a folder."""
    start, path = "streamlit run dashboard/app.py", str(home.resolve())
    if home.resolve() == ROOT:
        return start
    if os.name == "nt":
        # in PowerShell's single quotes nothing is special but they themselves
        within = path.replace("'", "''")
        return f"$env:TELLTALE_HOME='{within}'; {start}"
    return f"TELLTALE_HOME={quote(path)} {start}"
