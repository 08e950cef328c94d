"""The Dockerfile, compose.yaml and docs/hosting.md: linted, read, and as much of them run as needs no Docker."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys

import pytest
import yaml

from core.homes import ROOT
from tests.read_only import available
from tests.server import free_port, started
from tests.shared import in_a_thread
from tests.visitor import Visitor

NAME = "telltale.example.org"
TEXT = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())


def instructions():
    """The Dockerfile's instructions in their order, with continued lines put together."""
    whole = re.sub(r"\\\n\s*", "", re.sub(r"^\s*#.*\n", "", TEXT, flags=re.MULTILINE))
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in whole.splitlines() if line.strip()]


def of(word):
    """What follows an instruction, each time that it is given."""
    return [rest for name, rest in instructions() if name == word]


def test_a_linter_finds_nothing():
    done = subprocess.run(["hadolint", "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout == ""


def test_it_runs_as_nobody_in_particular_and_writes_to_the_cache_alone():
    assert of("USER") == ["10001"]
    assert of("VOLUME") == ["/cache"]
    # nothing that comes after belongs to root, and nothing before to somebody else
    names = [name for name, _ in instructions()]
    assert not {"COPY", "RUN"} & set(names[names.index("USER") :])
    assert all("--chown" not in rest for rest in of("COPY"))
    telltale = COMPOSE["services"]["telltale"]
    assert telltale["read_only"] is True
    assert telltale["volumes"] == ["cache:/cache", "./own:/own:ro"]
    assert telltale["cap_drop"] == ["ALL"]
    # it is reached through the proxy alone, and reaches nothing itself
    assert "ports" not in telltale
    assert COMPOSE["networks"][telltale["networks"][0]]["internal"] is True


def test_what_is_copied_is_there_and_reaches_the_image():
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    sources = {source for rest in of("COPY") for source in shlex.split(rest)[:-1]}
    assert sources == set(kept)
    for source in sources:
        assert (ROOT / source).exists(), source
    # no tests, no history, no training images
    assert not {".git", "tests", "data"} & sources


def installs():
    """The steps of the Dockerfile and of docs/hosting.md that install the project itself, after "pip"."""
    lines = [*of("RUN"), *(ROOT / "docs" / "hosting.md").read_text().splitlines()]
    return [line.partition("pip ")[2] for line in lines if line.endswith("--editable .")]


@pytest.mark.parametrize("step", installs())
def test_a_step_installs_the_command(step, tmp_path):
    assert len(installs()) == 2
    copied = {source for rest in of("COPY") for source in shlex.split(rest)[:-1]} - {"assets", "requirements.lock"}
    for source in copied:
        (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, tmp_path / source)
    pip = [sys.executable, "-m", "pip", *shlex.split(step), "--prefix", "made"]
    subprocess.run(pip, cwd=tmp_path, check=True, capture_output=True)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [tmp_path / "made/bin/telltale", "--help"], env=environment, cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0


def image(cache, home):
    """What the image starts, and its variables."""
    given = dict(pair.split("=", 1) for rest in of("ENV") for pair in shlex.split(rest))
    given = {name: value.replace("/cache", str(cache)) for name, value in given.items() if name != "PATH"}
    # as it is mounted
    assert given["TELLTALE_HOME"] == "/own"
    given["TELLTALE_HOME"] = str(home)
    assert given["TELLTALE_CACHE"] == given["HOME"] == str(cache)
    allowed = [part.replace("${TELLTALE_HOST:?}", NAME) for part in COMPOSE["services"]["telltale"]["command"]]
    return [sys.executable, *json.loads(of("ENTRYPOINT")[0])[1:], *allowed], given


def document(cache, home):
    """What docs/hosting.md says to start without Docker, likewise."""
    script = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "hosting.md").read_text(), re.DOTALL)[-1]
    for folder, own in (("/var/lib/telltale", cache), ("/srv/telltale", home)):
        assert script.count(folder) == 1
        script = script.replace(folder, str(own))
    return ["bash", "-euc", script], {"HOME": "/nowhere"}


@pytest.mark.parametrize("way", [image, document])
def test_it_serves_under_its_name_from_a_read_only_tree(made_home, tmp_path, monkeypatch, way):
    if not available():
        pytest.skip("this kernel cannot take a process the right to write")
    cache = tmp_path / "cache"
    log = tmp_path / "log"
    port = free_port()
    cache.mkdir()
    command, given = way(cache, made_home)
    (check,) = re.findall(r"CMD (\[.*)", of("HEALTHCHECK")[0])
    health = [part.replace(":8501", f":{port}") for part in json.loads(check)]
    environment = {name: value for name, value in os.environ.items() if name not in ("TMPDIR", "TELLTALE_CACHE")}
    environment |= {"STREAMLIT_SERVER_PORT": str(port), **given}
    found = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *more, **named: found("localhost" if host == NAME else host, *more, **named)
    )

    async def visit():
        async with Visitor(f"http://{NAME}:{port}", {"X-Forwarded-For": "203.0.113.9"}) as visitor:
            for page in ("", "mistakes", "try_picture", "reads", "maps"):
                await visitor.open(page, run="tiny@seen-test")
                await visitor.still(1.0, 30.0)
            return visitor.has("attach.path"), visitor.troubles

    def is_well():
        return subprocess.run(health, capture_output=True, check=False).returncode == 0

    restricted = [sys.executable, "-m", "tests.read_only", str(cache), *command]
    assert not is_well()
    with started(restricted, port, log, environment=environment, patience=60):
        assert is_well()
        # nobody is local there
        assert in_a_thread(visit()) == (False, [])
    assert "Traceback" not in log.read_text()
