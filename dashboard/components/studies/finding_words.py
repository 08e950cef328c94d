"""Findings on a page: their words come from `core.findings.words`, their look from here."""

import re
from collections.abc import Iterable, Sequence

import streamlit as st

from core.findings.finding import Finding
from core.findings.lines import Line, Span, joined
from core.findings.numbers import signed
from core.findings.words import tell
from dashboard.components.plain import code, inline
from dashboard.components.words import CLASS_WORDS, percent

NOT_MEASURED = "Not measured yet."
PLAIN_CLASS_WORDS = {name: words.replace("*", "") for name, words in CLASS_WORDS.items()}


def card(one: Finding, *, brief: bool = False) -> None:
    """Draw a finding with its number large, where it has a label, above its sentences; `brief` makes these its help."""
    told = tell(one)
    sentences = markdown(joined([told.answer, told.control]))
    if told.label and one.measure.known:
        share = one.about.unit == "share"
        value = percent(one.measure.value, 0) if share else signed(one.measure.value)
        st.markdown(f"### {told.number or value}", help=sentences if brief else None)
        st.markdown(markdown(told.label))
        if brief:
            return
    st.caption(sentences)


def bullets(found: Iterable[Finding]) -> None:
    """Draw findings as a list of sentences."""
    st.markdown("\n".join(f"- {markdown(tell(one).full)}" for one in found))


def answers(found: Sequence[Finding]) -> Line:
    """What findings say of their first quantity, for each group."""
    return joined([tell(one).answer for one in found if one.quantity == found[0].quantity])


def markdown(one: Line) -> str:
    """A line with its numbers bold, its intervals grey, names of detectors as code and its classes in their colours."""
    return one.show(_marked)


def _marked(span: Span) -> str:
    if span.kind == "class":
        return CLASS_WORDS[span.text]
    if span.kind == "name":
        return code(span.text)
    text = inline(span.text)
    return {"number": f"**{text}**", "interval": f":gray[{text}]"}.get(span.kind, text)


def strong(one: Line) -> str:
    """A line all in bold, names of detectors as code and the classes in their colours."""
    return f"**{one.show(_plainly)}**"


def _plainly(span: Span) -> str:
    if span.kind == "class":
        return PLAIN_CLASS_WORDS[span.text]
    return code(span.text) if span.kind == "name" else inline(span.text)


def coloured(text: str) -> str:
    """The names of the classes in their colours, in a sentence about a single image."""
    return re.sub(r"\b(REAL|FAKE)\b", lambda found: CLASS_WORDS[found[1]], text)
