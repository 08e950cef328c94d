"""The page Game: ten images, REAL or FAKE?"""

from dashboard.navigation import Page

PAGE = Page(
    title="Game",
    icon=":material/sports_esports:",
    section="Try it",
    position=2,
    help="REAL or FAKE? Ten images, and your score beside the detector's.",
)
