"""Faults at will: a write that fails, a disk that is full, a process that is killed; and children to suffer them.

Every change to a folder that Python makes (opening to write, making, renaming, removing, changing a mode, syncing) is
counted, and the k-th of them ends the process or fails, alone or with all that follow it. What libraries write
natively, and the bytes of any file, fail by the system's own limit on the size of a file, which is a full disk to
whoever writes.
"""

import errno
import multiprocessing
import os
import resource
import signal
import sys
import traceback
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

KILL = -1
# seconds without a report after which a child has hung
PATIENCE = 300
# of a file operation: how many of its first arguments are paths
CHANGES = dict.fromkeys(("os.mkdir", "os.remove", "os.rmdir", "os.chmod", "os.truncate", "sqlite3.connect"), 1)
CHANGES |= dict.fromkeys(("os.rename", "os.link", "os.symlink"), 2)
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass
class Faults:
    """Counts the changes below a folder and lets one of them go wrong.

    Attributes:
        root: the folder.
        at: which change, counted from 1; 0 for none.
        what: an errno, or KILL; with EROFS, all later changes fail too.
        seen: how many there were.
    """

    root: Path
    at: int = 0
    what: int = 0
    seen: int = 0

    def change(self, path):
        """A change is about to be made."""
        self.seen += 1
        if self.seen == self.at or (self.what == errno.EROFS and 0 < self.at < self.seen):
            if self.what == KILL:
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(self.what, os.strerror(self.what), str(path))

    def note(self, event, arguments):
        """Count what Python reports before it touches a file."""
        if event == "open":
            path, mode, flags = arguments
            writes = any(letter in mode for letter in "wax+") if isinstance(mode, str) else bool(flags & WRITES)
            if writes and self._is_ours(path):
                self.change(path)
        elif event in CHANGES:
            # a tree is removed by names within an open folder
            within = event in ("os.remove", "os.rmdir") and arguments[-1] not in (-1, None)
            if within or any(map(self._is_ours, arguments[: CHANGES[event]])):
                self.change(arguments[0])

    def _is_ours(self, path):
        return isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(str(self.root))


_listening = []


def _note(event, arguments):
    for faults in _listening:
        faults.note(event, arguments)


@cache
def _listen():
    # there is no way to take a hook off again
    sys.addaudithook(_note)


@contextmanager
def faulty(root, *, at=0, what=0):
    """Within it, the `at`-th change below `root` goes wrong."""
    _listen()
    faults = Faults(root, at, what)
    synced = os.fsync

    def fsync(number):
        faults.change("a file that is synced")
        synced(number)

    _listening.append(faults)
    os.fsync = fsync
    try:
        yield faults
    finally:
        os.fsync = synced
        _listening.remove(faults)


@contextmanager
def small_disk(size):
    """Within it, no file grows beyond `size` bytes: a write beyond fails, in native code too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft if size is None else size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@dataclass
class Outcome:
    """How a child ended.

    Attributes:
        reports: what it said had been done, in order.
        result: what its work returned; None where it did not end.
        error: the traceback of what it did not catch, "" for none.
        killed: whether it was killed.
    """

    reports: list[Any] = field(default_factory=list)
    result: Any = None
    error: str = ""
    killed: bool = False


def _suffer(work, pipe):
    try:
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            outcome = ("result", work(lambda done: pipe.send(("report", done))))
    except Exception:  # noqa: BLE001 - whatever it is, the parent is told
        outcome = ("error", traceback.format_exc())
    pipe.send(outcome)
    pipe.close()
    os._exit(0)


def in_child(work):
    """Let a child of this process do a piece of work; it is given a function that reports to the parent."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_suffer, args=(work, theirs))
    process.start()
    theirs.close()
    outcome = Outcome()
    try:
        while ours.poll(PATIENCE):
            kind, value = ours.recv()
            if kind == "report":
                outcome.reports.append(value)
            else:
                setattr(outcome, kind, value)
        outcome.error = f"hung for {PATIENCE} s"
        process.kill()
    except EOFError:
        pass
    process.join()
    outcome.killed = process.exitcode == -signal.SIGKILL
    return outcome
