"""The page Patterns: Which images the detector treats alike."""

from dashboard.navigation import Page

PAGE = Page(
    title="Patterns",
    icon=":material/bubble_chart:",
    section="What it reads",
    position=2,
    help="Which images the detector treats alike: clusters, where each errs, and what sets it apart.",
)
