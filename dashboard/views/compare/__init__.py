"""The page Compare: two detectors on the same images."""

from dashboard.navigation import Page

PAGE = Page(
    title="Compare",
    icon=":material/compare_arrows:",
    section="The detector",
    position=4,
    help="Two detectors on the same images: who is right where, and what each reads.",
)
