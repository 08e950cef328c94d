"""What it reads: which change flips the verdict, which shortcuts the data holds, and which images it treats alike."""

import streamlit as st

from dashboard import library
from dashboard.components.performance import draw_warnings
from dashboard.components.words import draw_title, explain, heading
from dashboard.views import data, evidence, patterns

# the tab in the address -> what draws it, and what it shows
TABS = {
    "Evidence": (evidence.draw, "Change one thing."),
    "Data": (data.draw, "What else tells the classes apart, without looking at the picture?"),
    "Patterns": (patterns.draw, "Which pictures look alike to it, and where does it err?"),
}

opened = library.current()
if opened.table.empty:
    draw_title("What it reads")
    st.info("This run holds no image, so there is nothing to show; choose another one on the left.")
    st.stop()
# says what the open tab shows
top = st.container()
tabs = st.tabs(list(TABS), key="tab", on_change="rerun", bind="query-params")
for tab, (draw, shows) in zip(tabs, TABS.values(), strict=True):
    if tab.open:
        with top:
            heading("What it reads", shows, help=explain("Study", "Control"))
            draw_warnings(opened)
        with tab:
            draw(opened)
