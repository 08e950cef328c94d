"""Draw the frame of every page: navigation and run picker only. Start `app.py`, which sets up the server first."""

from pathlib import Path

import streamlit as st

from dashboard.navigation import pages
from dashboard.sidebar import draw_sidebar
from dashboard.state import follow_former_names

HERE = Path(__file__).parent

st.set_page_config(page_title="Telltale", page_icon=str(HERE / "icon.svg"), layout="wide")

text = "#e6e9ee" if st.context.theme.type == "dark" else "#1b1f27"
st.logo((HERE / "logo.svg").read_text("utf-8").format(text=text), size="large")

page = st.navigation(pages())
# the page first: it tells tabs and history apart, and a screen reader what has changed
st.set_page_config(page_title=f"{page.title} - Telltale")
is_trying = page.title == "Try a picture"
if not is_trying:
    # what was made of uploads goes when their page is left; its uploader comes back empty
    for key in [str(key) for key in st.session_state if str(key).startswith("upload.")]:
        del st.session_state[key]
follow_former_names()
# there a detector is chosen, on the page
draw_sidebar(chooses_run=not is_trying)
page.run()
