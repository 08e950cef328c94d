"""The navigation: a page is a script in `dashboard/views/` and a line of `PAGES`."""

from dataclasses import dataclass
from urllib.parse import parse_qsl

import streamlit as st


@dataclass(frozen=True)
class Page:
    """A page's entry in the navigation.

    Attributes:
        title: shown in the navigation.
        icon: of Material.
        help: one sentence on what the page shows.
        is_listed: False for a page that only other pages lead to.
    """

    title: str
    icon: str
    help: str
    is_listed: bool = True


# script, which is its address too -> entry, in the order of the navigation; the first page is at the app's root
PAGES = {
    "start": Page("Start", "home", "The same picture to you, and the opposite verdict."),
    "mistakes": Page("Mistakes", "grid_view", "Which images it gets wrong, and what flips each of them."),
    "try_picture": Page("Try a picture", "add_photo_alternate", "Your own picture: its verdict, and what flips it."),
    "reads": Page("What it reads", "science", "Which change of a picture flips the verdict."),
    "maps": Page("Can maps be believed?", "balance", "Maps of the verdict beside maps that know nothing."),
    "detectors": Page("Detectors", "monitoring", "How good each detector is, and where two of them differ."),
    "help": Page("Help", "menu_book", "Every term of these pages in plain words."),
    "play": Page("Play", "sports_esports", "REAL or FAKE? Ten images, and your score beside the detector's.", False),
}
# an address of before -> the one that shows the same view
OLD = {
    "start": "start",
    "overview": "detectors?open=numbers.errors.calibration",
    "compare": "detectors?open=compare",
    "explore": "mistakes",
    "inspect": "mistakes?view=case",
    "upload": "try_picture?open=maps",
    "evidence": "reads",
    "data": "reads?tab=Data",
    "patterns": "reads?tab=Patterns",
    "trust": "maps",
    "game": "play",
    "guide": "start?stage=1",
    "glossary": "help",
}


def script_of(name: str) -> str:
    """Return a page's script, as Streamlit's links and switches name it."""
    return f"views/{name}.py"


def pages() -> list[st.Page]:
    """Return the pages, and one for each address of before, as Streamlit's navigation takes them."""
    entries = [
        st.Page(
            script_of(name),
            title=page.title,
            icon=f":material/{page.icon}:",
            default=not number,
            # the default page is at the app's root; a hidden page answers to its name
            url_path=name if number else "home",
            help=page.help,
            visibility="visible" if page.is_listed else "hidden",
        )
        for number, (name, page) in enumerate(PAGES.items())
    ]
    return entries + [_moved(name, *address.split("?")) for name, address in OLD.items()]


def _moved(name: str, page: str, query: str = "") -> st.Page:
    """Return a page at an address of before that opens the page of now."""

    def open_now() -> None:
        parameters = st.query_params.to_dict() | dict(parse_qsl(query))
        st.switch_page(script_of(page), query_params=parameters)

    return st.Page(open_now, title=PAGES[page].title, url_path=name, visibility="hidden")
