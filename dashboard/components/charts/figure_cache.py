"""A cache of charts and pictures, shared by all visitors: making one takes longer than the rest of its page."""

import functools
import hashlib
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import ParamSpec, TypeVar

from core.storage import Bounded

MOST = 24
P = ParamSpec("P")
T = TypeVar("T")


def cached(build: Callable[P, T], *, most: int = MOST) -> Callable[P, T]:
    """Cache the results of a builder by its arguments; callers must not modify a result.

    A positional argument with a `stamp`, such as an opened run, is keyed by that, all others by their pickled value.
    The `most` most recently used results are kept. Concurrent calls with equal arguments share one build.
    """
    built: Bounded[bytes, T] = Bounded(most)
    building: dict[bytes, Future[T]] = {}
    lock = threading.Lock()

    @functools.wraps(build)
    def get(*args: P.args, **options: P.kwargs) -> T:
        # the bytes are hashed and never read again
        known = [getattr(given, "stamp", given) for given in args]
        key = hashlib.blake2b(pickle.dumps((known, options))).digest()
        with lock:
            if key in built:
                built.move_to_end(key)
                return built[key]
            others = building.get(key)
            if others is None:
                mine = building[key] = Future()
        if others is not None:
            try:
                return others.result()
            except CancelledError:
                # its visitor's page was stopped or begun anew, which is nobody else's affair
                return get(*args, **options)
        try:
            result = build(*args, **options)
        except BaseException as error:
            with lock:
                # the next one who asks tries again
                del building[key]
            if isinstance(error, Exception):
                mine.set_exception(error)
            else:
                mine.cancel()
            raise
        with lock:
            # a future has two kilobytes, more than many a result
            built[key] = result
            del building[key]
        mine.set_result(result)
        return result

    return get
