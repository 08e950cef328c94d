"""Telltale as it is served: `streamlit run dashboard/app.py`. What is set up once; `main.py` is what visitors see."""

import pkgutil
import sys
import threading
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

# Streamlit puts this file's folder on the path, not the repository's
if (root := str(Path(__file__).parents[1])) not in sys.path:
    sys.path.insert(0, root)

from dashboard import components, files
from dashboard.guard import Guard, own_address


@asynccontextmanager
async def prepare(_app: st.App) -> AsyncIterator[None]:
    """Import what pages share, so that the first visitors do not do so at once, and open the browser."""
    for module in pkgutil.walk_packages(components.__path__, f"{components.__name__}."):
        import_module(module.name)
    # `streamlit run` opens one for a script alone, and not for what is served as an app
    if not st.get_option("server.headless"):
        threading.Thread(target=webbrowser.open, args=(own_address(),), name="browser", daemon=True).start()
    yield


app = st.App(
    Path(__file__).with_name("main.py"), lifespan=prepare, routes=[files.route()], middleware=[Middleware(Guard)]
)
