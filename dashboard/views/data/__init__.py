"""The page Data: What could be learned that is not AI."""

from dashboard.navigation import Page

PAGE = Page(
    title="Data",
    icon=":material/fact_check:",
    section="What it reads",
    position=3,
    help="What could be learned from the images that is not AI: plain cues, leaks, copies, and a baseline.",
)
