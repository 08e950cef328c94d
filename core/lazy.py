"""Properties that are computed when they are first read, and kept."""

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class lazy_property(Generic[T]):
    """`functools.cached_property` with a lock for each instance: before Python 3.12 that has one for all of them.

    What raises is computed again at the next reading.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self.__doc__ = compute.__doc__
        self._compute = compute
        self._name = compute.__name__

    def __get__(self, instance: Any, _owner: type) -> T:
        kept: dict[str, Any] = instance.__dict__
        # the value is kept under the property's own name, so that later readings do not come here
        with kept.setdefault(f"{self._name}.lock", threading.Lock()):
            if self._name not in kept:
                kept[self._name] = self._compute(instance)
        value: T = kept[self._name]
        return value
