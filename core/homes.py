"""Where detectors/, runs/ and cues/ are: what ships and the home are read, and the home alone is written to."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "assets"
# for the help of --out
DEFAULT = "$TELLTALE_HOME, else the project's folder"


def home() -> Path:
    """Return the folder that is written to: $TELLTALE_HOME, else the project's own."""
    return Path(os.environ.get("TELLTALE_HOME") or ROOT)


def homes() -> tuple[Path, ...]:
    """Return the folders that are read, a user's own first."""
    return home(), SHIPPED
