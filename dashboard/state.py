"""The address is the state: which page, and by its parameters which filters, orders, selections and settings.

A page is a script in `dashboard/views/` and a line of `PAGES`. Its settings are read from the URL and written to it
alone, so that a copied address shows the same view in another browser; whatever in it makes no sense is ignored.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import streamlit as st

from core.runs.filter import Filter
from core.studies.former import present_column, present_name

# what goes along with a filter from page to page: columns of studies, what is selected, how images are shown, and the
# run beside the first
CARRIED = ("also", "pick", "tile", "maps", "versus")
# how parameters begin that widgets are bound to: parts that open, tabs
BOUND = ("fold_", "tab")
# a column of a study, alone or in a list, where a minus sorts the other way
COLUMN = re.compile(r"(?<![^,-])(\w+)\.([^,]+)")

# the session's choice of how all pictures are enlarged; the sidebar carries it from page to page
SHOWS_PIXELS = "pixels"


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
            # the default page is at the app's root; a hidden page answers to its name
            default=name == "start",
            url_path="home" if name == "start" else name,
            help=page.help,
            visibility="visible" if page.is_listed else "hidden",
        )
        for name, page in PAGES.items()
    ]
    return entries + [_moved(name, *address.split("?")) for name, address in OLD.items()]


def _moved(name: str, page: str, query: str = "") -> st.Page:
    """Return a page at an address of before that opens the page of now."""

    def open_now() -> None:
        parameters = st.query_params.to_dict() | dict(parse_qsl(query))
        st.switch_page(script_of(page), query_params=parameters)

    return st.Page(open_now, title=PAGES[page].title, url_path=name, visibility="hidden")


def shows_pixels() -> bool:
    """Check whether pictures show every pixel as a square instead of being enlarged smoothly."""
    return bool(st.session_state.get(SHOWS_PIXELS))


@dataclass(frozen=True)
class Setting:
    """One URL parameter and the widget that sets it.

    Attributes:
        name: of the parameter.
        default: its value where the URL has none, or nonsense.
        choices: its possible values, as a mapping with the words for each; None where `kind` and the limits say which.
        kind: what a value is: str, int or float.
        low, high: limits of a number.
    """

    name: str
    default: Any
    choices: Sequence[Any] | Mapping[Any, str] | None = None
    kind: Callable[[str], Any] = str
    low: float = 0
    high: float = 1

    @property
    def key(self) -> str:
        """Of its widget in the session's state."""
        return f"url.{self.name}"

    @property
    def value(self) -> Any:
        """From the URL, or the default."""
        text = st.query_params.get(self.name)
        if text is None:
            return self.default
        try:
            value = self.kind(text)
        except ValueError:
            return self.default
        if self.choices is None and self.kind is str:
            return value
        fits = value in self.choices if self.choices is not None else self.low <= value <= self.high
        return value if fits else self.default

    def set(self, value: Any) -> None:
        """Write a value to the URL; the default takes the parameter away."""
        put(self.name, self.text_of(value))

    def text_of(self, value: Any) -> str | None:
        """Write a value as it stands in the URL; None for the default, which does not."""
        return None if value is None or value == self.default else f"{value:g}" if self.kind is float else str(value)

    def store(self) -> None:
        """Write the widget's value to the URL, that of a toggle as "on" or "off"; the widget's callback."""
        value = st.session_state[self.key]
        if isinstance(value, bool):
            value = "on" if value else "off"
        self.set(value)

    def linked(self, widget: Callable[..., Any], label: str, **options: Any) -> Any:
        """Draw a widget that shows and sets this parameter; the value."""
        st.session_state[self.key] = self.value
        widget(label, key=self.key, on_change=self.store, **options)
        return self.value

    def choose(self, label: str, widget: Callable[..., Any] = st.segmented_control, **options: Any) -> Any:
        """Draw a widget for one of the choices, in their words; return the value."""
        choices = self.choices or ()
        words = choices if isinstance(choices, Mapping) else dict(zip(choices, map(str, choices), strict=True))
        if widget is st.segmented_control:
            options.setdefault("required", True)
        return self.linked(widget, label, **{"options": list(words), "format_func": words.__getitem__, **options})

    def toggle(self, label: str, **options: Any) -> bool:
        """Draw a toggle for a setting that is "on" or "off"; return whether it is on."""
        is_on = bool(self.value == "on")
        st.session_state[self.key] = is_on
        st.toggle(label, key=self.key, on_change=self.store, **options)
        return is_on


def put(name: str, text: str | None) -> None:
    """Set one URL parameter, or take it away with None or an empty text."""
    put_all({name: text})


def put_all(changes: Mapping[str, str | None]) -> None:
    """Set several URL parameters as one step of the browser's history; None or an empty text takes one away."""
    before = st.query_params.to_dict()
    # an empty text that stood there already may be a value that a filter asks for
    after = {name: text for name, text in before.items() if name not in changes}
    after |= {name: text for name, text in changes.items() if text}
    if after != before:
        replace_all(after)


def replace_all(parameters: Mapping[str, str]) -> None:
    """Replace all URL parameters in one step, but those that belong to widgets, which Streamlit alone may write."""
    st.query_params.from_dict({name: text for name, text in parameters.items() if not name.startswith(BOUND)})


def follow_former_names() -> None:
    """Write the present names of studies and their columns into an address that was shared before they were renamed."""
    renamed: dict[str, str] = {}
    for name, text in st.query_params.to_dict().items():
        columns = COLUMN.sub(_present_column, text) if name in ("sort", "also") else text
        renamed[COLUMN.sub(_present_column, name)] = columns
    if renamed != st.query_params.to_dict():
        replace_all(renamed)


def _present_column(column: re.Match[str]) -> str:
    study = present_name(column[1])
    return f"{study}.{present_column(study, column[2])}"


def show_images(run: str, wanted: Filter | None = None, **parameters: str) -> None:
    """Open the page Mistakes on a run, with a filter, which takes along what is `CARRIED`, and other parameters."""
    if wanted is not None:
        carried = {name: text for name, text in st.query_params.items() if name in CARRIED}
        parameters = carried | wanted.to_params() | parameters
    st.switch_page(script_of("mistakes"), query_params={"run": run, **parameters})
