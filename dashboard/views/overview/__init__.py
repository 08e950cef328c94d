"""The page Overview: how good the detector is."""

from dashboard.navigation import Page

PAGE = Page(
    title="Overview",
    icon=":material/monitoring:",
    section="The detector",
    position=1,
    help="How good the detector is: its numbers, its mistakes, and where they are.",
    is_default=True,
)
