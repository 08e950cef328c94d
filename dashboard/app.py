"""Telltale as it is served: `streamlit run dashboard/app.py`. What is set up once; `main.py` is what visitors see."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

# Streamlit puts this file's folder on the path, not the repository's
if (root := str(Path(__file__).parents[1])) not in sys.path:
    sys.path.insert(0, root)

from dashboard.server import Guard
from dashboard.services.server.first_bytes import FirstBytes
from dashboard.services.server.memory import few_primitives, share_pool, tame_heaps
from dashboard.services.server.opening import open_browser
from dashboard.services.server.streamlit_internals import (
    forget_locks,
    free_what_was_left,
    guard_uploads,
    hear_runs_out,
    keep_parts_where_they_are,
    obey_no_developer,
    refuse_forged_values,
)
from dashboard.services.server.temporary import write_to_cache_only
from dashboard.services.server.upload_limits import check_upload


@asynccontextmanager
async def prepared(_app: st.App) -> AsyncIterator[None]:
    """Set up what holds for all visitors before the first one comes."""
    tame_heaps()
    few_primitives()
    share_pool()
    write_to_cache_only()
    refuse_forged_values()
    obey_no_developer()
    hear_runs_out()
    forget_locks()
    keep_parts_where_they_are()
    guard_uploads(check_upload)
    free_what_was_left()
    open_browser()
    yield


app = st.App(
    Path(__file__).with_name("main.py"), lifespan=prepared, middleware=[Middleware(Guard), Middleware(FirstBytes)]
)
