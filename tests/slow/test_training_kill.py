"""A training that is killed, in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_killed_process_resumes_to_the_weights_of_an_unbroken_one(cifake: Path, tmp_path: Path) -> None:
    settings = ["--width", "4", "--epochs", "8", "--batch-size", "8", "--precision", "float32", "--device", "cpu"]

    def start(out: str) -> "subprocess.Popen[bytes]":
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TELLTALE_CACHE": str(tmp_path / out / "cache")}
        command = [sys.executable, "train.py", "--data", str(cifake), *settings, "--out", str(tmp_path / out)]
        return subprocess.Popen([*command, "--resume"], cwd=ROOT, env=environment)

    def weights(out: str) -> bytes:
        return (tmp_path / out / "detectors/swift/weights.safetensors").read_bytes()

    assert start("whole").wait() == 0
    process, deadline = start("killed"), time.monotonic() + 600
    # past the imports and the first epoch
    while not list((tmp_path / "killed").glob("cache/checkpoints/*.safetensors")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert start("killed").wait() == 0
    assert weights("killed") == weights("whole")
