"""Values kept in memory: properties that are computed once, and a dictionary of bounded length."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


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


class Bounded(OrderedDict[K, V]):
    """A dictionary that keeps only its most recently set items.

    Args:
        most: maximum number of items; setting one more drops the one that was set longest ago.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        while len(self) > self.most:
            self.popitem(last=False)
