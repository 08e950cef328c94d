"""Keep the memory of a server flat that many visit."""

import ctypes
import sys

# of mallopt(3) in glibc
ARENA_MAX = -8
ARENAS = 2


def few_arenas() -> bool:
    """Have the C library share a few heaps among all threads; whether it could be told.

    Streamlit draws every page in a thread of its own. glibc gives each a heap, up to eight a core, and none of them
    gives back what one picture in its middle still holds: with twenty visitors that were 250 MB more than are needed.
    """
    if sys.platform != "linux":
        return False
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    return tell is not None and bool(tell(ARENA_MAX, ARENAS))
