"""Commands that messages and pages give a reader to paste."""

import shlex
from pathlib import Path

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
    return shlex.join(command)


def dashboard_command(home: Path) -> str:
    """Return the shell command that shows the detectors and runs in a folder."""
    where = "" if home.resolve() == ROOT else f"TELLTALE_HOME={shlex.quote(str(home.resolve()))} "
    return f"{where}streamlit run dashboard/app.py"
