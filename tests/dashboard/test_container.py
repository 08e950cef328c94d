"""The Dockerfile, compose.yaml and the lock: linted, read, and as much of them run as needs no Docker."""

import json
import os
import re
import shlex
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from core.runs.folders import ROOT
from tests.read_only import available
from tests.server import free_port, started
from tests.visitor import Visitor, in_a_thread

TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
# the Dockerfile instructions that may occur
WORDS = {"FROM", "ENV", "SHELL", "WORKDIR", "COPY", "RUN", "USER"}
WORDS |= {"VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in their order, with continued lines put together."""
    whole = re.sub(r"\\\n\s*", "", re.sub(r"^\s*#.*\n", "", TEXT, flags=re.MULTILINE))
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in whole.splitlines() if line.strip()]


def locked(text: str = LOCK) -> list[Requirement]:
    """What a lock holds."""
    return [Requirement(line.rstrip(" \\")) for line in text.splitlines() if re.match(r"[a-z]", line)]


def of(word: str) -> list[str]:
    """What follows an instruction, each time that it is given."""
    return [rest for name, rest in instructions() if name == word]


def test_a_linter_finds_nothing() -> None:
    done = subprocess.run(["hadolint", "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_it_runs_as_nobody_in_particular_and_writes_to_the_cache_alone() -> None:
    assert {name for name, _ in instructions()} <= WORDS
    assert of("USER") == ["10001"]
    assert of("VOLUME") == ["/cache"]
    # nothing that comes after belongs to root, and nothing before to somebody else
    names = [name for name, _ in instructions()]
    assert not {"COPY", "RUN"} & set(names[names.index("USER") :])
    assert all("--chown" not in rest for rest in of("COPY"))
    telltale = COMPOSE["services"]["telltale"]
    assert telltale["read_only"] is True
    assert telltale["volumes"] == ["cache:/cache"]
    assert telltale["cap_drop"] == ["ALL"]
    # it is reached through the proxy alone, and reaches nothing itself
    assert "ports" not in telltale
    assert COMPOSE["networks"][telltale["networks"][0]]["internal"] is True


def test_what_is_copied_is_there_and_reaches_the_image() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    sources = {source for rest in of("COPY") for source in shlex.split(rest)[:-1]}
    assert sources == set(kept)
    for source in sources:
        assert (ROOT / source).exists(), source
    # no tests, no history, no training images
    assert not {".git", "tests", "data"} & sources


def test_the_proxy_asks_for_a_login_and_names_the_dashboard() -> None:
    # with the text itself in compose.yaml, Compose refuses a service that is read only
    proxy, config = COMPOSE["services"]["proxy"], COMPOSE["configs"]["caddyfile"]
    assert list(config) == ["file"]
    text = (ROOT / config["file"]).read_text(encoding="utf-8")
    assert proxy["read_only"] is True
    assert proxy["depends_on"]["telltale"]["condition"] == "service_healthy"
    assert "HEALTHCHECK" in TEXT
    # everything is inside the one site, after its login
    assert re.search(r"\n\{\$TELLTALE_HOST\} \{\n  basic_auth \{\n    \{\$TELLTALE_USER\} ", text)
    assert text.count("{") == text.count("}")
    assert f"reverse_proxy telltale:{of('EXPOSE')[0]}" in text
    assert "respond /_stcore/metrics 404" in text
    # Caddy reads them from its environment
    used = set(re.findall(r"\{\$(\w+)\}", text))
    assert used == set(proxy["environment"])
    given = re.findall(r"\$\{(\w+):\?\}", json.dumps(COMPOSE))
    assert set(given) == used
    assert COMPOSE["services"]["telltale"]["command"] == ["--server.allowedHosts", "${TELLTALE_HOST:?}"]


def test_the_lock_is_within_the_ranges_and_names_no_host() -> None:
    found = {one.name: one for one in locked()}
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        wanted = Requirement(line.partition("#")[0])
        (version,) = [spec.version for spec in found[wanted.name].specifier]
        assert wanted.specifier.contains(version), wanted
    assert LOCK.count("--hash=sha256:") > len(found)
    assert not re.search(r"https?://|index-url|find-links", re.sub(r"^#.*", "", LOCK, flags=re.MULTILINE))
    assert (ROOT / "SECURITY.md").read_text().count(LOCK.splitlines()[1].strip("# ")) == 1


def test_what_is_installed_is_the_lock_without_what_graphics_cards_need(tmp_path: Path) -> None:
    """The parts of the installing line that need no network, by the shell that is named."""
    (install,) = [rest for rest in of("RUN") if "pip install" in rest]
    shell = json.loads(of("SHELL")[0])
    parts = [part for part in install.split(" && ") if part.startswith("awk")]
    pins = re.findall(r'"\$\((grep [^"]*)\)"', install)
    (tmp_path / "requirements.lock").write_text(LOCK, encoding="utf-8")
    script = "\n".join([*pins, *(part.replace("/tmp/rest.lock", "rest.lock") for part in parts)])  # noqa: S108
    done = subprocess.run([*shell, script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [line.partition("==")[0] for line in done.stdout.splitlines()] == ["torch", "torchvision"]
    rest = locked((tmp_path / "rest.lock").read_text())
    left_out = {one.name for one in locked()} - {one.name for one in rest}
    assert {"torch", "torchvision"} <= left_out
    assert all(fnmatch(name, "torch*") or re.match("nvidia-|cuda-|triton", name) for name in left_out)
    # whoever installs by hashes alone needs one for each
    blocks = re.split(r"\n(?=[a-z])", (tmp_path / "rest.lock").read_text().strip())
    assert all("--hash=sha256:" in block for block in blocks)


def test_what_the_image_starts_serves_from_a_read_only_tree_and_is_healthy(made_home: Path, tmp_path: Path) -> None:
    if not available():
        pytest.skip("this kernel cannot take a process the right to write")
    cache, port = tmp_path / "cache", free_port()
    cache.mkdir()
    given = dict(pair.split("=", 1) for rest in of("ENV") for pair in shlex.split(rest))
    given = {name: value.replace("/cache", str(cache)) for name, value in given.items() if name != "PATH"}
    assert given["TELLTALE_CACHE"] == given["HOME"] == str(cache)
    allowed = [part.replace("${TELLTALE_HOST:?}", "localhost") for part in COMPOSE["services"]["telltale"]["command"]]
    command = [*json.loads(of("ENTRYPOINT")[0]), *allowed, "--server.port", str(port)]
    # what a health check asks, at this port
    (check,) = re.findall(r"CMD (\[.*)", of("HEALTHCHECK")[0])
    health = [part.replace(":8501", f":{port}") for part in json.loads(check)]
    environment = dict(os.environ)
    environment |= given | {"TELLTALE_HOME": str(made_home)}
    restricted = [sys.executable, "-m", "tests.read_only", str(cache), sys.executable, "-m", *command]

    async def visit() -> tuple[bool, list[str]]:
        async with Visitor(f"http://localhost:{port}") as visitor:
            await visitor.open("explore", run="tiny@seen-test")
            return visitor.has("attach.path"), visitor.troubles

    assert subprocess.run(health, capture_output=True, check=False).returncode != 0
    with started(restricted, port, tmp_path / "log", environment=environment, patience=60):
        assert subprocess.run(health, capture_output=True, check=False).returncode == 0
        # nobody is local there
        assert in_a_thread(visit()) == (False, [])
