"""Let only one thread at a time import large libraries.

Each page runs in its own thread, and the worker imports torch in another. Python locks each module separately: of two
threads that enter a package at different modules, one may get modules that are still loading, and its page fails with
"partially initialized module".
"""

import builtins
import importlib
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

# whatever else imports each other in circles and is read by more than one thread
LARGE = {"lime", "matplotlib", "pandas", "plotly", "pyarrow", "scipy", "skimage", "sklearn", "torch", "torchvision"}
# seconds after which a thread imports without the lock: better one failed page than a deadlocked server
PATIENCE = 120.0
_lock = threading.RLock()


def import_in_turn() -> None:
    """Have every import of a large library wait until another thread's is done, once."""
    if getattr(builtins.__import__, "in_turn", False):
        return
    builtins.__import__ = _statement(builtins.__import__)
    importlib.import_module = _function(importlib.import_module)


def _statement(original: Callable[..., Any]) -> Callable[..., Any]:
    def in_turn(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> Any:
        package = name if not level else str((globals or {}).get("__package__") or "")
        if package.partition(".")[0] not in LARGE or (not level and _is_there(name, fromlist or ())):
            return original(name, globals, locals, fromlist, level)
        with _turn():
            return original(name, globals, locals, fromlist, level)

    in_turn.in_turn = True  # type: ignore[attr-defined]
    return in_turn


def _function(original: Callable[..., Any]) -> Callable[..., Any]:
    def in_turn(name: str, package: str | None = None) -> Any:
        if (package if name.startswith(".") and package else name).partition(".")[0] not in LARGE:
            return original(name, package)
        with _turn():
            return original(name, package)

    return in_turn


def _is_there(name: str, parts: Sequence[str]) -> bool:
    """Check whether a module and what is imported from it are loaded completely."""
    module = sys.modules.get(name)
    if module is None or getattr(getattr(module, "__spec__", None), "_initializing", False):
        return False
    return all(part in vars(module) for part in parts)


@contextmanager
def _turn() -> Iterator[None]:
    taken = _lock.acquire(timeout=PATIENCE)
    try:
        yield
    finally:
        if taken:
            _lock.release()
