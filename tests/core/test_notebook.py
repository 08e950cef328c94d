"""The names that a notebook takes from `core` itself."""

import subprocess
import sys

import pytest

import core
from core.homes import ROOT


def test_names_are_offered_and_imported_when_asked_for():
    assert set(core.NAMES) <= set(dir(core))
    assert all(getattr(core, name).__name__ == name for name in core.NAMES)
    with pytest.raises(AttributeError, match="core has no open_door"):
        _ = core.open_door
    code = "import sys, core; sys.exit(bool({'numpy', 'torch', 'core.explain'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
