"""The page Guide: A tour of seven steps."""

from dashboard.navigation import Page

PAGE = Page(
    title="Guide",
    icon=":material/slideshow:",
    section="New to this",
    position=1,
    help="A tour of seven steps: what the detector is, what explanations say, and what they do not.",
)
