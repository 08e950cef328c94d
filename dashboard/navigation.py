"""The navigation: a page is a folder of `dashboard/views/` that declares a `PAGE`."""

import pkgutil
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path

import streamlit as st

from dashboard import views

# the order of the sections; any other comes after them
SECTIONS = ("The detector", "What it reads", "Try it", "New to this")


@dataclass(frozen=True)
class Page:
    """A page's entry in the navigation; the script is `page.py` beside the declaration.

    Attributes:
        title: shown in the navigation.
        icon: a Material icon, for instance ":material/science:".
        section: the heading above it.
        position: in its section, lowest first.
        help: one sentence on what the page shows.
        is_default: True for the page at the app's root.
    """

    title: str
    icon: str
    section: str
    position: int
    help: str
    is_default: bool = False


def find_pages() -> dict[str, Page]:
    """Find the pages by the names of their folders, in the order of the navigation."""
    # a page that is added changes the time of the folder that it is in
    return _find_pages(tuple(Path(path).stat().st_mtime_ns for path in views.__path__))


def entry_of(name: str, declared: Page) -> st.Page:
    """Return a page as Streamlit's navigation takes it; each run of the app has one of its own."""
    # Streamlit follows links in every part of the script's path: with a dozen pages that was a tenth of what pages cost
    return copy(_entry_of(name, declared))


@lru_cache(maxsize=64)
def _entry_of(name: str, declared: Page) -> st.Page:
    return st.Page(
        f"views/{name}/page.py",
        title=declared.title,
        icon=declared.icon,
        default=declared.is_default,
        # the default page is at the app's root; a hidden page answers to its name
        url_path="home" if declared.is_default else name,
        help=declared.help,
    )


@lru_cache(maxsize=1)
def _find_pages(times: tuple[int, ...]) -> dict[str, Page]:  # noqa: ARG001
    found: dict[str, Page] = {}
    for module in pkgutil.iter_modules(views.__path__):
        declared = getattr(import_module(f"{views.__name__}.{module.name}"), "PAGE", None)
        if isinstance(declared, Page):
            found[module.name] = declared
    order = {section: number for number, section in enumerate(SECTIONS)}
    return dict(sorted(found.items(), key=lambda item: (order.get(item[1].section, len(order)), item[1].position)))
