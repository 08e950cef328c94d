"""The page Evidence: What the detector reads, by experiment."""

from dashboard.navigation import Page

PAGE = Page(
    title="Evidence",
    icon=":material/science:",
    section="What it reads",
    position=1,
    help="What the detector reads: which change of a picture flips its verdict, and how far a verdict carries.",
)
