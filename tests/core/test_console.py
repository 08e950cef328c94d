"""How the commands end: in a result, or in one sentence and a status."""

import os
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from core.cli import main
from core.homes import ROOT


def run(*command, **options):
    """What a command in a process of its own ends with."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, **options)


# each reads its arguments to the end, and refuses them or prints its help
TYPED = [
    "explain",
    "predict x",
    "train",
    "study --engine x",
    "cues",
    "judgement",
    "report",
    "findings --x",
    "runs",
    "runs add x",
    "runs list x y",
    "detectors add x --crop x",
    "detectors lst",
    "serve --help",
    "perdict",
    "--help",
    "explain --help",
    "",
]
# names of runs, detectors and files that are not there
WRONG = [
    "explain no.png",
    "explain README.md --detector nobody",
    "predict nobody --data sample",
    "train --data sample --join nobody",
    "study probes --run nobody",
    "findings nobody",
    "report nobody --out x.html",
    "judgement --run nobody --data sample",
    "runs add x no.csv --data sample",
    "detectors add nobody",
]
NOT_FOR_ARGUMENTS = {"torch", "pandas", "numpy", "PIL", "pydantic", "scipy", "streamlit", "pyarrow"}


@pytest.mark.parametrize(
    "words, unread",
    [
        *(("-m core " + words, NOT_FOR_ARGUMENTS) for words in TYPED),
        ("train.py --recipe x", NOT_FOR_ARGUMENTS),
        *(("-m core " + words, {"torch", "pandas"}) for words in WRONG),
    ],
)
def test_what_is_typed_is_read_before_libraries(words, unread):
    done = run(sys.executable, "-X", "importtime", *words.split())
    assert done.returncode == (0 if words.endswith("--help") else 2)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert not imported & unread


@pytest.mark.parametrize(
    "line",
    ["train --data x", "predict x --data x", "cues --data x", "runs add x x --data x", "detectors add x"],
)
def test_a_command_writes_to_the_home(line, tmp_path, monkeypatch):
    name, *words = line.split()
    parse = import_module(f"core.commands.{name}").parse
    assert parse(words).out == ROOT
    monkeypatch.setenv("TELLTALE_HOME", str(tmp_path))
    assert parse(words).out == tmp_path


@pytest.mark.parametrize(
    "name, command", [("train.py", ["train.py"]), ("python -m core predict", ["-m", "core", "predict", "swift"])]
)
def test_ctrl_c_while_libraries_are_read_is_a_sentence(name, command):
    # a line on each library as soon as it is read shows when
    process = subprocess.Popen(
        # tests that run in the background have the signal ignored
        ["env", "--default-signal=INT", sys.executable, "-X", "importtime", *command, "--data", "sample"],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    read = []
    while "core.console" not in "".join(read) or "numpy" not in read[-1]:
        read.append(process.stderr.readline())
        assert read[-1]
    os.kill(process.pid, signal.SIGINT)
    rest = [line for line in process.stderr.read().splitlines() if line and not line.startswith("import time:")]
    assert rest == [f"{name}: stopped before it began; nothing has changed."]
    assert process.wait() == 130


@pytest.mark.parametrize(
    "text, status, out, err",
    [
        ("print('\\u5199')", 0, "\\u5199\n", ""),
        ("raise MemoryError", 2, "", "core x: this machine has too little free memory"),
        ("import torch; raise torch.OutOfMemoryError('CUDA')", 2, "", "--device cpu"),
        ("open('/nowhere/x')", 2, "", "core x: /nowhere/x cannot be used (No such file or directory)"),
        ("raise KeyError('x')", 1, "", "Traceback"),
    ],
)
def test_a_command_ends_in_one_sentence_and_a_status(text, status, out, err):
    code = f"import sys; from core.console import command\ndef run(_):\n    {text}\nsys.exit(command('core x')(run)())"
    ended = run(sys.executable, "-c", code, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert ended.returncode == status
    assert ended.stdout == out
    assert err in ended.stderr
    assert len(ended.stderr.splitlines()) == bool(err) or status == 1


@pytest.mark.parametrize(
    "words, reader, read",
    [
        # more than fits into the pipe
        (
            '-c \'from core.console import command; command("x")(lambda _: print("line\\n" * 10**6))()\'',
            "head -1",
            "line\n",
        ),
        ("-m core --help", "true", ""),
    ],
)
def test_a_reader_that_goes_away_ends_a_command_quietly(words, reader, read):
    line = f"{sys.executable} {words} | {reader}; exit ${{PIPESTATUS[0]}}"
    done = run("bash", "-c", line)
    assert done.returncode == 0
    assert done.stdout == read
    assert done.stderr == ""


def test_serve_starts_where_the_servers_settings_are(tmp_path, monkeypatch):
    started = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "execve", lambda *given: started.extend([Path.cwd(), *given]))
    monkeypatch.setattr(subprocess, "call", lambda *_, **__: 0)
    main(["serve", "--home", "own", "--server.port", "1"])
    folder, _, words, environment = started
    assert (folder / ".streamlit" / "config.toml").is_file()
    assert environment["TELLTALE_HOME"] == str(tmp_path / "own")
    assert words[-2:] == ["--server.port", "1"]
