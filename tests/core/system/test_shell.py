"""Words of commands, as the shells of both families of systems read them."""

import os
import shlex

import pytest

from core.system.shell import join, quote


def test_posix_shells_read_back_what_was_quoted() -> None:
    words = ["python", "a folder", "it's", "$HOME", "plain"]
    assert shlex.split(join(words)) == words
    assert quote("plain") == "plain"


def test_windows_gets_double_quotes_and_only_where_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "name", "nt")
    assert (
        join(["python", "C:\\detectors\\mine", "C:\\my detectors"]) == 'python C:\\detectors\\mine "C:\\my detectors"'
    )
