"""The parts that every report is put together from, and the page around them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd
from markupsafe import Markup

from core.findings.lines import Line
from core.findings.lines import html as as_html
from core.images.palette import CLASS_COLOURS
from core.report.drawing import Drawn
from core.report.templates import render
from core.runs.metrics import largest
from core.runs.run import Run

_LIMITS = (
    "A share from a sample has an interval: 95 of 100 such intervals contain the true share. Differences within the "
    "intervals may be chance.",
    "Explanations say what moves this detector's score. They do not say what makes a picture real.",
    "No number here is evidence about a single picture from the world, or against a person.",
)


@dataclass(frozen=True)
class Table:
    """Rows of text under their headings."""

    kind: ClassVar = "table"
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    kind: ClassVar = "bullets"
    lines: Sequence[str]


@dataclass(frozen=True)
class Heading:
    """A heading within a section, and a sentence below it."""

    kind: ClassVar = "heading"
    title: str
    text: str


@dataclass(frozen=True)
class Note:
    """A sentence in small print."""

    kind: ClassVar = "note"
    text: str


@dataclass(frozen=True)
class Tiles:
    """Images in a grid: `called`, `wrong`, `words`, `name`, and `picture` as a data URL or None."""

    kind: ClassVar = "tiles"
    tiles: Sequence[Mapping[str, Any]]


Block = Drawn | Table | Bullets | Heading | Note | Tiles


@dataclass(frozen=True)
class Section:
    """A titled part of the page."""

    title: str
    blocks: Sequence[Block]


def page(run: Run, title: str, lead: Sequence[str], sections: Sequence[Section], *, other: Run | None = None) -> str:
    """Render the whole page: a title, sentences to begin with, and sections; `other` is a run beside the first."""
    return render("report.html", run=run, other=other, title=title, lead=lead, sections=sections, colours=CLASS_COLOURS)


def limits(*runs: Run) -> Section:
    """State what no report of these runs can say."""
    sides = " or ".join(dict.fromkeys(f"{run.side} x {run.side}" for run in runs))
    about = (
        f"A detector knows images like those it was trained on, at {sides} pixels, and nothing else. "
        "Other generators, other cameras and other resampling change its verdicts, often without lowering its "
        "confidence."
    )
    return Section("What this report cannot say", [Bullets([about, *_LIMITS])])


def of_all(found: pd.DataFrame, several: str) -> str:
    """Return a sentence on how many groups a chart shows if it leaves out the smaller ones, else ""."""
    shown, of = len(largest(found)), len(found)
    return f" Shown are the {shown} of {of:,} {several} with the most images." if shown < of else ""


def sentence(one: str | Line) -> str:
    """Return a finding's line as HTML that needs no escaping; text stays text."""
    return Markup(as_html(one)) if isinstance(one, Line) else one  # noqa: S704 - escaped by `as_html`


def listed(values: Mapping[str, Any]) -> str:
    """Write settings in one line."""
    return ", ".join(f"{str(key).replace('_', ' ')} {value}" for key, value in values.items()) or "none"
