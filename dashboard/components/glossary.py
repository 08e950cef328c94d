"""Every term in plain words, from `dashboard/glossary.md`, for the page Help and for the help beside a term."""

import re
from pathlib import Path

TERMS: dict[str, str] = dict(
    re.findall(r"^### (.+)\n\n(.+)$", (Path(__file__).parents[1] / "glossary.md").read_text("utf-8"), re.MULTILINE)
)


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
