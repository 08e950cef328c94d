"""Keep the memory of a server flat that many visit."""

import ctypes
import os
import sys
from typing import Any

# of mallopt(3) in glibc
TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
ARENAS = 2
# bytes from which memory is the system's again as soon as it is freed; for smaller ones that costs time
LARGE = 4 * 2**20

# shapes of the inputs of layers for which oneDNN keeps what it has compiled; 1,024 unless told
PRIMITIVES = 128


def tame_heaps() -> bool:
    """Have glibc use a few heaps for all threads and keep large blocks out of them; return True where it was set.

    Streamlit runs every page in its own thread. By default glibc has up to eight heaps per core, and no heap shrinks
    while a single picture in its middle is in use: with twenty visitors, 250 MB more than needed. It also puts blocks
    of up to 32 MB into a heap, and small ones soon occupy the gaps they leave.
    """
    tell = _of_glibc("mallopt")
    settings = ((ARENA_MAX, ARENAS), (MMAP_THRESHOLD, LARGE), (TRIM_THRESHOLD, 4 * LARGE))
    return tell is not None and all(tell(*setting) for setting in settings)


def few_primitives() -> None:
    """Have oneDNN, torch's CPU backend for convolutions, cache fewer compiled primitives; call before importing torch.

    It compiles each layer for each batch size, and explanations use many: with 36 visitors its default cache was most
    of the remaining memory growth, 80 MB in seven minutes instead of 25 MB, and made no answer faster.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(PRIMITIVES))


def share_pool() -> None:
    """Have tables take their memory from the C library, as everything else does.

    By itself pyarrow has a reserve for each thread, and every page is drawn in a thread of its own: after 18 minutes of
    36 visitors it held 129 MB for 52 MB of tables.
    """
    # for what Arrow itself allocates, where it has not been read yet
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    import pyarrow as pa  # noqa: PLC0415 - takes long, and only a server needs this

    pa.set_memory_pool(pa.system_memory_pool())


def give_back() -> None:
    """Have the C library give the system what it holds in reserve, where it can be told; takes 15 ms of a gigabyte.

    By itself it gives back only what lies at the end of a heap. With 36 visitors a call every ten seconds freed 20 to
    45 MB each time.
    """
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(ctypes.c_size_t(0))


def _of_glibc(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
