"""The page Upload: Your own image."""

from dashboard.navigation import Page

PAGE = Page(
    title="Upload",
    icon=":material/add_photo_alternate:",
    section="Try it",
    position=1,
    help="Your own image: what the detector sees of it, what it calls it, and why.",
)
