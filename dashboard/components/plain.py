"""Text that is not ours, made safe to stand in Streamlit's Markdown: it shows as it was written and does nothing."""

import re

# the letters that begin or end emphasis, code, links, pictures, HTML, formulas, tables and struck text
INLINE = re.compile(r"([\\`*_\[\]<>&$~|])")
# what makes a heading, a list or a rule of a line that it begins
LEADING = re.compile(r"^(?:(?P<mark>[#+=-])|(?P<number>\d+)(?P<after>[.)]))")
# directives, icons, emoji and addresses are found after the escapes are gone: only a letter in between stops that
JOINER = "\N{WORD JOINER}"
FOUND_LATER = re.compile(r":(?=\S)|\bwww(?=\.)", re.IGNORECASE)


def plain(text: object) -> str:
    """Markdown that shows a text as it is, on one line.

    For every name, tag, category or sentence that comes from a disk, an address or a visitor. A name with a colon gets
    an invisible letter after it.

    Args:
        text: what to show; anything but text is shown as `str` writes it.
    """
    line = INLINE.sub(r"\\\1", " ".join(str(text).split()))
    line = LEADING.sub(lambda found: rf"{found['number'] or ''}\{found['mark'] or found['after']}", line)
    return FOUND_LATER.sub(lambda found: found[0] + JOINER, line)
