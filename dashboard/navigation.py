"""The navigation: every folder of `dashboard/views/` that declares a `PAGE` is in it."""

import pkgutil
from dataclasses import dataclass
from importlib import import_module

from dashboard import views

# the order of the sections; one that a page invents comes after them
SECTIONS = ("The detector", "What it reads", "Try it", "New to this")


@dataclass(frozen=True)
class Page:
    """What the navigation shows of a page; the script is `page.py` beside the declaration.

    Attributes:
        title: as it stands in the navigation.
        icon: a Material icon, for instance ":material/science:".
        section: the heading that it stands under.
        position: its place there, lowest first.
        help: one sentence on what the page shows.
        is_default: whether it opens at the app's own address.
    """

    title: str
    icon: str
    section: str
    position: int
    help: str
    is_default: bool = False


def find_pages() -> dict[str, Page]:
    """Return the pages by the names of their folders, in the order of the navigation."""
    found: dict[str, Page] = {}
    for module in pkgutil.iter_modules(views.__path__):
        declared = getattr(import_module(f"{views.__name__}.{module.name}"), "PAGE", None)
        if isinstance(declared, Page):
            found[module.name] = declared
    order = {section: number for number, section in enumerate(SECTIONS)}
    return dict(sorted(found.items(), key=lambda item: (order.get(item[1].section, len(order)), item[1].position)))
