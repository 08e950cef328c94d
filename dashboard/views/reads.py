"""What it reads: which change flips the verdict, which shortcuts the data holds, and which images it treats alike."""

import streamlit as st

from dashboard import library
from dashboard.components.glossary import explain
from dashboard.components.warnings import draw_warnings
from dashboard.components.words import heading
from dashboard.views import data, evidence, patterns

# the tab in the address -> what draws it
TABS = {"Evidence": evidence.draw, "Data": data.draw, "Patterns": patterns.draw}

opened = library.current()
heading(
    "What it reads",
    "Change one thing: does the verdict flip?",
    help=explain("Study", "Control"),
)
draw_warnings(opened)
if opened.table.empty:
    st.info("This run holds no image, so there is nothing to show; choose another one on the left.")
    st.stop()
tabs = st.tabs(list(TABS), key="tab", on_change="rerun", bind="query-params")
for tab, draw in zip(tabs, TABS.values(), strict=True):
    with tab:
        if tab.open:
            draw(opened)
