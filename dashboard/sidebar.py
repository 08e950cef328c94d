"""The sidebar: which run, and where its pictures come from."""

import streamlit as st

from core.run import find_runs
from dashboard import address, library


def draw_sidebar() -> None:
    """Draw the run picker and what pictures are at hand."""
    found = list(find_runs())
    st.session_state["run"] = library.choose_run()
    with st.sidebar:
        if found:
            st.session_state["url.run"] = st.session_state["run"]
            st.selectbox(
                "Run",
                found,
                key="url.run",
                on_change=_take_run,
                help="A run is one detector's verdicts on one set of images, computed once and never changed.",
            )
            address.put("run", st.session_state["run"])
        reading = library.shelf().status.state == "reading"
        st.fragment(_pictures_at_hand, run_every=1.0 if reading else None)()


def _take_run() -> None:
    # another run has other images and other columns: nothing of the old view is kept
    st.query_params.from_dict({"run": st.session_state["url.run"]})


def _pictures_at_hand() -> None:
    status = library.shelf().status
    if status.state == "reading":
        share = status.done / status.total if status.total else 0.0
        st.progress(
            share, f"Reading pictures, {status.done:,} of {status.total:,}" if status.total else "Reading pictures"
        )
    if status.state == "done" and st.session_state.get("pictures") != status:
        st.session_state["pictures"] = status
        st.rerun()
