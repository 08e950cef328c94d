"""Threads of visitors share their heaps."""

import os
import platform
import subprocess
import sys

import pytest

from tests.dashboard.conftest import ROOT

# how many heaps there are when more threads than cores have each taken memory of their own at once
COUNT = """
import ctypes, sys, tempfile, threading
from dashboard.services.memory import few_arenas
if sys.argv[1] == "few":
    assert few_arenas()
barrier, held = threading.Barrier(12), []
def take():
    barrier.wait()
    held.extend(bytes(1000) for _ in range(1000))
    barrier.wait()
threads = [threading.Thread(target=take) for _ in range(12)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
libc = ctypes.CDLL(None)
with tempfile.NamedTemporaryFile() as file:
    libc.fopen.restype, libc.malloc_info.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p]
    libc.fclose.argtypes = [ctypes.c_void_p]
    stream = libc.fopen(file.name.encode(), b"w")
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    print(file.read().count(b"<heap nr="))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have other heaps")
def test_many_threads_share_few_heaps() -> None:
    # either of these sets the number of heaps, too
    setting = ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")
    environment = {name: value for name, value in os.environ.items() if name not in setting}

    def heaps(how: str) -> int:
        command = [sys.executable, "-c", COUNT, how]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert heaps("few") <= 2 < heaps("many")
