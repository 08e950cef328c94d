"""The warnings of a run, above the numbers that they are about."""

import streamlit as st

from core.runs.warnings import warnings_of
from dashboard.components.plain import plain
from dashboard.library import BY_STAMP, MAX_RUNS, Opened


def draw_warnings(opened: Opened) -> None:
    """Draw every warning of a run, a line each; nothing where there is none."""
    warnings = _warnings(opened.origin)
    if warnings:
        st.warning("  \n".join(map(plain, warnings)), icon=":material/warning:")


@st.cache_resource(max_entries=MAX_RUNS, show_spinner=False, hash_funcs=BY_STAMP)
def _warnings(opened: Opened) -> list[str]:
    return warnings_of(opened.run)
