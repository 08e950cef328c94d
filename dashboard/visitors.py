"""Visitors: who sits at this machine, and what errors say to them: without the server's folders, which its log has."""

import contextlib
import functools
import logging
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import streamlit as st

from core.homes import ROOT, homes
from core.storage.atomic import cache_dir

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


def for_visitors(error: BaseException | str) -> str:
    """Return the message of what core raised, or its sentence, with a full stop.

    Its paths are cut to start at a run, a detector or the project.
    """
    whole = f"{str(error).rstrip('.')}."
    text = whole
    given = {*homes(), *_parents, ROOT, cache_dir(), Path.home()}
    roots = given | {root.resolve() for root in given}
    # the innermost first, so that nothing of it is left over
    for root in sorted(roots, reverse=True):
        for folder in (*(root / inside for inside in INSIDE), root):
            if len(folder.parts) > 1:
                text = re.sub(rf"{re.escape(str(folder))}[\\/]", "", text)
    text = ABSOLUTE.sub(lambda match: match["name"] or "the folder", text)
    if text != whole:
        _log(whole)
    return text


@functools.lru_cache(maxsize=256)
def _log(sentence: str) -> None:
    """Write a sentence to the server's log, once: pages say the same again at every click."""
    logging.getLogger(__name__).warning("%s", sentence)


LOCAL = ("localhost", "127.0.0.1", "::1")
# "yes" or "no" says it of all visitors, whatever they send
SETTING = "TELLTALE_LOCAL"
# what browsers send when they open a page's connection; whatever else there is a proxy has added
BROWSERS = {
    "host", "connection", "upgrade", "origin", "user-agent", "accept", "accept-encoding", "accept-language", "cookie",
    "cache-control", "pragma", "priority", "dnt", "te", "referer",
}  # fmt: skip
BROWSERS_BEGIN = ("sec-websocket-", "sec-fetch-", "sec-ch-", "sec-gpc")


def is_local() -> bool:
    """Check whether the visitor sits at this machine, and so may name a path on it.

    The server must listen on a loopback address only, and the request must have a local host and origin and no headers
    but a browser's: behind a proxy on this machine every visitor has a local IP address, but the proxy's host name or
    extra headers. Against a proxy that hides both, only `TELLTALE_LOCAL=no` helps.
    """
    said = os.environ.get(SETTING, "").lower()
    if said in ("yes", "no"):
        return said == "yes"
    headers = {name.lower(): value for name, value in st.context.headers.items()}
    opened_at = [urlsplit(f"//{headers.get('host', LOCAL[0])}"), urlsplit(headers.get("origin", f"//{LOCAL[0]}"))]
    return (
        st.get_option("server.address") in LOCAL
        and st.context.ip_address in (None, *LOCAL)
        and all(url.hostname in LOCAL for url in opened_at)
        and all(name in BROWSERS or name.startswith(BROWSERS_BEGIN) for name in headers)
    )
