"""The page Trust: Whether the explanations can be trusted."""

from dashboard.navigation import Page

PAGE = Page(
    title="Trust",
    icon=":material/balance:",
    section="What it reads",
    position=4,
    help="Whether the explanations can be trusted: measured beside controls that know nothing.",
)
