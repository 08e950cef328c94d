"""Files that pages offer: made when a browser asks for their address, which holds a secret of the page's session."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote
from weakref import WeakValueDictionary

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from core.storage.memory import Bounded
from dashboard.visitors import base_path, for_visitors

# of the session: the files that its page offers, by the keys of their buttons; far more than one page has
OWN = "files"
MOST = 128
# files that are made at once; others wait, and pages keep a core
AT_ONCE = 2
_making = asyncio.Semaphore(AT_ONCE)


@dataclass(frozen=True, eq=False)
class File:
    """A file that is offered.

    Attributes:
        secret: in its address.
        make: returns its bytes; called in a thread without a session.
        name: that it is saved under.
        mime: its type.
    """

    secret: str
    make: Callable[[], bytes]
    name: str
    mime: str


# by secret; a session holds its files, so that they go when it ends
_offered: WeakValueDictionary[str, File] = WeakValueDictionary()


def offer(key: str, make: Callable[[], bytes], *, name: str, mime: str) -> str:
    """Return the address of a file, which stays the same for a key of this session, whatever is offered under it."""
    own = st.session_state.setdefault(OWN, Bounded(MOST))
    secret = own[key].secret if key in own else secrets.token_urlsafe()
    own[key] = _offered[secret] = File(secret, make, name, mime)
    return f"{base_path()}/files/{secret}"


def withdraw(key: str) -> None:
    """Offer a file no longer."""
    st.session_state.get(OWN, {}).pop(key, None)


async def send(request: Request) -> Response:
    """Make the file of an address."""
    file = _offered.get(request.path_params["secret"])
    if file is None:
        return PlainTextResponse("This page is too old to give files; reload it.", 404)
    try:
        async with _making:
            data = await run_in_threadpool(file.make)
    except (ValueError, OSError) as error:
        return PlainTextResponse(for_visitors(error), 409)
    saved = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name)}", "Cache-Control": "no-store"}
    return Response(data, media_type=file.mime, headers=saved)
