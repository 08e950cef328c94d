"""Telltale as it is served by `python -m dashboard`. What is set up once; `main.py` is what visitors see."""

import asyncio
import errno
import pkgutil
import threading
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.storage.limits import ContractError
from dashboard import components, library
from dashboard.catalogue import runs
from dashboard.components.component import send
from dashboard.components.dial import first_picture, measured_flips
from dashboard.components.probing import stored_changes
from dashboard.visitors import Guard, base_path, log_once, own_address

STYLE = b"<style>" + Path(__file__).with_name("main.css").read_bytes() + b"</style>"


class Styled:
    """ASGI middleware that ends the page itself with `main.css`.

    What a script sends comes after the first frames, which Streamlit draws without the sidebar: all of it would jump.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or serve one connection."""
        # the start and the end of the server, which have no headers, pass through here too
        is_get = scope["type"] == "http" and scope["method"] == "GET"
        if not is_get or "text/html" not in Headers(scope=scope).get("accept", ""):
            await self.app(scope, receive, send)
            return
        # what is added to must not be packed
        scope = {**scope, "headers": [header for header in scope["headers"] if header[0] != b"accept-encoding"]}
        is_page = False

        async def send_styled(message: Message) -> None:
            nonlocal is_page
            if message["type"] == "http.response.start":
                answer = MutableHeaders(raw=message["headers"])
                is_page = message["status"] == 200 and answer.get("content-type", "").startswith("text/html")
                if is_page:
                    # a browser that has kept the page without this must not be told that it is the same
                    del answer["etag"]
                    del answer["last-modified"]
                    answer["content-length"] = str(int(answer["content-length"]) + len(STYLE))
            elif is_page and not message.get("more_body"):
                message = {**message, "body": message["body"] + STYLE}
            await send(message)

        await self.app(scope, receive, send_styled)


def report_briefly(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Handle what goes wrong in the event loop; asyncio would write thousands of tracebacks without descriptors."""
    error = context.get("exception")
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        log_once(f"No connection more can be accepted ({error.strerror})")
    else:
        loop.default_exception_handler(context)


def warm_up() -> None:
    """Read what the first visitors of Start and of Detectors will see."""
    # a page says why something cannot be read; a crowd may use up the descriptors meanwhile
    with suppress(ContractError, KeyError, OSError):
        opened = library.open_run(runs()[library.FIRST])
        first = first_picture(opened)
        if first is not None:
            measured_flips(opened)
            stored_changes(*first)
    for path in runs().values():
        with suppress(ContractError, OSError):
            opened = library.open_run(path)
            for study in ("deliveries", "out_of_distribution"):
                library.study_of(opened, study)


@asynccontextmanager
async def prepare(_app: st.App) -> AsyncIterator[None]:
    """Import what pages share, so that the first visitors do not do so at once, and open the browser."""
    asyncio.get_running_loop().set_exception_handler(report_briefly)
    for module in pkgutil.walk_packages(components.__path__, f"{components.__name__}."):
        import_module(module.name)
    threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
    # `streamlit run` opens one for a script alone, and not for what is served as an app
    if not st.get_option("server.headless"):
        threading.Thread(target=webbrowser.open, args=(own_address(),), name="browser", daemon=True).start()
    yield


app = st.App(
    Path(__file__).with_name("main.py"),
    lifespan=prepare,
    routes=[Route(f"{base_path()}/files/{{secret}}", send)],
    middleware=[Middleware(Guard), Middleware(Styled)],
)
