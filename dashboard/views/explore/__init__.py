"""The page Explore: browse, filter, sort and tag the images."""

from dashboard.navigation import Page

PAGE = Page(
    title="Explore",
    icon=":material/grid_view:",
    section="The detector",
    position=2,
    help="Browse the images: filter, sort, compare, tag, and export them.",
)
