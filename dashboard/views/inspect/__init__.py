"""The page Inspect: One image and its explanations."""

from dashboard.navigation import Page

PAGE = Page(
    title="Inspect",
    icon=":material/troubleshoot:",
    section="The detector",
    position=3,
    help="One image: which parts of it the verdict rests on, by two methods or three.",
)
