"""Telltale as it is served by `python -m dashboard`. What is set up once; `main.py` is what visitors see."""

import asyncio
import errno
import logging
import pkgutil
import sys
import threading
import webbrowser
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware

# Streamlit puts this file's folder on the path, not the repository's
if (root := str(Path(__file__).parents[1])) not in sys.path:
    sys.path.insert(0, root)

from dashboard import components, files
from dashboard.guard import Guard, own_address

# seconds between two lines on connections that cannot be accepted; asyncio would write thousands of tracebacks
QUIET = 60.0


def report_briefly() -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """Return a handler of what goes wrong in the event loop: one line, now and then, where descriptors are used up."""
    last = -QUIET

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal last
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in (errno.EMFILE, errno.ENFILE):
            loop.default_exception_handler(context)
        elif loop.time() - last >= QUIET:
            last = loop.time()
            logging.getLogger(__name__).warning("No connection more can be accepted (%s)", error.strerror)

    return handle


@asynccontextmanager
async def prepare(_app: st.App) -> AsyncIterator[None]:
    """Import what pages share, so that the first visitors do not do so at once, and open the browser."""
    asyncio.get_running_loop().set_exception_handler(report_briefly())
    for module in pkgutil.walk_packages(components.__path__, f"{components.__name__}."):
        import_module(module.name)
    # `streamlit run` opens one for a script alone, and not for what is served as an app
    if not st.get_option("server.headless"):
        threading.Thread(target=webbrowser.open, args=(own_address(),), name="browser", daemon=True).start()
    yield


app = st.App(
    Path(__file__).with_name("main.py"), lifespan=prepare, routes=[files.route()], middleware=[Middleware(Guard)]
)
