"""The page Glossary: every term in plain words."""

from dashboard.navigation import Page

PAGE = Page(
    title="Glossary",
    icon=":material/menu_book:",
    section="New to this",
    position=2,
    help="Every term of these pages in plain words.",
)
