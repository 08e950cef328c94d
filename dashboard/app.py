"""Telltale in the browser: `streamlit run dashboard/app.py`. Navigation and the run picker, nothing else."""

import sys
from pathlib import Path

import streamlit as st

# Streamlit puts this file's folder on the path, not the repository's
if (root := str(Path(__file__).parents[1])) not in sys.path:
    sys.path.insert(0, root)

from dashboard.memory import few_arenas
from dashboard.sidebar import LOGO, draw_sidebar, note_other_run
from dashboard.upload_limits import forget_uploads, limit_uploads

# what the theme cannot say: where the keyboard is in the navigation, and that what is chosen is no dimmer than the rest
STYLE = """<style>
[data-testid=stSidebarNavLink]:focus-visible { outline: 2px solid; outline-offset: -2px }
[data-testid=stButtonGroup] button[data-variant][data-selected]:not([data-disabled]):not([disabled]) {
  color: inherit; font-weight: 600
}
</style>"""
# white on the light grey of this theme's main buttons could hardly be read
DARK = "<style>[data-testid=stBaseButton-primary], [data-testid=stBaseButton-primary]:hover { color: #12151b }</style>"

few_arenas()
limit_uploads()
st.set_page_config(page_title="Telltale", page_icon=str(Path(__file__).with_name("icon.svg")), layout="wide")
# of the two at hand the one that can be read on this theme
st.logo(LOGO.format(text="#e6e9ee" if st.context.theme.type == "dark" else "#1b1f27"), size="large")


st.html(STYLE + (DARK if st.context.theme.type == "dark" else ""))


def overview() -> None:
    """The Overview by its name: its address is the app's own."""
    st.switch_page("views/overview.py", query_params=st.query_params.to_dict())


page = st.navigation(
    {
        "The detector": [
            st.Page(
                "views/overview.py",
                title="Overview",
                icon=":material/monitoring:",
                default=True,
                # its address is the app's own; the page named overview below leads there
                url_path="home",
                help="How good the detector is: its numbers, its mistakes, and where they are.",
            ),
            st.Page(
                "views/explore.py",
                title="Explore",
                icon=":material/grid_view:",
                help="Browse the images: filter, sort, compare, tag, and export them.",
            ),
            st.Page(
                "views/inspect.py",
                title="Inspect",
                icon=":material/troubleshoot:",
                help="One image: which parts of it the verdict rests on, by Grad-CAM and by LIME.",
            ),
        ],
        "What it reads": [
            st.Page(
                "views/evidence.py",
                title="Evidence",
                icon=":material/science:",
                help="What the detector reads: which change of a picture turns its verdict, and how far a verdict "
                "carries.",
            ),
            st.Page(
                "views/patterns.py",
                title="Patterns",
                icon=":material/bubble_chart:",
                help="Which images the detector treats alike: clusters, where each errs, and what sets it apart.",
            ),
            st.Page(
                "views/data.py",
                title="Data",
                icon=":material/fact_check:",
                help="What could be learned from the images that is not AI: plain cues, leaks, copies, and a baseline.",
            ),
            st.Page(
                "views/trust.py",
                title="Trust",
                icon=":material/balance:",
                help="Whether the explanations can be trusted: measured beside controls that know nothing.",
            ),
        ],
        "Try it": [
            st.Page(
                "views/upload.py",
                title="Upload",
                icon=":material/add_photo_alternate:",
                help="Your own image: what the detector sees of it, what it calls it, and why.",
            ),
            st.Page(
                "views/game.py",
                title="Game",
                icon=":material/sports_esports:",
                help="REAL or AI? Ten images, and your score beside the detector's.",
            ),
        ],
        "New to this": [
            st.Page(
                "views/guide.py",
                title="Guide",
                icon=":material/slideshow:",
                help="A tour of seven steps: what the detector is, what explanations say, and what they do not.",
            ),
            st.Page(
                "views/glossary.py",
                title="Glossary",
                icon=":material/menu_book:",
                help="Every term of these pages in plain words.",
            ),
            st.Page(overview, title="Overview", url_path="overview", visibility="hidden"),
        ],
    }
)
if page.title != "Upload":
    forget_uploads()
draw_sidebar(page.title)
note_other_run(page.title)
page.run()
