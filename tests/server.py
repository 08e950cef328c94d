"""A dashboard of its own for whoever asks for one: started, waited for, and stopped."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from core.homes import ROOT


def free_port():
    """A port that nobody listens to."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


@contextlib.contextmanager
def running_server(
    home=None,
    cache=None,
    *,
    log=Path(os.devnull),
    folder=ROOT,
):
    """The dashboard as it is hosted; its address and its process.

    Args:
        home: the folder with detectors/ and runs/; the project's own, or the one in the environment, when None.
        cache: where tags and packs go; the user's own, or the one in the environment, when None.
        log: the file that gets what it says.
        folder: with `dashboard/` and `.streamlit/`; what they import may be the project's.
    """
    port = free_port()
    places = {"TELLTALE_HOME": home, "TELLTALE_CACHE": cache}
    environment = os.environ | {name: str(place) for name, place in places.items() if place is not None}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "dashboard", "--server.headless", "true"]
    command += ["--server.port", str(port)]
    with started(command, port, log, folder=folder, environment=environment) as found:
        yield found


@contextlib.contextmanager
def started(
    command,
    port,
    log,
    *,
    folder=ROOT,
    environment,
    patience=300.0,
):
    """A server by any command, once it says that it is well; its address and its process.

    Args:
        command: that starts it.
        port: that it listens to.
        log: the file that gets what it says.
        folder: to start it in.
        environment: all of its variables.
        patience: seconds until it must be well.

    Raises:
        RuntimeError: it has ended, or is not well in time.
    """
    with log.open("w") as file:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=file, stderr=subprocess.STDOUT)
        address = f"http://localhost:{port}"
        try:
            for _ in range(int(patience / 0.1)):
                # refused until it listens, and not well until it can answer
                with (
                    contextlib.suppress(OSError),
                    urllib.request.urlopen(f"{address}/_stcore/health", timeout=patience),  # noqa: S310
                ):
                    break
                if process.poll() is not None:
                    raise RuntimeError(f"the server has ended with status {process.returncode}: {log.read_text()}")
                time.sleep(0.1)
            else:
                raise RuntimeError(f"the server has not started, see {log}")
            yield address, process.pid
        finally:
            process.terminate()
            process.wait()
