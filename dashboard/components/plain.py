"""Text that is not ours, made safe to stand in Streamlit's Markdown: it shows as it was written and does nothing."""

import html
import re

from core.console import BIDIRECTIONAL, one_direction

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
