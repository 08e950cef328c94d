"""The tests reach no other machine, and what tries to is found out."""

import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.offline.sitecustomize import REFUSED

ELSEWHERE = "192.0.2.1"
TRY = f"import socket; socket.create_connection(({ELSEWHERE!r}, 9), timeout=1)"


def test_connections_to_other_machines_are_refused_and_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REFUSED, str(tmp_path / "refused"))
    with pytest.raises(OSError, match="tests open no connection"):
        urllib.request.urlopen("https://github.com", timeout=1)
    with socket.socket() as made, pytest.raises(ConnectionRefusedError):
        made.connect((ELSEWHERE, 9))
    assert subprocess.run([sys.executable, "-c", TRY], check=False, env=os.environ, capture_output=True).returncode == 1
    assert (tmp_path / "refused").read_text().split() == ["github.com", ELSEWHERE, ELSEWHERE]
