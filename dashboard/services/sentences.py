"""Sentences for visitors about errors: without the server's folders; its log has all of it."""

import contextlib
import functools
import logging
import re
from pathlib import Path

from core.runs.finding import ROOT
from core.storage import cache_dir

# an absolute path with a folder in it, as Unix or Windows writes it, and its last name
ABSOLUTE = re.compile(r"(?:(?<![\w.])/|\b[A-Za-z]:[\\/])(?:[^\s'\"/\\]+[\\/])+(?P<name>[^\s'\"/\\;,)]*)")
INSIDE = ("runs", "detectors")
# of what was attached
_parents: set[Path] = set()


def hide_parent(data: str | Path) -> None:
    """Strip the parent folder of an attached image set from all later messages, whatever its name."""
    with contextlib.suppress(RuntimeError, OSError, ValueError):
        path = Path(data).expanduser().absolute()
        _parents.update({path.parent, path.resolve().parent} - {Path(path.anchor)})


def for_visitors(error: BaseException | str, *, homes: tuple[Path, ...] = ()) -> str:
    """Return an error's message with a full stop, its paths cut to start at a run, a detector or the project.

    Args:
        error: what core raised, or its sentence.
        homes: folders that hold runs/ and detectors/, beside the project's own.
    """
    whole = f"{str(error).rstrip('.')}."
    text = whole
    roots = {root for given in (*homes, *_parents, ROOT, cache_dir(), Path.home()) for root in (given, given.resolve())}
    # the innermost first, so that nothing of it is left over
    for root in sorted(roots, key=lambda root: -len(str(root))):
        for folder in (*(root / inside for inside in INSIDE), root):
            if len(folder.parts) > 1:
                text = re.sub(rf"{re.escape(str(folder))}[\\/]", "", text)
    text = ABSOLUTE.sub(lambda found: found["name"] or "the folder", text)
    if text != whole:
        _log(whole)
    return text


@functools.lru_cache(maxsize=256)
def _log(sentence: str) -> None:
    """Write a sentence to the server's log, once: pages say the same again at every click."""
    logging.getLogger(__name__).warning("%s", sentence)
