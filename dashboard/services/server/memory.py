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
    """Have the C library share a few heaps among all threads, and keep what is large out of them; whether it could be
    told.

    Streamlit draws every page in a thread of its own. glibc gives each a heap, up to eight a core, and none of them
    gives back what one picture in its middle still holds: with twenty visitors that were 250 MB more than are needed.
    It also puts up to 32 MB at once into a heap, and what is small soon lies in the gap.
    """
    tell = _of_glibc("mallopt")
    settings = ((ARENA_MAX, ARENAS), (MMAP_THRESHOLD, LARGE), (TRIM_THRESHOLD, 4 * LARGE))
    return tell is not None and all(tell(*setting) for setting in settings)


def few_primitives() -> None:
    """Have oneDNN, by which torch convolves on processors, keep less of what it compiles; before torch is imported.

    It compiles each layer anew for each size of a batch, and explanations ask in batches of many sizes: with 36
    visitors that was most of what memory still grew by, 80 MB in seven minutes instead of 25, and answers came no
    sooner.
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
