"""Draw the frame of every page: navigation and run picker only. Start `app.py`, which sets up the server first."""

from pathlib import Path

import streamlit as st

from dashboard.logo import LOGO, TEXT
from dashboard.navigation import pages
from dashboard.sidebar import draw_sidebar

# what the theme cannot set: an outline for keyboard focus in the navigation; no dimming of captions, chosen segments
# and chart labels; dark text on light elements in the dark theme; less space between expanders; elements keyed
# "narrow" only below 1,000 px; an opened image above the others on a phone; all of it adapts when the theme changes
STYLE = """<style>
[data-testid=stSidebarNavLink]:focus-visible { outline: 2px solid; outline-offset: -2px }
[data-testid=stButtonGroup] button[data-variant][data-selected]:not([data-disabled]):not([disabled]) {
  color: inherit; font-weight: 600
}
[data-testid=stCaptionContainer], [data-testid=stCaptionContainer] :is(p, li, ol, ul) { opacity: 1 }
[data-testid=stCaptionContainer] { color: color-mix(in srgb, currentColor 75%, transparent) }
[data-testid=stBaseButton-primary], [data-testid=stBaseButton-primary]:hover, [data-testid=stMultiSelect] span[title] {
  color: light-dark(#ffffff, #12151b)
}
.stLayoutWrapper:has(> .stExpander) + .stLayoutWrapper:has(> .stExpander) { margin-top: -.55rem }
@media (max-width: 640px) {
  .st-key-image_first [data-testid=stHorizontalBlock]:not([data-testid=stHorizontalBlock] *) {
    flex-direction: column-reverse }
}
@media print { [data-testid=stSidebar], [data-testid=stHeader] { display: none !important } }
@media (min-width: 1000px) { [class*=st-key-narrow] { display: none } }
[data-testid=stPlotlyChart] :is([class$=tick] text, [class$=title], .legendtext) { fill: currentColor !important }
</style>"""

st.set_page_config(page_title="Telltale", page_icon=str(Path(__file__).with_name("icon.svg")), layout="wide")

st.logo(LOGO.format(text=TEXT["dark" if st.context.theme.type == "dark" else "light"]), size="large")

st.html(STYLE)

page = st.navigation(pages())
# the page first: it tells tabs and history apart, and a screen reader what has changed
st.set_page_config(page_title=f"{page.title} - Telltale")
if page.title != "Try a picture":
    # what was made of uploads goes when their page is left; its uploader comes back empty
    for key in [str(key) for key in st.session_state if str(key).startswith("upload.")]:
        del st.session_state[key]
draw_sidebar()
page.run()
