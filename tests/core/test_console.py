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


def test_letters_that_a_terminal_does_not_know_are_printed_as_codes() -> None:
    text = "from core.console import started; started(); print('\u5199\u771f')"
    printed = subprocess.run(
        [sys.executable, "-c", text],
        cwd=ROOT,
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert printed.stdout.strip() == rb"\u5199\u771f"


@pytest.mark.parametrize(
    "raised",
    [
        "torch.OutOfMemoryError('CUDA out of memory')", "MemoryError", "KeyError('x')", "pyarrow.ArrowMemoryError('x')",
        "numpy._core._exceptions._ArrayMemoryError((9,), numpy.dtype('u1'))",
    ],
)  # fmt: skip
def test_a_command_without_memory_ends_in_one_sentence(raised: str) -> None:
    # a package takes seconds, and built-in errors need none
    package = raised.partition(".")[0] if "." in raised else "core"
    more = ", numpy, numpy._core" if package == "numpy" else ""
    text = f"import {package}{more}; from core.console import started; started(); raise {raised}"
    said = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, check=False, text=True)
    assert said.returncode == 1
    if raised.startswith("KeyError"):
        assert said.stderr.startswith("Traceback")
    else:
        (line,) = said.stderr.strip().splitlines()
        assert "too little free memory" in line
        assert ("--device cpu" in line) == raised.startswith("torch")


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
