import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.console import join, quote

ROOT = Path(__file__).parents[2]
COMMANDS = {
    "train.py": ["train.py"],
    "core predict": ["-m", "core", "predict"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_while_libraries_are_read_is_a_sentence(command: str) -> None:
    # a line on each library as soon as it is read tells when
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", *COMMANDS[command], "--help"],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    read: list[str] = []
    while "core.console" not in "".join(read) or "numpy" not in read[-1]:
        read.append(process.stderr.readline())
        assert read[-1]
    os.kill(process.pid, signal.SIGINT)
    rest = process.stderr.read().splitlines()
    assert [line for line in rest if line and not line.startswith("import time:")] == [
        f"{command}: stopped before it began; nothing has changed."
    ]
    assert process.wait() == 130


@pytest.mark.parametrize(
    ("text", "status", "out", "err"),
    [
        ("print('\\u5199')", 0, "\\u5199\n", ""),
        ("raise MemoryError", 2, "", "core x: this machine has too little free memory"),
        (
            "import pyarrow; raise pyarrow.ArrowMemoryError('x')",
            2,
            "",
            "core x: this machine has too little free memory",
        ),
        ("import torch; raise torch.OutOfMemoryError('CUDA')", 2, "", "--device cpu"),
        ("open('/nowhere/x')", 2, "", "core x: /nowhere/x cannot be used (No such file or directory)"),
        ("raise KeyError('x')", 1, "", "Traceback"),
    ],
)
def test_a_command_ends_in_one_sentence_and_a_status(text: str, status: int, out: str, err: str) -> None:
    code = f"import sys; from core.console import command\ndef run(_):\n    {text}\nsys.exit(command('core x')(run)())"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False, text=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (status, out)
    assert err in ended.stderr
    assert len(ended.stderr.splitlines()) == bool(err) or status == 1


def test_posix_shells_read_back_what_was_quoted() -> None:
    words = ["python", "a folder", "it's", "$HOME", "plain"]
    assert shlex.split(join(words)) == words
    assert quote("plain") == "plain"


def test_a_reader_that_goes_away_ends_a_command_quietly() -> None:
    code = "from core.console import command\nmain = command('core x')(lambda _: [print('line') for _ in range(10**5)])"
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -c "$CODE" | head -1'],
        env=os.environ | {"CODE": f"{code}\nimport sys; sys.exit(main())"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("line\n", "")
