"""The page Data: shortcuts in the images themselves."""

from dashboard.navigation import Page

PAGE = Page(
    title="Data",
    icon=":material/fact_check:",
    section="What it reads",
    position=3,
    help="What a detector could learn besides AI: simple cues, leaks, copies, and a baseline.",
)
