"""Text on pages: sentences and numbers of ours, the glossary's terms, and text that is not ours, made safe.

What comes from elsewhere shows in Streamlit's Markdown as it was written and does nothing.
"""

import html
import re
from pathlib import Path

import streamlit as st

from core.console import BIDIRECTIONAL, one_direction
from core.findings.numbers import unbroken_percent

NO_BREAK = "\u00a0"
THE_PAPER = (
    "David Blankenship, [*Applications of XAI for AI-Generated Image Discrimination*]"
    "(https://github.com/General-Cow/XAI-For-AI-Image-Detection)"
)
percent = unbroken_percent
CLASS_WORDS = {"REAL": ":blue[**REAL**]", "FAKE": ":orange[**FAKE**]"}
# every term in plain words, for the page Help and for the help beside a term
TERMS: dict[str, str] = dict(
    re.findall(r"^### (.+)\n\n(.+)$", (Path(__file__).parents[1] / "glossary.md").read_text("utf-8"), re.MULTILINE)
)
# the letters that begin or end emphasis, code, links, pictures, HTML, formulas, tables and struck text; an underscore
# within a word is none of them
INLINE = re.compile(r"([\\`*\[\]<>&$~|]|(?<![^\W_])_|_(?![^\W_]))")
# what makes a heading, a list or a rule of a line that it begins
LEADING = re.compile(r"^(?:(?P<mark>[#+=-])|(?P<number>\d+)(?P<after>[.)])(?=\s|$))")
# directives, icons, emoji, URLs and e-mail addresses are matched after unescaping: only an invisible character in
# between prevents that
JOINER = "\N{WORD JOINER}"
FOUND_LATER = re.compile(r":(?=\S)|@(?=[-\w]+\.)|www(?=\.)", re.IGNORECASE)
COMMAND = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
# a fence's language would draw some of them as diagrams, which can hold pictures
LANGUAGE = re.compile(
    r"^((?:\[\^(?:\\.|[^\]\\\n])*\]:|[ \t>*+\-\d.)])*)(?:(`{3,})[^`\n]*|(~{3,})[^\n]*)$", re.MULTILINE
)


def short_percent(share: float) -> str:
    """Write a share as there is room for beneath a small picture: ">99%"."""
    return percent(share, 0).replace(f"over{NO_BREAK}", ">").replace(f"under{NO_BREAK}", "<")


def heading(title: str, shows: str, *, help: str | None = None) -> None:
    """A page's title, and what it shows."""
    draw_title(title, help=help)
    st.markdown(f":gray[{shows}]")


def draw_title(title: str, *, help: str | None = None) -> None:
    """A page's title alone."""
    st.title(title, anchor=False, help=help)
    # parts of a page are headings of the third level, and a screen reader misses the second
    with st.container(key="unseen"):
        st.markdown('<div role="heading" aria-level="2">What this page shows</div>', unsafe_allow_html=True)


def draw_verdict(text: str) -> None:
    """Draw a verdict or an answer, in the one size that every page gives it."""
    st.header(coloured(text), anchor=False)


def coloured(text: str) -> str:
    """Set the names of the classes in their colours, in a sentence of ours."""
    for name, words in CLASS_WORDS.items():
        text = re.sub(rf"\b{name}\b", words, text)
    return text


def thing_of(category: object, otherwise: str = "") -> str:
    """Say what an image shows: "grace hopper" for the category "grace_hopper"."""
    return category.replace("_", " ") if isinstance(category, str) else otherwise


def name_paper() -> None:
    """Say which paper is meant, where a page first speaks of it."""
    st.caption(f"The paper: {THE_PAPER} (undated).")


def explain(*terms: str, also: str = "") -> str:
    """Return the help beside terms: each with its text, and what is specific to the place.

    Raises:
        KeyError: a term that the glossary does not have.
    """
    texts = [f"**{term}**: {TERMS[term]}" for term in terms]
    return "\n\n".join([*texts, also] if also else texts)


def terms_in(*texts: str) -> tuple[str, ...]:
    """The terms that occur in texts from elsewhere, in the glossary's order."""
    whole = " ".join(texts)
    return tuple(term for term in TERMS if re.search(rf"\b{re.escape(term)}s?\b", whole, re.IGNORECASE))


def plain(text: object) -> str:
    """Return Markdown that shows a text verbatim, on one line and stripped.

    For every name, tag, category or sentence that comes from a disk, a URL or a visitor. A colon before a visible
    character is followed by an invisible word joiner.

    Args:
        text: what to show; anything but text is shown as `str` writes it.
    """
    line = inline(str(text).strip())
    # a group that is not there is empty
    return LEADING.sub(r"\g<number>\\\g<mark>\g<after>", line)


def with_code(text: object) -> str:
    """Escape a sentence from core like `plain`, but show text in backticks, mostly a command, as code."""
    parts = COMMAND.split(str(text).strip())
    return "".join(code(part) if number % 2 else inline(part) for number, part in enumerate(parts))


def inline(text: str) -> str:
    """`plain` for a part of a line: the spaces around it stay."""
    line = INLINE.sub(r"\\\1", re.sub(r"[^\S \u00a0]+", " ", one_direction(text)))
    return FOUND_LATER.sub(rf"\g<0>{JOINER}", line)


def code(text: object) -> str:
    """Markdown that shows a text as code, on one line."""
    line = " ".join(one_direction(str(text)).splitlines())
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if "`" in line else f"{fence}{line}{fence}"


def without_pictures(markdown: str) -> str:
    """A stranger's Markdown with its pictures as text, so that no browser asks for them."""
    # a lone carriage return ends a line, too
    text = re.sub(r"\r\n?", "\n", BIDIRECTIONAL.sub("", markdown))
    text = text.replace("![", r"!\[")
    return LANGUAGE.sub(r"\1\2\3", text)


def figure_text(text: object) -> str:
    """A text for a Plotly figure, which reads some HTML and fills in `%{...}`."""
    return html.escape(one_direction(str(text)), quote=False).replace("%{", f"%{JOINER}{{")
