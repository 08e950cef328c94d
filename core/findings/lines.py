"""Sentences with class names, numbers and intervals marked up, so that a renderer need not search the text for them."""

from __future__ import annotations

import html as _html
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from string import Formatter
from typing import Literal

CLASSES = ("REAL", "FAKE")
Kind = Literal["plain", "class", "name", "number", "interval"]


@dataclass(frozen=True)
class Span:
    """A piece of a sentence: its text, and what it is."""

    text: str
    kind: Kind = "plain"


@dataclass(frozen=True)
class Line:
    """A sentence, or part of one. As text it has no markup."""

    spans: tuple[Span, ...] = ()

    def __str__(self) -> str:
        return "".join(span.text for span in self.spans)

    def __bool__(self) -> bool:
        return bool(self.spans)

    def __add__(self, other: Line) -> Line:
        return Line(self.spans + other.spans)

    def capital(self) -> Line:
        """The same with a capital letter at its beginning."""
        if not self.spans:
            return self
        first, *rest = self.spans
        return Line((replace(first, text=first.text[:1].upper() + first.text[1:]), *rest))

    def show(self, mark: Callable[[Span], str]) -> str:
        """The same as marked-up text, span by span."""
        return "".join(map(mark, self.spans))


Part = Line | Span | str | int


def line(template: str, **parts: Part) -> Line:
    """Build a sentence from a template with named placeholders.

    Args:
        template: "{share} of {verdict} verdicts become {REAL}."; {REAL} and {FAKE} need no part.
        parts: a value for each placeholder; the text "REAL" or "FAKE" becomes a class span, an int plain text.
    """
    spans: list[Span] = []
    for text, name, _, _ in Formatter().parse(template):
        spans.append(Span(text))
        if name is not None:
            spans += as_line(name if name in CLASSES else parts[name]).spans
    return Line(tuple(span for span in spans if span.text))


def as_line(part: Part) -> Line:
    """A part of a sentence as a line."""
    if isinstance(part, Line):
        return part
    if isinstance(part, Span):
        return Line((part,))
    if isinstance(part, int):
        return Line((Span(f"{part:,}"),))
    return Line((Span(part, "class" if part in CLASSES else "plain"),)) if part else Line()


def listed(parts: Sequence[Part], last: str = " and ") -> Line:
    """ "a, b and c"."""
    found = Line()
    for number, part in enumerate(parts):
        if number:
            found += Line((Span(last if number == len(parts) - 1 else ", "),))
        found += as_line(part)
    return found


def joined(parts: Iterable[Line], between: str = " ") -> Line:
    """Join the lines that are not empty."""
    found = Line()
    for part in parts:
        if part:
            found = found + Line((Span(between),)) + part if found else part
    return found


def html(one: Line) -> str:
    """A line as HTML: numbers bold, intervals small, names of detectors as code, classes named by `class`."""
    return one.show(_as_html)


def _as_html(span: Span) -> str:
    text = _html.escape(span.text)
    if span.kind == "class":
        return f'<b class="{text.lower()}">{text}</b>'
    tag = {"number": "b", "interval": "small", "name": "code"}.get(span.kind)
    return f"<{tag}>{text}</{tag}>" if tag else text
