"""How the commands end: in a result, or in one sentence and a status."""

import os
import signal
import subprocess
import sys

import pytest

from core.cli import COMMANDS, main
from core.runs.folders import ROOT


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "serve"])
def test_each_subcommand_shows_its_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert "usage: " in capsys.readouterr().out


@pytest.mark.parametrize(("words", "status"), [(["--help"], 0), ([], 2), (["perdict"], 2)])
def test_without_a_known_subcommand_it_says_which_there_are(words: list[str], status: int) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == status


@pytest.mark.parametrize(("name", "command"), [("train.py", ["train.py"]), ("core predict", ["-m", "core", "predict"])])
def test_ctrl_c_while_libraries_are_read_is_a_sentence(name: str, command: list[str]) -> None:
    # a line on each library as soon as it is read shows when
    process = subprocess.Popen(
        # tests that run in the background have the signal ignored
        ["env", "--default-signal=INT", sys.executable, "-X", "importtime", *command, "--help"],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    read: list[str] = []
    while "core.console" not in "".join(read) or "numpy" not in read[-1]:
        read.append(process.stderr.readline())
        assert read[-1]
    os.kill(process.pid, signal.SIGINT)
    rest = [line for line in process.stderr.read().splitlines() if line and not line.startswith("import time:")]
    assert rest == [f"{name}: stopped before it began; nothing has changed."]
    assert process.wait() == 130


@pytest.mark.parametrize(
    ("text", "status", "out", "err"),
    [
        ("print('\\u5199')", 0, "\\u5199\n", ""),
        ("raise MemoryError", 2, "", "core x: this machine has too little free memory"),
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


def test_a_reader_that_goes_away_ends_a_command_quietly() -> None:
    code = "from core.console import command\nmain = command('core x')(lambda _: [print('line') for _ in range(10**5)])"
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -c "$CODE" | head -1'],
        env=os.environ | {"CODE": f"{code}\nimport sys; sys.exit(main())"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("line\n", "")
