"""The findings of a study as a reader meets them: the question, the answer, and what it is compared with."""

import re
from collections.abc import Sequence

import streamlit as st

from core.studies.study import Finding
from dashboard.components.plain import plain
from dashboard.components.words import CLASS_WORDS

# finding -> the question that it answers
QUESTIONS = {
    "smallest_fake": "What turns FAKE verdicts most, for its size?",
    "smallest_real": "What turns REAL verdicts most, for its size?",
    "detail_out": "What must be taken out of a FAKE image to make it REAL?",
    "detail_in": "Does putting it into a REAL image make that FAKE?",
    "finest_levels": "Does it see differences of 1 or 2 in value?",
    "shape_texture": "Shape or texture?",
    "colour": "Does colour decide?",
    "detail_back": "Does a REAL image's detail make a FAKE one REAL?",
    "place": "Is there one place that decides?",
    "compression": "Do blur and compression hide it?",
    "light": "Does light decide?",
    "geometry": "Does it matter how the picture lies?",
}


def findings(found: Sequence[Finding], *, first: int) -> None:
    """Draw findings as cards, those after the first few folded away."""
    _cards(found[:first])
    if len(found) > first:
        with st.expander(f"{len(found) - first} more answers"):
            _cards(found[first:])


def _cards(found: Sequence[Finding]) -> None:
    with st.grid(2, min_column_width=340, gap="medium"):
        for one in found:
            with st.container(border=True, height="stretch", gap="small"):
                _card(one)


def _card(one: Finding) -> None:
    if one.key in QUESTIONS:
        st.markdown(f"**{QUESTIONS[one.key]}**")
    answer, compared = answer_and_control(one.sentence)
    st.markdown(scannable(coloured(plain(answer))))
    if compared:
        st.caption(scannable(coloured(plain(compared))))


def answer_and_control(text: str) -> tuple[str, str]:
    """A finding's first sentence, the answer, and what follows it, the controls."""
    answer, *rest = re.split(r"(?<=\.) (?=[A-Z])", text, maxsplit=1)
    return answer, "".join(rest)


def parts(sentence: str) -> tuple[str, str]:
    """A finding's answer, and what it says beside: its controls and comparisons."""
    answer, mark, compared = sentence.partition("; ")
    return (f"{answer}.", compared[0].upper() + compared[1:]) if mark and compared else (sentence, "")


def bullets(sentences: Sequence[str]) -> None:
    """Draw sentences, which are no Markdown, as a list."""
    st.markdown("\n".join(f"- {scannable(coloured(plain(sentence)))}" for sentence in sentences))


def scannable(text: str) -> str:
    """Shares bold and their intervals grey, so that the eye finds the numbers."""
    return re.sub(r"(\d[\d.]*[ \u00a0]%) (\([^()]* to [^()]*%\))", r"**\1** :gray[\2]", text)


def coloured(text: str) -> str:
    """The names of the classes in their colours."""
    return re.sub(r"\b(REAL|FAKE)\b", lambda found: CLASS_WORDS[found[1]], text)
