"""A cache of charts and pictures, shared by all visitors: making one takes longer than the rest of its page."""

import functools
import hashlib
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

from core.system.bounded import Bounded

MOST = 24
P = ParamSpec("P")
T = TypeVar("T")


def cached(build: Callable[P, T], *, most: int = MOST) -> Callable[P, T]:
    """Cache the results of a builder by its arguments; nobody may change a result.

    An argument with a `stamp`, such as an opened run, is recognised by it. The `most` results that were asked for last
    stay. Callers who ask for what is being built wait for it.
    """
    built: Bounded[bytes, Future[T]] = Bounded(most)
    lock = threading.Lock()

    @functools.wraps(build)
    def get(*args: P.args, **options: P.kwargs) -> T:
        # the bytes are hashed and never read again
        known = [getattr(given, "stamp", given) for given in args]
        key = hashlib.blake2b(pickle.dumps((known, options))).digest()
        with lock:
            if found := built.get(key):
                built.move_to_end(key)
            else:
                mine = built[key] = Future()
        if found:
            return found.result()
        try:
            mine.set_result(build(*args, **options))
        except BaseException as error:
            mine.set_exception(error)
            with lock:
                # the next one who asks tries again
                if built.get(key) is mine:
                    del built[key]
            raise
        return mine.result()

    return get
