"""Studies that a visitor at this machine has made by a press of a button: one command at a time, in its own process."""

import atexit
import os
import subprocess
import sys
import threading

import streamlit as st

from core.homes import ROOT
from core.storage.atomic import cache_dir


class Maker:
    """The process that makes studies, one for all visitors.

    Attributes:
        words: of the command that was started last, after the program's name.
    """

    def __init__(self) -> None:
        self.words: tuple[str, ...] = ()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._log = cache_dir() / f"study-{os.getpid()}.log"
        atexit.register(self.cancel)

    @property
    def busy(self) -> bool:
        """True while a command runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def line(self) -> str:
        """What the command printed last."""
        return "".join(self._log.read_text("utf-8", errors="replace").splitlines()[-1:]) if self._process else ""

    @property
    def problem(self) -> str:
        """One sentence on why the last command ended without a result; "" where it did not, and after `cancel`."""
        return self.line if self._process is not None and (self._process.poll() or 0) > 0 else ""

    def start(self, words: tuple[str, ...]) -> None:
        """Start the command of these words; nothing happens while another runs."""
        with self._lock:
            if not self.busy:
                self.words = words
                command = [sys.executable, "-m", "core", *words]
                self._log.parent.mkdir(parents=True, exist_ok=True)
                with self._log.open("wb") as log:
                    self._process = subprocess.Popen(  # noqa: S603 - no shell
                        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
                    )

    def cancel(self) -> None:
        """End the command; the shards that it has finished are kept."""
        if self._process is not None:
            self._process.terminate()


@st.cache_resource(show_spinner=False)
def the_maker() -> Maker:
    """Return the process that makes studies."""
    return Maker()
