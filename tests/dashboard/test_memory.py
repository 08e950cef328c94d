"""Threads of visitors share their heaps, what is free goes back to the system, and large messages are not held."""

import asyncio
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState

from tests.benchmarks.memory import resident
from tests.benchmarks.visitor import Trouble, Visitor, in_a_thread
from tests.dashboard.conftest import ROOT
from tests.server import running_server

# counts the heaps after more threads than cores have allocated memory at the same time
COUNT = """
import ctypes, sys, tempfile, threading
from dashboard.services.server.memory import tame_heaps
if sys.argv[1] == "few":
    assert tame_heaps()
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


# memory between two blocks that stay
BETWEEN = """
import ctypes, os, sys
from dashboard.services.server.memory import give_back
from tests.benchmarks.memory import resident
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
blocks = [libc.malloc(100_000) for _ in range(2000)]
for block in blocks:
    ctypes.memset(block, 1, 100_000)
for number, block in enumerate(blocks):
    if number % 20:
        libc.free(block)
before = resident(os.getpid())
give_back()
print(before - resident(os.getpid()))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries give back by themselves, or cannot")
def test_what_lies_between_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", BETWEEN], cwd=ROOT, capture_output=True, text=True, check=True)
    # of 190 MB
    assert float(done.stdout) > 120


# what 24 threads leave behind that have each made a table and let go of it
POOL = """
import os, sys, threading
import pyarrow as pa
from dashboard.services.server.memory import give_back, share_pool, tame_heaps
from tests.benchmarks.memory import resident
tame_heaps()
if sys.argv[1] == "shared":
    share_pool()
# it imports more with the first one
pa.array(range(10))
barrier, before = threading.Barrier(24), resident(os.getpid())
def make():
    tables = [pa.array(range(20_000)) for _ in range(20)]
    barrier.wait()
    del tables
    barrier.wait()
threads = [threading.Thread(target=make) for _ in range(24)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
give_back()
print(resident(os.getpid()) - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries give back by themselves, or cannot")
def test_tables_leave_no_reserve_for_each_thread() -> None:
    def left(how: str) -> float:
        command = [sys.executable, "-c", POOL, how]
        return float(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)

    # of 77 MB
    assert left("shared") < min(35.0, left("its own") / 2)


# convolutions of as many sizes as are kept and one more, then the first again
SHAPES = """
import sys
from dashboard.services.server.memory import PRIMITIVES, few_primitives
if sys.argv[1] == "few":
    few_primitives()
import torch
layer = torch.nn.Conv2d(8, 8, 3)
with torch.inference_mode():
    for size in (*range(4, 5 + PRIMITIVES), 4):
        layer(torch.zeros(4, 8, 4, size))
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="elsewhere torch convolves by other means")
def test_of_many_shapes_few_are_kept() -> None:
    def last(how: str) -> str:
        environment = {**os.environ, "ONEDNN_VERBOSE": "2"}
        environment.pop("ONEDNN_PRIMITIVE_CACHE_CAPACITY", None)
        command = [sys.executable, "-c", SHAPES, how]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        made = [line for line in done.stdout.splitlines() if "create:" in line and ",convolution," in line]
        assert len(made) > 100
        return made[-1]

    assert "create:cache_hit" in last("many")
    assert "create:cache_miss" in last("few")


async def shout(address: str, size: int) -> str:
    """Send a message of a size; how that ends: "taken", or the code with which the connection does."""
    async with Visitor(address) as visitor:
        await visitor.open("glossary")
        try:
            await visitor.send_state(WidgetState(id="nobody's", string_value="x" * size))
        except Trouble:
            return "refused"
        return "taken"


def test_large_messages_are_not_held(made_home: Path, tmp_path: Path) -> None:
    async def crowd(address: str, process: int) -> tuple[list[str], float]:
        assert await shout(address, 1_000_000) == "taken"
        before = resident(process)
        answers = await asyncio.gather(*(shout(address, 24_000_000) for _ in range(20)))
        after = resident(process)
        # whoever else is there goes on
        assert await shout(address, 1000) == "taken"
        return answers, after - before

    with running_server(made_home, tmp_path / "cache") as (address, process):
        answers, more = in_a_thread(crowd(address, process))
    assert answers == ["refused"] * 20
    # were each of them held it would be 480
    assert more < 120
