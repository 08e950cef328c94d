"""Run a command that can write to one folder and to nothing else, as on a host with a read-only tree.

python -m tests.read_only FOLDER COMMAND...

Linux' Landlock does it, without privileges; `available` says whether this kernel has it.
"""

import ctypes
import os
import sys
from pathlib import Path

CREATE_RULESET = 444
ADD_RULE = 445
RESTRICT_SELF = 446
VERSION = 1
BENEATH = 1
NO_NEW_PRIVILEGES = 38
# write, remove and make files and folders of every kind, and since the third version truncate them
WRITES = 0b1_1111_1111_0010 | 1 << 14
# sockets and devices are no part of the tree
WRITABLE = ("/dev", "/proc")


class Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr of its first version."""

    _fields_ = [("handled", ctypes.c_uint64)]


class PathBeneath(ctypes.Structure):
    """struct landlock_path_beneath_attr."""

    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def _call(number, *arguments):
    return ctypes.CDLL(None, use_errno=True).syscall(number, *arguments)


def available():
    """Whether this kernel has Landlock with all that is asked of it."""
    return sys.platform == "linux" and _call(CREATE_RULESET, None, 0, VERSION) >= 3


def restrict(folder):
    """Take from this process, and all that it starts, the right to write outside a folder."""
    rules = _call(CREATE_RULESET, ctypes.byref(Ruleset(WRITES)), ctypes.sizeof(Ruleset), 0)
    for path in (folder, *WRITABLE):
        parent = os.open(path, os.O_PATH)
        if _call(ADD_RULE, rules, BENEATH, ctypes.byref(PathBeneath(WRITES, parent)), 0):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
    ctypes.CDLL(None).prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if _call(RESTRICT_SELF, rules, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    restrict(Path(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - the command that was given
