"""The navigation: a page is a script in `dashboard/views/` and a line of `PAGES`."""

from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True)
class Page:
    """A page's entry in the navigation.

    Attributes:
        section: the heading above it.
        title: shown in the navigation.
        icon: of Material.
        help: one sentence on what the page shows.
    """

    section: str
    title: str
    icon: str
    help: str


DETECTOR, READS, TRY, NEW = "The detector", "What it reads", "Try it", "New to this"
# script -> entry, in the order of the navigation; the first page is at the app's root
PAGES = {
    "overview": Page(DETECTOR, "Overview", "monitoring", "How good the detector is: its numbers and its mistakes."),
    "explore": Page(DETECTOR, "Explore", "grid_view", "Browse the images: filter, sort, compare, tag, export."),
    "inspect": Page(DETECTOR, "Inspect", "troubleshoot", "One image: which parts of it the verdict rests on."),
    "compare": Page(DETECTOR, "Compare", "compare_arrows", "Two detectors on the same images: who is right where."),
    "evidence": Page(READS, "Evidence", "science", "Which change of a picture flips the verdict."),
    "patterns": Page(READS, "Patterns", "bubble_chart", "Images that it treats alike, and where each group errs."),
    "data": Page(READS, "Data", "database", "What else the detector could have learned from these images."),
    "trust": Page(READS, "Trust", "balance", "Whether the explanations can be trusted, measured beside controls."),
    "upload": Page(TRY, "Upload", "add_photo_alternate", "Your own image: what the detector calls it, and why."),
    "game": Page(TRY, "Game", "sports_esports", "REAL or FAKE? Ten images, and your score beside the detector's."),
    "guide": Page(NEW, "Guide", "tour", "A tour of seven steps."),
    "glossary": Page(NEW, "Glossary", "menu_book", "Every term of these pages in plain words."),
}


def script_of(name: str) -> str:
    """Return a page's script, as Streamlit's links and switches name it."""
    return f"views/{name}.py"


def listed() -> dict[str, list[st.Page]]:
    """Return the pages by section, as Streamlit's navigation takes them."""
    sections: dict[str, list[st.Page]] = {}
    for number, (name, page) in enumerate(PAGES.items()):
        entry = st.Page(
            script_of(name),
            title=page.title,
            icon=f":material/{page.icon}:",
            default=not number,
            # the default page is at the app's root; a hidden page answers to its name
            url_path=name if number else "home",
            help=page.help,
        )
        sections.setdefault(page.section, []).append(entry)
    return sections
